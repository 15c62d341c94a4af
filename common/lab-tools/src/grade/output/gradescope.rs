//! `results.json` as Gradescope's autograder reads it: a `score`, and `tests` with
//! `name`, `score`, `max_score`, `status` and `output`.

use super::feedback::Detail;
use super::{Row, Scale, escaped_lines, rounded};
use crate::grade::verdict::{Checked, Outcome, Verdict};
use serde_json::{Value, json};

/// The file of one submission; `detail` is what its student is told.
pub fn results(row: &Row, scale: &Scale, detail: Detail) -> String {
    let result = &row.result;
    let mut tests: Vec<_> = result.checks.iter().map(|check| test(check, row, scale, detail)).collect();
    if detail == Detail::None {
        tests.clear();
    }
    if let Verdict::DoesNotCompile(messages) = &result.verdict {
        tests.push(json!({
            "name": "it compiles",
            "score": 0,
            "max_score": scale.most,
            "status": "failed",
            "output": if detail == Detail::Full { escaped_lines(messages) } else { String::new() },
            "visibility": "visible",
        }));
    }
    let mut all = json!({
        "output": about(row),
        "output_format": "text",
        "execution_time": result.seconds.ceil(),
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    });
    // Without a score Gradescope reports an error to the instructor, which is
    // what it is.
    if let Some(points) = result.points(&scale.weights, scale.most) {
        all["score"] = json!(rounded(points));
    }
    format!("{all:#}\n")
}

fn test(check: &Checked, row: &Row, scale: &Scale, detail: Detail) -> Value {
    // More decimals than the whole has, so that many small ones make a good sum.
    let worth = (row.result.worth(check, &scale.weights, scale.most) * 1e4).round() / 1e4;
    let passed = check.outcome == Outcome::Passed;
    json!({
        "name": check.name,
        "score": if passed { worth } else { 0.0 },
        "max_score": worth,
        "status": if passed { "passed" } else { "failed" },
        "output": escaped_lines(&detail.of(check)),
        "visibility": "visible",
    })
}

fn about(row: &Row) -> String {
    let result = &row.result;
    let mut lines = Vec::new();
    lines.extend(result.stage.map(|stage| format!("Stage {stage}.")));
    lines.push(format!(
        "{} passed, {} failed, {} not judged, of {}.",
        result.passed(),
        result.failed(),
        result.not_judged(),
        result.checks.len()
    ));
    lines.extend(result.why().map(|why| format!("{}: {why}", result.in_short())));
    lines.extend(result.notes.iter().cloned());
    escaped_lines(&lines.join("\n"))
}
