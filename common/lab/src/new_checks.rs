//! `tests/new-checks.txt` of a stage: the checks that are new in it, a line each,
//! with the part that they belong to: `name part`.

use crate::registry::{Part, Stage};
use crate::workspace::root;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A check that is new in its stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCheck {
    /// As the checks call it.
    pub name: String,
    /// The part that it belongs to; the stage's first one where the line names none.
    pub part: String,
}

/// The file.
pub fn path(stage: &Stage) -> PathBuf {
    root().join(&stage.package).join("tests/new-checks.txt")
}

/// The checks that are new in `stage`; none where the file is missing.
pub fn new_checks(stage: &Stage) -> Vec<NewCheck> {
    parse(stage, &fs::read_to_string(path(stage)).unwrap_or_default())
}

/// The new checks of the parts behind `part`: they are not asked for yet.
pub fn later_checks(stage: &Stage, part: &Part) -> Vec<String> {
    let at = stage.parts_before(part).len();
    let later = |check: &NewCheck| stage.parts.iter().skip(at + 1).any(|p| p.name == check.part);
    new_checks(stage).into_iter().filter(later).map(|check| check.name).collect()
}

/// The part of each new check of `stage`, by the check's name.
pub fn parts_of(stage: &Stage) -> BTreeMap<String, String> {
    new_checks(stage).into_iter().map(|check| (check.name, check.part)).collect()
}

fn parse(stage: &Stage, text: &str) -> Vec<NewCheck> {
    let first = stage.parts.first().map_or("", |part| part.name.as_str());
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (name, part) = (words.next()?, words.next().unwrap_or(first));
            Some(NewCheck { name: name.to_owned(), part: part.to_owned() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    #[test]
    fn a_line_names_a_check_and_its_part() {
        let all = Registry::load();
        let stage = all.stage(Some("4")).unwrap();
        let checks = parse(stage, "# of stage 4\na limits\n\nb\n");
        let named: Vec<_> = checks.iter().map(|c| (c.name.as_str(), c.part.as_str())).collect();
        assert_eq!(named, [("a", "limits"), ("b", "room")]);
    }

    #[test]
    fn each_new_check_belongs_to_a_part_of_its_stage() {
        for stage in &Registry::load().stages {
            let checks = new_checks(stage);
            assert!(!checks.is_empty(), "{}", path(stage).display());
            for check in &checks {
                let known = stage.parts.iter().any(|part| part.name == check.part);
                assert!(known, "{}: {} names no part of the stage", path(stage).display(), check.name);
            }
            let mut names: Vec<_> = checks.iter().map(|check| &check.name).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}: twice", path(stage).display());
        }
    }
}
