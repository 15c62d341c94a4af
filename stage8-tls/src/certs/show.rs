//! Looking at a certificate, as a client does before it believes anything.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

/// What stands in a certificate.
#[derive(Clone, Debug)]
pub struct CertificateInfo {
    /// Whose it is.
    pub subject: String,
    /// Who vouches for that.
    pub issuer: String,
    /// The names that it is for: these count, not the subject.
    pub names: Vec<String>,
    /// Not valid before.
    pub from: OffsetDateTime,
    /// Not valid after.
    pub until: OffsetDateTime,
    /// The kind of key.
    pub key: String,
    /// Whether it may vouch for others.
    pub is_authority: bool,
    /// SHA-256 of the whole.
    pub fingerprint: String,
}

/// The certificates in a PEM file, one after the other.
///
/// # Errors
/// What is wrong with the file, without its name.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateInfo>, String> {
    use rustls::pki_types::pem::Error;
    let said = |error| match error {
        Error::Io(e) if e.kind() == io::ErrorKind::NotFound => "there is no such file".to_owned(),
        Error::Io(e) => format!("cannot be read: {e}"),
        e => format!("is no PEM file ({e})"),
    };
    let mut seen = Vec::new();
    for certificate in CertificateDer::pem_file_iter(path).map_err(said)? {
        seen.push(CertificateInfo::in_der(&certificate.map_err(said)?)?);
    }
    if seen.is_empty() {
        return Err("holds no certificate (-----BEGIN CERTIFICATE-----)".to_owned());
    }
    Ok(seen)
}

impl CertificateInfo {
    fn in_der(der: &[u8]) -> Result<CertificateInfo, String> {
        let (_, certificate) = X509Certificate::from_der(der)
            .map_err(|e| format!("holds a certificate that is damaged ({e})"))?;
        let validity = certificate.validity();
        Ok(CertificateInfo {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: names(&certificate),
            from: validity.not_before.to_datetime(),
            until: validity.not_after.to_datetime(),
            key: key_kind(&certificate),
            is_authority: certificate.is_ca(),
            fingerprint: fingerprint(der),
        })
    }

    /// Whether it is valid at that time, in words.
    pub fn state(&self, now: OffsetDateTime) -> &'static str {
        match () {
            () if now < self.from => "not yet valid",
            () if now > self.until => "expired",
            () => "valid now",
        }
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => address(bytes),
        other => other.to_string(),
    };
    names.value.general_names.iter().map(name).collect()
}

fn address(bytes: &[u8]) -> String {
    match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (Ok(bytes), _) => Ipv4Addr::from(bytes).to_string(),
        (_, Ok(bytes)) => Ipv6Addr::from(bytes).to_string(),
        _ => format!("an address of {} bytes", bytes.len()),
    }
}

fn key_kind(certificate: &X509Certificate<'_>) -> String {
    let key = certificate.public_key();
    match key.parsed() {
        Ok(PublicKey::EC(point)) => format!("elliptic curve, {} bits", point.key_size()),
        Ok(PublicKey::RSA(rsa)) => format!("RSA, {} bits", rsa.key_size()),
        // Edwards curves (RFC 8410) are none of the parser's kinds.
        _ if key.algorithm.algorithm.to_id_string() == "1.3.101.112" => "Ed25519".to_owned(),
        _ => format!("algorithm {}", key.algorithm.algorithm.to_id_string()),
    }
}

fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

impl fmt::Display for CertificateInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = if self.names.is_empty() { "none".to_owned() } else { self.names.join(", ") };
        let state = self.state(OffsetDateTime::now_utc());
        writeln!(f, "subject:     {}", self.subject)?;
        writeln!(f, "issuer:      {}", self.issuer)?;
        writeln!(f, "names:       {names}")?;
        writeln!(f, "valid:       {} to {} ({state})", super::date(self.from), super::date(self.until))?;
        writeln!(f, "key:         {}", self.key)?;
        writeln!(
            f,
            "authority:   {}",
            if self.is_authority { "yes, it may vouch for others" } else { "no" }
        )?;
        write!(f, "fingerprint: SHA-256 {}", self.fingerprint)
    }
}
