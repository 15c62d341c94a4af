//! The folder with a server's certificates, from their making to their use.

use super::issue::{Name, Validity, issue};
use super::show::{CertificateInfo, read_certificates};
use crate::tls::Acceptor;
use common::log::Log;
use common::private_file::{self, PrivateFileError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};

/// How long before the end of a certificate the server begins to warn.
const SOON: Duration = Duration::days(14);

/// How long the certificates last that a server makes for itself, in days.
pub const USUAL_DAYS: i32 = 365;

/// A folder for `ca.pem`, `server.pem` and `server.key`.
#[derive(Clone, Debug)]
pub struct CertificateFolder(PathBuf);

/// The certificate that a server uses.
pub struct ServerCertificate {
    /// Shakes hands with it.
    pub acceptor: Acceptor,
    /// What stands in it.
    pub certificate: CertificateInfo,
}

/// Why there are no certificates to use.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// There are some already.
    #[error("{}: exists already; --force replaces it, and every client then needs the new ca.pem", .0.display())]
    Exists(PathBuf),
    /// Some of the files are there, others not.
    #[error("{}: is missing, while other files of the set are there; put it back, or make a new set with stage8-certs --force", .0.display())]
    HalfASet(PathBuf),
    /// The folder cannot be made.
    #[error("folder {}: cannot be made: {}", .0.display(), .1)]
    Folder(PathBuf, io::Error),
    /// The text begins with the file's name.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// There is a file, but not what should be in it.
    #[error("{}: {}; make a new set with stage8-certs --force", .0.display(), .1)]
    Unusable(PathBuf, String),
    /// The library cannot do it.
    #[error("certificates: {0}")]
    Issue(#[from] rcgen::Error),
}

impl CertificateFolder {
    /// This one, which need not be there.
    pub fn new(path: &Path) -> Self {
        CertificateFolder(path.to_owned())
    }

    /// The authority's certificate, for the clients.
    pub fn ca(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// The server's certificate.
    pub fn server(&self) -> PathBuf {
        self.0.join("server.pem")
    }

    /// The server's key.
    pub fn key(&self) -> PathBuf {
        self.0.join("server.key")
    }

    /// Makes a set of certificates, in place of the one that is there only with
    /// `replace`.
    ///
    /// # Errors
    /// Whatever keeps it from being made.
    pub fn make(&self, names: &[Name], validity: Validity, replace: bool) -> Result<(), CertsError> {
        let all = [self.ca(), self.server(), self.key()];
        if !replace && let Some(there) = all.into_iter().find(|path| path.exists()) {
            return Err(CertsError::Exists(there));
        }
        let issued = issue(names, validity)?;
        fs::create_dir_all(&self.0).map_err(|e| CertsError::Folder(self.0.clone(), e))?;
        private_file::save(&self.key(), issued.key.as_bytes(), replace)?;
        for (path, pem) in [(self.server(), issued.server), (self.ca(), issued.ca)] {
            private_file::save(&path, pem.as_bytes(), replace)?;
            // These two are for everybody.
            let _ = fs::set_permissions(&path, Permissions::from_mode(0o644));
        }
        Ok(())
    }

    /// What a server starts with. When there are no certificates it makes them,
    /// for these names; it says what it made, and warns of an end that is near.
    ///
    /// # Errors
    /// When there is half a set, or what is there is of no use.
    pub fn open(&self, names: &[Name], log: &Log) -> Result<ServerCertificate, CertsError> {
        let all = [self.ca(), self.server(), self.key()];
        if all.iter().all(|path| !path.exists()) {
            self.make(names, Validity::days(USUAL_DAYS), false)?;
            let names: Vec<_> = names.iter().map(Name::to_string).collect();
            let ca = self.ca();
            log.info(format_args!(
                "made certificates for {}; clients need a copy of {}",
                names.join(", "),
                ca.display()
            ));
        }
        if let Some(missing) = all.into_iter().find(|path| !path.exists()) {
            return Err(CertsError::HalfASet(missing));
        }
        let in_use = self.load()?;
        in_use.note(log);
        Ok(in_use)
    }

    fn load(&self) -> Result<ServerCertificate, CertsError> {
        let unusable = |path: PathBuf| move |what: String| CertsError::Unusable(path, what);
        let seen = read_certificates(&self.server()).map_err(unusable(self.server()))?;
        // `read_certificates` has read the same file, and found at least one in it.
        let chain = CertificateDer::pem_file_iter(self.server())
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|e| unusable(self.server())(e.to_string()))?;
        let pem = private_file::read(&self.key(), 1 << 16)?;
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|e| unusable(self.key())(format!("holds no private key ({e})")))?;
        let acceptor = Acceptor::new(chain, key)
            .map_err(|e| unusable(self.key())(format!("does not fit server.pem ({e})")))?;
        let certificate =
            seen.into_iter().next().ok_or_else(|| unusable(self.server())("is empty".to_owned()))?;
        Ok(ServerCertificate { acceptor, certificate })
    }
}

impl ServerCertificate {
    fn note(&self, log: &Log) {
        let CertificateInfo { names, from, until, .. } = &self.certificate;
        let (now, until_when) = (OffsetDateTime::now_utc(), super::date(*until));
        log.info(format_args!("the certificate is for {}, valid until {until_when}", names.join(", ")));
        if now > *until {
            log.warn(format_args!(
                "the certificate expired on {until_when}: every client will refuse it; make new ones with stage8-certs --force"
            ));
        } else if now < *from {
            log.warn(format_args!(
                "the certificate is not valid before {}: every client will refuse it until then",
                super::date(*from)
            ));
        } else if *until - now < SOON {
            log.warn(format_args!(
                "the certificate expires on {until_when}; make new ones with stage8-certs --force"
            ));
        }
    }
}
