//! Which key each user had: trust on first use.
//!
//! The server says whose key is whose. The first time there is nothing to hold
//! it against (as with a host that `ssh` sees for the first time); from then on
//! this file is. A key that is another than before means that a user has lost
//! an identity file, or that an attacker is in the middle, and a program cannot know which: it
//! has to stop and ask.
//!
//! One line for each key: the server's address, the name, the key in base64.
//! Lines are only ever added, and the last one for a name counts, so that two
//! programs can use the file at once and the history stays to be looked at.

use super::public_key::{PublicKey, decode};
use common::endpoint::Endpoint;
use common::private_file::{self, PrivateFileError};
use stage6_auth::accounts::check_name;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Some forty thousand keys. A server that invents users without end fills no
/// more of the disk than this.
const MAX_LEN: u64 = 4 << 20;

/// What is known about a key that the server gives out as a user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// There was none for that name; it is remembered now.
    First,
    /// It is the one that is remembered.
    Same,
    /// Another one is remembered, and stays so until [`KnownKeys::accept`].
    Changed,
}

/// Why nothing can be said about a key. Then it must not be used.
#[derive(Debug, Error)]
pub enum KnownKeysError {
    /// The file cannot be read or written, or is open to others.
    #[error("known keys {0}")]
    File(#[from] PrivateFileError),
    /// A line is not what it should be.
    #[error(
        "known keys {}, line {line}: {problem}; mend the line or remove it", .path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The server speaks of a user who cannot exist: no such name can be
    /// registered, and none is written into the file.
    #[error("no user can have the name {:?}", .0)]
    Name(String),
    /// It has no room for another key.
    #[error("known keys {}: larger than 4 MiB; remove what you do not need", .0.display())]
    Full(PathBuf),
}

/// The keys of the users on one server. Nothing is kept in memory: each
/// question is answered from the file as it is then.
#[derive(Debug, Clone)]
pub struct KnownKeys {
    path: PathBuf,
    server: String,
}

impl KnownKeys {
    /// `server` is its address as the user has given it. The file need not be
    /// there yet.
    pub fn new(path: &Path, server: &str) -> Self {
        Self { path: path.to_owned(), server: server.to_owned() }
    }

    /// The key that is remembered for `name`.
    ///
    /// # Errors
    /// [`KnownKeysError`].
    pub fn get(&self, name: &str) -> Result<Option<PublicKey>, KnownKeysError> {
        self.known(&self.open()?.1, name)
    }

    /// Holds a key against the one that is remembered for `name`. The first one
    /// is remembered from now on; another one never takes its place here.
    ///
    /// # Errors
    /// [`KnownKeysError`]; then nothing is known about the key.
    pub fn check(&self, name: &str, key: &PublicKey) -> Result<KeyStatus, KnownKeysError> {
        let (file, text) = self.open()?;
        match self.known(&text, name)? {
            Some(known) if known == *key => Ok(KeyStatus::Same),
            Some(_) => Ok(KeyStatus::Changed),
            None => self.add(file, &text, name, key).map(|()| KeyStatus::First),
        }
    }

    /// Remembers `key` for `name` in place of another: for when the two users
    /// have compared their safety numbers.
    ///
    /// # Errors
    /// [`KnownKeysError`]; then the other one is still the one that counts.
    pub fn accept(&self, name: &str, key: &PublicKey) -> Result<(), KnownKeysError> {
        let (file, text) = self.open()?;
        if self.known(&text, name)? == Some(*key) {
            return Ok(());
        }
        self.add(file, &text, name, key)
    }

    /// The file, which no other program changes while it is open here, and its contents.
    fn open(&self) -> Result<(File, Vec<u8>), PrivateFileError> {
        private_file::open_locked(&self.path, MAX_LEN)
    }

    /// A wrong line is an error for every name: it can no longer be known whether it
    /// was about this one.
    fn known(&self, text: &[u8], name: &str) -> Result<Option<PublicKey>, KnownKeysError> {
        let malformed = |line, problem: String| {
            let path = self.path.clone();
            KnownKeysError::Malformed { path, line, problem }
        };
        let mut last = None;
        // The byte order mark would be a part of the first server's address, which
        // would be that of no server.
        for (index, line) in private_file::without_bom(text).split(|&byte| byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let (server, whose, key) = parse(line).map_err(|problem| malformed(index + 1, problem))?;
            if server == self.server && whose.eq_ignore_ascii_case(name) {
                last = Some((index + 1, key));
            }
        }
        let Some((line, key)) = last else { return Ok(None) };
        PublicKey::new(key).map(Some).map_err(|bad| malformed(line, bad.to_string()))
    }

    fn add(&self, mut file: File, text: &[u8], name: &str, key: &PublicKey) -> Result<(), KnownKeysError> {
        check_name(name).map_err(|_| KnownKeysError::Name(name.to_owned()))?;
        // An editor may have left the last line without its end.
        let end = if text.last().is_none_or(|&byte| byte == b'\n') { "" } else { "\n" };
        let line = format!("{end}{} {name} {key}\n", self.server);
        if (text.len() + line.len()) as u64 > MAX_LEN {
            return Err(KnownKeysError::Full(self.path.clone()));
        }
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
        Ok(written.map_err(|error| PrivateFileError::Unwritable(self.path.clone(), error))?)
    }
}

/// The server's address, a name and a key; or what is wrong with the line. No line that
/// is not understood is skipped.
fn parse(line: &[u8]) -> Result<(&str, &str, [u8; 32]), String> {
    let words: Vec<_> = str::from_utf8(line).unwrap_or_default().split(' ').collect();
    let [server, name, key] = words[..] else {
        return Err("expected the server's address, a name and a key, with a blank between".to_owned());
    };
    server.parse::<Endpoint>().map_err(|_| "the first word is no HOST:PORT")?;
    check_name(name).map_err(|_| "the second word is no name")?;
    Ok((server, name, decode(key).map_err(|bad| bad.to_string())?))
}

#[cfg(test)]
mod tests;
