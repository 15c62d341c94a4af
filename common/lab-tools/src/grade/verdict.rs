//! What came of grading one submission, and what it is worth.

use super::weights::Weights;
use lab::registry::Registry;
use serde::{Deserialize, Serialize};

/// One graded submission.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Result {
    /// The number of the stage, where that is known.
    pub stage: Option<u16>,
    /// How it went.
    pub verdict: Verdict,
    /// The checks that count, in the order of the suite.
    pub checks: Vec<Checked>,
    /// Those that say nothing about this submission, or cannot run here.
    pub ignored: usize,
    /// Processes that were still there when the checks had ended.
    pub left_behind: usize,
    /// What the instructor should know.
    pub notes: Vec<String>,
    /// How long it took, building included.
    pub seconds: f64,
    /// What it was found out of, where a result can be used again.
    pub digest: Option<String>,
}

/// How grading went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// All checks have run.
    Graded,
    /// It does not compile, for this reason.
    DoesNotCompile(String),
    /// It exceeded this limit; checks that had run by then count.
    Stopped(String),
    /// Its points are unknown: grading it failed.
    NotGraded(String),
}

/// One check.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// The part of the stage that it is new in; `None` where it is an earlier stage's.
    #[serde(default)]
    pub part: Option<String>,
    /// What it found.
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: f64,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The requirement holds.
    Passed,
    /// It does not.
    Failed {
        /// What was expected, what came instead, and where this was asked.
        what: String,
        /// The usual cause.
        hint: String,
        /// What had happened before.
        steps: String,
        /// The last lines of the programs' standard error.
        errors: String,
    },
    /// It waits for a check that failed, and has no points: it is unknown.
    NotJudged(String),
    /// The submission was ended before.
    NotRun,
}

impl Result {
    /// One for a submission that no check has seen.
    pub fn without_checks(stage: Option<u16>, verdict: Verdict) -> Result {
        let (checks, ignored, left_behind, notes, seconds, digest) = Default::default();
        Result { stage, verdict, checks, ignored, left_behind, notes, seconds, digest }
    }

    /// How many checks came out so.
    pub fn count(&self, is_so: impl Fn(&Outcome) -> bool) -> usize {
        self.checks.iter().filter(|check| is_so(&check.outcome)).count()
    }

    /// How many passed.
    pub fn passed(&self) -> usize {
        self.count(|outcome| *outcome == Outcome::Passed)
    }

    /// How many failed.
    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Failed { .. }))
    }

    /// How many wait for one that failed.
    pub fn not_judged(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::NotJudged(_)))
    }

    /// What is said about the first check that others wait for: the cause of a zero.
    pub fn why_not_judged(&self) -> Option<String> {
        let is_waited_for = |name: &str| {
            self.checks
                .iter()
                .any(|check| matches!(&check.outcome, Outcome::NotJudged(basic) if basic == name))
        };
        self.checks.iter().find_map(|check| match &check.outcome {
            Outcome::Failed { what, errors, .. } if is_waited_for(&check.name) => {
                let got = what.lines().find_map(|line| line.trim_start().strip_prefix("got:"))?.trim();
                let said = errors.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
                let said = said.trim_start_matches(['|', ' ']);
                Some(if said.is_empty() { got.to_owned() } else { format!("{got} ({said})") })
            }
            _ => None,
        })
    }

    /// Returns `true` if it may have taken more of the machine than is its own.
    pub fn is_greedy(&self) -> bool {
        matches!(self.verdict, Verdict::Stopped(_)) || self.left_behind > 0
    }

    /// The first that failed.
    pub fn first_failure(&self) -> Option<&Checked> {
        self.checks.iter().find(|check| matches!(check.outcome, Outcome::Failed { .. }))
    }

    /// The points, of `most`; `None` if they are unknown.
    pub fn points(&self, weights: &Weights, most: f64) -> Option<f64> {
        match self.verdict {
            Verdict::NotGraded(_) => None,
            Verdict::DoesNotCompile(_) => Some(0.0),
            Verdict::Graded | Verdict::Stopped(_) => {
                let worth = |check: &Checked| weights.of(check);
                let all: f64 = self.checks.iter().map(worth).sum();
                let won: f64 = self.checks.iter().filter(|c| c.outcome == Outcome::Passed).map(worth).sum();
                (all > 0.0).then_some(most * won / all)
            }
        }
    }

    /// What came of each part: its name, or `None` for the earlier stages, how many of its
    /// checks passed, and how many there are. In the order of the stage.
    pub fn parts(&self) -> Vec<(Option<&str>, usize, usize)> {
        let all = Registry::load();
        let stage = all.stages.iter().find(|stage| Some(stage.number) == self.stage);
        let names = stage.into_iter().flat_map(|stage| &stage.parts).map(|part| Some(part.name.as_str()));
        let mut parts = Vec::new();
        for name in [None].into_iter().chain(names) {
            let of_it = || self.checks.iter().filter(|check| check.part.as_deref() == name);
            let passed = of_it().filter(|check| check.outcome == Outcome::Passed).count();
            let owned = self.checks.iter().find_map(|c| c.part.as_deref().filter(|part| Some(*part) == name));
            parts.push((owned, passed, of_it().count()));
        }
        parts.retain(|(_, _, count)| *count > 0);
        parts
    }

    /// What one check is worth in points, of `most` for all.
    pub fn worth(&self, check: &Checked, weights: &Weights, most: f64) -> f64 {
        let all: f64 = self.checks.iter().map(|check| weights.of(check)).sum();
        if all > 0.0 { most * weights.of(check) / all } else { 0.0 }
    }

    /// The verdict in a few words.
    pub fn in_short(&self) -> &'static str {
        match self.verdict {
            Verdict::Graded if self.passed() == self.checks.len() => "passed",
            Verdict::Graded => "failed",
            Verdict::DoesNotCompile(_) => "does not compile",
            Verdict::Stopped(_) => "stopped",
            Verdict::NotGraded(_) => "not graded",
        }
    }

    /// Why there are not the results of all checks, in one line.
    pub fn why(&self) -> Option<String> {
        match &self.verdict {
            Verdict::Graded => None,
            Verdict::Stopped(why) | Verdict::NotGraded(why) => Some(why.replace('\n', " ")),
            Verdict::DoesNotCompile(text) => text.lines().find(|l| l.starts_with("error")).map(str::to_owned),
        }
    }
}

impl Outcome {
    /// The failure as the checks report it.
    pub fn report(&self) -> Option<String> {
        match self {
            Outcome::Passed => None,
            Outcome::NotJudged(basic) => Some(format!("It was not judged, since {basic} failed.\n")),
            Outcome::NotRun => Some("It did not come to this check.\n".to_owned()),
            Outcome::Failed { what, hint, steps, errors } => {
                Some(format!("{what}  likely cause: {hint}\n  steps so far\n{steps}{errors}"))
            }
        }
    }
}
