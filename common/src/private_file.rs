//! Files that belong to one person: keys, and what is known about those of
//! others.
//!
//! The trap is the moment between two steps. A file that is made first and
//! closed to others afterwards was open to them in between; a check of a path
//! says nothing about the file that is opened under it next; and a file that is
//! written in place is half a file whenever the power fails.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use thiserror::Error;
use zeroize::Zeroizing;

/// Why a private file could not be read or made. What stands in the file is in
/// none of them.
#[derive(Debug, Error)]
pub enum PrivateFileError {
    /// There is no such file.
    #[error("{}: there is none", .0.display())]
    Missing(PathBuf),
    /// There is something, but it cannot be read.
    #[error("{path}: cannot be read: {cause} (ls -l '{path}' shows who may)", path = .0.display(), cause = .1)]
    Unreadable(PathBuf, io::Error),
    /// Others on this machine can read it or write to it.
    #[error(
        "{path}: others than its owner have access to it (mode {mode:04o}), and may have read or changed it; \
         mend that with: chmod 600 '{path}'", path = .0.display(), mode = .1
    )]
    Exposed(PathBuf, u32),
    /// There is a file already where one was to be made.
    #[error("{}: exists already", .0.display())]
    Exists(PathBuf),
    /// It cannot be written.
    #[error("{}: cannot be written: {} (its folder has to be there, and yours to write to)", .0.display(), .1)]
    Unwritable(PathBuf, io::Error),
}

/// All that is in a private file, or its first `most` bytes: of something that
/// is none (a film, `/dev/zero`) no more is read.
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
    // All its room from the start: a buffer that grows leaves copies of a key
    // behind in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    file.take(most as u64).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Opens a private file to be read and added to, and makes it where there is
/// none. Each write goes to its end, wherever that is by then, so that two
/// programs can add to the same file.
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

/// A regular file has to belong to its owner alone; a pipe, as from
/// `--key <(gpg --decrypt chat.key.gpg)`, is nobody else's anyway.
fn require_private(file: &File, path: &Path) -> Result<(), PrivateFileError> {
    // Of the opened file, not of the path: that may name another one by now.
    let metadata = file.metadata().map_err(|error| PrivateFileError::Unreadable(path.to_owned(), error))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if metadata.is_file() && mode & 0o077 != 0 {
        return Err(PrivateFileError::Exposed(path.to_owned(), mode));
    }
    Ok(())
}

/// Makes a file with mode 0600. With `replace`, a file that exists is replaced
/// in one step: whoever opens `path` meanwhile reads the old contents or the
/// new ones, never half of them.
///
/// # Errors
/// [`PrivateFileError::Exists`] without `replace`, and `Unwritable`; `path` is
/// then as it was before.
pub fn save(path: &Path, contents: &[u8], replace: bool) -> Result<(), PrivateFileError> {
    let unwritable = |error| PrivateFileError::Unwritable(path.to_owned(), error);
    let file = write_beside(path, contents).map_err(unwritable)?;
    // Either moves the finished file to its name; the second refuses when the
    // name is taken, without a moment between looking and moving.
    let moved = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    match moved {
        Ok(_) => Ok(()),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(PrivateFileError::Exists(path.to_owned()))
        }
        Err(e) => Err(unwritable(e.error)),
    }
}

/// The contents in a file of another name in the same folder, since a file can
/// be moved in one step only within a file system. It is removed when it is
/// dropped.
fn write_beside(path: &Path, contents: &[u8]) -> io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut file = NamedTempFile::with_prefix_in(".new-", folder)?;
    // That is how it is made already, unless a strange umask took the owner's
    // own rights away.
    file.as_file().set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(contents)?;
    // Before it gets its name, so that a power cut leaves no empty key file.
    file.as_file().sync_all()?;
    Ok(file)
}
