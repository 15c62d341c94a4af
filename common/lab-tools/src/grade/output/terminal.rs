//! Results on the terminal. What a submission has said is escaped: its bytes are
//! not to drive the instructor's terminal.

use super::{Row, Scale, rounded};
use crate::grade::verdict::{Outcome, Verdict};
use common::escape::escape;
use lab::say;

/// One submission in one line.
pub fn line(row: &Row, scale: &Scale, width: usize) -> String {
    let result = &row.result;
    let points = result.points(&scale.weights, scale.most);
    let points = points.map_or_else(|| "?".to_owned(), |points| format!("{:.2}", rounded(points)));
    let mut about = format!("{} passed, {} failed", result.passed(), result.failed());
    if result.not_judged() > 0 {
        about = format!("{about}, {} not judged", result.not_judged());
    }
    if let Some(why) = result.why() {
        about = format!("{}: {why}", result.in_short());
    } else if let Some(check) = result.first_failure() {
        about = format!("{about}: {}", check.name);
    }
    format!("{:<width$}  {points:>6} of {}  {}", escape(&row.name), rounded(scale.most), escape(&about))
}

/// One submission with each check that failed.
pub fn in_full(row: &Row, scale: &Scale) {
    let result = &row.result;
    for check in &result.checks {
        match &check.outcome {
            Outcome::Passed | Outcome::NotJudged(_) => {}
            Outcome::NotRun => say!("not run  {}", check.name),
            Outcome::Failed { what, hint, .. } => {
                say!("FAILED   {}", check.name);
                what.lines().for_each(|line| say!("       {}", escape(line)));
                say!("         likely cause: {}\n", escape(hint));
            }
        }
    }
    if let Verdict::DoesNotCompile(messages) = &result.verdict {
        messages.lines().for_each(|line| say!("  {}", escape(line)));
    }
    if result.parts().len() > 1 {
        for (part, passed, count) in result.parts() {
            say!("{:<16} {passed} of {count} checks pass", part.unwrap_or("earlier stages"));
        }
    }
    result.notes.iter().for_each(|note| say!("note: {}", escape(note)));
    if result.not_judged() > 0 {
        say!(
            "{} checks were not judged, and have no points: they wait for one that failed",
            result.not_judged()
        );
        say!("(--strict judges each by itself)");
    }
    if result.ignored > 0 {
        say!("{} checks do not apply, or cannot run here, and count neither way", result.ignored);
    }
    say!("{}", line(row, scale, 0));
}

/// A batch in two lines.
pub fn sums(rows: &[Row], scale: &Scale, seconds: u64) {
    let points: Vec<f64> =
        rows.iter().filter_map(|row| row.result.points(&scale.weights, scale.most)).collect();
    let failed = rows.len() - points.len();
    let plural = if rows.len() == 1 { "" } else { "s" };
    say!("\n{} submission{plural} in {} min {} s", rows.len(), seconds / 60, seconds % 60);
    if !points.is_empty() {
        let mean = rounded(points.iter().sum::<f64>() / points.len() as f64);
        say!("{} graded, {:.2} points of {} on average", points.len(), mean, rounded(scale.most));
    }
    if failed > 0 {
        say!("{failed} could not be graded; look at them yourself");
    }
}
