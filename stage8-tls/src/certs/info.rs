//! What stands in a certificate, for people to read and for the checks.

use super::pem::{self, PemError};
use common::escape::escape;
use rustls::pki_types::{ServerName, UnixTime};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

/// What stands in a certificate. Its texts are as they were found, so a stranger may have
/// put anything into them. Escape one before you show it, as [`Display`](fmt::Display) does.
#[derive(Clone, Debug)]
pub struct CertificateInfo {
    /// The owner's name, as `CN=localhost`.
    pub subject: String,
    /// The authority that has signed it.
    pub issuer: String,
    /// The names that it is for: these count, not the subject.
    pub names: Vec<String>,
    /// Not valid before.
    pub from: OffsetDateTime,
    /// Not valid after.
    pub until: OffsetDateTime,
    /// The kind of key, as `elliptic curve, 256 bits`.
    pub key: String,
    /// `true` if it may sign other certificates.
    pub is_authority: bool,
    /// SHA-256 of the whole.
    pub fingerprint: String,
    /// Version of X.509: 3, unless a program of the last century or `openssl x509`
    /// without extensions has made it.
    pub(super) version: u32,
    /// `true` if the key is too short for rustls.
    pub(super) has_weak_key: bool,
    /// An address that is a host name here, and not an address also.
    pub(super) address_as_host_name: Option<IpAddr>,
}

/// The certificates in a PEM file, in their order, at least one.
///
/// # Errors
/// What is wrong with the file, without its name.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateInfo>, PemError> {
    pem::certificates(path)?.iter().map(|der| CertificateInfo::from_der(der)).collect()
}

/// The shortest RSA keys that rustls takes, with ring, in bits.
const MIN_RSA_BITS: usize = 2048;

impl CertificateInfo {
    pub(crate) fn from_der(der: &[u8]) -> Result<CertificateInfo, PemError> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| pem::NOT_X509)?;
        let (names, address_as_host_name) = names(&certificate);
        let validity = certificate.validity();
        let key = certificate.public_key().parsed();
        Ok(CertificateInfo {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names,
            from: validity.not_before.to_datetime(),
            until: validity.not_after.to_datetime(),
            key: key_kind(&certificate),
            is_authority: certificate.is_ca(),
            fingerprint: fingerprint(der),
            // It counts from 0.
            version: certificate.version().0 + 1,
            has_weak_key: matches!(key, Ok(PublicKey::RSA(key)) if key.key_size() < MIN_RSA_BITS),
            address_as_host_name,
        })
    }

    /// One of the names by which a client could connect; without one, any name.
    pub(super) fn name_to_verify(&self) -> ServerName<'static> {
        // `*.example.org` is for `a.example.org`, among others.
        let mut names =
            self.names.iter().filter_map(|name| ServerName::try_from(name.replace('*', "a")).ok());
        names.next().unwrap_or(ServerName::from(Ipv4Addr::LOCALHOST))
    }

    /// A time at which it is valid: now, or the nearest.
    pub(super) fn valid_time(&self) -> UnixTime {
        let time = OffsetDateTime::now_utc().min(self.until).max(self.from);
        UnixTime::since_unix_epoch(Duration::from_secs(time.unix_timestamp().try_into().unwrap_or(0)))
    }
}

/// The names in a certificate, and an address among them that is there as a host name
/// alone.
fn names(certificate: &X509Certificate<'_>) -> (Vec<String>, Option<IpAddr>) {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return (Vec::new(), None) };
    let names = &extension.value.general_names;
    let addresses: Vec<IpAddr> = names.iter().filter_map(address).collect();
    let as_host_name = names.iter().find_map(|name| match name {
        GeneralName::DNSName(name) => name.parse().ok().filter(|address| !addresses.contains(address)),
        _ => None,
    });
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        other => address(other).map_or_else(|| other.to_string(), |address| address.to_string()),
    };
    (names.iter().map(text).collect(), as_host_name)
}

fn address(name: &GeneralName<'_>) -> Option<IpAddr> {
    let GeneralName::IPAddress(bytes) = name else { return None };
    let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok()
}

fn key_kind(certificate: &X509Certificate<'_>) -> String {
    let key = certificate.public_key();
    match key.parsed() {
        Ok(PublicKey::EC(point)) => format!("elliptic curve, {} bits", point.key_size()),
        Ok(PublicKey::RSA(rsa)) => format!("RSA, {} bits", rsa.key_size()),
        // The parser has no kind for Edwards curves (RFC 8410).
        _ if key.algorithm.algorithm.to_id_string() == "1.3.101.112" => "Ed25519".to_owned(),
        _ => format!("algorithm {}", key.algorithm.algorithm.to_id_string()),
    }
}

fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// Lines for a terminal: with a line end or an escape sequence in a name, a forged
/// certificate could otherwise show a line `valid:` of its own.
impl fmt::Display for CertificateInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = if self.names.is_empty() { "none".to_owned() } else { self.names.join(", ") };
        let now = OffsetDateTime::now_utc();
        let state = if now < self.from {
            "not yet valid"
        } else if now > self.until {
            "expired"
        } else {
            "valid now"
        };
        let authority = if self.is_authority { "yes, it may sign certificates" } else { "no" };
        writeln!(f, "subject:     {}", escape(&self.subject))?;
        writeln!(f, "issuer:      {}", escape(&self.issuer))?;
        writeln!(f, "names:       {}", escape(&names))?;
        writeln!(f, "valid:       {} to {} ({state})", super::date(self.from), super::date(self.until))?;
        writeln!(f, "key:         {}", self.key)?;
        writeln!(f, "authority:   {authority}")?;
        write!(f, "fingerprint: SHA-256 {}", self.fingerprint)
    }
}
