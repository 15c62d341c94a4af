//! Results for people, and for other programs.

pub mod feedback;
pub mod gradebook;
pub mod gradescope;
pub mod junit;
pub mod spreadsheet;
pub mod terminal;

use super::verdict::Result;
use super::weights::Weights;
use crate::grade::tree::hex;
use anyhow::Context;
use common::escape::escape;
use sha2::{Digest, Sha256};
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

/// A file's name may have 255 bytes on most systems.
const LONGEST_NAME: usize = 200;

/// The name of a submission's own file. A folder's name may have what drives a terminal
/// in it, and be so long that no ending fits behind it.
pub fn file_name(submission: &str, ending: &str) -> String {
    let name = escape(submission);
    if name.len() <= LONGEST_NAME {
        return format!("{name}.{ending}");
    }
    let digest = hex(Sha256::new_with_prefix(submission));
    let start = name.char_indices().take_while(|(at, _)| *at < LONGEST_NAME);
    format!("{}-{}.{ending}", start.map(|(_, c)| c).collect::<String>(), &digest[..16])
}

/// Text of a submission with its line ends, all else in it escaped.
pub fn escaped_lines(text: &str) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
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

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn every_name_has_a_file_of_its_own_that_can_be_made() {
        assert_eq!(file_name("anna", "md"), "anna.md");
        assert_eq!(file_name("two\n\u{1b}lines", "md"), "two\\x0a\\x1blines.md");
        let long =
            ["x".repeat(255), "x".repeat(254) + "y", "ü".repeat(127)].map(|name| file_name(&name, "json"));
        assert!(long.iter().all(|name| name.len() <= 255), "{long:?}");
        assert_ne!(long[0], long[1]);
    }
}
