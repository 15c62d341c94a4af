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
                (Some(_), None) => used == "common" || (used == "testkit" && dev),
                // The tool and the harness are the same whatever the stages do.
                (None, Some(_)) => false,
                (None, None) => used == "common" || (used == "testkit" && dev),
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
    let server = fs::read_to_string(root().join(&stage.package).join("src/bin/server.rs")).unwrap();
    !server.starts_with("//! Stub.")
}

/// A flow file of a stage; `None` where the stage has none of its own.
fn flow_file(stage: &Stage, file: &str) -> Option<String> {
    fs::read_to_string(root().join(&stage.package).join("src").join(file)).ok()
}

#[test]
fn the_flow_files_of_neighbouring_stages_differ_within_the_budget() {
    let registry = Registry::load();
    let mut over = Vec::new();
    for (at, stage) in registry.stages.iter().enumerate().skip(1) {
        if !written(stage) || !written(&registry.stages[at - 1]) {
            continue;
        }
        let usual = Budget { file: USUAL.0, step: USUAL.1, reason: String::new() };
        let budget = stage.budget.as_ref().unwrap_or(&usual);
        let mut step = 0;
        for file in ["server.rs", "client.rs"] {
            let Some(new) = flow_file(stage, file) else { continue };
            // A stage that imports a flow file has the file of the stage before.
            let before = registry.stages[..at].iter().rev().find_map(|s| flow_file(s, file));
            let Some(old) = before else { continue };
            let lines = changed_lines(&old, &new);
            step += lines;
            if lines > budget.file {
                over.push(format!("{}/src/{file}: {lines} lines, {} allowed", stage.package, budget.file));
            }
        }
        if step > budget.step {
            over.push(format!("{}: {step} lines in both flow files, {} allowed", stage.package, budget.step));
        }
    }
    assert!(over.is_empty(), "the difference is the lesson, keep it small:\n{}", over.join("\n"));
}

#[test]
fn a_larger_budget_has_its_reason() {
    for stage in Registry::load().stages {
        if let Some(budget) = stage.budget {
            assert!(
                budget.file > USUAL.0 || budget.step > USUAL.1,
                "{}: the usual budget does",
                stage.package
            );
            assert!(budget.reason.split_whitespace().count() > 3, "{}: why?", stage.package);
        }
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
