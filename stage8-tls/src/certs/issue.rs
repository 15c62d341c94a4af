//! Making certificates.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, Error,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

/// Reads a name that a certificate can be for: a host name (`localhost`,
/// `*.example.org`) or an IP address. They are different kinds of names, and a client
/// compares its own with names of the same kind.
///
/// # Errors
/// In words for the command line.
pub fn certificate_name(text: &str) -> Result<String, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    match ServerName::try_from(text.strip_prefix("*.").unwrap_or(text)) {
        Ok(ServerName::DnsName(_)) => Ok(text.to_ascii_lowercase()),
        _ => Err("neither a host name, as localhost, nor an IP address, as 127.0.0.1".to_owned()),
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
        if days > 0 {
            return Validity { from: now - Duration::hours(1), until };
        }
        // A certificate is valid in the whole second in which it ends.
        let until = until - Duration::seconds(1);
        Validity { from: until - Duration::hours(1), until }
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
pub fn issue(names: &[String], validity: Validity) -> Result<Issued, Error> {
    let authority_key = KeyPair::generate()?;
    // Each authority has a name of its own. A client that has the certificate of another
    // one then says that it does not know this one, and not that a signature is wrong.
    let digest = Sha256::digest(authority_key.der_bytes());
    let number = format!("{:02X}{:02X}{:02X}{:02X}", digest[0], digest[1], digest[2], digest[3]);
    let mut authority = params(&[], &format!("Chat authority {number}"), validity)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(authority, authority_key)?;

    let first = names.first().map_or("no name", String::as_str);
    let mut server = params(names, first, validity)?;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // OpenSSL's strict mode needs it to find the authority's certificate.
    server.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &authority)?;
    Ok(Issued { ca: authority.pem(), server: certificate.pem(), key: Zeroizing::new(key.serialize_pem()) })
}

fn params(names: &[String], subject: &str, validity: Validity) -> Result<CertificateParams, Error> {
    // This tells addresses from host names.
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    (params.not_before, params.not_after) = (validity.from, validity.until);
    Ok(params)
}
