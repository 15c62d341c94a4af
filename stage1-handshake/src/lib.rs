//! Stage 1: the TCP handshake, and what it settles.
//!
//! After three packets both programs know the same two addresses: [`handshake`]
//! is what they know. The [`server`] waits for one connection and the [`client`]
//! makes it. No data is sent.

pub mod client;
pub mod handshake;
pub mod server;
