//! The house rules, held against the workspace as it is: the registry is
//! complete, the staircase goes upwards only, and each step is small.

use lab::registry::{Budget, Registry, Stage};
use lab::workspace::{cargo, root};
use serde_json::Value;
use similar::{DiffOp, TextDiff};
use std::fs;

/// Lines that one flow file, and both of them, may differ from the stage before.
const USUAL: (usize, usize) = (60, 120);

fn packages() -> Vec<Value> {
    let output = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap()
}

/// `4` of `stage4-multichat`.
fn stage_number(package: &str) -> Option<u16> {
    package.strip_prefix("stage")?.split_once('-')?.0.parse().ok()
}

#[test]
fn the_registry_lists_every_stage_of_the_workspace_and_no_other() {
    let packages = packages();
    let mut there: Vec<_> = packages.iter().map(name).filter(|n| stage_number(n).is_some()).collect();
    there.sort_unstable();
    let registry = Registry::load();
    let listed: Vec<_> = registry.stages.iter().map(|s| s.package.as_str()).collect();
    assert_eq!(listed, there);
    for stage in &registry.stages {
        assert_eq!(stage_number(&stage.package), Some(stage.number), "{}", stage.package);
    }
}

#[test]
fn every_program_in_the_registry_is_a_binary_of_its_package() {
    let packages = packages();
    let registry = Registry::load();
    for stage in &registry.stages {
        let [server, client] = [stage.server(), stage.client()];
        assert!(stage.programs.contains(&server) && stage.programs.contains(&client), "{}", stage.package);
        for program in &stage.programs {
            let package = registry.package_of(program).unwrap_or_else(|| panic!("whose is {program}?"));
            let package = packages.iter().find(|p| name(p) == package).unwrap();
            let binary = |t: &Value| t["kind"][0] == "bin" && t["name"] == program.as_str();
            let targets = package["targets"].as_array().unwrap();
            assert!(targets.iter().any(binary), "{} has no binary {program}", name(package));
        }
    }
}

#[test]
fn a_stage_rests_on_common_and_on_stages_below_it() {
    for package in packages() {
        for dependency in package["dependencies"].as_array().unwrap() {
            let of_the_workspace = dependency["path"].is_string();
            let (user, used) = (name(&package), name(dependency));
            let dev = dependency["kind"] == "dev";
            let allowed = match (stage_number(user), stage_number(used)) {
                _ if !of_the_workspace => true,
                (Some(above), Some(below)) => below < above,
                (Some(_), None) => used == "common" || (["testkit", "testkit-chat"].contains(&used) && dev),
                // The tool and the harness are the same whatever the stages do.
                (None, Some(_)) => false,
                (None, None) => used == "common" || (used == "testkit" && (dev || user == "testkit-chat")),
            };
            assert!(allowed, "{user} must not depend on {used}");
        }
    }
}

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

/// Whether a stage is more than its place in the workspace.
pub fn written(stage: &Stage) -> bool {
    ["server.rs", "client.rs"].iter().all(|program| {
        let path = root().join(&stage.package).join("src/bin").join(program);
        !fs::read_to_string(path).unwrap().starts_with("//! Stub.")
    })
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
        if !written(stage) || !written(&registry.stages[at - 1]) {
            continue;
        }
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
fn changed_lines_are_counted_as_a_reader_would() {
    assert_eq!(changed_lines("a\nb\nc\n", "a\nb\nc\n"), 0);
    assert_eq!(changed_lines("a\nb\nc\n", "a\nx\nc\n"), 1);
    assert_eq!(changed_lines("a\nb\nc\n", "a\nx\ny\nc\n"), 2);
    assert_eq!(changed_lines("a\nb\nc\n", "c\nd\n"), 3);
}

#[test]
fn the_readme_lists_the_stages_as_the_registry_does() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let rows: Vec<_> = readme.lines().filter(|l| l.starts_with("| [")).collect();
    let row = |s: &Stage| format!("| [{} {}]({}) | {} |", s.number, s.title, s.package, s.teaches);
    assert_eq!(rows, Registry::load().stages.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn the_book_lists_pages_that_exist_and_all_of_them() {
    let book = root().join("docs/src");
    let summary = fs::read_to_string(book.join("SUMMARY.md")).unwrap();
    let mut listed: Vec<_> =
        summary.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned()).collect();
    let mut there: Vec<_> = fs::read_dir(&book)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".md") && name != "SUMMARY.md")
        .collect();
    listed.sort_unstable();
    there.sort_unstable();
    assert_eq!(listed, there);
}
