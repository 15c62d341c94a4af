//! The server's side of the handshake.

use super::handshake::{HandshakeError, shake_hands};
use super::stream::TlsStream;
use crate::certs::ServerCertificate;
use rustix::net::SendFlags;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::{ServerConfig, ServerConnection};
use stage6_auth::semaphore::Semaphore;
use std::net::TcpStream;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a handshake may take, all of it. Over any network it takes a
/// fraction of a second; this is for those that never come to its end.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a client is told, in the clear, that does not speak TLS.
const REFUSAL: &str = "[SERVER] error: this server speaks TLS only; use stage8-client, or openssl s_client\n";

/// Takes connections in, encrypted.
pub struct Acceptor {
    config: Arc<ServerConfig>,
    /// A handshake costs half a millisecond of computing. Only as many compute
    /// at once as there are processors, so that a flood of handshakes waits for
    /// itself and not everybody for it. Whoever waits for the network is outside.
    computing: Semaphore,
    timeout: Duration,
}

impl Acceptor {
    /// For a server with this certificate.
    ///
    /// # Errors
    /// What rustls says, which should be nothing.
    pub fn new(certificate: &ServerCertificate) -> Result<Self, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(super::provider())
            .with_protocol_versions(super::VERSIONS)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate.key.clone())));
        // Ours has the fastest first, most clients' the longest key.
        config.ignore_client_order = true;
        // A client that comes back shakes hands anew. It saves half a millisecond
        // to remember it, and costs memory and, kept long enough, forward secrecy.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Ok(Acceptor {
            config: Arc::new(config),
            computing: Semaphore::new(processors),
            timeout: HANDSHAKE_TIMEOUT,
        })
    }

    /// With another limit for a handshake than [`HANDSHAKE_TIMEOUT`].
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Shakes hands with a client, and waits for it.
    ///
    /// # Errors
    /// Why there is no encrypted connection. The client has been told, as far as
    /// it can understand; what is left is to close.
    pub fn accept(&self, socket: &Arc<TcpStream>) -> Result<TlsStream, HandshakeError> {
        let deadline = Instant::now() + self.timeout;
        let connection = ServerConnection::new(self.config.clone())?;
        shake_hands(socket, connection.into(), deadline, Some(&self.computing)).inspect_err(|error| {
            if matches!(error, HandshakeError::NotTls | HandshakeError::Silent) {
                // A user with nc, or with the client of an earlier stage.
                let _ = rustix::net::send(socket, REFUSAL.as_bytes(), SendFlags::DONTWAIT);
            }
        })
    }
}
