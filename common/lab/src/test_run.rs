//! `lab test`: the tests of all stages, and at the end which requirements of
//! which stage failed. Cargo's own end of a run names test binaries only.

use crate::registry::Registry;
use crate::say;
use crate::workspace::{cargo, without_the_users_settings};
use anyhow::{Context, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

/// Failures that are named in full; of the others there is the number.
const NAMED: usize = 10;

/// A check that failed: its stage, its name, its usual cause.
#[derive(Debug, PartialEq, Eq)]
struct Failed {
    stage: u64,
    check: String,
    hint: String,
}

/// Runs the tests of the whole workspace to their end.
///
/// # Errors
/// When one fails, or cargo cannot be started.
pub fn run(all: &Registry, args: &[String]) -> anyhow::Result<()> {
    let report = tempfile::NamedTempFile::new().context("cannot make a file for the report")?;
    let mut command = cargo();
    // To the end, whatever fails: a test of the tools must not keep the checks
    // of a stage from being run.
    command.args(["test", "--workspace", "--no-fail-fast"]).args(args);
    command.env("TESTKIT_REPORT", report.path());
    without_the_users_settings(&mut command);
    let status = command.status().context("cannot start cargo")?;
    let text = fs::read(report.path()).context("cannot read the report")?;
    print(all, &failures(&String::from_utf8_lossy(&text)));
    match status.success() {
        true => Ok(()),
        false => bail!("some tests failed"),
    }
}

/// What the reports of the stages' checks say, one behind the other: each begins
/// with the number of its stage.
fn failures(report: &str) -> Vec<Failed> {
    let (mut stage, mut failed) = (0, Vec::new());
    for line in report.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let Some(number) = line["stage"].as_u64() {
            stage = number;
        }
        // It waits for another, which has failed and stands here too.
        if line["not_judged"].is_string() {
            continue;
        }
        if let (Some(check), Some(false)) = (line["check"].as_str(), line["passed"].as_bool()) {
            let hint = line["hint"].as_str().unwrap_or_default().to_owned();
            failed.push(Failed { stage, check: check.to_owned(), hint });
        }
    }
    failed
}

fn print(all: &Registry, failed: &[Failed]) {
    if failed.is_empty() {
        return;
    }
    let mut stages: BTreeMap<u64, usize> = BTreeMap::new();
    failed.iter().for_each(|one| *stages.entry(one.stage).or_default() += 1);
    let counts: Vec<_> = stages.iter().map(|(stage, count)| format!("{count} of stage {stage}")).collect();
    say!("\nRequirements that are not met: {}", counts.join(", "));
    for Failed { stage, check, hint } in failed.iter().take(NAMED) {
        say!("  stage {stage}  {check}: {hint}");
    }
    if failed.len() > NAMED {
        say!("  and {} more", failed.len() - NAMED);
    }
    let first = all.stages.iter().find(|stage| u64::from(stage.number) == failed[0].stage);
    if let Some(first) = first {
        say!("make check {} shows what happened in each.", first.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_belongs_to_the_stage_whose_report_it_stands_in() {
        let report = r#"{"stage":3,"server":"x","checks":[]}
{"check":"fine","passed":true,"seconds":0.1}
{"end":true}
{"stage":4,"server":"y","checks":[]}
not json
{"check":"all_get_it","passed":false,"seconds":1,"what":"…","hint":"It is sent to one."}
{"check":"each_gets_it_once","passed":false,"seconds":0,"not_judged":"all_get_it"}
"#;
        let [only] = &failures(report)[..] else { panic!("one has failed") };
        let expected =
            Failed { stage: 4, check: "all_get_it".to_owned(), hint: "It is sent to one.".to_owned() };
        assert_eq!(*only, expected);
    }
}
