//! Files that only their owner may read: keys, and what is known about the keys
//! of other users.
//!
//! The trap is the moment between two steps. A file that is first made and then
//! closed to others was open to them in between. A check of a path says nothing
//! about the file that the next `open` finds there. And a file that is written in
//! place is half a file if the power fails meanwhile.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
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
    reject_foreign_link(path).map_err(unreadable)?;
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

/// Opens a private file to append to it, makes it if it does not exist, and returns
/// its contents too, or their first `most` bytes. Until the file is closed, it is
/// locked: between looking and adding, another program of ours must not add the same.
///
/// # Errors
/// [`PrivateFileError::Unwritable`], `Exposed` or `Unreadable`.
pub fn open_locked(path: &Path, most: u64) -> Result<(File, Vec<u8>), PrivateFileError> {
    let mut file = open_or_make(path, OpenOptions::new().read(true).append(true))
        .map_err(|error| PrivateFileError::Unwritable(path.to_owned(), error))?;
    require_private(&file, path)?;
    let mut contents = Vec::new();
    file.lock()
        .and_then(|()| (&mut file).take(most).read_to_end(&mut contents))
        .map_err(|error| PrivateFileError::Unreadable(path.to_owned(), error))?;
    Ok((file, contents))
}

/// Opens a file as `options` say, and makes it if it does not exist, with mode 0600
/// whatever the umask is.
///
/// # Errors
/// Those of `open`, and of [`reject_foreign_link`].
pub fn open_or_make(path: &Path, options: &OpenOptions) -> io::Result<File> {
    reject_foreign_link(path)?;
    match options.clone().create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            // The umask may have taken away rights of the owner.
            file.set_permissions(Permissions::from_mode(0o600))?;
            Ok(file)
        }
        // It exists; or it is a link of ours to a file that does not.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options.clone().create(true).mode(0o600).open(path)
        }
        Err(error) => Err(error),
    }
}

/// Fails if `path` is a symbolic link that a user other than this one and root has
/// made. Linux does the same in folders such as `/tmp`, and without a moment between
/// looking and opening (`fs.protected_symlinks`, proc_sys_fs(5)).
///
/// # Errors
/// `PermissionDenied`.
pub fn reject_foreign_link(path: &Path) -> io::Result<()> {
    reject_link_unless_of(path, &[0, rustix::process::geteuid().as_raw()])
}

fn reject_link_unless_of(path: &Path, users: &[u32]) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(link) if link.is_symlink() && !users.contains(&link.uid()) => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("it is a symbolic link of another user (user id {})", link.uid()),
        )),
        // If there is no such file, the next step says so.
        _ => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_new_file_has_its_mode_and_an_old_one_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        let mut append = OpenOptions::new();
        append.append(true);
        open_or_make(&path, &append).unwrap().write_all(b"one\n").unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        open_or_make(&path, &append).unwrap().write_all(b"two\n").unwrap();
        assert_eq!(mode(&path), 0o640);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_link_of_another_user_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let own = fs::symlink_metadata(&link).unwrap().uid();
        reject_link_unless_of(&link, &[own]).unwrap();
        reject_foreign_link(&link).unwrap();
        let error = reject_link_unless_of(&link, &[own + 1]).unwrap_err();
        assert_eq!(error.to_string(), format!("it is a symbolic link of another user (user id {own})"));
        // What is no link has its own rules, and what does not exist is for `open`.
        reject_link_unless_of(&file, &[own + 1]).unwrap();
        reject_link_unless_of(&folder.path().join("nothing"), &[own + 1]).unwrap();
    }
}
