//! The file with a user's private key. For other users it *is* that user.
//!
//! One line, `private=` and 32 bytes in base64. Without it the user is a
//! stranger to all who know the old key; an attacker with a copy can pose as the
//! user. So it is never overwritten, and one that others can read is
//! refused.

use super::{Identity, KEY_LEN, PrivateKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use common::private_file::{self, PrivateFileError};
use hpke::{Deserializable, Serializable};
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// An identity file has 53 bytes. Of another file no more than this
/// is read.
const MAX_LEN: usize = 4096;
const LABEL: &str = "private=";

/// Why there is no identity. No variant holds any of what stands in the file.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// It cannot be read or made, or is open to others.
    #[error("identity file {0}")]
    File(PrivateFileError),
    /// It is not the one line that it should be.
    #[error(
        "identity file {}: expected one line, `{LABEL}` and 44 characters of base64; \
         move it away to have a new one made; the users who know your key will be warned of the new one", .0.display()
    )]
    Malformed(PathBuf),
}

impl Identity {
    /// The identity in the file at `path`. If there is no such file, it is made, with
    /// mode 0600, and the second value is `true`: the program should say so, since its
    /// user may have had an identity all along.
    ///
    /// # Errors
    /// [`IdentityError`], and the file is as it was.
    pub fn load_or_make(path: &Path) -> Result<(Self, bool), IdentityError> {
        if let Some(identity) = Self::load(path)? {
            return Ok((identity, false));
        }
        let identity = Self::random();
        match private_file::save(path, identity.to_text().as_bytes(), false) {
            Ok(()) => Ok((identity, true)),
            // Another program has made one in this very moment.
            Err(PrivateFileError::Exists(_)) => match Self::load(path)? {
                Some(identity) => Ok((identity, false)),
                None => Err(IdentityError::File(PrivateFileError::Exists(path.to_owned()))),
            },
            Err(error) => Err(IdentityError::File(error)),
        }
    }

    fn load(path: &Path) -> Result<Option<Self>, IdentityError> {
        match private_file::read(path, MAX_LEN) {
            Ok(bytes) => parse(&bytes).map(Some).ok_or_else(|| IdentityError::Malformed(path.to_owned())),
            Err(PrivateFileError::Missing(_)) => Ok(None),
            Err(error) => Err(IdentityError::File(error)),
        }
    }

    fn to_text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(<[u8; KEY_LEN]>::from(self.private.to_bytes()));
        let base64 = Zeroizing::new(STANDARD.encode(*bytes));
        Zeroizing::new(format!("{LABEL}{}\n", *base64))
    }
}

fn parse(bytes: &[u8]) -> Option<Identity> {
    let bytes = private_file::without_bom(bytes);
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let base64 = line.strip_prefix(LABEL.as_bytes())?;
    let private = Zeroizing::new(STANDARD.decode(base64).ok()?);
    // Of the right length only; and every 32 bytes are a private key.
    Some(Identity::of(PrivateKey::from_bytes(&private).ok()?))
}

#[cfg(test)]
mod tests;
