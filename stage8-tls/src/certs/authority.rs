//! The authorities that a client trusts, from the PEM file with their certificates.

use super::info::CertificateInfo;
use super::pem::{self, PemError};
use rustls::RootCertStore;
use std::path::Path;

/// Why a file names no authority to trust. The texts go on after its name.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// It holds no certificate.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A server's certificate was copied in place of the authority's.
    #[error("holds the certificate of a server, not of an authority; copy ca.pem, not server.pem")]
    NotAuthority,
    /// What it has signed cannot be verified.
    #[error(
        "holds the certificate of an authority with a weak key ({0}): what it has signed is not accepted"
    )]
    WeakKey(String),
}

/// The authorities whose certificates are in a PEM file.
///
/// # Errors
/// What is wrong with the file, without its name.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, AuthorityError> {
    let mut authorities = RootCertStore::empty();
    for der in pem::certificates(path)? {
        let info = CertificateInfo::from_der(&der)?;
        if info.has_weak_key {
            return Err(AuthorityError::WeakKey(info.key));
        }
        // A certificate that its owner has signed may be all there is, and is trusted as
        // itself. Before version 3, no certificate said whether it is an authority's.
        if !info.is_authority && info.subject != info.issuer && info.version == 3 {
            return Err(AuthorityError::NotAuthority);
        }
        authorities.add(der).map_err(|_| PemError::NotX509)?;
    }
    Ok(authorities)
}
