//! The templates in `grading/`, each run as its service runs it, on three
//! submissions: right, wrong, and one that does not compile.

use super::source::our_stage_1;
use super::{Submissions, text};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

const CLIENT: &str = "stage1-handshake/src/bin/client.rs";
const SAMPLES: [&str; 3] = ["right", "wrong", "broken"];
/// What the wrong one fails.
const FAILED: &str = "the_client_prints_both_addresses";

/// One at a time: at once, each would build the dependencies for itself.
static ONE: Mutex<()> = Mutex::new(());

fn samples() -> Submissions {
    let all = Submissions::new();
    SAMPLES.iter().for_each(|name| our_stage_1(&all, name));
    all.put(&format!("wrong/{CLIENT}"), "fn main() {}\n");
    all.put(&format!("broken/{CLIENT}"), "fn main() { let x: u8 = \"text\"; }\n");
    all
}

fn template(name: &str) -> PathBuf {
    lab::workspace::root().join("common/lab-tools/grading").join(name)
}

fn json(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

/// A program as a service starts it; with its cargo, and no word of ours.
fn run(program: &Path, folder: &Path, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program);
    lab::workspace::as_from_a_shell(&mut command);
    command.env_remove("CI").env_remove("CARGO").current_dir(folder).envs(environment.iter().copied());
    command.output().unwrap()
}

#[track_caller]
fn ends(output: &Output, code: i32) -> String {
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn gradescope_builds_once_and_compiles_no_checks_for_a_submission() {
    let (_one, all) = (ONE.lock(), samples());
    let root = all.path("autograder");
    fs::create_dir_all(root.join("source")).unwrap();
    for file in ["setup.sh", "run_autograder"] {
        fs::copy(template("gradescope").join(file), root.join("source").join(file)).unwrap();
    }
    std::os::unix::fs::symlink(lab::workspace::root(), root.join("source/course")).unwrap();
    fs::write(root.join("source/stage"), "1\n").unwrap();
    let environment = [("AUTOGRADER_ROOT", root.to_str().unwrap())];
    ends(&run(&root.join("source/setup.sh"), all.folder.path(), &environment), 0);
    for name in SAMPLES {
        let _ = fs::remove_dir_all(root.join("submission"));
        fs::rename(all.path(name), root.join("submission")).unwrap();
        let said = ends(&run(&root.join("source/run_autograder"), all.folder.path(), &environment), 0);
        assert!(!said.contains("Compiling"), "{name}: {said}");
        let results = json(&root.join("results/results.json"));
        let score = results["score"].as_f64().unwrap();
        let tests = results["tests"].as_array().unwrap();
        let failed = tests.iter().filter(|test| test["status"] == "failed");
        let failed: Vec<_> = failed.map(|test| test["name"].as_str().unwrap()).collect();
        match name {
            "right" => assert_eq!((score, failed.len()), (100.0, 0), "{results}"),
            "wrong" => assert!(score < 100.0 && failed.contains(&FAILED), "{results}"),
            _ => assert_eq!((score, failed), (0.0, vec!["it compiles"]), "{results}"),
        }
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn classroom_50_gets_whole_numbers_and_a_page() {
    let (_one, all) = (ONE.lock(), samples());
    let course = lab::workspace::root();
    let environment = [
        ("COURSE", course.to_str().unwrap()),
        ("STAGE", "1"),
        ("CLASSROOM", "networks"),
        ("ASSIGNMENT", "handshake"),
        ("SUBMISSION_TAG", "submit/1"),
        ("COMMIT_URL", "https://example.org/commit/1"),
        ("RELEASE_URL", "https://example.org/release/1"),
    ];
    for name in SAMPLES {
        let checkout = all.path(name);
        ends(&run(&template("classroom50/autograder.py"), &checkout, &environment), 0);
        let result = json(&checkout.join("result.json"));
        assert_eq!(result["schema"], "classroom50/result/v1");
        let tests = result["tests"].as_array().unwrap();
        let sum = |key: &str| tests.iter().map(|test| test[key].as_u64().unwrap()).sum::<u64>();
        assert_eq!(result["score"].as_u64(), Some(sum("score")));
        assert_eq!(result["max-score"].as_u64(), Some(sum("max-score")));
        let passed = tests.iter().filter(|test| test["passed"] == true).count();
        assert_eq!(result["score"] == result["max-score"], name == "right", "{result}");
        assert_eq!(passed == 0, name == "broken", "{result}");
        let page = fs::read_to_string(checkout.join("release-body.md")).unwrap();
        assert_eq!(page.contains("does not compile"), name == "broken", "{page}");
    }
}

/// The lines that a job runs to grade, with our stage in the place of the 4.
fn script(file: &str, before: &str) -> String {
    let job = fs::read_to_string(template(file)).unwrap();
    let lines = job.lines().filter_map(|line| line.trim_start().strip_prefix(before));
    let lines: Vec<_> = lines.filter(|line| line.contains("grade.sh")).collect();
    assert_eq!(lines.len(), 1, "{file}: {lines:?}");
    lines[0].replace(" 4 ", " 1 ")
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_job_in_a_students_repository_fails_with_a_check_and_says_which() {
    let _one = ONE.lock();
    for (file, before) in [("github/grade.yml", "- run: "), ("gitlab/.gitlab-ci.yml", "- ")] {
        let all = samples();
        std::os::unix::fs::symlink(lab::workspace::root(), all.path("course")).unwrap();
        fs::create_dir(all.path("checkout")).unwrap();
        // On GitHub all is below one folder, on GitLab beside the checkout.
        let folder = if file.starts_with("github") { all.path(".") } else { all.path("checkout") };
        for name in SAMPLES {
            let _ = fs::remove_dir_all(all.path("submission"));
            fs::rename(all.path(name), all.path("submission")).unwrap();
            let script = script(file, before);
            let mut shell = Command::new("bash");
            lab::workspace::as_from_a_shell(&mut shell);
            shell.env_remove("CI").env_remove("CARGO").args(["-ec", &script]).current_dir(&folder);
            ends(&shell.output().unwrap(), if name == "right" { 0 } else { 1 });
            let page = fs::read_to_string(folder.join("output/feedback.md")).unwrap();
            let expected = match name {
                "right" => "# 100.00 of 100 points",
                "wrong" => FAILED,
                _ => "does not compile",
            };
            assert!(page.contains(expected), "{file}: {page}");
            assert!(folder.join("output/junit.xml").exists());
        }
    }
}
