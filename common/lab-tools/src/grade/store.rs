//! Results of earlier runs, so that an interrupted batch need not begin again.
//!
//! A result is found by a digest of all that it depends on: the submission, the
//! checks, and for a `src` the rest of the workspace. What has changed since then
//! is graded again.

use super::sources;
use super::verdict::{Result, Verdict};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of results.
pub struct Store {
    folder: PathBuf,
    /// Whether what is there is used.
    resume: bool,
}

impl Store {
    /// Those in `cache`; they are used where `resume` says so, and kept always.
    pub fn new(cache: &Path, resume: bool) -> Store {
        Store { folder: cache.join("results"), resume }
    }

    /// An earlier result.
    pub fn find(&self, digest: &str) -> Option<Result> {
        let text = self.resume.then(|| fs::read(self.path(digest)).ok())??;
        serde_json::from_slice(&text).ok()
    }

    /// Keeps a result, unless trying again might help. That it cannot be kept is
    /// no reason to stop.
    pub fn keep(&self, result: &Result) {
        if let (Some(digest), Ok(text)) = (&result.digest, serde_json::to_vec(result))
            && !matches!(result.verdict, Verdict::NotGraded(_))
        {
            let _ = sources::write(&self.path(digest), &text);
        }
    }

    /// Forgets a result that is not to be relied on.
    pub fn forget(&self, result: &Result) {
        if let Some(digest) = &result.digest {
            let _ = fs::remove_file(self.path(digest));
        }
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(format!("{digest}.json"))
    }
}
