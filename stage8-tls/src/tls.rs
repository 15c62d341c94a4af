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
//! brings it together with both (`stream.rs`). A server makes an [`Acceptor`]. A client
//! makes a [`ServerTrust`] from its [`TrustArgs`]. Both get a [`TlsStream`] from it, and
//! what reads and writes lines above is the same as without TLS.

mod client;
mod error_text;
mod handshake;
mod nonblocking;
mod server;
mod stream;

pub use client::{ConnectError, ServerTrust, TrustArgs, TrustError};
pub use handshake::HandshakeError;
pub use server::{Acceptor, HANDSHAKE_TIMEOUT};
pub use stream::TlsStream;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, cipher_suite};
use std::sync::Arc;

/// The cryptography below TLS. It is always named: in a program with two providers,
/// rustls could not choose, and would panic at run time.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    // AES with 128 bits first, the fastest on a processor with instructions for AES. No
    // computer can guess such a key either.
    let fast = [
        cipher_suite::TLS13_AES_128_GCM_SHA256.suite(),
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256.suite(),
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256.suite(),
    ];
    provider.cipher_suites.sort_by_key(|suite| !fast.contains(&suite.suite()));
    Arc::new(provider)
}

#[cfg(test)]
mod tests;
