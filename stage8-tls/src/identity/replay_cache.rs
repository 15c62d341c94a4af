//! Which private messages have been shown: one that comes twice is shown once.
//!
//! A sealed message is as genuine the second time as the first, and the server,
//! or an attacker who has read its database, can send it again at any time. HPKE
//! leaves that to the application (RFC 9180, 9.7.3). So the receiver keeps the
//! digests of what it has shown, in a file beside its identity, since the
//! memory of a program ends with it.
//!
//! The file is the whole memory: for each message it is read, and its digest
//! added. When it has [`GENERATION`] of them it becomes `….old`, in place of
//! the `….old` before, and a new one is begun. So at least the last 65,536
//! messages are known, in at most 2 MiB, and one that was shown before those
//! would be shown again. To forget nothing, a message would have to carry a
//! number or the time, which the wire format does not give it.

use common::private_file::{self, PrivateFileError};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Digests in one file.
const GENERATION: usize = 65_536;
/// Half of a SHA-256. A sender who finds two messages with the same half
/// (2^64 tries) keeps one of them from being shown.
const DIGEST_LEN: usize = 16;

/// The memory cannot be used, so it is not known whether a message is new.
#[derive(Debug, Error)]
pub enum ReplayCacheError {
    /// A file cannot be read or made, or is open to others.
    #[error("shown messages {0}")]
    File(PrivateFileError),
    /// Reading or adding to it fails half-way.
    #[error("shown messages {}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
}

/// The memory of one identity.
#[derive(Debug, Clone)]
pub struct ReplayCache {
    path: PathBuf,
    old: PathBuf,
    generation: usize,
}

impl ReplayCache {
    /// Beside the identity file at `identity`: `….seen` and `….seen.old`.
    pub fn beside(identity: &Path) -> Self {
        let with = |end: &str| {
            let mut path = identity.as_os_str().to_owned();
            path.push(end);
            PathBuf::from(path)
        };
        Self { path: with(".seen"), old: with(".seen.old"), generation: GENERATION }
    }

    /// Returns `true` if `sealed` is seen for the first time, and remembers it. To be
    /// asked for messages that could be opened: rubbish is not worth a place.
    ///
    /// It is remembered before it is shown. A program that is killed between
    /// the two has shown it never; the other way round, twice.
    ///
    /// # Errors
    /// [`ReplayCacheError`].
    pub fn is_new(&self, sealed: &str) -> Result<bool, ReplayCacheError> {
        let digest = &Sha256::digest(sealed)[..DIGEST_LEN];
        loop {
            let mut file = self.current()?;
            let shown = self.digests(&mut file)?;
            if holds(&shown, digest) || self.held_before(digest)? {
                return Ok(false);
            }
            // A program that was killed, or a disk that was full, may have left
            // a part of one.
            let whole = shown.len() - shown.len() % DIGEST_LEN;
            if whole < shown.len() {
                file.set_len(whole as u64).map_err(|error| self.io(error))?;
            }
            if whole < self.generation * DIGEST_LEN {
                return file.write_all(digest).map(|()| true).map_err(|error| self.io(error));
            }
            // And ask anew: the next file is not locked yet, and another program
            // may have put this very message into it before we have it.
            fs::rename(&self.path, &self.old).map_err(|error| self.io(error))?;
        }
    }

    /// The newer file, locked until it is closed. While we waited for the lock,
    /// its owner may have made it the older one.
    fn current(&self) -> Result<File, ReplayCacheError> {
        loop {
            let file = private_file::append_to(&self.path).map_err(ReplayCacheError::File)?;
            file.lock().map_err(|error| self.io(error))?;
            let ours = file.metadata().map_err(|error| self.io(error))?;
            match fs::metadata(&self.path) {
                Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => return Ok(file),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(self.io(error)),
            }
        }
    }

    fn digests(&self, file: &mut File) -> Result<Vec<u8>, ReplayCacheError> {
        let mut digests = Vec::new();
        file.read_to_end(&mut digests).map_err(|error| self.io(error))?;
        Ok(digests)
    }

    fn held_before(&self, digest: &[u8]) -> Result<bool, ReplayCacheError> {
        match fs::read(&self.old) {
            Ok(digests) => Ok(holds(&digests, digest)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.io(error)),
        }
    }

    fn io(&self, error: io::Error) -> ReplayCacheError {
        ReplayCacheError::Io(self.path.clone(), error)
    }
}

fn holds(digests: &[u8], digest: &[u8]) -> bool {
    digests.chunks_exact(DIGEST_LEN).any(|shown| shown == digest)
}

#[cfg(test)]
mod tests;
