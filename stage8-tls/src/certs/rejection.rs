//! Why no client would accept a certificate: the mistakes that people make when they
//! make certificates by hand, each with its cause and what to do.
//!
//! The server looks for them in its own certificate before it listens, so that the
//! person who can mend it learns of it. A client finds them in the server's.

use super::info::CertificateInfo;
use common::escape::escape;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, RootCertStore};
use std::net::IpAddr;
use std::sync::Arc;

/// Why no client accepts a certificate. The texts go on after the name of the
/// certificate: `server.pem: has no names…`, `its certificate has no names…`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// `openssl x509 -req` without `-extfile` makes such a certificate.
    #[error(
        "is an X.509 certificate of version 1, which cannot hold the names of a server; sign it again with \
         openssl x509 -req … -extfile FILE, where FILE has a line such as \
         subjectAltName=DNS:localhost,IP:127.0.0.1"
    )]
    Version1,
    /// `openssl req -x509` makes one, and it is then used as server.pem and as ca.pem.
    #[error(
        "is the certificate of an authority (CA:TRUE), not of a server; one self-signed certificate cannot be both. \
         Let it sign a second one, for the server, or let stage8-certs make the two"
    )]
    IsAuthority,
    /// No `subjectAltName`.
    #[error(
        "has no names: the common name in its subject counts for nothing (RFC 9525); sign it again with \
         subjectAltName=DNS:localhost,IP:127.0.0.1, or what else clients connect to"
    )]
    NoNames,
    /// `DNS:127.0.0.1`.
    #[error(
        "has the address {0} as a host name, which is another kind of name; sign it again with \
         subjectAltName=IP:{0} in place of DNS:{0}"
    )]
    AddressAsHostName(IpAddr),
    /// RSA below 2048 bits.
    #[error(
        "has a weak key ({0}); make one with: openssl ecparam -genkey -name prime256v1 -noout, or RSA with 2048 bits"
    )]
    WeakKey(String),
    /// `extendedKeyUsage` without `serverAuth`.
    #[error("is not for servers; sign it again with extendedKeyUsage=serverAuth")]
    NotForServers,
    /// Another key has signed it.
    #[error("is not signed by the authority in ca.pem; clients that have this ca.pem would not accept it")]
    OtherAuthority,
    /// Anything else.
    #[error("would be accepted by no client ({0})")]
    Other(String),
}

impl Rejection {
    /// The words of the library, in which there can be names from the certificate.
    fn other(error: &impl ToString) -> Rejection {
        Rejection::Other(escape(&error.to_string()).into_owned())
    }

    /// What can be seen in a server's certificate itself.
    fn seen_in(certificate: &CertificateInfo) -> Option<Rejection> {
        if certificate.version == 1 {
            Some(Rejection::Version1)
        } else if certificate.has_weak_key {
            Some(Rejection::WeakKey(certificate.key.clone()))
        } else if certificate.is_authority {
            Some(Rejection::IsAuthority)
        } else if certificate.names.is_empty() {
            Some(Rejection::NoNames)
        } else {
            certificate.address_as_host_name.map(Rejection::AddressAsHostName)
        }
    }

    /// What rustls says about a server's certificate; `None` for what is not a mistake
    /// in the making of it: a date, a name, an authority that this client does not know.
    pub(crate) fn from_rustls(error: &CertificateError) -> Option<Rejection> {
        match error {
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Some(Rejection::NotForServers)
            }
            CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
                Some(Rejection::NoNames)
            }
            CertificateError::NotValidForNameContext {
                expected: ServerName::IpAddress(expected),
                presented,
            } => {
                // rustls shows the names of a certificate as `DnsName("localhost")`.
                let expected = IpAddr::from(*expected);
                let as_host_name = format!("DnsName(\"{expected}\")");
                presented.contains(&as_host_name).then_some(Rejection::AddressAsHostName(expected))
            }
            CertificateError::Other(error) => Some(match error.0.downcast_ref() {
                Some(webpki::Error::UnsupportedCertVersion) => Rejection::Version1,
                Some(webpki::Error::CaUsedAsEndEntity) => Rejection::IsAuthority,
                _ => Rejection::other(&error.0),
            }),
            _ => None,
        }
    }
}

/// Verifies a server's certificate as a client does that trusts `authorities`. Only the dates
/// are not looked at: a certificate that has expired was made well.
pub(super) fn verify(
    chain: &[CertificateDer<'_>],
    certificate: &CertificateInfo,
    authorities: RootCertStore,
) -> Result<(), Rejection> {
    if let Some(rejection) = Rejection::seen_in(certificate) {
        return Err(rejection);
    }
    let (Some((server, between)), Some(name)) = (chain.split_first(), certificate.name_to_verify()) else {
        return Err(Rejection::NoNames);
    };
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), provider)
        .build()
        .map_err(|error| Rejection::other(&error))?;
    match verifier.verify_server_cert(server, between, &name, &[], certificate.valid_time()) {
        Err(rustls::Error::InvalidCertificate(error)) => match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Err(Rejection::OtherAuthority)
            }
            // Of the authority's certificate, or of one between.
            CertificateError::ExpiredContext { .. } | CertificateError::NotValidYetContext { .. } => Ok(()),
            error => Err(Rejection::from_rustls(&error).unwrap_or_else(|| Rejection::other(&error))),
        },
        verified => verified.map(drop).map_err(|error| Rejection::other(&error)),
    }
}
