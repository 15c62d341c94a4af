//! The folder with a server's certificates, from their making to their use.

use super::authority::authorities;
use super::info::CertificateInfo;
use super::issue::{Validity, issue};
use super::pem;
use super::rejection::verify;
use common::log::Log;
use common::private_file::{self, PrivateFileError};
use rustls::Error as TlsError;
use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use std::fmt::Display;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// How long before the end of a certificate the server begins to warn.
const WARN_BEFORE_EXPIRY: Duration = Duration::days(14);

/// How long new certificates are valid, in days, unless the person who makes them says
/// otherwise.
pub const VALIDITY_DAYS: i32 = 365;

/// A folder for `ca.pem`, `server.pem` and `server.key`.
#[derive(Clone, Debug)]
pub struct CertificateFolder(PathBuf);

/// The certificate that a server uses.
pub struct ServerCertificate {
    /// The certificate, those between it and the authority's if there are any, and the
    /// private key.
    pub key: Arc<CertifiedKey>,
    /// What stands in it.
    pub info: CertificateInfo,
}

/// Why there are no certificates to use.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// What is wrong with the folder or a file in it, and what to do about it. The text
    /// begins with its name.
    #[error("{0}")]
    Unusable(String),
    /// A file cannot be read or written. The text begins with its name, too.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// What rcgen can return.
    #[error("certificates: {0}")]
    Issue(#[from] rcgen::Error),
}

/// The file or folder cannot be used.
fn unusable(path: &Path, why: impl Display) -> CertsError {
    CertsError::Unusable(format!("{}: {why}", path.display()))
}

/// The way out that destroys nothing.
const NEW_FOLDER: &str = "name a new folder with --certs, in which the server makes certificates of its own";

impl CertificateFolder {
    /// This folder, which need not exist.
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

    /// Makes a set of certificates. With `replace`, one that is there already is kept
    /// under other names: `server.key.old`.
    ///
    /// # Errors
    /// Why there is no new set.
    pub fn make(&self, names: &[String], validity: Validity, replace: bool) -> Result<(), CertsError> {
        let all = [self.ca(), self.server(), self.key()];
        if !replace && let Some(there) = all.iter().find(|path| path.exists()) {
            return Err(unusable(
                there,
                "exists already; --force makes new ones and keeps the old as *.old, and every client then needs \
                 the new ca.pem",
            ));
        }
        let issued = issue(names, validity)?;
        self.make_folder().map_err(|error| self.no_folder(&error))?;
        self.require_no_other_writer()?;
        for path in all.iter().filter(|path| path.exists()) {
            let mut old = path.clone().into_os_string();
            old.push(".old");
            fs::rename(path, &old).map_err(|error| PrivateFileError::Unwritable(old.into(), error))?;
        }
        private_file::save(&self.key(), issued.key.as_bytes(), false)?;
        for (path, pem) in [(self.server(), issued.server), (self.ca(), issued.ca)] {
            private_file::save(&path, pem.as_bytes(), false)?;
            // These two are no secrets.
            let _ = fs::set_permissions(&path, Permissions::from_mode(0o644));
        }
        Ok(())
    }

    /// Makes the folder, for its owner alone, unless it exists.
    fn make_folder(&self) -> io::Result<()> {
        if let Some(parent) = self.0.parent() {
            fs::create_dir_all(parent)?;
        }
        match DirBuilder::new().mode(0o700).create(&self.0) {
            // The umask may have taken away more than the rights of others.
            Ok(()) => fs::set_permissions(&self.0, Permissions::from_mode(0o700)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && self.0.is_dir() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn no_folder(&self, error: &io::Error) -> CertsError {
        CertsError::Unusable(format!("folder {}: cannot be made: {error}", self.0.display()))
    }

    /// Fails if a user other than this one and root can write to the folder: they could
    /// have put a link to another file into it, or an authority of their own. The folder
    /// may be a link itself, if this user or root has made it.
    fn require_no_other_writer(&self) -> Result<(), CertsError> {
        let link = fs::symlink_metadata(&self.0).map_err(|error| self.no_folder(&error))?;
        let folder = fs::metadata(&self.0).map_err(|error| self.no_folder(&error))?;
        let own = [0, rustix::process::geteuid().as_raw()];
        if own.contains(&link.uid()) && own.contains(&folder.uid()) && folder.mode() & 0o022 == 0 {
            return Ok(());
        }
        let folder = self.0.display();
        Err(CertsError::Unusable(format!(
            "folder {folder}: other users can change what is in it; mend that with: chmod go-w '{folder}', as its \
             owner, or {NEW_FOLDER}"
        )))
    }

    /// Returns what a server starts with. Where there are no certificates, this makes
    /// them, for these names. It logs what it made, and warns if the end is near.
    ///
    /// # Errors
    /// When files are missing, or a client would not accept what is there.
    pub fn open(&self, names: &[String], log: &Log) -> Result<ServerCertificate, CertsError> {
        let all = [self.ca(), self.server(), self.key()];
        if all.iter().all(|path| !path.exists()) {
            self.make(names, Validity::days(VALIDITY_DAYS), false)?;
            let ca = self.ca();
            log.info(format_args!(
                "made certificates for {}; clients need a copy of {}",
                names.join(", "),
                ca.display()
            ));
        }
        if let Some(missing) = all.iter().find(|path| !path.exists()) {
            let why = "is missing, while other files of the set are there; put it back";
            return Err(unusable(missing, format_args!("{why}, or {NEW_FOLDER}")));
        }
        self.require_no_other_writer()?;
        let certificate = self.load()?;
        certificate.log_validity(log);
        Ok(certificate)
    }

    fn load(&self) -> Result<ServerCertificate, CertsError> {
        let (server, ca, key) = (self.server(), self.ca(), self.key());
        let chain = pem::certificates(&server).map_err(|error| unusable(&server, error))?;
        let info = CertificateInfo::from_der(&chain[0]).map_err(|error| unusable(&server, error))?;
        let or_new = |path, why: &dyn Display| unusable(path, format_args!("{why}; or {NEW_FOLDER}"));
        let authorities = authorities(&ca).map_err(|error| or_new(&ca, &error))?;
        verify(&chain, &info, authorities).map_err(|why| or_new(&server, &why))?;

        let bytes = private_file::read(&key, 1 << 16)?;
        let private = pem::private_key(&bytes).map_err(|error| unusable(&key, error))?;
        let certified =
            CertifiedKey::from_der(chain, private, &ring::default_provider()).map_err(|error| match error {
                TlsError::InconsistentKeys(_) => {
                    let why = "does not fit server.pem, which was made for another key; find the one it was made for";
                    unusable(&key, format_args!("{why}, or {NEW_FOLDER}"))
                }
                _ => unusable(
                    &key,
                    "holds a key that is neither ECDSA (P-256, P-384) nor Ed25519 nor RSA of at least 2048 bits",
                ),
            })?;
        Ok(ServerCertificate { key: Arc::new(certified), info })
    }
}

impl ServerCertificate {
    fn log_validity(&self, log: &Log) {
        let CertificateInfo { names, from, until, .. } = &self.info;
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
        } else if *until - now < WARN_BEFORE_EXPIRY {
            log.warn(format_args!(
                "the certificate expires on {until_when}; make new ones with stage8-certs --force"
            ));
        }
    }
}
