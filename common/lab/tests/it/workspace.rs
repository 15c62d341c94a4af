//! The house rules, held against the workspace as it is: the registry is
//! complete, and the staircase goes upwards only.

use lab::registry::{Registry, Stage};
use lab::workspace::{cargo, root};
use serde_json::Value;
use std::collections::BTreeMap;
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
#[ignore = "self-test of the course: make test-course"]
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
#[ignore = "self-test of the course: make test-course"]
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
#[ignore = "self-test of the course: make test-course"]
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
                        // `make cluster` starts the databases that the tests start, too.
                        || (used == "testkit" && (dev || ["testkit-chat", "lab-tools"].contains(&user)))
                        || (used, user) == ("lab", "lab-tools")
                }
            };
            assert!(allowed, "{user} must not depend on {used}");
        }
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn the_readme_lists_the_stages_as_the_registry_does() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let rows: Vec<_> = readme.lines().filter(|l| l.starts_with("| [")).collect();
    let row = |s: &Stage| format!("| [{} {}]({}) | {} |", s.number, s.title, s.package, s.teaches);
    assert_eq!(rows, Registry::load().stages.iter().map(row).collect::<Vec<_>>());
}

#[test]
#[ignore = "self-test of the course: make test-course"]
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

#[test]
#[ignore = "self-test of the course: make test-course"]
fn each_part_has_its_page_in_the_book() {
    let summary = fs::read_to_string(root().join("docs/src/SUMMARY.md")).unwrap();
    let mut place = 0;
    for stage in Registry::load().stages.iter().filter(|stage| stage.parts.len() > 1 && stage.number > 3) {
        let overview = fs::read_to_string(root().join(format!("docs/src/stage{}.md", stage.number))).unwrap();
        for part in &stage.parts {
            let name = format!("stage{}-{}.md", stage.number, part.name);
            let page = fs::read_to_string(root().join("docs/src").join(&name)).expect(&name);
            let minutes = format!("{} minutes to read, {} minutes to write", part.reading, part.writing);
            let check = format!("    make check {} {}", stage.number, part.name);
            for needed in [
                part.teaches.as_str(),
                &minutes,
                &check,
                "## Outcome",
                "## Predict before you run",
                "## Tasks",
                "## Checkpoint",
            ] {
                assert!(page.replace('\n', " ").contains(needed), "{name} lacks: {needed}");
            }
            let row = format!("]({name})");
            assert!(
                overview.contains(&row) && overview.contains(&part.teaches),
                "stage{}.md: {name}",
                stage.number
            );
            let at = summary.find(&row).unwrap_or_else(|| panic!("SUMMARY.md: {name}"));
            assert!(at > place, "SUMMARY.md: {name} is not in the order of the parts");
            place = at;
        }
    }
}

/// The names by which the headings of a page are linked to, as mdBook and GitHub make them.
fn anchors(page: &str) -> Vec<String> {
    let headings =
        page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: char| c.is_alphanumeric() || c == ' ' || c == '-' || c == '_';
    headings
        .map(|h| h.to_lowercase().chars().filter(|c| kept(*c)).collect::<String>().replace(' ', "-"))
        .collect()
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn no_link_of_a_page_is_dead() {
    let mut pages = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    pages.extend(Registry::load().stages.iter().map(|stage| root().join(&stage.package).join("README.md")));
    pages.extend(fs::read_dir(root().join("docs/src")).unwrap().map(|entry| entry.unwrap().path()));
    let mut dead = Vec::new();
    for page in pages.iter().filter(|page| page.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(page).unwrap();
        let code = |line: &&str| !line.starts_with("    ");
        let text: String = text.lines().filter(code).map(|line| format!("{line}\n")).collect();
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let listed = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ").map(|p| p.1));
        for link in inline.chain(listed).filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let there = match fs::read_to_string(&target) {
                Ok(text) => anchor.is_empty() || anchors(&text).iter().any(|a| a == anchor),
                Err(_) => target.is_dir() && anchor.is_empty(),
            };
            if !there {
                dead.push(format!("{}: {link}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

/// The crates that a package is built of, with the features they are built with.
fn crates(package: &str) -> BTreeMap<String, String> {
    let mut command = cargo();
    command.args(["tree", "--offline", "-p", package, "-e", "normal,build", "--prefix", "none"]);
    let output = command.args(["-f", "{p}|{f}", "--no-dedupe"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let version = |package: &str| package.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let lines = text.lines().filter_map(|line| line.split_once('|'));
    lines.map(|(package, features)| (version(package), features.to_owned())).collect()
}

/// `make run-stage` waits for the tool first.
#[test]
fn the_small_tool_brings_few_crates_that_the_stages_do_not_need() {
    let (tool, common) = (crates("lab"), crates("common"));
    let name = |package: &String| package.split(' ').next().unwrap().to_owned();
    let more: Vec<_> = tool.keys().filter(|package| !common.contains_key(*package)).map(name).collect();
    let allowed = [
        "itoa",
        "lab",
        "memchr",
        "serde",
        "serde_core",
        "serde_derive",
        "serde_json",
        "serde_spanned",
        "toml",
        "toml_datetime",
        "toml_parser",
        "winnow",
        "zmij",
    ];
    let wrong: Vec<_> = more.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
    assert!(wrong.is_empty(), "these make every first build longer: {wrong:?}");
}

/// A crate that the tool and a stage want with different features is built twice,
/// and with it all that depends on it. (Stage 8's certificates want more of one crate
/// than all others.)
#[test]
#[ignore = "self-test of the course: make test-course"]
fn the_tool_and_stages_1_to_7_share_what_they_build() {
    let tool = crates("lab");
    for stage in Registry::load().stages.iter().filter(|stage| stage.number < 8) {
        for (package, features) in crates(&stage.package) {
            let ours = tool.get(&package).unwrap_or(&features);
            assert_eq!(*ours, features, "{package} in {}", stage.package);
        }
    }
}
