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
            let key = info.key;
            return Err(PemError(
                format!("holds the certificate of an authority with a weak key ({key}): what it has signed is not accepted")
                    .into(),
            ));
        }
        // A certificate that its owner has signed may be all there is, and is trusted as
        // itself. Before version 3, no certificate said whether it is an authority's.
        if !info.is_authority && info.subject != info.issuer && info.version == 3 {
            return Err(PemError(
                "holds the certificate of a server, not of an authority; copy ca.pem, not server.pem".into(),
            ));
        }
        authorities.add(der).map_err(|_| pem::NOT_X509)?;
    }
    Ok(authorities)
}
