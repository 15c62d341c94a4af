//! The house rules, held against the workspace as it is: the registry is
//! complete, and the staircase goes upwards only.

use lab::registry::{Registry, Stage};
use lab::workspace::{cargo, root};
use serde_json::Value;
use std::fs;

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
                (None, None) => {
                    used == "common"
                        || (used == "testkit" && (dev || user == "testkit-chat"))
                        || (used, user) == ("lab", "lab-tools")
                }
            };
            assert!(allowed, "{user} must not depend on {used}");
        }
    }
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
