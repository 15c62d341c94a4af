//! `lab run N` without a terminal: every stage's scripted session.

use assert_cmd::Command;
use lab::registry::Registry;
use lab::workspace::{root, target};
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

/// The checkout may belong to another user, or lie on a medium that cannot be written,
/// and in class there may be no network. What is built goes where CARGO_TARGET_DIR says.
#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_checkout_that_cannot_be_written_and_no_network_are_enough() {
    // In a mount namespace of its own (mount_namespaces(7)): the real checkout, read only.
    let script = r#"mount --bind "$2" "$3"
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
case "$2/" in "$1"/*) mount --bind "$3" "$2" ;; esac
cd "$1"
! touch written 2> /dev/null || exit 3
"$4" run 4 && "$4" check 1"#;
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("target");
    std::fs::create_dir(&kept).unwrap();
    let isolated = |script: &str| {
        let mut shell = Command::new("unshare");
        shell.args(["--map-root-user", "--mount", "sh", "-ec", script, "sh"]);
        shell.timeout(Duration::from_secs(300));
        shell
    };
    if !isolated("mount --bind \"$1\" \"$1\"").arg(&kept).output().is_ok_and(|output| output.status.success())
    {
        println!("not run: this user may not make a mount namespace");
        return;
    }
    let target = target().unwrap();
    let mut shell = isolated(script);
    shell.args([&root(), &target, &kept]).arg(env!("CARGO_BIN_EXE_lab")).env("CARGO_TARGET_DIR", &target);
    shell.env("CARGO_NET_OFFLINE", "true").env("https_proxy", "http://127.0.0.1:9");
    let output = shell.assert().success().get_output().stdout.clone();
    let said = String::from_utf8_lossy(&output);
    assert!(said.contains("stage 4 did all that it should") && said.contains("test result: ok."), "{said}");
}
