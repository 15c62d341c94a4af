//! `lab start`: what a student gets to begin with.

use assert_cmd::Command;
use lab::new_checks::{NewCheck, new_checks, path};
use lab::registry::{Registry, Stage};
use lab::workspace::{cargo, root};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn start(stage: &str, folder: &Path) -> assert_cmd::assert::Assert {
    start_part(stage, None, folder)
}

fn start_part(stage: &str, part: Option<&str>, folder: &Path) -> assert_cmd::assert::Assert {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab-tools"));
    lab.args(["start", stage]).args(part).arg(folder).timeout(Duration::from_secs(60)).assert()
}

fn error_of(assert: assert_cmd::assert::Assert, code: i32) -> String {
    String::from_utf8(assert.code(code).get_output().stderr.clone()).unwrap()
}

fn stages() -> Vec<Stage> {
    Registry::load().stages
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn every_stage_has_a_starting_point_with_places_to_begin() {
    let folder = TempDir::new().unwrap();
    for stage in stages() {
        let copy = folder.path().join(&stage.package);
        let said = start(&stage.number.to_string(), &copy).success().get_output().stdout.clone();
        assert!(String::from_utf8_lossy(&said).contains(&format!("make check {}", stage.number)));
        let source =
            |file: &str| fs::read_to_string(copy.join(&stage.package).join("src").join(file)).unwrap();
        let todo = format!("TODO(stage {})", stage.number);
        for program in ["server", "client"] {
            let flow = if stage.number == 1 { "bin/" } else { "" };
            // Where the flow is an earlier stage's, nothing is left to do.
            if !source("lib.rs").contains(&format!("::{program};")) {
                assert!(
                    source(&format!("{flow}{program}.rs")).contains(&todo),
                    "{} {program}",
                    stage.package
                );
            }
        }
        let progress = fs::read_to_string(copy.join("progress.json")).unwrap();
        let progress: Value = serde_json::from_str(&progress).unwrap();
        assert_eq!(
            (&progress["stage"], &progress["part"]),
            (&stage.number.into(), &stage.parts[0].name.as_str().into())
        );
        let later = stage.number + 1;
        let cargo = fs::read_to_string(copy.join("Cargo.toml")).unwrap();
        assert!(!cargo.contains(&format!("\"stage{later}-")), "{cargo}");
        assert!(!copy.join("work").exists() && !copy.join("target").exists());
    }
}

#[test]
fn what_is_there_already_is_left_alone() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("homework"), "mine").unwrap();
    let error = error_of(start("2", folder.path()), 1);
    assert!(error.contains("is there already") && error.contains("make start 2 DIR"), "{error}");
    let error = error_of(start("2", &folder.path().join("homework")), 1);
    assert!(error.contains("is there already"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(folder.path().join("homework")).unwrap(), "mine");
    error_of(start("99", &folder.path().join("x")), 2);
}

/// The copy in which all starting points are tried, one after the other. What
/// other people wrote was built for the course already, and is used from there;
/// the course's own packages get another version, or cargo would take those of
/// the copy for the course's: it knows them by their place in the workspace.
struct Bench {
    folder: PathBuf,
    built: PathBuf,
    /// Of the copy's packages.
    version: &'static str,
}

impl Bench {
    fn new(name: &str, version: &'static str) -> Bench {
        // target/debug/lab
        let built = Path::new(env!("CARGO_BIN_EXE_lab-tools")).ancestors().nth(2).unwrap().to_path_buf();
        Bench { folder: built.join(name), built, version }
    }

    fn copy(&self) -> PathBuf {
        self.folder.join("copy")
    }

