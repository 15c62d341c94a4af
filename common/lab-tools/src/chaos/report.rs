//! What a user reads of a run that broke a promise, in the form of the graded checks.

use super::check::Violation;
use super::run::Outcome;
use super::schedule::Schedule;

/// So many places are written for one rule.
const PLACES: usize = 3;

/// The broken promises: what was expected, what came instead, and the likely cause.
pub fn broken(violations: &[Violation]) -> String {
    let mut report = String::new();
    let mut rest = violations.to_vec();
    while let Some(first) = rest.first().cloned() {
        let (same, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|other| other.rule == first.rule);
        rest = others;
        report += &format!("{}\n  expected: {}\n", first.rule.promise, first.rule.expected);
        report += &format!("  got:      {}\n", first.rule.name);
        for violation in same.iter().take(PLACES) {
            report += &format!("            {}\n", violation.detail);
        }
        if same.len() > PLACES {
            report += &format!("            and {} more\n", same.len() - PLACES);
        }
        report += &format!("  likely cause: {}\n", first.rule.cause);
    }
    report
}

/// All of it: the schedule, what is broken, the files, and how to do it again.
pub fn failure(stage: u16, outcome: &Outcome, schedule: &Schedule, drawn: u8) -> String {
    let seed = schedule.seed;
    let mut again = format!("--seed {seed} --runs 1 --faults {drawn}");
    let numbers: Vec<String> = schedule.numbers().iter().map(usize::to_string).collect();
    if numbers.len() < drawn.into() && !numbers.is_empty() {
        again += &format!(" --only {}", numbers.join(","));
    }
    let (broken, folder) = (broken(&outcome.violations), outcome.folder.display());
    format!(
        "\nthe faults of seed {seed}:\n{schedule}\n{broken}\n\
         the diagram: {folder}/diagram.svg\n\
         what each user saw, the history and the logs: {folder}\n\
         again: make chaos {stage} ARGS=\"{again}\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::check::rules;
    use super::*;

    #[test]
    fn what_breaks_one_rule_is_told_once_with_some_places() {
        let violation = |rule, detail: &str| Violation { rule, detail: detail.to_owned(), line: None };
        let mut violations = vec![violation(&rules::LOST, "alice: 9 sent, 8 stored, 0 refused")];
        violations.extend((1..=5).map(|n| violation(&rules::NOT_SHOWN, &format!("line {n}, by bob"))));
        let report = broken(&violations);
        assert_eq!(report.matches("  expected: ").count(), 2, "{report}");
        assert_eq!(report.matches("  likely cause: ").count(), 2, "{report}");
        assert!(report.starts_with("P3: after a fault "), "{report}");
        assert!(report.contains("line 3, by bob\n            and 2 more\n"), "{report}");
        assert!(!report.contains("line 4"), "{report}");
    }
}
