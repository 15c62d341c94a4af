//! Which private messages have been shown: one that comes twice is shown once.
//!
//! A sealed message is as genuine the second time as the first, and the server,
//! or an attacker who has read its database, can send it again at any time. HPKE
//! leaves that to the application (RFC 9180, 9.7.3). So the receiver keeps the
//! digests of what it has shown, in a file beside its identity, since the
//! memory of a program ends with it.
//!
//! The file is the whole memory: for each message it is read, and its digest
//! added. When it has twice [`GENERATION`] of them, the older half is dropped. So at
//! least the last 65,536 messages are known, in at most 2 MiB, and one that was shown
//! before those would be shown again. To forget nothing, a message would have to carry
//! a number or the time, which the wire format does not give it.

use common::private_file::{self, PrivateFileError};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How many digests are known at least.
const GENERATION: usize = 65_536;
/// Half of a SHA-256. A sender who finds two messages with the same half
/// (2^64 tries) keeps one of them from being shown.
const DIGEST_LEN: usize = 16;

/// The memory of one identity.
#[derive(Debug, Clone)]
pub struct ReplayCache {
    path: PathBuf,
    generation: usize,
}

impl ReplayCache {
    /// Beside the identity file at `identity`: `….seen`.
    pub fn beside(identity: &Path) -> Self {
        let mut path = identity.as_os_str().to_owned();
        path.push(".seen");
        Self { path: path.into(), generation: GENERATION }
    }

    /// Returns `true` if `sealed` is seen for the first time, and remembers it. To be
    /// asked for messages that could be opened: rubbish is not worth a place.
    ///
    /// It is remembered before it is shown. A program that is killed between the two
    /// never shows the message. In the other order it could show the message twice.
    ///
    /// # Errors
    /// When the file cannot be used, so that it is not known whether the message is new.
    pub fn is_new(&self, sealed: &str) -> Result<bool, PrivateFileError> {
        let (file, shown) = private_file::open_locked(&self.path, u64::MAX)?;
        let digest = &Sha256::digest(sealed)[..DIGEST_LEN];
        if shown.chunks_exact(DIGEST_LEN).any(|known| known == digest) {
            return Ok(false);
        }
        self.remember(file, &shown, digest)
            .map_err(|error| PrivateFileError::Unwritable(self.path.clone(), error))?;
        Ok(true)
    }

    fn remember(&self, mut file: File, shown: &[u8], digest: &[u8]) -> io::Result<()> {
        // A program that was killed, or a disk that was full, may have left a part of one.
        let whole = shown.len() - shown.len() % DIGEST_LEN;
        let half = self.generation * DIGEST_LEN;
        if whole >= 2 * half {
            // The newer half over the older one, and only then its end: a program that is
            // killed in between forgets none of the newer half. (What is opened to append
            // cannot be written elsewhere.)
            OpenOptions::new().write(true).open(&self.path)?.write_all_at(&shown[whole - half..whole], 0)?;
            file.set_len(half as u64)?;
        } else {
            file.set_len(whole as u64)?;
        }
        file.write_all(digest)
    }
}

#[cfg(test)]
mod tests;
