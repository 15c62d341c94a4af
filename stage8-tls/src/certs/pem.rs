//! PEM files, as people save them: read, or refused with the reason.
//!
//! PEM (RFC 7468) is base64 between two lines, `-----BEGIN CERTIFICATE-----` and
//! `-----END CERTIFICATE-----`, so that binary data survives e-mail and clipboards.

use common::private_file::{reject_foreign_link, without_bom};
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::borrow::Cow;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// What is wrong with a PEM file, or with what is in it. The text goes on after its name: `ca.pem: is cut…`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PemError(pub(super) Cow<'static, str>);

/// A file without a certificate.
const NO_CERTIFICATE: &str = "holds no certificate (-----BEGIN CERTIFICATE-----)";

/// What the parser of certificates refuses.
pub(super) const NOT_X509: PemError = PemError(Cow::Borrowed(
    "holds a certificate that is damaged: what is in it has not the form of one (X.509)",
));

/// The most that is read of a file, in bytes. The certificates of all the authorities
/// that an operating system trusts are a quarter of that.
const MAX_SIZE: u64 = 1 << 20;

/// The certificates in a PEM file, at least one, in DER.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let mut bytes = Vec::new();
    let opened = reject_foreign_link(path).and_then(|()| File::open(path));
    let read = opened.and_then(|file| file.take(MAX_SIZE).read_to_end(&mut bytes));
    read.map_err(|error| match error.kind() {
        ErrorKind::NotFound => PemError("no such file".into()),
        _ => PemError(format!("cannot be read: {error}").into()),
    })?;
    let certificates = CertificateDer::pem_slice_iter(text(&bytes)?).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| reason(&error, NO_CERTIFICATE))?;
    if certificates.is_empty() { Err(PemError(NO_CERTIFICATE.into())) } else { Ok(certificates) }
}

/// The private key in the bytes of a PEM file.
pub(super) fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    let bytes = text(bytes)?;
    // Two ways of saying it: PKCS #8's own section, and OpenSSL's traditional header.
    for mark in [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"] {
        if bytes.windows(mark.len()).any(|window| window == mark) {
            return Err(PemError(
                "holds a key that is encrypted with a passphrase, and the server cannot ask for it; decrypt it \
                 with: (umask 077; openssl pkey -in OLD -out NEW)"
                    .into(),
            ));
        }
    }
    PrivateKeyDer::from_pem_slice(bytes)
        .map_err(|error| reason(&error, "holds no private key (-----BEGIN PRIVATE KEY-----)"))
}

/// The file as text for the PEM parser. With a byte order mark, its first line would not
/// be `-----BEGIN…`.
fn text(bytes: &[u8]) -> Result<&[u8], PemError> {
    let why = match bytes {
        // Saved by a Windows editor or by PowerShell's `>`.
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'-', 0, ..] | [0, b'-', ..] => {
            "is UTF-16 text; save it as UTF-8, or convert it with: iconv -f UTF-16 -t UTF-8 OLD > NEW"
        }
        // DER (`.crt`, `.cer`) or PKCS #12 (`.p12`, `.pfx`): an ASN.1 SEQUENCE (X.690, 8.9), of
        // more than 127 bytes.
        [0x30, 0x80..=0x84, ..] => {
            "is binary, not PEM text; convert it with: openssl x509 -inform DER -in OLD -out NEW (or, from a .p12 \
             or .pfx file: openssl pkcs12 -in OLD -out NEW)"
        }
        _ => return Ok(without_bom(bytes)),
    };
    Err(PemError(why.into()))
}

/// What the parser's error means; `nothing` is for a file in which it finds nothing. It
/// shows bytes as lists of numbers.
fn reason(error: &Error, nothing: &'static str) -> PemError {
    PemError(Cow::Borrowed(match error {
        Error::NoItemsFound => nothing,
        Error::MissingSectionEnd { .. } => {
            "is cut: after a line -----BEGIN …----- its line -----END …----- is missing; copy the file again"
        }
        _ => "is damaged: what is between BEGIN and END is not base64; copy the file again",
    }))
}
