//! Certificates: a server's name, a public key, and the word of an authority
//! that the two belong together.
//!
//! On the internet the authority is a company that checks who owns a name. Here
//! it is made along with the server's certificate, vouches for that one and is
//! gone: its key is never written anywhere, so nobody who breaks into the server
//! can make certificates for other names. The price is that new certificates mean
//! a new authority, whose `ca.pem` has to reach every client once more.

mod authority;
mod folder;
mod info;
mod issue;
mod pem;
mod rejection;

pub(crate) use authority::{AuthorityError, authorities};
pub use folder::{CertificateFolder, CertsError, ServerCertificate};
pub use info::{CertificateInfo, InfoError, read_certificates};
pub use issue::{Issued, Name, Validity, issue};
pub use pem::PemError;
pub use rejection::Rejection;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The names that a server gives itself when nobody has said which.
pub fn own_names(listening: &str) -> Vec<Name> {
    let mut names = Vec::new();
    for name in ["localhost", "127.0.0.1", "::1", listening] {
        // The address for all of a machine's addresses is none that one connects to.
        if let Ok(name) = name.parse::<Name>()
            && !name.is_unspecified()
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// As people read it: to the second, in UTC.
pub(crate) fn date(time: OffsetDateTime) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}
