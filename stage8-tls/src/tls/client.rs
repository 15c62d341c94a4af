//! The client's side of the handshake: which authority the user trusts, and the check
//! that the server has a certificate from it.

use super::HANDSHAKE_TIMEOUT;
use super::handshake::shake_hands;
use super::handshake_error::{self, HandshakeError};
use super::stream::TlsStream;
use crate::certs::{PemError, authorities};
use common::endpoint::Endpoint;
use common::net::{self, NetError};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Which servers to trust. There is no option that turns the check off.
#[derive(clap::Args, Clone, Debug)]
pub struct TrustArgs {
    /// Certificate of the authority that has signed the server certificate, a copy of the server's ca.pem
    #[arg(long, value_name = "FILE", default_value = "certs/ca.pem")]
    pub ca: PathBuf,

    /// Name that the server certificate must have, if it is not the host in --connect
    #[arg(long, value_name = "NAME", value_parser = server_name)]
    pub server_name: Option<ServerName<'static>>,
}

/// clap's reader for `--server-name`.
fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    let name = ServerName::try_from(text).map_err(|_| "neither a host name nor an IP address".to_owned())?;
    Ok(name.to_owned())
}

/// Makes encrypted connections to one server, whose name and authority it knows: a
/// client's first one and those after it.
#[derive(Debug)]
pub struct TlsConnector {
    config: Arc<ClientConfig>,
    to: Endpoint,
    name: ServerName<'static>,
    /// The file of the authority, for texts.
    ca: PathBuf,
}

/// Why it is not known which server to trust.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file of the authority cannot be used.
    #[error("CA file {path}: {error}; it should be a copy of the server's ca.pem, from its folder certs/ (--ca FILE names it)", path = .path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: PemError,
    },
    /// The host in `--connect` is not a name that a certificate could have.
    #[error("no certificate can be for {0:?}; say which name the server's has, with --server-name NAME")]
    Name(String),
}

/// Why there is no encrypted connection to the right server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no TCP connection.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The handshake failed: the certificate is not trusted, or what answers speaks no TLS, or
    /// not in time.
    #[error("no encrypted connection to {to}: {why}")]
    Handshake {
        /// Where the server should be.
        to: Endpoint,
        /// What happened, and what to do about it.
        why: String,
        /// `true` if the server has no certificate that this client trusts. It will be the same
        /// a second later, and there may be an attacker in between: no reason to try again.
        is_not_trusted: bool,
    },
}

impl TrustArgs {
    /// Reads the CA file. `connect` is where the server is.
    ///
    /// # Errors
    /// When the file cannot be used, or no certificate can have the host's name.
    pub fn load(&self, connect: &Endpoint) -> Result<TlsConnector, TrustError> {
        let authorities =
            authorities(&self.ca).map_err(|error| TrustError::Authority { path: self.ca.clone(), error })?;
        let config = ClientConfig::builder_with_provider(super::provider())
            .with_safe_default_protocol_versions()
            .expect("ring has ciphers for TLS 1.3 and 1.2")
            .with_root_certificates(authorities)
            .with_no_client_auth();
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => server_name(connect.host()).map_err(|_| TrustError::Name(connect.host().to_owned()))?,
        };
        Ok(TlsConnector { config: Arc::new(config), to: connect.clone(), name, ca: self.ca.clone() })
    }
}

impl TlsConnector {
    /// Connects, and returns when the server's certificate is verified.
    ///
    /// # Errors
    /// Why there is no connection, with what to do about it.
    pub fn connect(&self) -> Result<TlsStream, ConnectError> {
        let socket = Arc::new(net::connect(&self.to)?);
        let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
        ClientConnection::new(self.config.clone(), self.name.clone())
            .map_err(HandshakeError::Tls)
            .and_then(|connection| shake_hands(&socket, connection.into(), deadline, None))
            .map_err(|error| {
                let why = handshake_error::for_the_user(&error, &self.name, &self.ca);
                let is_not_trusted =
                    matches!(error, HandshakeError::Tls(rustls::Error::InvalidCertificate(_)));
                ConnectError::Handshake { to: self.to.clone(), why, is_not_trusted }
            })
    }
}

#[cfg(test)]
impl TlsConnector {
    /// The client's end without a socket.
    pub(super) fn connection(&self) -> ClientConnection {
        ClientConnection::new(self.config.clone(), self.name.clone()).unwrap()
    }
}
