//! Stage 3: one thread per client, and what can go wrong between threads.
//!
//! The protocol and the client are stage 2's. The [`server`] hands each client to a
//! thread of its own. [`workers`] starts these threads, waits for them, and says
//! what happens to one that fails. The threads do not share data yet. What happens
//! when threads do is in the [`experiments`].

pub mod experiments;
pub mod server;
pub mod workers;

/// The client's flow is stage 2's, unchanged: a client cannot tell whether the
/// server has other clients, and need not.
pub use stage2_echo::client;
