//! `lab load`, against a small server of our own, so that nothing is built.

use assert_cmd::Command;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the small server does with a line.
#[derive(Clone, Copy, PartialEq)]
enum Habit {
    Echo,
    Relay,
    /// Relays all but every tenth line.
    RelayMost,
}

fn server(habit: Habit) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let all: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            all.lock().unwrap().push(stream.try_clone().unwrap());
            let all = all.clone();
            thread::spawn(move || serve(&stream, &all, habit));
        }
    });
    address
}

fn serve(stream: &TcpStream, all: &Mutex<Vec<TcpStream>>, habit: Habit) {
    let me = stream.peer_addr().unwrap();
    for (number, line) in BufReader::new(stream).lines().map_while(Result::ok).enumerate() {
        if habit == Habit::Echo {
            let mut stream = stream;
            // One write: `writeln!` makes two, and the second would wait for
            // the acknowledgement of the first.
            let _ = stream.write_all(format!("{line}\n").as_bytes());
            continue;
        }
        if habit == Habit::RelayMost && number % 10 == 9 {
            continue;
        }
        for other in all.lock().unwrap().iter_mut() {
            if other.peer_addr().is_ok_and(|a| a != me) {
                let _ = other.write_all(format!("[{me}] {line}\n").as_bytes());
            }
        }
    }
}

fn load(stage: &str, habit: Habit, more: &[&str]) -> assert_cmd::assert::Assert {
    let address = server(habit).to_string();
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab-tools"));
    lab.args(["load", stage, "--connect", &address, "--seconds", "1", "--rate", "200"]).args(more);
    lab.timeout(Duration::from_secs(30)).assert()
}

fn text(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

/// How many lines were sent: 200 are planned, and a machine that is busy sends some of
/// them too late to count.
fn sent(out: &str) -> u32 {
    let count = out.lines().find_map(|l| l.strip_prefix("sent ")).unwrap().split_whitespace().next().unwrap();
    let count = count.parse().unwrap();
    assert!((100..=200).contains(&count), "{out}");
    count
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_room_is_loaded_and_every_delivery_is_counted() {
    let out = text(&load("4", Habit::Relay, &["--clients", "6", "--senders", "2"]).success());
    assert!(out.contains(" lines of 200 planned"), "{out}");
    assert!(out.contains(&format!("delivered   {} in ", 5 * sent(&out))), "{out}");
    assert!(out.contains("lost        0, out of order 0"), "{out}");
    assert!(out.contains("p50 ") && out.contains("p99 ") && out.contains("below "), "{out}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn an_echo_is_loaded_by_all() {
    let out = text(&load("3", Habit::Echo, &["--clients", "4"]).success());
    assert!(out.contains("clients     4, each sends"), "{out}");
    assert!(
        out.contains(&format!("delivered   {} in ", sent(&out))) && out.contains("lost        0,"),
        "{out}"
    );
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn lost_lines_are_counted_and_end_in_failure() {
    let assert = load("4", Habit::RelayMost, &["--clients", "3"]).code(1);
    let out = text(&assert);
    let lost = out.lines().find_map(|l| l.strip_prefix("lost ")).unwrap().trim();
    let lost: u32 = lost.split(',').next().unwrap().parse().unwrap();
    let all = 2 * sent(&out) / 10;
    assert!((all - 2..=all + 2).contains(&lost), "every tenth of the lines to two receivers: {out}");
    assert!(String::from_utf8_lossy(&assert.get_output().stderr).contains("error: the server lost"));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_server_that_is_no_room_is_told_apart_from_a_slow_one() {
    let assert = load("4", Habit::Echo, &["--clients", "3"]).code(1);
    let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(error.contains("only 0 of 2 clients hear the first one; is this a chat room?"), "{error}");
}

#[test]
fn options_that_make_no_sense_are_refused_before_anything_starts() {
    let lab = |args: &[&str]| {
        let assert = Command::new(env!("CARGO_BIN_EXE_lab-tools")).arg("load").args(args).assert();
        let assert = assert.failure();
        String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
    };
    assert!(lab(&["1"]).contains("stage 1 has no load test"));
    assert!(lab(&["2", "--clients", "2"]).contains("one client at a time"));
    assert!(lab(&["4", "--clients", "1"]).contains("two clients"));
    assert!(lab(&["4", "--senders", "500"]).contains("more than all"));
    assert!(lab(&["4", "--seconds", "3600"]).contains("3600"));
    // An address of the documentation range (RFC 5737): no packet goes there.
    assert!(lab(&["4", "--connect", "192.0.2.1:9004"]).contains("loads nobody else's server"));
    // Taken from a listener that is gone: nobody is there.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert!(lab(&["4", "--connect", &gone]).contains("cannot connect"));
}

/// A build with optimisation takes a minute or two, and is not a silent one.
#[test]
fn a_build_is_announced_before_its_first_crate() {
    let folder = tempfile::tempdir().unwrap();
    let cargo = folder.path().join("cargo");
    std::fs::write(&cargo, "#!/bin/sh\necho \"   Compiling $*\" >&2\nexit 101\n").unwrap();
    std::fs::set_permissions(&cargo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab-tools"));
    lab.args(["load", "4"]).env("CARGO", &cargo).timeout(Duration::from_secs(20));
    let said = String::from_utf8(lab.assert().code(1).get_output().stderr.clone()).unwrap();
    let mut lines = said.lines();
    assert!(
        lines.next().unwrap().starts_with("Building stage 4 with optimisation; the first time takes"),
        "{said}"
    );
    assert!(lines.next().unwrap().contains("--release"), "{said}");
}
