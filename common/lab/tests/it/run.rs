//! `lab run N` without a terminal: every stage's scripted session.

use assert_cmd::Command;
use lab::registry::Registry;
use std::time::Duration;

#[test]
#[ignore = "self-test of the course: make test-course"]
fn every_stage_plays_its_session_without_a_terminal() {
    for stage in Registry::load().stages {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        // The limit is for the build, should it be the first one.
        lab.args(["run", &stage.number.to_string()]).timeout(Duration::from_secs(300));
        let assert = lab.assert().success();
        let transcript = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        assert!(transcript.contains("server  | Listening on 127.0.0.1:"), "{transcript}");
        assert!(transcript.contains("alice   | "), "{transcript}");
        assert!(transcript.ends_with("did all that it should\n"), "{transcript}");
    }
}

/// A server that finds an older stage's database names the command that brings it
/// up to date. A student copies that command into the shell as it is.
#[test]
#[ignore = "self-test of the course: make test-course"]
fn the_command_that_a_server_names_runs_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let lab = |args: &[&str]| {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        lab.args(args).current_dir(folder.path()).env_remove("CHAT_DB").timeout(Duration::from_secs(300));
        lab
    };
    // Made by hand, since `init` of stage 6 is all that is needed of it.
    lab(&["admin", "6", "--", "init"]).assert().success();
    let database = "sqlite:stage6.db";
    let server = ["server", "7", "--", "--listen", "127.0.0.1:0", "--db", database];
    let assert = lab(&server).assert().code(1);
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    let command = said.split("run `").nth(1).and_then(|rest| rest.split('`').next());
    let command = command.unwrap_or_else(|| panic!("it names no command: {said}"));
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(folder.path()).timeout(Duration::from_secs(60));
    shell.assert().success();
    lab(&["admin", "7", "--", "--db", database, "list"]).assert().success();
}
