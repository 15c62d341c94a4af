//! The locks of the [outbox](crate::outbox), named in one place so that its
//! test can put models of them there.

pub use std::sync::{Condvar, Mutex, MutexGuard};
