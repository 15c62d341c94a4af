//! Results for students: a Markdown page for each, and one HTML page for the
//! class, which says which check fails for how many.

use super::{Row, Scale, rounded};
use crate::grade::verdict::{Checked, Outcome, Verdict};
use clap::ValueEnum;
use common::escape::escape;
use std::collections::BTreeMap;
use std::fmt::Write;

/// How much a student is told about a check that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Detail {
    /// Points only
    None,
    /// Which checks failed
    Name,
    /// And the usual cause of each
    Hint,
    /// And what happened: steps, expected, got, the program's errors
    Full,
}

impl Detail {
    /// What is said about a check that did not pass, besides its name.
    pub fn of(self, check: &Checked) -> String {
        match (self, &check.outcome) {
            (_, Outcome::Passed) | (Detail::None | Detail::Name, _) => String::new(),
            (Detail::Hint, Outcome::Failed { hint, .. }) => format!("likely cause: {hint}"),
            _ => check.outcome.report().unwrap_or_default(),
        }
    }
}

/// The page for one student.
pub fn page(row: &Row, scale: &Scale, detail: Detail) -> String {
    let result = &row.result;
    let points = result.points(&scale.weights, scale.most);
    let points = points.map_or_else(|| "?".to_owned(), |points| format!("{:.2}", rounded(points)));
    let mut page = format!("# {} of {} points\n\n", points, rounded(scale.most));
    let stage = result.stage.map_or_else(String::new, |stage| format!("Stage {stage}: "));
    // Writing to a String cannot fail.
    let waiting = match result.not_judged() {
        0 => String::new(),
        count => format!(", {count} not judged, since they wait for one that failed"),
    };
    let _ = writeln!(
        page,
        "{stage}{} checks passed, {} failed{waiting}, of {}.\n",
        result.passed(),
        result.failed(),
        result.checks.len()
    );
    if result.parts().len() > 1 {
        for (part, passed, count) in result.parts() {
            let _ = writeln!(page, "- {}: {passed} of {count}", part.unwrap_or("earlier stages"));
        }
        page.push('\n');
    }
    if let Some(why) = result.why() {
        let _ = writeln!(page, "{}:\n", result.in_short());
        page += &indented(&why);
    }
    if let Verdict::DoesNotCompile(messages) = &result.verdict
        && detail == Detail::Full
    {
        page += &indented(messages);
    }
    let to_tell = |check: &&Checked| !matches!(check.outcome, Outcome::Passed | Outcome::NotJudged(_));
    for check in result.checks.iter().filter(to_tell) {
        if detail > Detail::None {
            let _ = writeln!(page, "## {}\n", check.name);
            page += &indented(&detail.of(check));
        }
    }
    page
}

/// A block of code: nothing in it is Markdown, whatever a program has printed.
fn indented(text: &str) -> String {
    let mut block: String = text.lines().map(|line| format!("    {}\n", escape(line))).collect();
    if !block.is_empty() {
        block.push('\n');
    }
    block
}

/// The page for the class: no names of students, only counts.
pub fn class(rows: &[Row]) -> String {
    let mut failed: BTreeMap<(Option<u16>, &str), usize> = BTreeMap::new();
    for row in rows {
        for check in row.result.checks.iter().filter(|check| check.outcome != Outcome::Passed) {
            *failed.entry((row.result.stage, &check.name)).or_default() += 1;
        }
    }
    let mut counted: Vec<_> = failed.into_iter().collect();
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut page = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Which check fails for how many</title>\n\
         <h1>Which check fails for how many of {}</h1>\n<table>\n\
         <tr><th>stage<th>check<th>fails for\n",
        rows.len()
    );
    for ((stage, check), count) in counted {
        let stage = stage.map(|stage| stage.to_string()).unwrap_or_default();
        // A check's name is an identifier of Rust: no markup.
        let _ = writeln!(page, "<tr><td>{stage}<td>{check}<td>{count}");
    }
    page + "</table>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grade::verdict::Result;
    use crate::grade::weights::Weights;

    fn row() -> Row {
        let mut result = Result::without_checks(Some(4), Verdict::Graded);
        let failed = Outcome::Failed {
            what: "  expected: a line\n  got:      # <script>\n".to_owned(),
            hint: "Send it to all.".to_owned(),
            steps: "  0.1 s alice joined\n".to_owned(),
            errors: String::new(),
        };
        for (name, outcome) in [("it_starts", Outcome::Passed), ("all_get_it", failed)] {
            result.checks.push(Checked { name: name.to_owned(), part: None, outcome, seconds: 0.1 });
        }
        Row { name: "anna".to_owned(), result }
    }

    #[test]
    fn a_student_is_told_as_much_as_is_asked_for() {
        let scale = Scale { weights: Weights::default(), most: 10.0 };
        let page = |detail| page(&row(), &scale, detail);
        let parts = ["# 5.00 of 10 points", "## all_get_it", "Send it to all.", "    0.1 s alice joined"];
        for (said, detail) in [Detail::None, Detail::Name, Detail::Hint, Detail::Full].into_iter().enumerate()
        {
            for (number, part) in parts.iter().enumerate() {
                assert_eq!(page(detail).contains(part), number <= said, "{detail:?}: {}", page(detail));
            }
        }
        // What a program has printed is code, and no markup; so is the compiler's first line.
        assert!(page(Detail::Full).contains("\n      got:      # <script>\n"), "{}", page(Detail::Full));
        let verdict = Verdict::DoesNotCompile("error: <script>\n".to_owned());
        let row = Row { name: "ben".to_owned(), result: Result::without_checks(Some(4), verdict) };
        let page = super::page(&row, &scale, Detail::Hint);
        assert!(page.contains("does not compile:\n\n    error: <script>\n"), "{page}");
    }

    #[test]
    fn the_class_sees_counts_and_no_names() {
        let page = class(&[row(), row()]);
        assert!(page.contains("<tr><td>4<td>all_get_it<td>2\n") && !page.contains("it_starts"), "{page}");
        assert!(!page.contains("anna"), "{page}");
    }
}
