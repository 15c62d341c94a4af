//! Files that only their owner may read: keys, and what is known about the keys
//! of other users.
//!
//! The trap is the moment between two steps. A file that is first made and then
//! closed to others was open to them in between. A check of a path says nothing
//! about the file that the next `open` finds there. And a file that is written in
//! place is half a file if the power fails meanwhile.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use thiserror::Error;
use zeroize::Zeroizing;

/// Why a private file could not be read or made. No variant holds any of the
/// file's contents, so that no message can show a key.
#[derive(Debug, Error)]
pub enum PrivateFileError {
    /// There is no such file.
    #[error("{}: no such file", .0.display())]
    Missing(PathBuf),
    /// The file exists, but cannot be read.
    #[error("{path}: cannot be read: {cause} (ls -l '{path}' shows its owner and mode)", path = .0.display(), cause = .1)]
    Unreadable(PathBuf, io::Error),
    /// Others on this machine can read it or write to it.
    #[error(
        "{path}: others than its owner have access to it (mode {mode:04o}), and may have read or changed it; \
         mend that with: chmod 600 '{path}'", path = .0.display(), mode = .1
    )]
    Exposed(PathBuf, u32),
    /// A file with this name exists already.
    #[error("{}: exists already", .0.display())]
    Exists(PathBuf),
    /// It cannot be written.
    #[error("{}: cannot be written: {} (its folder must exist, and you must be allowed to write to it)", .0.display(), .1)]
    Unwritable(PathBuf, io::Error),
}

/// The contents of a private file, or its first `most` bytes: the path may name
/// something much larger (a film, `/dev/zero`).
///
/// # Errors
/// [`PrivateFileError::Missing`], `Unreadable` or `Exposed`.
pub fn read(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let unreadable = |error| PrivateFileError::Unreadable(path.to_owned(), error);
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => PrivateFileError::Missing(path.to_owned()),
        _ => unreadable(error),
    })?;
    require_private(&file, path)?;
    // With its full capacity from the start: a buffer that grows leaves copies of
    // a key in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    file.take(most as u64).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// `text` without the byte order mark with which some editors begin a UTF-8 file.
pub fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Opens a private file for reading and appending, and makes it if it does not
/// exist. Each write goes to the end that the file has then (O_APPEND), so that
/// two programs can append to the same file.
///
/// # Errors
/// [`PrivateFileError::Unwritable`] or `Exposed`.
pub fn append_to(path: &Path) -> Result<File, PrivateFileError> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| PrivateFileError::Unwritable(path.to_owned(), error))?;
    require_private(&file, path)?;
    Ok(file)
}

/// Only the owner may have access to a regular file. A pipe, as from
/// `--key <(gpg --decrypt chat.key.gpg)`, cannot be opened by others anyway.
fn require_private(file: &File, path: &Path) -> Result<(), PrivateFileError> {
    // Of the opened file, not of the path: that may name another file by now.
    let metadata = file.metadata().map_err(|error| PrivateFileError::Unreadable(path.to_owned(), error))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if metadata.is_file() && mode & 0o077 != 0 {
        return Err(PrivateFileError::Exposed(path.to_owned(), mode));
    }
    Ok(())
}

/// Makes a file with mode 0600. With `replace`, an existing file is replaced in
/// one step: a program that opens `path` meanwhile reads the old contents or the
/// new ones, never half of them.
///
/// # Errors
/// [`PrivateFileError::Exists`] without `replace`, and `Unwritable`; `path` is
/// then as it was before.
pub fn save(path: &Path, contents: &[u8], replace: bool) -> Result<(), PrivateFileError> {
    let unwritable = |error| PrivateFileError::Unwritable(path.to_owned(), error);
    let file = write_beside(path, contents).map_err(unwritable)?;
    // Both move the finished file to its name. The second fails if a file has the
    // name, without a moment between looking and moving.
    let moved = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    match moved {
        Ok(_) => Ok(()),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(PrivateFileError::Exists(path.to_owned()))
        }
        Err(e) => Err(unwritable(e.error)),
    }
}

/// Writes the contents into a file of another name in the same folder, since a
/// file can be moved in one step only within a file system. The file is removed
/// when it is dropped.
fn write_beside(path: &Path, contents: &[u8]) -> io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut file = NamedTempFile::with_prefix_in(".new-", folder)?;
    // It is made with this mode already, unless the umask takes rights from the
    // owner.
    file.as_file().set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(contents)?;
    // Before the file gets its name, so that a power cut leaves no empty key file.
    file.as_file().sync_all()?;
    Ok(file)
}
