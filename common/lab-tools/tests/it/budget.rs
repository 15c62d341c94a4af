//! The step from each stage to the next is small: a budget of changed lines for
//! the flow files.

use lab::registry::{Budget, Registry, Stage};
use lab::workspace::root;
use similar::{DiffOp, TextDiff};
use std::fs;

/// Lines that one flow file, and both of them, may differ from the stage before.
const USUAL: (usize, usize) = (60, 120);

/// Lines that differ; one that was replaced by another counts once.
fn changed_lines(old: &str, new: &str) -> usize {
    let count = |op: &DiffOp| match *op {
        DiffOp::Equal { .. } => 0,
        DiffOp::Delete { old_len, .. } => old_len,
        DiffOp::Insert { new_len, .. } => new_len,
        DiffOp::Replace { old_len, new_len, .. } => old_len.max(new_len),
    };
    TextDiff::from_lines(old, new).ops().iter().map(count).sum()
}

/// A flow file of a stage; `None` where the stage has none of its own.
fn flow_file(stage: &Stage, file: &str) -> Option<String> {
    fs::read_to_string(root().join(&stage.package).join("src").join(file)).ok()
}

/// A step from one stage to the next: the flow files and how much they changed.
struct StepUp<'a> {
    stage: &'a Stage,
    files: Vec<(&'static str, usize)>,
}

impl StepUp<'_> {
    fn largest(&self) -> usize {
        self.files.iter().map(|(_, lines)| *lines).max().unwrap_or(0)
    }

    fn both(&self) -> usize {
        self.files.iter().map(|(_, lines)| lines).sum()
    }

    fn fits(&self, (file, step): (usize, usize)) -> bool {
        self.largest() <= file && self.both() <= step
    }
}

fn steps(registry: &Registry) -> Vec<StepUp<'_>> {
    let mut steps = Vec::new();
    for (at, stage) in registry.stages.iter().enumerate().skip(1) {
        let mut files = Vec::new();
        for file in ["server.rs", "client.rs"] {
            // A stage that imports a flow file has the file of a stage before.
            let before = registry.stages[..at].iter().rev().find_map(|s| flow_file(s, file));
            if let (Some(old), Some(new)) = (before, flow_file(stage, file)) {
                files.push((file, changed_lines(&old, &new)));
            }
        }
        steps.push(StepUp { stage, files });
    }
    steps
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn the_flow_files_of_neighbouring_stages_differ_within_the_budget() {
    let registry = Registry::load();
    for step in steps(&registry) {
        let budget = step.stage.budget.as_ref().map_or(USUAL, |b| (b.file, b.step));
        assert!(
            step.fits(budget),
            "the difference is the lesson, keep it small: {} has {:?}, in both {}; {budget:?} allowed",
            step.stage.package,
            step.files,
            step.both()
        );
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_larger_budget_is_needed_tight_and_has_its_reason() {
    let registry = Registry::load();
    for step in steps(&registry) {
        let Some(Budget { file, step: both, reason }) = &step.stage.budget else { continue };
        let package = &step.stage.package;
        assert!(!step.fits(USUAL), "{package}: the usual budget does, so take the larger one out");
        // What was won by making a difference smaller is not to be lost again.
        let tight = *file <= USUAL.0.max(step.largest() + 10) && *both <= USUAL.1.max(step.both() + 20);
        assert!(tight, "{package}: has {:?}, so lower its budget in stages.toml", step.files);
        assert!(reason.split_whitespace().count() > 3, "{package}: why?");
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn changed_lines_are_counted_as_a_reader_would() {
    assert_eq!(changed_lines("a\nb\nc\n", "a\nb\nc\n"), 0);
    assert_eq!(changed_lines("a\nb\nc\n", "a\nx\nc\n"), 1);
    assert_eq!(changed_lines("a\nb\nc\n", "a\nx\ny\nc\n"), 2);
    assert_eq!(changed_lines("a\nb\nc\n", "c\nd\n"), 3);
}
