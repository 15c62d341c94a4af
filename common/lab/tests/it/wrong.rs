//! `lab run` with programs that do not do what they should. They are shell
//! scripts, and a script in cargo's place says that it has built them.

use assert_cmd::Command;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const STARTS: &str = "echo 'Server is starting!'; echo 'Listening on 127.0.0.1:1'";
const CONNECTED: &str = "echo 'Connected: client 127.0.0.1:2 -> server 127.0.0.1:1'";

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Plays stage 1's session; standard output, and the error if there is one.
fn play(server: &str, client: &str) -> (String, Option<String>) {
    let folder = TempDir::new().unwrap();
    let programs = folder.path().join("target/debug");
    fs::create_dir_all(&programs).unwrap();
    let mut cargo = String::new();
    for (name, text) in [("stage1-server", server), ("stage1-client", client)] {
        let path = programs.join(name);
        script(&path, text);
        cargo += &format!(r#"echo '{{"target":{{"name":"{name}"}},"executable":"{}"}}'"#, path.display());
        cargo.push('\n');
    }
    run(&folder, &cargo)
}

fn run(folder: &TempDir, cargo: &str) -> (String, Option<String>) {
    let path = folder.path().join("cargo");
    script(&path, cargo);
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.args(["run", "1"]).env("CARGO", &path).timeout(Duration::from_secs(60));
    let output = lab.assert().get_output().clone();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let error = (output.status.code() == Some(1)).then(|| text(&output.stderr));
    assert!(output.status.success() || error.is_some(), "{output:?}");
    (text(&output.stdout), error)
}

#[test]
fn programs_that_are_right_pass() {
    let (transcript, error) = play(&format!("{STARTS}; {CONNECTED}"), CONNECTED);
    assert_eq!(error, None, "{transcript}");
    assert!(transcript.contains("alice   | Connected: client 127.0.0.1:2"), "{transcript}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_line_that_does_not_come_is_named_with_the_end_of_the_log() {
    let server = format!("echo 'something in the log' >&2; {STARTS}; {CONNECTED}");
    let (transcript, error) = play(&server, "echo 'Connected to somebody'");
    let error = error.expect("it must fail");
    let start = "error: stage 1 did not do what it should: expected alice to show \"Connected: client * -> server *\"";
    assert!(error.starts_with(start), "{error}");
    assert!(error.contains("something in the log"), "{error}");
    assert!(transcript.contains("alice   | Connected to somebody"), "{transcript}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_wrong_exit_code_is_named() {
    let (_, error) = play(&format!("{STARTS}; {CONNECTED}; exit 3"), CONNECTED);
    assert!(error.unwrap().contains("expected server to end with exit code 0, not \"exit status: 3\""));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_server_that_does_not_start_is_named_with_its_log() {
    let (_, error) = play("echo 'error: no such luck' >&2; exit 1", CONNECTED);
    let error = error.unwrap();
    assert!(error.contains("expected server to show \"Listening on *\""), "{error}");
    assert!(error.contains("error: no such luck"), "{error}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_server_that_will_not_end_is_killed_in_the_end() {
    let started = Instant::now();
    let server = format!("trap '' TERM; echo $$ >&2; {STARTS}; {CONNECTED}; while :; do sleep 0.1; done");
    let (_, error) = play(&server, CONNECTED);
    let error = error.unwrap();
    assert!(error.contains("expected server to end within 5 s"), "{error}");
    let number = error.lines().last().unwrap().trim();
    assert!(!Path::new("/proc").join(number).exists(), "{number} is still there");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_client_that_floods_or_hangs_is_over_in_time() {
    let started = Instant::now();
    let (_, error) = play(&format!("{STARTS}; {CONNECTED}"), "yes '' | head -c 1000000; exec sleep 60");
    assert!(error.unwrap().contains("expected alice to show"));
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn what_a_program_prints_cannot_drive_the_terminal() {
    let (transcript, _) = play(&format!("{STARTS}; printf '\\033[2Jgone\\n'; {CONNECTED}"), CONNECTED);
    assert!(transcript.contains("server  | \\x1b[2Jgone") && !transcript.contains('\x1b'), "{transcript}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_stage_that_does_not_build_is_said_to() {
    let folder = TempDir::new().unwrap();
    let (_, error) = run(&folder, "echo 'the compiler says why' >&2; exit 101");
    let error = error.unwrap();
    assert!(error.contains("the compiler says why"), "{error}");
    assert!(error.ends_with("error: stage 1 does not build: the compiler's message is above\n"), "{error}");
}

/// A run and a check by the course write into databases of their own, and cargo
/// builds the same crates as from a shell, whatever stands in our environment.
#[test]
fn neither_cargo_nor_the_programs_see_what_is_not_meant_for_them() {
    let folder = TempDir::new().unwrap();
    let seen = |name: &str| folder.path().join(format!("seen-by-{name}"));
    let programs = folder.path().join("target/debug");
    fs::create_dir_all(&programs).unwrap();
    let mut cargo = format!("env >> '{}'\n", seen("cargo").display());
    for (name, text) in
        [("stage1-server", format!("{STARTS}; {CONNECTED}")), ("stage1-client", CONNECTED.to_owned())]
    {
        let path = programs.join(name);
        script(&path, &format!("env >> '{}'; {text}", seen("programs").display()));
        cargo += &format!(r#"echo '{{"target":{{"name":"{name}"}},"executable":"{}"}}'"#, path.display());
        cargo.push('\n');
    }
    script(&folder.path().join("cargo"), &cargo);
    let text = |path| fs::read_to_string(path).unwrap();
    for (command, users) in [("run", "programs"), ("check", "cargo")] {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        lab.args([command, "1"]).env("CARGO", folder.path().join("cargo")).env("CARGO_PKG_NAME", "lab");
        lab.env("CHAT_DB", "sqlite:mine.db")
            .env("CHAT_PASSWORD", "secret99")
            .timeout(Duration::from_secs(60));
        lab.assert().success();
        assert!(text(seen(users)).contains("PATH="), "{command}");
        assert!(!text(seen(users)).contains("CHAT_DB=") && !text(seen(users)).contains("CHAT_PASSWORD="));
        assert!(!text(seen("cargo")).contains("CARGO_PKG_NAME="), "{command}");
        fs::remove_file(seen("cargo")).unwrap();
    }
}
