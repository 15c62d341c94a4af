//! Making certificates.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, Error,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

/// A name that a certificate can be for. Host names and addresses are different kinds of
/// names, and a client compares its own with names of the same kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// `localhost`, `chat.example.org`, or `*.example.org`.
    Host(String),
    /// `127.0.0.1`, `::1`.
    Address(IpAddr),
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Name::Address(address));
        }
        match ServerName::try_from(text.strip_prefix("*.").unwrap_or(text)) {
            Ok(ServerName::DnsName(_)) => Ok(Name::Host(text.to_ascii_lowercase())),
            _ => Err("neither a host name, as localhost, nor an IP address, as 127.0.0.1".to_owned()),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Host(name) => name.fmt(f),
            Name::Address(address) => address.fmt(f),
        }
    }
}

impl Name {
    /// Returns `true` if it is `0.0.0.0` or `::`.
    pub fn is_unspecified(&self) -> bool {
        matches!(self, Name::Address(address) if address.is_unspecified())
    }
}

/// The dates of a certificate.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// Not before.
    pub from: OffsetDateTime,
    /// Not after.
    pub until: OffsetDateTime,
}

impl Validity {
    /// From an hour ago, since a client's clock may be slow, for so many days. With 0
    /// days or less it has expired already, to see what a client says to that.
    pub fn days(days: i32) -> Self {
        let now = OffsetDateTime::now_utc();
        let until = now + Duration::days(days.into());
        let last = if days > 0 { now } else { until };
        Validity { from: last - Duration::hours(1), until }
    }
}

/// What [`issue`] makes, as PEM.
pub struct Issued {
    /// The authority's certificate.
    pub ca: String,
    /// The server's certificate.
    pub server: String,
    /// The server's key.
    pub key: Zeroizing<String>,
}

/// Makes an authority, and a server's certificate from it for these names.
///
/// # Errors
/// None that is known: what rcgen can return.
pub fn issue(names: &[Name], validity: Validity) -> Result<Issued, Error> {
    let authority_key = KeyPair::generate()?;
    // Each authority has a name of its own. A client that has the certificate of another
    // one then says that it does not know this one, and not that a signature is wrong.
    let digest = Sha256::digest(authority_key.der_bytes());
    let number = format!("{:02X}{:02X}{:02X}{:02X}", digest[0], digest[1], digest[2], digest[3]);
    let mut authority = params(&format!("Chat authority {number}"), validity);
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(authority, authority_key)?;

    let first = names.first().map_or_else(|| "no name".to_owned(), Name::to_string);
    let mut server = params(&first, validity);
    server.subject_alt_names = names.iter().map(alternative).collect::<Result<_, _>>()?;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // OpenSSL's strict mode needs it to find the authority's certificate.
    server.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &authority)?;
    Ok(Issued { ca: authority.pem(), server: certificate.pem(), key: Zeroizing::new(key.serialize_pem()) })
}

fn params(name: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (validity.from, validity.until);
    params
}

fn alternative(name: &Name) -> Result<SanType, Error> {
    Ok(match name {
        Name::Host(name) => SanType::DnsName(name.as_str().try_into()?),
        Name::Address(address) => SanType::IpAddress(*address),
    })
}
