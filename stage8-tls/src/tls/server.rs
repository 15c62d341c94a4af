//! The server's side of the handshake.

use super::handshake::shake_hands;
use super::handshake_error::HandshakeError;
use super::stream::TlsStream;
use crate::certs::ServerCertificate;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::{ServerConfig, ServerConnection};
use stage6_auth::semaphore::Semaphore;
use std::io::Write;
use std::net::TcpStream;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a handshake may take from its first to its last byte. Over any network it
/// takes a fraction of a second; this ends the ones that would never be complete.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The answer, in the clear, to a client that does not speak TLS.
const REFUSAL: &str = "[SERVER] error: this server speaks TLS only; use stage8-client, or openssl s_client\n";

/// Accepts encrypted connections: what all handshakes of a server have in common.
pub struct TlsAcceptor {
    config: Arc<ServerConfig>,
    /// A handshake costs half a millisecond of processor time. Only as many compute at
    /// the same time as there are processors: in a flood, the handshakes wait for each
    /// other, and the users who are in go on. A handshake that waits for the network
    /// has no permit.
    computing: Semaphore,
    /// [`HANDSHAKE_TIMEOUT`], or less in a test.
    pub(super) timeout: Duration,
}

impl TlsAcceptor {
    /// An acceptor for a server with this certificate.
    pub fn new(certificate: &ServerCertificate) -> Self {
        let mut config = ServerConfig::builder_with_provider(super::provider())
            // TLS 1.3 and 1.2. Every older version is broken (RFC 8996).
            .with_safe_default_protocol_versions()
            .expect("ring has ciphers for TLS 1.3 and 1.2")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate.key.clone())));
        // Our list begins with the fastest cipher, that of most clients with the longest key.
        config.ignore_client_order = true;
        // No session resumption: to remember a client saves half a millisecond, and costs
        // memory and, if it lasts long enough, forward secrecy.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let (config, computing) = (Arc::new(config), Semaphore::new(processors));
        TlsAcceptor { config, computing, timeout: HANDSHAKE_TIMEOUT }
    }

    /// Shakes hands with a client, and waits for it.
    ///
    /// # Errors
    /// Why there is no encrypted connection. The client has been told, as far as it can
    /// understand. The caller has to close the socket.
    pub fn accept(&self, socket: &Arc<TcpStream>) -> Result<TlsStream, HandshakeError> {
        let deadline = Instant::now() + self.timeout;
        let connection = ServerConnection::new(self.config.clone()).map_err(HandshakeError::Tls)?;
        shake_hands(socket, connection.into(), deadline, Some(&self.computing)).inspect_err(|error| {
            if matches!(error, HandshakeError::NotTls | HandshakeError::Silent) {
                // A user with nc, or with the client of an earlier stage.
                let _ = (&**socket).write(REFUSAL.as_bytes());
            }
        })
    }
}
