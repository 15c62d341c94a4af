//! What the checks have found, read from their report.
//!
//! It comes through a pipe that graded programs do not have (see testkit's
//! `report`). Only when its first line is about the very program that was to be
//! graded, and its last line is there, the checks are taken to have run: a check
//! that failed, a submission that was stopped and checks that came to an early
//! end are three different things.

use super::harness::Subject;
use super::supervisor::Ended;
use super::verdict::{Checked, Outcome, Verdict};
use lab::new_checks::parts_of;
use lab::registry::Registry;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// What they found.
pub struct Findings {
    pub verdict: Verdict,
    pub checks: Vec<Checked>,
    pub ignored: usize,
    pub left_behind: usize,
}

/// One line of the report.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Begin { stage: u16, server: PathBuf, checks: Vec<Listed> },
    Check(Found),
    End { end: bool },
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    ignored: bool,
}

#[derive(Deserialize)]
struct Found {
    check: String,
    passed: bool,
    seconds: f64,
    not_judged: Option<String>,
    #[serde(default)]
    what: String,
    #[serde(default)]
    hint: String,
    #[serde(default)]
    steps: String,
    #[serde(default)]
    errors: String,
}

/// Reads the report of the checks of stage `number`.
pub fn understand(number: u16, subject: &Subject, ended: &Ended) -> Findings {
    let lines: Vec<Line> = ended.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let (mut listed, mut found, mut complete) = (Vec::new(), HashMap::new(), false);
    for line in lines {
        match line {
            Line::Begin { stage, server, checks } if stage == number && is_about(subject, &server) => {
                listed = checks;
            }
            Line::Begin { .. } => {}
            Line::Check(check) => drop(found.insert(check.check.clone(), check)),
            Line::End { end } => complete = end,
        }
    }
    let ignored = listed.iter().filter(|check| check.ignored).count();
    let parts = parts_of_stage(number);
    let counted = listed.into_iter().filter(|check| !check.ignored);
    let checks: Vec<_> = counted
        .map(|check| checked(&check.name, parts.get(&check.name), found.remove(&check.name)))
        .collect();
    let verdict = match &ended.stopped {
        _ if checks.is_empty() => Verdict::NotGraded(why_nothing(number, ended, ignored)),
        Some(limit) => Verdict::Stopped(limit.clone()),
        None if !complete => Verdict::NotGraded(why_nothing(number, ended, ignored)),
        None => Verdict::Graded,
    };
    Findings { verdict, checks, ignored, left_behind: ended.left_behind }
}

fn why_nothing(stage: u16, ended: &Ended, ignored: usize) -> String {
    if ignored > 0 && ended.stopped.is_none() && ended.signal.is_none() {
        return format!("none of the {ignored} checks of stage {stage} says anything about this submission");
    }
    let how = match (ended.code, ended.signal, &ended.stopped) {
        (_, _, Some(limit)) => limit.clone(),
        (_, Some(signal), _) => format!("signal {signal}"),
        (code, ..) => format!("exit code {}", code.unwrap_or(-1)),
    };
    let last: Vec<_> = ended.stderr.lines().rev().take(3).collect();
    format!("the checks themselves were broken off ({how}) {}", last.join(" / ")).trim().to_owned()
}

/// The checks name the server that they have; for commands it is ours, which
/// they will not start.
fn is_about(subject: &Subject, server: &Path) -> bool {
    match subject {
        Subject::Programs(folder) => server.parent() == Some(folder),
        Subject::Commands { .. } => true,
    }
}

/// The part of each check that is new in the stage.
fn parts_of_stage(number: u16) -> BTreeMap<String, String> {
    let all = Registry::load();
    all.stages.iter().find(|stage| stage.number == number).map(parts_of).unwrap_or_default()
}

fn checked(name: &str, part: Option<&String>, found: Option<Found>) -> Checked {
    let (outcome, seconds) = match found {
        None => (Outcome::NotRun, 0.0),
        Some(found) if found.passed => (Outcome::Passed, found.seconds),
        Some(Found { not_judged: Some(basic), .. }) => (Outcome::NotJudged(basic), 0.0),
        Some(Found { seconds, what, hint, steps, errors, .. }) => {
            (Outcome::Failed { what, hint, steps, errors }, seconds)
        }
    };
    Checked { name: name.to_owned(), part: part.cloned(), outcome, seconds }
}
