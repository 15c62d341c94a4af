//! TLS: a secret between two ends that have never met, and the certainty of who
//! is at the other one.
//!
//! What stage 6 lacked is here: each connection has keys of its own, agreed on
//! in the handshake and forgotten at its end, and instead of a secret file that
//! everybody has, a file that is no secret: the certificate of an authority that
//! vouches for the server's name. The library, rustls, knows no sockets; what is
//! done here is to bring it together with them, with threads that wait and with
//! locks that never do.
//!
//! A server makes an [`Acceptor`]; a client makes a [`ServerTrust`] from its
//! [`TrustArgs`]. Both get a [`TlsStream`] out of it.

mod client;
mod connection;
mod error_text;
mod handshake;
mod server;
mod stream;

pub use client::{ConnectError, ServerTrust, TrustArgs, TrustError};
pub use handshake::HandshakeError;
pub use server::{Acceptor, HANDSHAKE_TIMEOUT};
pub use stream::TlsStream;

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, cipher_suite};
use std::sync::Arc;

/// Everything older is broken in ways that have names (RFC 8996).
const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// The arithmetic below TLS. Always named like this, never left to be found out:
/// with two providers in one program, rustls would refuse to choose, at run time.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    // The fastest first, where the processor has instructions for AES: a key of
    // 128 bits cannot be guessed either.
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
