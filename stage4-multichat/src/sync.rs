//! The locks of the [outbox](crate::outbox) and the [queue](crate::queue), named
//! in one place so that a test can put models of them there.

pub use std::sync::{Condvar, Mutex, MutexGuard};
