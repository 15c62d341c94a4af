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

/// What rustls says about a server's certificate, if that is a mistake in the making of it;
/// `None` for a date, a name, or an authority that this client does not know. The texts go on
/// after the name of the certificate: `server.pem: has no names…`, `its certificate has no names…`.
pub(crate) fn rejection(error: &CertificateError) -> Option<String> {
    let text = match error {
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not for servers; sign it again with extendedKeyUsage=serverAuth"
        }
        // No `subjectAltName`.
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "has no names: the common name in its subject counts for nothing (RFC 9525); sign it again with \
             subjectAltName=DNS:localhost,IP:127.0.0.1, or what else clients connect to"
        }
        CertificateError::NotValidForNameContext { expected: ServerName::IpAddress(expected), presented } => {
            // rustls shows the names of a certificate as `DnsName("localhost")`.
            let expected = IpAddr::from(*expected);
            let as_host_name = format!("DnsName(\"{expected}\")");
            return presented.contains(&as_host_name).then(|| address_as_host_name(expected));
        }
        CertificateError::Other(error) => match error.0.downcast_ref() {
            // `openssl x509 -req` without `-extfile` makes such a certificate.
            Some(webpki::Error::UnsupportedCertVersion) => {
                "is an X.509 certificate of version 1, which cannot hold the names of a server; sign it again with \
                 openssl x509 -req … -extfile FILE, where FILE has a line such as \
                 subjectAltName=DNS:localhost,IP:127.0.0.1"
            }
            // `openssl req -x509` makes one, and it is then used as server.pem and as ca.pem.
            Some(webpki::Error::CaUsedAsEndEntity) => {
                "is the certificate of an authority (CA:TRUE), not of a server; one self-signed certificate cannot be \
                 both. Let it sign a second one, for the server, or let stage8-certs make the two"
            }
            _ => return Some(other(&error.0)),
        },
        _ => return None,
    };
    Some(text.to_owned())
}

/// `DNS:127.0.0.1`.
fn address_as_host_name(address: IpAddr) -> String {
    format!(
        "has the address {address} as a host name, which is another kind of name; sign it again with \
         subjectAltName=IP:{address} in place of DNS:{address}"
    )
}

/// The words of the library, in which there can be names from the certificate.
fn other(error: &impl ToString) -> String {
    format!("would be accepted by no client ({})", escape(&error.to_string()))
}

/// Verifies a server's certificate as a client does that trusts `authorities`. Only the dates
/// are not looked at: a certificate that has expired was made well. The `chain` has it first.
///
/// # Errors
/// Why no client accepts it, in words as those of [`rejection`].
pub(super) fn verify(
    chain: &[CertificateDer<'_>],
    certificate: &CertificateInfo,
    authorities: RootCertStore,
) -> Result<(), String> {
    if certificate.has_weak_key {
        return Err(format!(
            "has a weak key ({}); make one with: openssl ecparam -genkey -name prime256v1 -noout, or RSA with 2048 bits",
            certificate.key
        ));
    }
    if let Some(address) = certificate.address_as_host_name {
        return Err(address_as_host_name(address));
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), provider)
        .build()
        .map_err(|error| other(&error))?;
    let (name, time) = (certificate.name_to_verify(), certificate.valid_time());
    match verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], time) {
        Err(rustls::Error::InvalidCertificate(error)) => match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Err(
                "is not signed by the authority in ca.pem; clients that have this ca.pem would not accept it"
                    .to_owned(),
            ),
            // Of the authority's certificate, or of one between.
            CertificateError::ExpiredContext { .. } | CertificateError::NotValidYetContext { .. } => Ok(()),
            error => Err(rejection(&error).unwrap_or_else(|| other(&error))),
        },
        verified => verified.map(drop).map_err(|error| other(&error)),
    }
}
