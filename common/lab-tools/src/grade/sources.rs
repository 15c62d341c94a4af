//! Files taken from a submission, without being led astray.
//!
//! A link in a submission may lead anywhere, a named pipe makes whoever opens it
//! wait for ever, and a folder may hold more than a disk does. So only plain
//! files are read, links are never followed, and there is an end to all of it.

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

/// How much is read of a stage's `src`; ours are a hundred times smaller.
const SOURCE: Bounds = Bounds { files: 2000, bytes: 16 << 20, skipped: nobody_wrote };
/// How much is copied of a submission that brings its own command.
const FOLDER: Bounds = Bounds { files: 20_000, bytes: 256 << 20, skipped: by_the_system };

struct Bounds {
    files: usize,
    bytes: u64,
    /// What is left out, by its name.
    skipped: fn(&OsStr) -> bool,
}

/// The files of a stage's `src`, by their path in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// What was left out because it is no plain file.
    pub left_out: Vec<PathBuf>,
    /// Crates that it needs besides ours.
    pub crates: BTreeSet<String>,
}

impl Source {
    /// Reads `folder`.
    ///
    /// # Errors
    /// When it is no folder, or too large.
    pub fn read(folder: &Path) -> anyhow::Result<Source> {
        let mut source = Source::default();
        for (path, kind) in walk(folder, &SOURCE)? {
            let inside = path.strip_prefix(folder).unwrap_or(&path).to_owned();
            match kind {
                Kind::Folder => {}
                Kind::File => drop(source.files.insert(inside, read(&path)?)),
                Kind::Link | Kind::Other => source.left_out.push(inside),
            }
        }
        Ok(source)
    }

    /// Puts the files into `folder`, which holds these and no others then.
    ///
    /// All of them are new to cargo, whatever their age was: it looks at the time
    /// of a file, and an old one would leave it with the program of another student.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for (path, text) in &self.files {
            write(&folder.join(path), text)?;
        }
        Ok(())
    }

    /// The same files, and a compiler sees the same in them.
    pub fn is_like(&self, other: &Source) -> bool {
        self.files.len() == other.files.len()
            && self.files.iter().zip(&other.files).all(|((path, text), (other_path, other_text))| {
                path == other_path && as_compiled(text) == as_compiled(other_text)
            })
    }

    /// Tells other files from these.
    pub fn digest(&self, into: &mut Sha256) {
        for (path, text) in &self.files {
            add(into, path.as_os_str().as_encoded_bytes());
            add(into, text);
        }
        self.crates.iter().for_each(|name| add(into, name.as_bytes()));
    }
}

/// A text as the Rust compiler reads it (The Rust Reference, "Input format"): a
/// byte order mark is skipped, and CR LF is LF. Windows, and git there, make both.
pub fn as_compiled(text: &[u8]) -> Vec<u8> {
    let text = text.strip_prefix(BOM.as_bytes()).unwrap_or(text);
    let mut lines: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text {
        if *byte == b'\n' && lines.last() == Some(&b'\r') {
            lines.pop();
        }
        lines.push(*byte);
    }
    lines
}

/// A text without the byte order mark that Windows' editors put before it.
pub fn without_bom(text: &str) -> &str {
    text.strip_prefix(BOM).unwrap_or(text)
}

const BOM: &str = "\u{feff}";

/// Files and folders that an operating system or git has put there.
pub fn by_the_system(name: &OsStr) -> bool {
    const NAMES: [&str; 5] = ["__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", ".git"];
    let name = name.to_string_lossy();
    NAMES.contains(&name.as_ref()) || name.starts_with("._")
}

/// Those, and what editors leave behind: no source of a program.
pub fn nobody_wrote(name: &OsStr) -> bool {
    const NAMES: [&str; 3] = [".idea", ".vscode", ".vs"];
    const ENDS: [&str; 6] = ["~", ".swp", ".swo", ".bak", ".orig", ".rs.bk"];
    let text = name.to_string_lossy();
    by_the_system(name)
        || NAMES.contains(&text.as_ref())
        || text.starts_with(".#")
        || text.starts_with('#')
        || ENDS.iter().any(|end| text.ends_with(end))
}

