//! The server's side of the handshake.

use super::engine::Side;
use super::handshake::{Computer, HandshakeError, shake_hands};
use super::stream::TlsStream;
use common::aside::aside;
use rustix::net::SendFlags;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection};
use stage6_auth::semaphore::Semaphore;
use std::net::TcpStream;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a handshake may take, all of it. Over any network it takes a
/// fraction of a second; this is for those that never come to its end.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// What a client is told, in the clear, that does not speak TLS.
const REFUSAL: &str = "[SERVER] error: this server speaks TLS only; use stage8-client, or openssl s_client\n";

/// Takes connections in, encrypted.
pub struct Acceptor {
    config: Arc<ServerConfig>,
    /// A handshake costs half a millisecond of computing. Only as many compute
    /// at once as there are processors, so that a flood of handshakes waits for
    /// itself and not everybody for it. Whoever waits for the network is outside.
    computing: Semaphore,
    limit: Duration,
}

impl Acceptor {
    /// For a server with this certificate, and those between it and the
    /// authority's if there are any, and the key to it.
    ///
    /// # Errors
    /// When certificate and key do not belong together.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(super::provider())
            .with_protocol_versions(super::VERSIONS)?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
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
            limit: HANDSHAKE_LIMIT,
        })
    }

    /// With another limit for a handshake than [`HANDSHAKE_LIMIT`].
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Shakes hands with a client, and waits for it: [aside], since that goes deep.
    ///
    /// # Errors
    /// Why there is no encrypted connection. The client has been told, as far as
    /// it can understand; what is left is to close.
    pub fn accept(&self, socket: &Arc<TcpStream>) -> Result<TlsStream, HandshakeError> {
        aside(|| self.shake_hands(socket)).map_err(HandshakeError::Lost)?
    }

    fn shake_hands(&self, socket: &Arc<TcpStream>) -> Result<TlsStream, HandshakeError> {
        let deadline = Instant::now() + self.limit;
        let side = || UnbufferedServerConnection::new(self.config.clone()).map(Side::Server);
        let turn = Turn { computing: &self.computing, deadline };
        let failure = match shake_hands(socket, deadline, side, &turn) {
            Err(failure) => failure,
            shaken => return shaken,
        };
        if matches!(failure, HandshakeError::NotTls | HandshakeError::Silent) {
            // Somebody with nc, or with an earlier stage's client.
            let _ = rustix::net::send(socket, REFUSAL.as_bytes(), SendFlags::DONTWAIT);
        }
        Err(failure)
    }
}

/// One client's computing, in its turn.
struct Turn<'a> {
    computing: &'a Semaphore,
    deadline: Instant,
}

impl Computer for Turn<'_> {
    fn compute<R: Send>(&self, work: impl FnOnce() -> R + Send) -> Result<R, HandshakeError> {
        let _turn = self.computing.acquire(self.deadline).ok_or(HandshakeError::Crowded)?;
        Ok(work())
    }
}
