//! What the checks found, for a program to read.
//!
//! `TESTKIT_REPORT=FILE` has the checks write one JSON object a line to `FILE`:
//!
//! ```text
//! {"stage":4,"server":"…","client":"…","checks":[{"name":"…","kind":"wire","ignored":false}, …]}
//! {"check":"…","passed":true,"seconds":0.31}
//! {"check":"…","passed":false,"seconds":4.02,"what":"…","hint":"…","steps":"…","errors":"…"}
//! {"check":"…","passed":false,"seconds":0.0,"not_judged":"a check that failed","what":"…"}
//! {"end":true}
//! ```
//!
//! The first line lists all checks of the stage, those that were asked for and
//! those that were not; then comes a line for each that has run, and without the
//! last line the checks themselves came to an end before they were through.
//!
//! The trap it avoids is a program that writes its own grade. Graded programs do
//! not inherit the file nor the variable, and while a report is written they
//! cannot look into this process through `/proc` either (unless they are root's).
//! Named as `/dev/stdout` with a pipe behind it, which is what `lab grade` does,
//! there is no file that could be found and written to.

use crate::check::Check;
use crate::context::Graded;
use crate::poison::IgnorePoison;
use serde_json::{Value, json};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

/// Names the file.
pub(crate) const VARIABLE: &str = "TESTKIT_REPORT";

/// All that there is to say about a check that failed.
pub(crate) struct Complaint {
    pub steps: String,
    pub what: String,
    pub hint: String,
    pub errors: String,
    /// Time was over: a busy machine may be the reason.
    pub late: bool,
}

impl Complaint {
    /// A failure that is not the graded program's.
    pub fn of_ours(what: String) -> Self {
        let (steps, errors, late) = Default::default();
        let hint = "The checks themselves cannot work here; this says nothing about the program.".into();
        Self { steps, what: format!("  {what}\n"), hint, errors, late }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, what, hint, errors, .. } = self;
        write!(f, "  steps so far\n{steps}\n{what}  likely cause: {hint}\n{errors}")
    }
}

/// The file, open.
pub(crate) struct Report {
    file: Mutex<File>,
}

impl Report {
    /// The report that the environment asks for, if it does.
    pub fn asked_for() -> Result<Option<Self>, String> {
        let Some(path) = std::env::var_os(VARIABLE) else { return Ok(None) };
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let file = file.map_err(|e| format!("{VARIABLE}={}: {e}", path.display()))?;
        #[cfg(target_os = "linux")]
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
            .map_err(|e| format!("cannot keep others from looking into the checks: {e}"))?;
        Ok(Some(Self { file: Mutex::new(file) }))
    }

    /// Before the first check.
    pub fn begin(&self, graded: &Graded, checks: &[Check]) {
        let listed = checks.iter().map(
            |check| json!({ "name": check.name, "kind": check.kind.name(), "ignored": graded.ignores(check) }),
        );
        self.line(&json!({
            "stage": graded.stage,
            "server": graded.server,
            "client": graded.client,
            "checks": listed.collect::<Vec<_>>(),
        }));
    }

    /// After each check.
    pub fn check(&self, name: &str, took: Duration, complaint: Option<&Complaint>) {
        let mut line = json!({ "check": name, "passed": complaint.is_none(), "seconds": took.as_secs_f64() });
        if let Some(Complaint { steps, what, hint, errors, .. }) = complaint {
            for (key, value) in [("what", what), ("hint", hint), ("steps", steps), ("errors", errors)] {
                line[key] = Value::from(value.as_str());
            }
        }
        self.line(&line);
    }

    /// A check that was not run, since `basic` failed, on which it rests.
    pub fn not_judged(&self, name: &str, basic: &str) {
        self.line(&json!({
            "check": name,
            "passed": false,
            "seconds": 0.0,
            "not_judged": basic,
            "what": format!("  not judged, since {basic} failed\n"),
        }));
    }

    /// After the last one.
    pub fn end(&self) {
        self.line(&json!({ "end": true }));
    }

    /// In one write, so that lines of checks that end together stay apart. That
    /// nobody reads any more is no reason to leave programs running: the checks
    /// go on, and end them.
    fn line(&self, line: &Value) {
        let mut file = self.file.lock().ignore_poison();
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}