    /// Puts the starting point of `stage`, or of its part, into the copy. Only what
    /// differs is written: cargo goes by the time of a file.
    fn put(&self, stage: &Stage, part: Option<&str>) {
        let fresh = self.folder.join("fresh");
        let _ = fs::remove_dir_all(&fresh);
        start_part(&stage.number.to_string(), part, &fresh).success();
        let manifest = fresh.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("\nversion = \"0.1.0\""));
        fs::write(
            &manifest,
            text.replace("\nversion = \"0.1.0\"", &format!("\nversion = \"{}\"", self.version)),
        )
        .unwrap();
        fs::remove_file(fresh.join("Cargo.lock")).unwrap();
        fs::copy(root().join("Cargo.lock"), fresh.join("Cargo.lock")).unwrap();
        bring_over(&fresh, &self.copy());
    }

    fn cargo(&self, args: &[&str]) -> std::process::Command {
        let mut cargo = cargo();
        cargo.current_dir(self.copy()).args(args).arg("--offline");
        cargo.env("CARGO_BUILD_BUILD_DIR", &self.built).env("CARGO_TARGET_DIR", self.folder.join("target"));
        // Nothing of it is built a second time, so that this would be disk for nothing.
        cargo.env("CARGO_INCREMENTAL", "0");
        cargo
    }

    /// Builds the checks of `stage`; where they are.
    fn build(&self, stage: &Stage) -> PathBuf {
        let messages = self.built_without_warning(stage, &["test", "--test", "checks", "--no-run"]);
        let checks =
            messages.iter().find(|m| m["target"]["name"] == "checks").expect("cargo names the checks");
        checks["executable"].as_str().unwrap().into()
    }

    /// Cargo's messages for a command that builds. A warning is a failure.
    fn built_without_warning(&self, stage: &Stage, args: &[&str]) -> Vec<Value> {
        let args = [args, &["-p", &stage.package, "--message-format=json"]].concat();
        let output = self.cargo(&args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} does not build:\n{said}", stage.package);
        assert!(!said.contains("warning"), "{}:\n{said}", stage.package);
        let messages: Vec<Value> = output
            .stdout
            .split(|b| *b == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        let warnings: Vec<_> = messages.iter().filter_map(|m| m["message"]["rendered"].as_str()).collect();
        assert!(warnings.is_empty(), "{}:\n{}", stage.package, warnings.join("\n"));
        messages
    }
}

/// Makes `to` what `from` is, and touches nothing that is so already.
fn bring_over(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(to).unwrap().flatten() {
        let gone = !from.join(entry.file_name()).exists();
        match entry.path() {
            path if gone && path.is_dir() => fs::remove_dir_all(path).unwrap(),
            path if gone => fs::remove_file(path).unwrap(),
            _ => {}
        }
    }
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (old, new) = (to.join(entry.file_name()), entry.path());
        if new.is_dir() {
            bring_over(&new, &old);
        } else if fs::read(&old).ok() != fs::read(&new).ok() {
            fs::copy(&new, &old).unwrap();
        }
    }
}

/// What became of the checks that were run.
#[derive(Default)]
struct Outcome {
    passed: BTreeSet<String>,
    failed: BTreeSet<String>,
    /// What they need is not installed here.
    ignored: BTreeSet<String>,
}

impl Outcome {
    fn all(&self) -> BTreeSet<String> {
        self.passed.union(&self.failed).cloned().collect()
    }
}

/// Runs checks, without those in `skipped`.
fn run(checks: &Path, folder: &Path, skipped: &BTreeSet<String>, patience: &str) -> Outcome {
    let report = TempDir::new().unwrap();
    let file = report.path().join("report");
    let mut command = std::process::Command::new(checks);
    command.arg("--exact").args(skipped.iter().flat_map(|name| ["--skip", name]));
    command.current_dir(folder).env("TESTKIT_REPORT", &file).env("CHECK_PATIENCE_MS", patience);
    // Each check on its own, also where one has failed on which it rests.
    command.env("CHECK_STRICT", "1");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    let mut outcome = Outcome::default();
    let text = fs::read_to_string(file).unwrap();
    assert!(text.trim_end().ends_with("{\"end\":true}"), "the checks came to no end:\n{text}");
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let listed = line["checks"].as_array().into_iter().flatten().filter(|check| check["ignored"] == true);
        outcome.ignored.extend(listed.filter_map(|check| check["name"].as_str()).map(str::to_owned));
        let Some(name) = line["check"].as_str() else { continue };
        let list = if line["passed"] == true { &mut outcome.passed } else { &mut outcome.failed };
        list.insert(name.to_owned());
    }
    outcome
}

/// Runs checks, and those that fail a second time: some have a time limit, which a
/// busy machine may miss once.
fn surely_failed(checks: &Path, folder: &Path, skipped: &BTreeSet<String>) -> Outcome {
    let mut outcome = run(checks, folder, skipped, "4000");
    if !outcome.failed.is_empty() {
        let done = outcome.passed.union(skipped).cloned().collect();
        let again = run(checks, folder, &done, "4000");
        outcome.passed.extend(again.passed);
        outcome.failed = again.failed;
    }
    outcome
}

/// Writes `tests/new-checks.txt`. A check that was there stays in its part.
fn write_new_checks(stage: &Stage, failed: &BTreeSet<String>) {
    let mut text = format!(
        "# The checks that are new in stage {0}, and the part of each: the starting point (make start\n\
         # {0}) fails these and no others. A test holds this list against what a starting point\n\
         # does, and writes it: NEW_CHECKS=write cargo test -p lab-tools --test it -- --ignored \\\n\
         # starting_point. What is new stands in the stage's first part then; say which part it is.\n",
        stage.number
    );
    let before = new_checks(stage);
    for name in failed {
        let part = before.iter().find(|check| check.name == *name).map(|check| &check.part);
        text += &format!("{name} {}\n", part.unwrap_or(&stage.parts[0].name));
    }
    fs::write(path(stage), text).unwrap();
}

