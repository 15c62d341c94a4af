//! The texts for a failed handshake: for the server's log, and for the user of a client.

use super::handshake::HandshakeError;
use crate::certs::Rejection;
use common::escape::escape;
use rustls::ProtocolVersion;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, CipherSuite, Connection, Error, PeerIncompatible};
use std::fmt;
use std::path::Path;
use time::OffsetDateTime;

/// Version and cipher suite.
pub(super) fn negotiated(connection: &Connection) -> String {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS",
    };
    let suite =
        connection.negotiated_cipher_suite().map_or(CipherSuite::TLS_NULL_WITH_NULL_NULL, |s| s.suite());
    format!("{version} with {suite:?}")
}

impl std::error::Error for HandshakeError {}

/// The text for the server's log, after the address of the client.
impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use AlertDescription as Alert;
        f.write_str(match self {
            HandshakeError::NotTls => "spoke no TLS",
            HandshakeError::Silent => "spoke no TLS: it said nothing at all",
            HandshakeError::TooSlow => "did not finish the handshake in time",
            HandshakeError::TooMany => "had to wait too long: too many handshakes at once",
            HandshakeError::Left => "left in the middle of the handshake",
            HandshakeError::Tls(Error::AlertReceived(alert)) => match alert {
                Alert::UnknownCA => {
                    "it does not trust our certificate (alert unknown_ca): it needs this server's ca.pem"
                }
                Alert::CertificateExpired => {
                    "our certificate is not valid now, by its clock (alert certificate_expired)"
                }
                Alert::BadCertificate | Alert::CertificateUnknown => {
                    "it does not accept our certificate (alert bad_certificate): most likely it expected another name"
                }
                Alert::DecryptError => {
                    "our certificate's signature is not from the authority that it trusts (alert decrypt_error)"
                }
                other => return write!(f, "it ended the handshake (alert {other:?})"),
            },
            HandshakeError::Tls(Error::PeerIncompatible(reason)) => match reason {
                PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::SupportedVersionsExtensionRequired
                // TLS 1.2 brought this extension, and every client of that version sends it.
                | PeerIncompatible::SignatureAlgorithmsExtensionRequired => {
                    "no version in common: it offers less than TLS 1.2"
                }
                PeerIncompatible::NoCipherSuitesInCommon => "no cipher suite in common",
                other => return write!(f, "nothing in common: {other:?}"),
            },
            HandshakeError::Tls(error) => return write!(f, "the handshake failed: {error}"),
            HandshakeError::Lost(error) => return write!(f, "lost in the handshake: {error}"),
        })
    }
}

/// The text for the user of a client: what is wrong, and what to do about it. `name` is
/// what the client expected the server to be, `ca` the file of the authority.
pub(super) fn to_a_client(failure: &HandshakeError, name: &ServerName<'_>, ca: &Path) -> String {
    let ca = ca.display();
    let name = name.to_str();
    match failure {
        HandshakeError::NotTls => "what answers there speaks no TLS. Is it a server of an earlier stage? \
                            Stage 8 listens on port 9008, unless told otherwise"
            .to_owned(),
        HandshakeError::Silent => {
            "what is there does not answer in TLS. Is it a server of an earlier stage? \
                            Stage 8 listens on port 9008, unless told otherwise"
                .to_owned()
        }
        HandshakeError::Tls(Error::InvalidCertificate(problem)) => {
            certificate(problem, &name, &ca.to_string())
        }
        HandshakeError::Tls(Error::AlertReceived(AlertDescription::ProtocolVersion)) => {
            "the server wants another version of TLS; this client speaks 1.2 and 1.3".to_owned()
        }
        HandshakeError::Tls(Error::AlertReceived(alert)) => format!("the server refuses (alert {alert:?})"),
        HandshakeError::Tls(Error::PeerIncompatible(_)) => {
            "the server offers nothing newer than TLS 1.1, or no cipher that is safe".to_owned()
        }
        HandshakeError::Tls(error) => format!("the handshake failed: {error}"),
        HandshakeError::Left => {
            "the server closed the connection during the handshake; its log says why".to_owned()
        }
        HandshakeError::TooSlow | HandshakeError::TooMany => {
            "the handshake was not complete in time; is the server overloaded? Try again".to_owned()
        }
        HandshakeError::Lost(error) => format!("the connection broke during the handshake: {error}"),
    }
}

fn certificate(problem: &CertificateError, name: &str, ca: &str) -> String {
    if let Some(rejection) = Rejection::from_error(problem) {
        return format!("its certificate {rejection}. (That is for the person who runs the server.)");
    }
    match problem {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "its certificate is not from the authority in {ca}. Get the server's own ca.pem, by a way that you \
             trust, and name it with --ca FILE. If {ca} is that file, another program answers in the server's place"
        ),
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "its certificate expired on {}. The person who runs the server makes new ones with stage8-certs --force \
             and hands out the new ca.pem; if that date is still to come, this machine's clock is wrong",
            date(*not_after)
        ),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "its certificate is not valid before {}. If that is past, this machine's clock is wrong",
            date(*not_before)
        ),
        CertificateError::NotValidForNameContext { presented, .. } => format!(
            "its certificate is not for {name} but for {}. Connect by one of these, or name it with \
             --server-name NAME if you are sure that it is this server that you want",
            names(presented)
        ),
        other => format!("its certificate is not valid ({})", escape(&other.to_string())),
    }
}

/// The names of a certificate, safe to show. rustls has them as `DnsName("localhost")`.
fn names(presented: &[String]) -> String {
    let plain = |name: &String| match name.split_once('(') {
        Some((_, rest)) => rest.trim_end_matches(')').trim_matches('"').to_owned(),
        None => name.clone(),
    };
    escape(&presented.iter().map(plain).collect::<Vec<_>>().join(", ")).into_owned()
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds)
        .map_or_else(|_| "a day that no calendar has".to_owned(), crate::certs::date)
}
