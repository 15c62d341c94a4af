//! PEM files, as people save them: read, or refused with the reason.
//!
//! PEM (RFC 7468) is base64 between two lines, `-----BEGIN CERTIFICATE-----` and
//! `-----END CERTIFICATE-----`, so that binary data survives e-mail and clipboards.

use common::private_file::{reject_foreign_link, without_bom};
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// What is wrong with a PEM file, or with what is in it. The texts go on after its name: `ca.pem: is cut…`.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// There is no such file.
    #[error("no such file")]
    Missing,
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// Saved by a Windows editor or by PowerShell's `>`.
    #[error("is UTF-16 text; save it as UTF-8, or convert it with: iconv -f UTF-16 -t UTF-8 OLD > NEW")]
    Utf16,
    /// DER (`.crt`, `.cer`) or PKCS #12 (`.p12`, `.pfx`).
    #[error(
        "is binary, not PEM text; convert it with: openssl x509 -inform DER -in OLD -out NEW (or, from a .p12 or \
         .pfx file: openssl pkcs12 -in OLD -out NEW)"
    )]
    Binary,
    /// A section begins and does not end.
    #[error(
        "is cut: after a line -----BEGIN …----- its line -----END …----- is missing; copy the file again"
    )]
    Cut,
    /// The text between the lines is no base64.
    #[error("is damaged: what is between BEGIN and END is not base64; copy the file again")]
    Damaged,
    /// A section is there, and what is in it is no certificate.
    #[error("holds a certificate that is damaged: what is in it has not the form of one (X.509)")]
    NotX509,
    /// No certificate.
    #[error("holds no certificate (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// A server's certificate was copied in place of the authority's.
    #[error("holds the certificate of a server, not of an authority; copy ca.pem, not server.pem")]
    NotAuthority,
    /// What the authority has signed cannot be verified.
    #[error(
        "holds the certificate of an authority with a weak key ({0}): what it has signed is not accepted"
    )]
    WeakAuthority(String),
    /// No private key.
    #[error("holds no private key (-----BEGIN PRIVATE KEY-----)")]
    NoKey,
    /// A key that needs a passphrase.
    #[error(
        "holds a key that is encrypted with a passphrase, and the server cannot ask for it; decrypt it with: \
         (umask 077; openssl pkey -in OLD -out NEW)"
    )]
    EncryptedKey,
}

/// The most that is read of a file, in bytes. The certificates of all the authorities
/// that an operating system trusts are a quarter of that.
const MAX_SIZE: u64 = 1 << 20;

/// The certificates in a PEM file, at least one, in DER.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let mut bytes = Vec::new();
    let opened = reject_foreign_link(path).and_then(|()| File::open(path));
    let read = opened.and_then(|file| file.take(MAX_SIZE).read_to_end(&mut bytes));
    read.map_err(|error| match error.kind() {
        ErrorKind::NotFound => PemError::Missing,
        _ => PemError::Unreadable(error),
    })?;
    let certificates = CertificateDer::pem_slice_iter(text(&bytes)?).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| reason(&error, PemError::NoCertificate))?;
    if certificates.is_empty() { Err(PemError::NoCertificate) } else { Ok(certificates) }
}

/// The private key in the bytes of a PEM file.
pub(super) fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    let bytes = text(bytes)?;
    // Two ways of saying it: PKCS #8's own section, and OpenSSL's traditional header.
    for mark in [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"] {
        if bytes.windows(mark.len()).any(|window| window == mark) {
            return Err(PemError::EncryptedKey);
        }
    }
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| reason(&error, PemError::NoKey))
}

/// The file as text for the PEM parser. With a byte order mark, its first line would not
/// be `-----BEGIN…`.
fn text(bytes: &[u8]) -> Result<&[u8], PemError> {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'-', 0, ..] | [0, b'-', ..] => Err(PemError::Utf16),
        // An ASN.1 SEQUENCE (X.690, 8.9), of more than 127 bytes.
        [0x30, 0x80..=0x84, ..] => Err(PemError::Binary),
        _ => Ok(without_bom(bytes)),
    }
}

/// What the parser's error means. It shows bytes as lists of numbers.
fn reason(error: &Error, nothing: PemError) -> PemError {
    match error {
        Error::NoItemsFound => nothing,
        Error::MissingSectionEnd { .. } => PemError::Cut,
        _ => PemError::Damaged,
    }
}