/// The proof of all of it. It builds each stage once more, so that it takes a few
/// minutes; `.ci/run` runs it. `START_STAGES="4 5"` tries these two.
#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_starting_point_compiles_and_fails_exactly_the_checks_that_are_new() {
    let bench = Bench::new("start", "0.1.0-copy");
    let wanted = std::env::var("START_STAGES").ok();
    let write = std::env::var("NEW_CHECKS").is_ok_and(|v| v == "write");
    let mut wrong = Vec::new();
    for stage in stages() {
        let number = stage.number.to_string();
        if wanted.as_ref().is_some_and(|w| !w.split(' ').any(|n| n == number)) {
            continue;
        }
        let began = Instant::now();
        bench.put(&stage, None);
        let (checks, folder) = (bench.build(&stage), bench.copy().join(&stage.package));
        let built = began.elapsed();
        let new: BTreeSet<_> = new_checks(&stage).into_iter().map(|check| check.name).collect();
        if write {
            write_new_checks(&stage, &surely_failed(&checks, &folder, &BTreeSet::new()).failed);
            continue;
        }
        assert!(
            !new.is_empty(),
            "{} is missing; see the comment in those of other stages",
            path(&stage).display()
        );
        let known = surely_failed(&checks, &folder, &new);
        wrong.extend(
            known.failed.iter().map(|name| format!("stage {number}: fails and is not listed: {name}")),
        );
        // No right answer comes after a second, let alone one of a program that
        // does not know the question.
        let tried = run(&checks, &folder, &known.all(), "1000");
        wrong.extend(tried.passed.iter().map(|name| format!("stage {number}: listed, and passes: {name}")));
        let unknown =
            new.iter().filter(|name| !tried.all().contains(*name) && !tried.ignored.contains(*name));
        wrong.extend(
            unknown.map(|name| format!("stage {number}: listed, and there is no such check: {name}")),
        );
        println!(
            "stage {number}: {} checks pass and {} fail at the start; built in {:.0?}, checked in {:.0?}",
            known.passed.len(),
            tried.failed.len(),
            built,
            began.elapsed() - built
        );
    }
    assert!(wrong.is_empty(), "tests/new-checks.txt\n{}", wrong.join("\n"));
}

/// The same for the parts behind each stage's first one: the stage is there but for the
/// bodies of one part. That the checks of the part fail is tried with stage 4, since without
/// a body there is nothing that could pass. `START_STAGES` as above.
#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_part_without_its_bodies_compiles_and_fails_its_checks() {
    let bench = Bench::new("start-part", "0.1.0-part");
    let wanted = std::env::var("START_STAGES").ok();
    for stage in stages() {
        if wanted.as_ref().is_some_and(|w| !w.split(' ').any(|n| n == stage.number.to_string())) {
            continue;
        }
        for part in stage.parts.iter().skip(1) {
            bench.put(&stage, Some(&part.name));
            let package = bench.copy().join(&stage.package);
            let module = |m: &String| package.join("src").join(m).with_extension("rs");
            let sources = part.modules.iter().filter_map(|m| fs::read_to_string(module(m)).ok());
            assert!(
                sources.collect::<String>().contains("todo!(")
                    || part.modules.iter().all(|m| !module(m).exists())
            );
            bench.built_without_warning(&stage, &["build"]);
            // With the unit tests of the part, which are the student's to run.
            bench.built_without_warning(&stage, &["check", "--lib", "--profile", "test"]);
            if part.name == "accounts" {
                // Constructors are there: a server starts, though it lets no client in.
                let others = new_checks(&stage).into_iter().map(|check| check.name).collect();
                let passed = surely_failed(&bench.build(&stage), &package, &others).passed;
                assert!(passed.contains("the_server_starts_listens_and_accepts"), "{passed:?}");
            }
            if stage.number == 4 {
                let own = |check: &NewCheck| check.part == part.name;
                let (own, others): (Vec<_>, Vec<_>) = new_checks(&stage).into_iter().partition(own);
                let others = others.into_iter().map(|check| check.name).collect();
                let outcome = run(&bench.build(&stage), &package, &others, "1000");
                let passed: Vec<_> =
                    own.iter().filter(|check| outcome.passed.contains(&check.name)).collect();
                assert!(passed.is_empty() && !own.is_empty(), "part {}: pass {passed:?}", part.name);
            }
        }
    }
}
