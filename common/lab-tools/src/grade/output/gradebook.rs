//! Tables that Moodle and Canvas import.
//!
//! A gradebook knows a student by a column of its own: an e-mail address, a number,
//! a login. Which submission is whose stands in a file of the instructor's, with the
//! headings of that gradebook; its cells are passed on as they are.

use super::feedback::Detail;
use super::spreadsheet::harmless;
use super::{Row, Scale, rounded};
use anyhow::{Context, bail};
use std::fs;
use std::path::Path;

/// The heading of the column with the submission's name.
const SUBMISSION: &str = "submission";

/// Which gradebook a table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gradebook {
    /// Grades, Import, CSV file: one maps the columns there, feedback among them.
    Moodle,
    /// Gradebook, Import: a column more would be an assignment more, and the points
    /// possible are in a row of their own.
    Canvas,
}

/// The students, and which submission is whose.
#[derive(Debug)]
pub struct Students {
    /// The gradebook's headings.
    headings: Vec<String>,
    /// A submission's name, and the cells of a student. Several students may have
    /// one submission together.
    rows: Vec<(String, Vec<String>)>,
}

impl Students {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or names no submissions, or no students.
    pub fn read(path: &Path) -> anyhow::Result<Students> {
        let text = fs::read_to_string(path).context("cannot be read")?;
        let mut table = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let headings = table.headers()?.clone();
        let Some(at) = headings.iter().position(|heading| heading.trim() == SUBMISSION) else {
            bail!("there is no column `{SUBMISSION}`, with the names of the submissions");
        };
        let others = |record: &csv::StringRecord| -> Vec<String> {
            let cells = record.iter().enumerate().filter(|(column, _)| *column != at);
            cells.map(|(_, cell)| cell.to_owned()).collect()
        };
        if headings.len() < 2 {
            bail!("there is no column by which the gradebook knows a student, for example `Email address`");
        }
        let mut rows = Vec::new();
        for record in table.records() {
            let record = record?;
            rows.push((record[at].trim().to_owned(), others(&record)));
        }
        Ok(Students { headings: others(&headings), rows })
    }

    /// Whether Canvas takes these columns: it finds them by their place, and reads an
    /// import only if its own export's first ones are there.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn fit_canvas(&self) -> anyhow::Result<()> {
        let place = |name: &str| self.headings.iter().position(|heading| heading.trim() == name);
        let between = ["SIS User ID", "SIS Login ID", "Root Account"];
        let fits = match (place("Student"), place("ID"), place("Section")) {
            (Some(0), Some(1), Some(section)) => {
                self.headings[2..section].iter().all(|heading| between.contains(&heading.trim()))
            }
            _ => false,
        };
        if !fits {
            bail!(
                "Canvas finds students by the first columns of its own export, in their order: Student, ID, \
                 those that begin with SIS, Section; here are: {}",
                self.headings.join(", ")
            );
        }
        Ok(())
    }

    /// The submissions that belong to no student, by their names.
    pub fn unknown<'r>(&self, rows: &'r [Row]) -> Vec<&'r str> {
        let is_known = |name: &str| self.rows.iter().any(|(submission, _)| submission == name);
        rows.iter().map(|row| row.name.as_str()).filter(|name| !is_known(name)).collect()
    }

    /// The table for a gradebook. A student whose submission has no points is left
    /// out, so that the import changes nothing for that student.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn table(
        &self,
        gradebook: Gradebook,
        rows: &[Row],
        (scale, column, detail): (&Scale, &str, Detail),
    ) -> anyhow::Result<Vec<u8>> {
        let mut table = csv::Writer::from_writer(Vec::new());
        let mut headings = self.headings.clone();
        headings.push(column.to_owned());
        if gradebook == Gradebook::Moodle {
            headings.push(format!("{column} feedback"));
        }
        table.write_record(&headings)?;
        if gradebook == Gradebook::Canvas {
            let mut possible = vec![String::new(); self.headings.len()];
            "Points Possible".clone_into(&mut possible[0]);
            possible.push(rounded(scale.most).to_string());
            table.write_record(&possible)?;
        }
        for (submission, cells) in &self.rows {
            let Some(row) = rows.iter().find(|row| row.name == *submission) else { continue };
            let Some(points) = row.result.points(&scale.weights, scale.most) else { continue };
            let mut cells = cells.clone();
            cells.push(rounded(points).to_string());
            if gradebook == Gradebook::Moodle {
                cells.push(harmless(&feedback(row, detail)));
            }
            table.write_record(&cells)?;
        }
        table.into_inner().context("no table")
    }
}

