//! `lab cluster`: three servers as one chat.

use assert_cmd::Command;
use rexpect::session::spawn_command;
use std::time::Duration;
use testkit::mariadb::MariaDb;
use testkit::redis::Redis;

fn cluster(args: &[&str]) -> assert_cmd::assert::Assert {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab-tools"));
    // The limit is for the build, should it be the first one.
    lab.arg("cluster").args(args).timeout(Duration::from_secs(500)).assert()
}

fn error(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

/// Returns `true` if MariaDB and Redis are installed; in CI they are.
pub fn is_possible() -> bool {
    let missing = MariaDb::missing().or_else(Redis::missing);
    missing.iter().for_each(|why| eprintln!("not tried: {why}"));
    missing.is_none()
}

#[test]
fn what_cannot_be_a_cluster_is_said() {
    let why = error(&cluster(&["6"]).code(2));
    assert_eq!(why, "error: stage 6 has one server only; `make cluster` is for stages 7 and 8\n");
    let why = error(&cluster(&["8", "--measure"]).code(2));
    assert_eq!(why, "error: stage 7 is measured: stage 8 has the same log\n");
    let why = error(&cluster(&["7", "--kill", "4"]).code(2));
    assert!(why.contains("4 is not in 1..=3"), "{why}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn two_of_three_servers_are_killed_and_the_chat_goes_on() {
    if !is_possible() {
        return;
    }
    for stage in ["7", "8"] {
        let assert = cluster(&[stage, "--script"]).success();
        let transcript = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        assert!(transcript.contains("server-2 : "), "{transcript}");
        assert!(transcript.contains("bob      | [SERVER] carol left (2 online)"), "{transcript}");
        assert!(transcript.contains("bob      | alice: hello from server-2"), "{transcript}");
        assert!(transcript.ends_with("did all that they should\n"), "{transcript}");
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn three_servers_are_measured_and_compared_with_one() {
    if !is_possible() {
        return;
    }
    let assert = cluster(&["7", "--measure", "--dev", "--seconds", "2"]).success();
    let shown = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    // Messages a second, and milliseconds.
    let figures = |start: &str| -> Vec<f64> {
        let line = shown.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default();
        line.split(' ').filter_map(|word| word.parse().ok()).collect()
    };
    for start in ["one server  ", "three servers "] {
        let figures = figures(start);
        assert_eq!(figures.len(), 3, "{shown}");
        assert!(figures.iter().all(|figure| *figure > 0.0), "{shown}");
    }
    let races: Vec<_> = shown.lines().filter(|line| line.contains(" INSERTs come too late ")).collect();
    assert_eq!(races.len(), 2, "{shown}");
    assert!(races.iter().all(|line| !line.contains(" 0 INSERTs ")), "{shown}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_user_at_a_terminal_sees_a_server_killed_and_comes_back() {
    if !is_possible() {
        return;
    }
    let mut lab = std::process::Command::new(env!("CARGO_BIN_EXE_lab-tools"));
    lab.args(["cluster", "7"]).env("TERM", "xterm").env("NO_COLOR", "1");
    let mut terminal = spawn_command(lab, Some(300_000)).unwrap();
    for (question, answer) in [
        ("REGISTER?", "REGISTER"),
        ("name:", "zoe"),
        ("password:", "good password"),
        ("password", "good password"),
    ] {
        terminal.exp_string(question).unwrap();
        terminal.send_line(answer).unwrap();
    }
    terminal.exp_string("hello zoe, I am").unwrap();
    let assert = cluster(&["7", "--kill"]).success();
    let shown = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(shown.starts_with("server-1 was killed"), "{shown}");
    assert!(shown.contains("server-3 : ") && shown.contains("the users of server-1 are gone"), "{shown}");
    terminal.exp_string("Reconnecting").unwrap();
    terminal.exp_string("logged in as zoe").unwrap();
    let why = error(&cluster(&["7", "--kill", "1"]).code(1));
    assert_eq!(why, "error: server-1 has ended already\n");
    terminal.send_line("I am back").unwrap();
    terminal.exp_string("you said \"I am back\"").unwrap();
    terminal.send_line("/quit").unwrap();
    terminal.exp_string("The cluster of stage 7 has ended").unwrap();
    terminal.exp_eof().unwrap();
    let why = error(&cluster(&["7", "--kill"]).code(1));
    assert_eq!(why, "error: no cluster of stage 7 runs here; `make cluster 7` starts one\n");
}
