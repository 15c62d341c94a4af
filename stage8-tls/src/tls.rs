//! TLS: a secret that a client and a server agree on although they have never met, and
//! the proof that the server is the right one.
//!
//! Stage 6 had one key for all, in a secret file that every user had. Here each
//! connection has keys of its own: client and server agree on them in the handshake
//! (`handshake.rs`) and forget them at its end. In place of the secret file there is one
//! that is no secret, the certificate of an authority that vouches for the server's name
//! ([`crate::certs`]).
//!
//! The protocol itself is rustls', which knows no sockets and no threads. This module
//! brings it together with both (`stream.rs`). A server makes a [`TlsAcceptor`]. A client
//! makes a [`TlsConnector`] from its [`TrustArgs`]. Both get a [`TlsStream`] from it, and
//! what reads and writes lines above is the same as without TLS.

mod client;
mod handshake;
mod handshake_error;
mod server;
mod stream;

pub use client::{ConnectError, TlsConnector, TrustArgs, TrustError};
pub use handshake_error::HandshakeError;
pub use server::{HANDSHAKE_TIMEOUT, TlsAcceptor};
pub use stream::TlsStream;

use rustls::crypto::{CryptoProvider, ring};
use std::sync::Arc;

/// The cryptography below TLS. It is always named: in a program with two providers,
/// rustls could not choose, and would panic at run time.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    // Of the ciphers that both sides know, the first in the server's list is taken: AES with
    // 128 bits, the fastest on a processor with instructions for AES. No computer can guess
    // such a key either. (The sort is stable.)
    let is_fastest = |name: &str| name.contains("AES_128");
    provider.cipher_suites.sort_by_key(|cipher| !cipher.suite().as_str().is_some_and(is_fastest));
    Arc::new(provider)
}

#[cfg(test)]
mod tests;
