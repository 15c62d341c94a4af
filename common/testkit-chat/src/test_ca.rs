//! Certificates of the check's own: what a server shows that it plays.

use crate::tls::{CA_FILE, carried};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};
use testkit::{Carried, Case, Peer, fail};
use time::OffsetDateTime;

/// An authority of the check's own.
pub struct TestCa {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl TestCa {
    /// One that no client trusts yet.
    #[allow(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("the system has random numbers");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // A name of its own, or what it issues looks as if it had issued itself.
        params.distinguished_name.push(DnType::CommonName, "an authority of the checks");
        let pem = params.self_signed(&key).expect("these parameters are valid").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Has the client in this case's folder trust it.
    pub fn put(&self, case: &Case) {
        self.put_in(&case.folder().join(CA_FILE));
    }

    /// Writes its certificate into a file of the case's folder.
    pub fn put_in(&self, path: &Path) {
        fs::create_dir_all(path.with_file_name("")).expect("the case's folder can be written to");
        fs::write(path, &self.pem).expect("the case's folder can be written to");
    }

    /// A certificate for these names.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.issue_until(names, OffsetDateTime::now_utc() + time::Duration::days(1))
    }

    /// A certificate for these names that was issued long ago and ends then.
    pub fn issue_until(&self, names: &[&str], end: OffsetDateTime) -> Identity {
        self.issue_between(names, OffsetDateTime::now_utc() - time::Duration::days(400), end)
    }

    /// A certificate for these names that is valid from `start` to `end`.
    pub fn issue_between(&self, names: &[&str], start: OffsetDateTime, end: OffsetDateTime) -> Identity {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names as the check gives them");
        params.not_before = start;
        params.not_after = end;
        params.use_authority_key_identifier_extension = true;
        params.distinguished_name.push(DnType::CommonName, "a server of the checks");
        let key = KeyPair::generate().expect("the system has random numbers");
        let certificate = params.signed_by(&key, &self.issuer).expect("these parameters are valid");
        let private = PrivateKeyDer::try_from(key.serialize_der()).expect("it was just written");
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("ring has both versions");
        let config = builder.with_no_client_auth().with_single_cert(vec![certificate.into()], private);
        Identity(Arc::new(config.expect("certificate and key belong together")))
    }
}

/// What a server of the check's own shows.
pub struct Identity(Arc<ServerConfig>);

impl Identity {
    /// The server's side of a handshake that must succeed.
    #[track_caller]
    pub fn accept(&self, case: &Case, stream: TcpStream) -> Peer {
        match self.try_accept(stream) {
            Ok(carried) => {
                let mut peer = case.carry("us", carried);
                peer.read_on();
                peer
            }
            Err(e) => fail("a TLS handshake of the client", e.to_string()),
        }
    }

    /// The server's side of a handshake, and why it failed.
    pub fn try_accept(&self, stream: TcpStream) -> io::Result<Carried> {
        let connection = ServerConnection::new(self.0.clone()).map_err(io::Error::other)?;
        carried(stream, connection.into())
    }
}
