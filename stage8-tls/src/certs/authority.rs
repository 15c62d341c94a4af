//! The authorities that a client trusts, from the PEM file with their certificates.

use super::info::CertificateInfo;
use super::pem::{self, PemError};
use rustls::RootCertStore;
use std::path::Path;

/// The authorities whose certificates are in a PEM file.
///
/// # Errors
/// What is wrong with the file, without its name.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, PemError> {
    let mut authorities = RootCertStore::empty();
    for der in pem::certificates(path)? {
        let info = CertificateInfo::from_der(&der)?;
        if info.has_weak_key {
            return Err(PemError::WeakAuthority(info.key));
        }
        // A certificate that its owner has signed may be all there is, and is trusted as
        // itself. Before version 3, no certificate said whether it is an authority's.
        if !info.is_authority && info.subject != info.issuer && info.version == 3 {
            return Err(PemError::NotAuthority);
        }
        authorities.add(der).map_err(|_| PemError::NotX509)?;
    }
    Ok(authorities)
}
