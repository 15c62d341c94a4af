//! The harness itself, tested on programs of one line: what it says when the
//! graded program does not do its part.

use crate::case::{Case, Side};
use crate::check::{Check, Kind};
use crate::context::Graded;
use crate::report::Complaint;
use crate::run_check::run_one;
use rustix::process::Signal;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Runs `body` as a check of stage 4 against this server.
fn run(server: &str, body: fn(&Case)) -> Result<(), String> {
    graded(server, "true", Check::new("a_check", &["The usual", "cause."], Kind::Wire, Side::Server, body))
}

fn graded(server: &str, client: &str, check: Check) -> Result<(), String> {
    judged(server, client, check).map_err(|complaint| complaint.to_string())
}

fn judged(server: &str, client: &str, check: Check) -> Result<(), Complaint> {
    let graded = Graded {
        stage: 4,
        server: "/nonexistent/server".into(),
        client: "/nonexistent/client".into(),
        foreign_server: Some(server.to_owned()),
        foreign_client: Some(client.to_owned()),
        programs: None,
    };
    run_one(graded, check)
}

#[track_caller]
fn report_of(result: Result<(), String>, parts: &[&str]) {
    let report = result.expect_err("the check has to fail");
    for part in parts {
        assert!(report.contains(part), "{part:?} is missing in:\n{report}");
    }
}

#[test]
fn a_server_that_exits_is_reported_with_its_last_words() {
    let result = run("sh -c 'echo no such module >&2; exit 3'", |case| drop(case.server()));
    let parts = ["ended before it listened", "exit code 3", "no such module", "The usual cause."];
    report_of(result, &parts);
}

#[test]
fn a_command_that_does_not_exist_is_reported() {
    let result = run("/nonexistent/server {port}", |case| drop(case.server()));
    report_of(result, &["no such command", "exit code 127", "/nonexistent/server"]);
}

/// A server that ends in good order at SIGTERM.
const ORDERLY: &str = r#"python3 -c 'import os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: (print("goodbye", flush=True), sys.exit(int(os.environ["CODE"]))))
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True: s.accept()' {port}"#;

