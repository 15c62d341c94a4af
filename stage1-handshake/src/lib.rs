//! Stage 1: the TCP handshake, and what it settles.
//!
//! Three packets, and both programs know the same two addresses: [`handshake`]
//! is what they know. The [`server`] waits for one connection, the [`client`]
//! makes it, and nothing is said.

pub mod client;
pub mod handshake;
pub mod server;
