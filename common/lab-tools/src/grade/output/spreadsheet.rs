//! CSV for a gradebook, a row for each submission.

use super::{Row, Scale, rounded};
use crate::grade::verdict::Outcome;
use anyhow::Context;
use common::escape::escape;

/// The columns.
const COLUMNS: [&str; 13] = [
    "name",
    "stage",
    "points",
    "max",
    "verdict",
    "passed",
    "failed",
    "not judged",
    "not run",
    "ignored",
    "first failure",
    "note",
    "seconds",
];

/// The table of these submissions.
///
/// # Errors
/// When it cannot be made.
pub fn table<'r>(rows: impl IntoIterator<Item = &'r Row>, scale: &Scale) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(COLUMNS)?;
    for Row { name, result } in rows {
        let points = result.points(&scale.weights, scale.most);
        let notes: Vec<_> = result.why().into_iter().chain(result.notes.iter().cloned()).collect();
        table.write_record([
            harmless(name),
            result.stage.map(|stage| stage.to_string()).unwrap_or_default(),
            // An empty cell, and no zero: the points are unknown.
            points.map(|points| rounded(points).to_string()).unwrap_or_default(),
            rounded(scale.most).to_string(),
            result.in_short().to_owned(),
            result.passed().to_string(),
            result.failed().to_string(),
            result.not_judged().to_string(),
            result.count(|outcome| *outcome == Outcome::NotRun).to_string(),
            result.ignored.to_string(),
            result.first_failure().map(|check| check.name.clone()).unwrap_or_default(),
            harmless(&notes.join("; ")),
            format!("{:.1}", result.seconds),
        ])?;
    }
    table.into_inner().context("no table")
}

/// A cell that begins like a formula is one to a spreadsheet, and a submission's
/// folder can be called `=cmd|…`. The quote makes it a text again.
pub fn harmless(cell: &str) -> String {
    let cell = escape(cell);
    if cell.trim_start().starts_with(['=', '+', '-', '@']) { format!("'{cell}") } else { cell.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grade::verdict::{Result, Verdict};
    use crate::grade::weights::Weights;

    #[test]
    fn a_name_is_no_formula_and_what_was_not_graded_has_no_points() {
        let verdict = Verdict::NotGraded("no \"src\", it says".to_owned());
        let row = Row { name: "=1+1".to_owned(), result: Result::without_checks(Some(4), verdict) };
        let scale = Scale { weights: Weights::default(), most: 100.0 };
        let text = String::from_utf8(table([&row], &scale).unwrap()).unwrap();
        let line = "'=1+1,4,,100,not graded,0,0,0,0,0,,\"no \"\"src\"\", it says\",0.0";
        assert_eq!(text.lines().nth(1), Some(line));
    }
}
