//! JUnit XML, as build servers read it: a test suite for each submission.

use super::{Row, escaped_lines};
use crate::grade::verdict::{Checked, Outcome, Verdict};
use anyhow::Context;
use common::escape::escape;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// The file of these submissions.
///
/// # Errors
/// When it cannot be made.
pub fn report(rows: &[Row]) -> anyhow::Result<String> {
    let mut report = Report::new("graded checks");
    for row in rows {
        let mut suite = TestSuite::new(escape(&row.name).as_ref());
        suite.set_time(Duration::from_secs_f64(row.result.seconds));
        let stage = row.result.stage.map_or_else(|| "stage".to_owned(), |stage| format!("stage{stage}"));
        suite.add_test_cases(row.result.checks.iter().map(|check| case(check, &stage)));
        if let Some((kind, what, text)) = as_a_whole(&row.result.verdict) {
            let mut status = TestCaseStatus::non_success(kind);
            status.set_message(what).set_description(escaped_lines(text));
            suite
                .add_test_case(TestCase::new("grading", status))
                .extra
                .insert("classname".into(), stage.into());
        }
        report.add_test_suite(suite);
    }
    report.to_string().context("no JUnit report")
}

fn case(check: &Checked, stage: &str) -> TestCase {
    let status = match &check.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::NotJudged(basic) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("not judged, since {basic} failed"));
            status
        }
        Outcome::NotRun => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message("it did not come to this check");
            status
        }
        Outcome::Failed { what, .. } => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(escape(&what.split_whitespace().collect::<Vec<_>>().join(" ")).as_ref());
            status.set_description(escaped_lines(&check.outcome.report().unwrap_or_default()));
            status
        }
    };
    let mut case = TestCase::new(check.name.as_str(), status);
    case.set_classname(stage).set_time(Duration::from_secs_f64(check.seconds));
    case
}

/// What a build server is to show of a submission that was not checked to the end.
fn as_a_whole(verdict: &Verdict) -> Option<(NonSuccessKind, &'static str, &str)> {
    match verdict {
        Verdict::Graded => None,
        Verdict::DoesNotCompile(text) => Some((NonSuccessKind::Failure, "it does not compile", text)),
        Verdict::Stopped(text) => Some((NonSuccessKind::Error, "it was stopped", text)),
        Verdict::NotGraded(text) => Some((NonSuccessKind::Error, "it could not be graded", text)),
    }
}
