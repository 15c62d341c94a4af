//! One line for each check that failed, for the end of `make test`, where the
//! output of many programs lies between the failure and its reader.
//!
//! `TESTKIT_SUMMARY=FILE` has every suite append to `FILE`:
//!
//! ```text
//! stage 4: a_line_reaches_every_other_client: Keep a list of all connections, …
//! stage 4: 41 more checks wait for a_line_reaches_every_other_client
//! ```

use crate::check::Check;
use crate::poison::IgnorePoison;
use crate::report::Complaint;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Mutex;

/// Names the file.
pub(crate) const VARIABLE: &str = "TESTKIT_SUMMARY";

/// The file, open.
pub(crate) struct Summary {
    stage: u8,
    file: Mutex<File>,
}

impl Summary {
    /// The summary that the environment asks for. One that cannot be written is no
    /// reason not to test.
    pub fn asked_for(stage: u8) -> Option<Self> {
        let path = std::env::var_os(VARIABLE)?;
        let file = OpenOptions::new().append(true).create(true).open(path).ok()?;
        Some(Self { stage, file: Mutex::new(file) })
    }

    /// A check that failed, with its hint.
    pub fn failed(&self, check: &Check, complaint: &Complaint) {
        self.line(&format!("{}: {}", check.name, complaint.hint));
    }

    /// How many checks were not judged since `basic` failed.
    pub fn not_judged(&self, basic: &str, count: usize) {
        self.line(&format!("{count} more checks wait for {basic}"));
    }

    fn line(&self, text: &str) {
        let line = format!("stage {}: {text}\n", self.stage);
        let _ = self.file.lock().ignore_poison().write_all(line.as_bytes());
    }
}