/// A sentence for the student; the page of Markdown has the rest.
fn feedback(row: &Row, detail: Detail) -> String {
    let result = &row.result;
    let counts = format!("{} checks passed, {} failed", result.passed(), result.failed());
    match (result.why(), result.first_failure()) {
        (Some(_), _) => format!("{}; {counts}", result.in_short()),
        (None, Some(check)) if detail > Detail::None => format!("{counts}, first {}", check.name),
        _ => counts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grade::verdict::{Checked, Outcome, Result, Verdict};
    use crate::grade::weights::Weights;

    fn students(text: &str) -> anyhow::Result<Students> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        Students::read(file.path())
    }

    fn row(name: &str, verdict: Verdict, failed: bool) -> Row {
        let mut result = Result::without_checks(Some(4), verdict);
        let text = String::new;
        let wrong = Outcome::Failed { what: text(), hint: text(), steps: text(), errors: text() };
        let outcome = if failed { wrong } else { Outcome::Passed };
        result.checks.push(Checked { name: "it_starts".to_owned(), part: None, outcome, seconds: 0.1 });
        Row { name: name.to_owned(), result }
    }

    #[test]
    fn each_gradebook_gets_its_own_columns_and_nothing_for_what_has_no_points() {
        let students = students(
            "\u{feff}Student,ID,submission,Section\r\n\"Doe, Anna\",11,anna,A\r\n\"Roe, Ben\",12,pair,A\r\n\
             \"Poe, Carol\",13,pair,B\r\nDan,14,dan,B\r\nEve,15,never-came,B\r\n",
        )
        .unwrap();
        let rows = [
            row("anna", Verdict::Graded, false),
            row("pair", Verdict::Graded, true),
            row("dan", Verdict::NotGraded("no src".to_owned()), false),
            row("stranger", Verdict::Graded, false),
        ];
        let scale = Scale { weights: Weights::default(), most: 20.0 };
        let table = |gradebook, detail| {
            let table = students.table(gradebook, &rows, (&scale, "Stage 4 (77)", detail)).unwrap();
            String::from_utf8(table).unwrap()
        };
        assert_eq!(
            table(Gradebook::Canvas, Detail::Full),
            "Student,ID,Section,Stage 4 (77)\nPoints Possible,,,20\n\"Doe, Anna\",11,A,20\n\
             \"Roe, Ben\",12,A,0\n\"Poe, Carol\",13,B,0\n"
        );
        let moodle = table(Gradebook::Moodle, Detail::Name);
        assert!(moodle.starts_with("Student,ID,Section,Stage 4 (77),Stage 4 (77) feedback\n"), "{moodle}");
        assert!(moodle.contains("12,A,0,\"0 checks passed, 1 failed, first it_starts\"\n"), "{moodle}");
        assert!(!table(Gradebook::Moodle, Detail::None).contains("it_starts"));
        assert_eq!(students.unknown(&rows), ["stranger"]);
    }

    #[test]
    fn canvas_gets_the_columns_of_its_own_export_or_nothing() {
        for (headings, fits) in [
            ("submission,Student,ID,SIS User ID,SIS Login ID,Section", true),
            ("Student,ID,Section,submission", true),
            ("Student,ID,Section,Essay (7),submission", true),
            ("ID,Student,Section,submission", false),
            ("Student,ID,Essay (7),Section,submission", false),
            ("Email address,submission", false),
        ] {
            let cells = vec!["x"; headings.split(',').count()].join(",");
            let students = students(&format!("{headings}\n{cells}\n")).unwrap();
            assert_eq!(students.fit_canvas().is_ok(), fits, "{headings}");
        }
    }

    #[test]
    fn a_file_that_does_not_say_whose_is_whose_is_refused() {
        for (text, why) in [
            ("name,Email\na,b\n", "no column `submission`"),
            ("submission\na\n", "no column by which"),
            ("submission,Email\na\n", "found record with 1 fields"),
        ] {
            let error = students(text).unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
    }
}
