//! Why a handshake failed, with its texts: for the server's log, and for the user of a
//! client.

use crate::certs::rejection;
use common::escape::escape;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription as Alert, CertificateError, Error as TlsError, PeerIncompatible};
use std::io;
use std::path::Path;
use time::OffsetDateTime;

/// Why there is no encrypted connection. As text it is for the server's log, after the
/// address of the client.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The first bytes were not a TLS record.
    #[error("spoke no TLS")]
    NotTls,
    /// No byte came in time.
    #[error("spoke no TLS: it said nothing at all")]
    Silent,
    /// The handshake began, and was not complete in time.
    #[error("did not finish the handshake in time")]
    TooSlow,
    /// Too many handshakes at once: there was no processor time for this one.
    #[error("had to wait too long: too many handshakes at once")]
    TooMany,
    /// The peer closed the connection before the end of the handshake.
    #[error("left in the middle of the handshake")]
    Left,
    /// TLS refuses, on this side or, as an alert, on the other.
    #[error("{}", for_the_log(.0))]
    Tls(TlsError),
    /// The connection broke.
    #[error("lost in the handshake: {0}")]
    Lost(io::Error),
}

fn for_the_log(error: &TlsError) -> String {
    let text = match error {
        TlsError::AlertReceived(Alert::UnknownCA) => {
            "it does not trust our certificate (alert unknown_ca): it needs this server's ca.pem"
        }
        TlsError::AlertReceived(Alert::CertificateExpired) => {
            "our certificate is not valid now, by its clock (alert certificate_expired)"
        }
        TlsError::AlertReceived(Alert::BadCertificate | Alert::CertificateUnknown) => {
            "it does not accept our certificate (alert bad_certificate): most likely it expected another name"
        }
        TlsError::AlertReceived(other) => return format!("it ended the handshake (alert {other:?})"),
        TlsError::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired
            // TLS 1.2 brought this extension, and every client of that version sends it.
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired,
        ) => "no version in common: it offers less than TLS 1.2",
        TlsError::PeerIncompatible(other) => return format!("nothing in common: {other:?}"),
        error => return format!("the handshake failed: {error}"),
    };
    text.to_owned()
}

const OTHER_STAGE: &str =
    "Is it a server of an earlier stage? Stage 8 listens on port 9008, unless told otherwise";

/// The text for the user of a client: what is wrong, and what to do about it. `name` is
/// what the client expected the server to be, `ca` the file of the authority.
pub(super) fn for_the_user(error: &HandshakeError, name: &ServerName<'_>, ca: &Path) -> String {
    let ca = ca.display();
    let name = name.to_str();
    match error {
        HandshakeError::NotTls => format!("what answers there speaks no TLS. {OTHER_STAGE}"),
        HandshakeError::Silent => format!("what is there does not answer in TLS. {OTHER_STAGE}"),
        HandshakeError::Tls(TlsError::InvalidCertificate(problem)) => {
            certificate(problem, &name, &ca.to_string())
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
    if let Some(rejection) = rejection(problem) {
        return format!("its certificate {rejection}. (That is for the administrator of the server.)");
    }
    match problem {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "its certificate is not from the authority in {ca}. Get the server's own ca.pem, by a way that you \
             trust, and name it with --ca FILE. If {ca} is that file, another program answers in the server's place"
        ),
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "its certificate expired on {}. The administrator of the server makes new ones with stage8-certs --force \
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
