//! Stage 3: one thread per client, and what can go wrong between threads.
//!
//! Stage 2's protocol and stage 2's client. The [`server`] hands each client to
//! a thread of its own; [`workers`] is who starts these threads, who waits for
//! them, and what becomes of one that fails. The threads share nothing yet. What
//! happens when they do is in the [`experiments`].

pub mod experiments;
pub mod server;
pub mod workers;

/// The client's flow is stage 2's, unchanged: a client cannot tell whether it
/// is the only one, and need not.
pub use stage2_echo::client;
