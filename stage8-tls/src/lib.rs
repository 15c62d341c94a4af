//! Stage 8: TLS, and private messages that the server cannot read.
//!
//! [`tls`] makes each connection secret between its two ends, and [`certs`] make it
//! certain which ends these are. What the server is still able to read, it does
//! not get to see: [`identity`] seals private messages for their receiver. The
//! [`public_keys`] for that are kept by the server, and asked for by [`commands`];
//! what happens around that in a client is [`e2e`].

pub mod certs;
pub mod client;
pub mod commands;
pub mod e2e;
pub mod hear;
pub mod identity;
pub mod public_keys;
pub mod server;
pub mod tls;
