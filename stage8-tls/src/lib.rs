//! Stage 8: TLS, and private messages that the server cannot read.
//!
//! [`tls`] encrypts each connection, and with [`certs`] a client knows that it has the
//! right server. The server itself could still read every message. So clients seal
//! private ones for their receiver ([`identity`], [`e2e`]). The server stores the
//! [`public_keys`] for that, and clients ask for them with [`commands`]. What goes over a
//! connection can be compressed, and should not ([`compression`]).

pub mod certs;
pub mod client;
pub mod commands;
pub mod compression;
pub mod e2e;
pub mod identity;
pub mod public_keys;
pub mod read_line;
pub mod server;
pub mod tls;