#[test]
fn a_command_is_all_that_a_shell_understands_and_a_signal_reaches_the_program_in_it() {
    for command in [
        format!("CODE=0 {ORDERLY}"),
        format!("cd / && CODE=0 {ORDERLY}"),
        format!("export CODE=0; {ORDERLY}"),
        format!("CODE=0 {ORDERLY} # with a comment"),
        format!("CODE=0 exec {ORDERLY}"),
    ] {
        let result = run(&command, |case| {
            let server = case.server();
            server.program.signal(Signal::TERM);
            server.program.prints("goodbye");
            server.program.exits(0);
        });
        assert_eq!(result, Ok(()), "{command}");
    }
    let result = run(&format!("CODE=7 {ORDERLY}"), |case| {
        let server = case.server();
        server.program.signal(Signal::TERM);
        server.program.exits(0);
    });
    report_of(result, &["exit code 0", "exit code 7"]);
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_server_that_never_listens_is_reported_and_ended() {
    let limit = || crate::on_this_machine(Duration::from_secs(15));
    let (start, limit_before) = (Instant::now(), limit());
    let result = run("sleep 61.5", |case| drop(case.server()));
    report_of(result, &["does not listen on any port", "sleep 61.5"]);
    assert!(start.elapsed() < limit_before.max(limit()), "{:?}", start.elapsed());
}

#[test]
fn what_did_not_come_in_time_is_told_from_what_was_wrong() {
    let is_late = |client: &str, body: fn(&Case)| {
        let check = Check::new("a_check", &["It ends."], Kind::Wire, Side::Client, body);
        judged("true", client, check).unwrap_err().late
    };
    assert!(is_late("sleep 63.5", |case| {
        case.client(([127, 0, 0, 1], 1).into()).ends(Duration::from_millis(100));
    }));
    assert!(!is_late("exit 3", |case| {
        case.client(([127, 0, 0, 1], 1).into()).exits(0);
    }));
}

#[test]
fn a_check_that_hangs_is_given_up_and_its_programs_ended() {
    fn hang(case: &Case) {
        case.note("about to hang");
        let mut client = case.client(([127, 0, 0, 1], 1).into());
        client.ends(Duration::from_secs(60));
        client.end_input();
    }
    let check = Check::new("hangs", &["It hangs."], Kind::Wire, Side::Client, hang);
    let start = Instant::now();
    let result = graded("true", "sleep 62.5", check.within(Duration::from_millis(300)));
    report_of(result, &["done within 300ms", "it still waits", "about to hang", "It hangs."]);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_program_that_prints_megabytes_is_read_to_its_end() {
    fn flood(case: &Case) {
        let client = case.client(([127, 0, 0, 1], 1).into());
        client.exits(0);
        crate::fail("the end", format!("{} MiB", client.output().len() >> 20));
    }
    let check = Check::new("flood", &["It floods."], Kind::Wire, Side::Client, flood);
    let result = graded("true", "head -c 20000000 /dev/zero", check);
    report_of(result, &["exit code 0", "4 MiB\n"]);
}

#[test]
fn another_build_of_our_programs_takes_the_place_of_the_first() {
    let graded = Graded {
        stage: 4,
        server: "/target/debug/server".into(),
        client: "/target/debug/client".into(),
        foreign_server: None,
        foreign_client: None,
        programs: None,
    };
    let graded = graded.built_in("/usr/bin".into());
    assert_eq!(graded.server, Path::new("/usr/bin/server"));
    assert_eq!(graded.client, Path::new("/usr/bin/client"));
    let tool = Check::new("tool", &["A tool."], Kind::Ours, Side::Tool, |case| {
        // As a check names it: by the place where cargo has put it.
        let mut tool = Command::new("/target/debug/env");
        tool.args(["-", "/target/debug/echo", "/target/else/echo"]).env("HIDDEN", "1");
        case.run("the tool", tool).prints("/target/else/echo");
    });
    run_one(graded, tool).map_err(|complaint| complaint.to_string()).expect("both are found in /usr/bin");
}

#[test]
fn helpers_of_a_program_end_with_the_check() {
    fn two_processes(case: &Case) {
        let client = case.client(([127, 0, 0, 1], 1).into());
        let number = client.prints_a_line();
        std::fs::write(std::env::temp_dir().join(format!("helper-{}", std::process::id())), number)
            .expect("the temporary folder takes a file");
    }
    let check = Check::new("two", &["Two."], Kind::Wire, Side::Client, two_processes);
    graded("true", "sh -c 'sleep 63.5 & echo $!; wait'", check).expect("the check passes");
    let note = std::env::temp_dir().join(format!("helper-{}", std::process::id()));
    let helper = std::fs::read_to_string(&note).expect("the check wrote it");
    let _ = std::fs::remove_file(note);
    let gone = || {
        // A process that has ended may stay listed until its parent waits for it.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", helper.trim()));
        stat.map_or(true, |stat| stat.contains(") Z "))
    };
    let deadline = Instant::now() + Duration::from_secs(2);
    while !gone() {
        assert!(Instant::now() < deadline, "process {helper} still runs");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_assertion_in_a_check_is_reported_with_its_place() {
    let result = run("true", |_| assert_eq!(1 + 1, 3, "arithmetic"));
    report_of(result, &["arithmetic", "tests.rs:"]);
}

#[test]
fn a_check_that_concerns_another_program_is_ignored() {
    let check = |kind, side| Check::new("c", &["h"], kind, side, |_| ());
    let graded = |server: Option<&str>, client: Option<&str>| Graded {
        stage: 4,
        server: "s".into(),
        client: "c".into(),
        foreign_server: server.map(String::from),
        foreign_client: client.map(String::from),
        programs: None,
    };
    let ours = graded(None, None);
    let foreign = graded(Some("s"), None);
    for (kind, side, ignored) in [
        (Kind::Wire, Side::Server, false),
        (Kind::Wire, Side::Both, false),
        (Kind::Ours, Side::Server, true),
        (Kind::Wire, Side::Client, true),
        (Kind::Ours, Side::Client, true),
        (Kind::Ours, Side::Tool, true),
    ] {
        assert!(!ours.ignores(&check(kind, side)));
        assert_eq!(foreign.ignores(&check(kind, side)), ignored, "{kind:?} {side:?}");
    }
}
