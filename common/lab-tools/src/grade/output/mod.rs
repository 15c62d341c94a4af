//! Results for people, and for other programs.

pub mod feedback;
pub mod gradebook;
pub mod gradescope;
pub mod junit;
pub mod spreadsheet;
pub mod terminal;

use super::verdict::Result;
use super::weights::Weights;
use anyhow::Context;
use std::io::Write;
use std::path::Path;

/// A graded submission, with all that the forms of output need.
pub struct Row {
    /// The submission's name.
    pub name: String,
    /// What came of it.
    pub result: Result,
}

/// How checks become points.
pub struct Scale {
    /// What each check is worth.
    pub weights: Weights,
    /// The points of one who passes all.
    pub most: f64,
}

/// Two decimals are enough for a mark.
pub fn rounded(points: f64) -> f64 {
    // The sum of no numbers is -0.
    (points * 100.0).round() / 100.0 + 0.0
}

/// Writes a file as a whole or not at all: whoever looks at it while a batch
/// runs, or after its end by force, sees a complete one.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(folder)
        .and_then(|mut file| file.write_all(text).map(|()| file))
        .and_then(|file| {
            // As any other file of this user, and not for its owner only.
            rustix::fs::fchmod(file.as_file(), rustix::fs::Mode::from_raw_mode(0o644))?;
            file.persist(path).map_err(|error| error.error)
        });
    written.map(drop).with_context(|| format!("cannot write {}", path.display()))
}
