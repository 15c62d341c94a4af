//! The key file: every user of the chat has a copy of it, and no other person.
//!
//! Two lines, `key=` with 64 hexadecimal digits and `iv=` with 32. How a copy gets
//! from one user to another is left to the users: on paper, on a stick, in an
//! encrypted mail. None of these is a good answer; TLS (stage 8) has a better one.

use crate::cipher::{IV_LEN, Iv, KEY_LEN, Key, random_iv};
use common::private_file::{self, PrivateFileError};
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// Where programs look for the key file when they are not told.
pub const DEFAULT_PATH: &str = "chat.key";

/// Bytes that are read at most. A key file has 105; but the path may name something
/// much larger (a film, `/dev/zero`).
const MAX_LEN: usize = 4096;

/// The contents of a key file: read from a file that is valid in every respect, or
/// made anew. There is no other way to get one.
#[derive(Debug, Clone)]
pub struct KeyFile {
    /// The key that all users of the chat share.
    pub key: Key,
    /// The IV for `--fixed-iv`. Not secret: it is in front of every message.
    pub iv: Iv,
}

/// Why a key file could not be read or made. No variant holds any of the file's
/// contents: they may be a key with one digit too few.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// There is no such file.
    #[error("key file {}: no such file; make it with stage5-keygen, or name another with --key", .0.display())]
    Missing(PathBuf),
    /// It does not have the two lines that it should have.
    #[error("key file {}, line {line}: {}; make it with stage5-keygen", .path.display(), .problem)]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with the line.
        problem: LineError,
    },
    /// A file with this name exists already.
    #[error("key file {}: exists already; --force replaces it, and what was encrypted with the old key can then no longer be read", .0.display())]
    Exists(PathBuf),
    /// Anything else that can be wrong with a file.
    #[error("key file {0}")]
    File(PrivateFileError),
}

/// What is wrong with a line of a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LineError {
    /// The line is missing, or another line is in its place.
    #[error("expected `{name}=` and {digits} hexadecimal digits")]
    Expected {
        /// The word before the `=`.
        name: &'static str,
        /// How many digits follow it.
        digits: usize,
    },
    /// Too few or too many digits.
    #[error("`{name}=` needs {digits} hexadecimal digits, not {found}")]
    Length {
        /// The word before the `=`.
        name: &'static str,
        /// How many digits should follow it.
        digits: usize,
        /// How many characters do.
        found: usize,
    },
    /// A character that is not a hexadecimal digit.
    #[error("character {column} is not a hexadecimal digit")]
    Digit {
        /// Where in the line, from 1.
        column: usize,
    },
    /// A line too many.
    #[error("nothing may follow the two lines `key=` and `iv=`")]
    Surplus,
}

impl KeyFile {
    /// New random contents.
    pub fn random() -> Self {
        Self { key: Key::random(), iv: random_iv() }
    }

    /// Reads the key file at `path`. Only its owner may have access to it.
    ///
    /// # Errors
    ///
    /// All but [`KeyFileError::Exists`].
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let bytes = private_file::read(path, MAX_LEN)?;
        parse(&bytes).map_err(|(line, problem)| KeyFileError::Malformed {
            path: path.to_owned(),
            line,
            problem,
        })
    }

    /// Writes a key file with mode 0600. With `replace`, an existing file is
    /// replaced in one step.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Exists`] without `replace`, and [`KeyFileError::File`];
    /// `path` is then as it was before.
    pub fn save(&self, path: &Path, replace: bool) -> Result<(), KeyFileError> {
        Ok(private_file::save(path, self.to_text().as_bytes(), replace)?)
    }

    fn to_text(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(hex::encode(self.key.as_bytes()));
        let iv = hex::encode(self.iv);
        Zeroizing::new(format!("key={}\niv={iv}\n", *key))
    }
}

impl From<PrivateFileError> for KeyFileError {
    /// For two of the errors the message says more: which program makes the file.
    fn from(error: PrivateFileError) -> Self {
        match error {
            PrivateFileError::Missing(path) => Self::Missing(path),
            PrivateFileError::Exists(path) => Self::Exists(path),
            other => Self::File(other),
        }
    }
}

/// The contents of a key file. On failure, the number of the line and what is
/// wrong with it.
fn parse(bytes: &[u8]) -> Result<KeyFile, (usize, LineError)> {
    // Users send key files to each other, so one may have been saved by an editor
    // that writes `\r\n` and a byte order mark.
    let bytes = private_file::without_bom(bytes);
    let mut lines = bytes
        .strip_suffix(b"\n")
        .unwrap_or(bytes)
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));

    let mut key = Zeroizing::new([0; KEY_LEN]);
    decode(lines.next(), "key", &mut *key).map_err(|problem| (1, problem))?;
    let mut iv = [0; IV_LEN];
    decode(lines.next(), "iv", &mut iv).map_err(|problem| (2, problem))?;
    if lines.next().is_some() {
        return Err((3, LineError::Surplus));
    }
    Ok(KeyFile { key: Key::new(*key), iv })
}

/// Fills `out` with the bytes that the digits of the line `name=digits` encode.
fn decode(line: Option<&[u8]>, name: &'static str, out: &mut [u8]) -> Result<(), LineError> {
    let digits = out.len() * 2;
    let value = line
        .and_then(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .ok_or(LineError::Expected { name, digits })?;
    if let Some(index) = value.iter().position(|byte| !byte.is_ascii_hexdigit()) {
        let column = name.len() + 2 + index;
        return Err(LineError::Digit { column });
    }
    let found = value.len();
    hex::decode_to_slice(value, out).map_err(|_| LineError::Length { name, digits, found })
}

#[cfg(test)]
mod tests;
