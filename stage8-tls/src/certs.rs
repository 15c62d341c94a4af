//! Certificates: a server's name, its public key, and the signature of an authority that
//! the two belong together.
//!
//! On the internet the authority is a company that checks who owns a name. Here it is
//! made together with the server's certificate ([`issue()`]), signs this one, and is gone:
//! its private key is never written to a file, so an attacker who breaks into the server
//! cannot make certificates for other names. The price: new certificates mean a new
//! authority, and every client needs its `ca.pem`.
//!
//! Users bring certificates of their own, too. [`CertificateFolder`] reads them, and
//! `rejection.rs` has the reasons why no client would accept one.

mod authority;
mod folder;
mod info;
mod issue;
mod pem;
mod rejection;

pub(crate) use authority::authorities;
pub use folder::{CertificateFolder, CertsError, ServerCertificate, VALIDITY_DAYS};
pub use info::{CertificateInfo, read_certificates};
pub use issue::{Issued, Validity, certificate_name, issue};
pub use pem::PemError;
pub(crate) use rejection::rejection;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The names for which a server makes a certificate for itself.
pub fn own_names(listening: &str) -> Vec<String> {
    let mut names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    if let Ok(name) = certificate_name(listening)
        // These stand for all addresses of a machine; no client connects to them.
        && !["0.0.0.0", "::"].contains(&name.as_str())
        && !names.contains(&name)
    {
        names.push(name);
    }
    names
}

/// A time for people to read: to the second, in UTC.
pub(crate) fn date(time: OffsetDateTime) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}
