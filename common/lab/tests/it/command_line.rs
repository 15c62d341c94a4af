//! What a user sees who types something wrong, or asks.

use assert_cmd::Command;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

fn lab(args: &[&str]) -> assert_cmd::assert::Assert {
    Command::new(env!("CARGO_BIN_EXE_lab")).args(args).timeout(Duration::from_secs(20)).assert()
}

fn error_of(args: &[&str], code: i32) -> String {
    let output = lab(args).code(code).get_output().clone();
    assert!(output.stdout.is_empty(), "an error is no output");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_wrong_or_missing_stage_is_one_line_that_lists_the_stages() {
    for command in ["run", "server", "client", "check"] {
        let missing = error_of(&[command], 2);
        assert!(missing.starts_with("error: which stage? there are: 1 2 3"), "{missing}");
        assert_eq!(missing.lines().count(), 1);
        for wrong in ["99", "0", "04", "four", "%", "4 5", ""] {
            let text = error_of(&[command, wrong], 2);
            assert!(text.starts_with(&format!("error: no stage '{wrong}'; there are: 1 2 3")), "{text}");
            assert_eq!(text.lines().count(), 1);
        }
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_name_that_no_check_has_is_an_error() {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    // Cargo may have to build the checks first.
    let assert = lab.args(["check", "1", "--", "nosuchcheck"]).timeout(Duration::from_secs(300)).assert();
    let output = assert.failure().get_output().clone();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("error: no check of stage 1 has 'nosuchcheck' in its name"), "{text}");
}

#[test]
fn the_help_has_examples_and_every_command() {
    let help = String::from_utf8(lab(&["--help"]).success().get_output().stdout.clone()).unwrap();
    assert!(help.contains("Examples:") && help.contains("lab wire 4"), "{help}");
    for command in
        ["run", "check", "wire", "watch", "load", "attack", "hunt", "grade", "diff", "start", "doctor"]
    {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
    }
    assert!(!help.contains("leash"), "an inner command is not for users");
    error_of(&[], 2);
}

#[test]
fn the_list_has_every_stage() {
    let list = String::from_utf8(lab(&["stages"]).success().get_output().stdout.clone()).unwrap();
    let stages = lab::registry::Registry::load().stages;
    assert_eq!(list.lines().count(), stages.len());
    for (line, stage) in list.lines().zip(stages) {
        assert!(line.starts_with(&stage.number.to_string()) && line.contains(&stage.title), "{line}");
    }
}

#[test]
fn the_doctor_names_the_command_that_mends_a_lack() {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_lab"));
    // Nothing is found on an empty path but what lies in the administrator's
    // folders; cargo and rustc are named by cargo itself.
    let empty = tempfile::tempdir().unwrap();
    let assert = doctor.arg("doctor").env("PATH", empty.path()).assert().code(1);
    let text = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let at = lines.iter().position(|l| l.starts_with("  MISSING   python3")).expect("python3 is missing");
    assert!(lines[at + 1].contains("install") && lines[at + 1].contains("python"), "{text}");
    for thing in ["openssl", "nc", "ss", "strace", "sqlite3", "xxd", "tshark", "redis-server", "mdbook"] {
        assert!(text.contains(&format!("  optional  {thing} ")), "{thing}: {text}");
    }
    assert!(!text.contains("Everything is there"), "{text}");
}

#[test]
fn the_doctor_runs_no_installer() {
    // It knows no --version, and sets up a database whatever it is asked.
    let folder = tempfile::tempdir().unwrap();
    let (installer, trace) = (folder.path().join("mariadb-install-db"), folder.path().join("trace"));
    fs::write(&installer, format!("#!/bin/sh\n: > '{}'\n", trace.display())).unwrap();
    fs::set_permissions(&installer, fs::Permissions::from_mode(0o755)).unwrap();
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_lab"));
    let output = doctor.arg("doctor").env("PATH", folder.path()).assert().get_output().clone();
    assert!(String::from_utf8_lossy(&output.stdout).contains(&installer.display().to_string()));
    assert!(!trace.exists());
}

/// As `| head -n 1` leaves it: nobody reads standard output any more.
fn with_closed_output(command: &mut std::process::Command) -> String {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{command:?}: {said}");
    said
}

#[test]
fn a_list_that_nobody_reads_to_its_end_is_no_panic() {
    for args in [&["stages"][..], &["doctor"], &["--help"]] {
        with_closed_output(std::process::Command::new(env!("CARGO_BIN_EXE_lab")).args(args));
    }
}

/// The lists of the programs that a student starts with `make`.
#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_programs_list_that_nobody_reads_to_its_end_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let lab = |args: &[&str]| {
        let mut lab = std::process::Command::new(env!("CARGO_BIN_EXE_lab"));
        lab.args(args).current_dir(folder.path()).env_remove("CHAT_DB");
        lab
    };
    assert!(lab(&["admin", "6", "--", "init"]).status().unwrap().success());
    for args in
        [&["check", "1", "--", "--list"][..], &["admin", "6", "--", "list"], &["server", "4", "--", "--help"]]
    {
        with_closed_output(&mut lab(args));
    }
}