/// Writes a file, and the folders above it.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("a file without a folder")?;
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Adds a piece, and where it ends.
pub fn add(digest: &mut Sha256, piece: &[u8]) {
    digest.update((piece.len() as u64).to_le_bytes());
    digest.update(piece);
}

/// Copies a submission with all that is in it to `there`. Links stay links: the
/// copy leads to where the original did, and nothing of what is there is copied.
///
/// # Errors
/// When it is too large, or cannot be read or written.
pub fn copy(folder: &Path, there: &Path, digest: &mut Sha256) -> anyhow::Result<()> {
    fs::create_dir_all(there).with_context(|| format!("cannot make {}", there.display()))?;
    let mut found = walk(folder, &FOLDER)?;
    found.sort_unstable_by(|(path, _), (other, _)| path.cmp(other));
    for (path, kind) in found {
        let inside = path.strip_prefix(folder).unwrap_or(&path);
        let copy = there.join(inside);
        add(digest, inside.as_os_str().as_encoded_bytes());
        let copied = match kind {
            Kind::Folder => fs::create_dir(&copy),
            Kind::Link => fs::read_link(&path).and_then(|to| {
                add(digest, to.as_os_str().as_encoded_bytes());
                symlink(to, &copy)
            }),
            Kind::File => open(&path).and_then(|mut file| {
                let mut text = Vec::new();
                file.read_to_end(&mut text)?;
                add(digest, &text);
                fs::write(&copy, text)?;
                // Whether it can be run.
                fs::set_permissions(&copy, file.metadata()?.permissions())
            }),
            Kind::Other => Ok(()),
        };
        copied.with_context(|| format!("cannot copy {}", inside.display()))?;
    }
    Ok(())
}

/// Reads a plain file, of as many bytes as a stage's `src` may have: a file with a hole
/// in it has more than there is memory, and takes no place on a disk.
///
/// # Errors
/// When it is none, is larger, or cannot be read.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    let file = open(path).and_then(|file| file.take(SOURCE.bytes + 1).read_to_end(&mut text));
    file.with_context(|| format!("cannot read {}", path.display()))?;
    if text.len() as u64 > SOURCE.bytes {
        bail!("{} is larger than {} MiB", path.display(), SOURCE.bytes >> 20);
    }
    Ok(text)
}

/// Returns `true` if a part of `inside`, a path in `folder`, is a link: what is named so
/// is not in the submission.
pub fn leads_out(folder: &Path, inside: &Path) -> bool {
    let parts = inside.ancestors().filter(|part| !part.as_os_str().is_empty());
    parts.map(|part| folder.join(part)).any(|part| part.is_symlink())
}

/// Opens a plain file and nothing else, and does not wait for a pipe's other end.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no plain file")) }
}

/// What lies in a folder.
enum Kind {
    File,
    Folder,
    Link,
    Other,
}

impl Kind {
    fn of(kind: fs::FileType) -> Kind {
        match () {
            () if kind.is_dir() => Kind::Folder,
            () if kind.is_file() => Kind::File,
            () if kind.is_symlink() => Kind::Link,
            () => Kind::Other,
        }
    }
}

/// All that is in `folder`, folders before what is in them. It is counted before
/// anything is read.
fn walk(folder: &Path, bounds: &Bounds) -> anyhow::Result<Vec<(PathBuf, Kind)>> {
    if !fs::symlink_metadata(folder).is_ok_and(|about| about.is_dir()) {
        bail!("{} is no folder", folder.display());
    }
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))? {
            let entry = entry.with_context(|| format!("cannot read {}", next.display()))?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if (bounds.skipped)(&entry.file_name()) {
                continue;
            }
            if kind.is_dir() {
                folders.push(path.clone());
            }
            if kind.is_file() {
                bytes += entry.metadata()?.len();
            }
            found.push((path, Kind::of(kind)));
            if found.len() > bounds.files || bytes > bounds.bytes {
                let most = bounds.bytes >> 20;
                bail!("{} is larger than {} files or {most} MiB", folder.display(), bounds.files);
            }
        }
    }
    Ok(found)
}
