//! `lab attack`: what it refuses, one attack on a server of our own and one on
//! the course's, and all of them against the table in the book.

use assert_cmd::Command;
use lab::workspace::root;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

fn lab(args: &[&str]) -> Command {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab-tools"));
    // The limit is for the build, should it be the first one.
    lab.arg("attack").args(args).timeout(Duration::from_secs(600));
    lab
}

fn output(args: &[&str]) -> String {
    String::from_utf8(lab(args).assert().success().get_output().stdout.clone()).unwrap()
}

fn refusal(args: &[&str]) -> String {
    let assert = lab(args).assert().code(2);
    let output = assert.get_output();
    assert!(output.stdout.is_empty(), "nothing may have run");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn targets_are_on_this_machine() {
    // Documentation ranges (RFC 5737, RFC 3849) and a name that never has an
    // address (RFC 2606).
    for other in ["192.0.2.1:9004", "[2001:db8::1]:9004", "0.0.0.0:9004"] {
        let why = refusal(&["4", "--target", other]);
        let expected = "is not on this machine's loopback; `make attack` attacks nobody else's server\n";
        assert!(why.starts_with("error: ") && why.ends_with(expected), "{why}");
        assert_eq!(why.lines().count(), 1, "{why}");
    }
    let why = refusal(&["4", "eavesdrop", "--target", "nobody.invalid:9004"]);
    assert!(why.starts_with("error: cannot look up nobody.invalid:9004"), "{why}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn what_a_target_needs_is_asked_for_before_anything_starts() {
    assert!(refusal(&["6", "--target", "127.0.0.1:9006"]).contains("--key chat.key"));
    assert!(refusal(&["8", "--target", "127.0.0.1:9008"]).contains("--ca certs/ca.pem"));
    assert!(refusal(&["1", "--target", "127.0.0.1:9001"]).contains("stage 1"));
    assert!(refusal(&["5", "--key", "chat.key"]).contains("--target"));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn an_attack_that_is_not_there_gets_a_sentence_with_those_that_are() {
    let why = refusal(&["5", "bitflip"]);
    assert!(why.starts_with("error: no attack 'bitflip'; there are: queue race eavesdrop"), "{why}");
    let list = output(&["--list"]);
    for name in ["fixed-iv", "bit-flip", "man-in-the-middle", "login-flood"] {
        assert!(list.lines().any(|line| line.split(' ').next() == Some(name)), "{name} is not in:\n{list}");
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn one_attack_shows_its_evidence_and_who_ends_it() {
    let text = output(&["5", "bit-flip"]);
    let order: Vec<usize> = [
        "attack      bit-flip",
        "tries       mallory is in the middle",
        "alice says: PAY ALICE 00100 EUR",
        "bob     | [127.0.0.1:",
        "] PAY ALICE 90100 EUR",
        "outcome     works: ",
        "ended by    stage 6: ",
    ]
    .iter()
    .map(|part| text.find(part).unwrap_or_else(|| panic!("no '{part}' in:\n{text}")))
    .collect();
    assert!(order.is_sorted(), "{text}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn compression_tells_a_token_and_stage_8_without_it_does_not() {
    let text = output(&["8", "compression"]);
    let (plain, compressed) = text.split_once("the same with --compress on both sides:").expect(&text);
    assert!(!plain.contains("one byte less"), "{text}");
    // The letters were held against what alice's client was sent.
    assert_eq!(compressed.matches("one byte less on the wire for: AUTH_SUCCESS alice ").count(), 4, "{text}");
    assert!(compressed.contains("outcome     defeated: "), "{text}");
}

/// A room like stage 4's at first sight; what one says has this prefix.
fn room_with(prefix: fn(SocketAddr) -> String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let all: std::sync::Arc<std::sync::Mutex<Vec<TcpStream>>> = std::sync::Arc::default();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            all.lock().unwrap().push(stream.try_clone().unwrap());
            let all = all.clone();
            thread::spawn(move || {
                let me = stream.peer_addr().unwrap();
                let tell = |line: String| {
                    for mut other in all.lock().unwrap().iter() {
                        if other.peer_addr().is_ok_and(|a| a != me) {
                            let _ = other.write_all(line.as_bytes());
                        }
                    }
                };
                tell(format!("[SERVER] {me} joined (9 online)\n"));
                for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                    tell(format!("{} {line}\n", prefix(me)));
                }
                all.lock().unwrap().retain(|s| s.peer_addr().is_ok_and(|a| a != me));
                let _ = stream.shutdown(std::net::Shutdown::Both);
                tell(format!("[SERVER] {me} left (9 online)\n"));
            });
        }
    });
    address
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_server_that_runs_already_is_attacked_as_it_is() {
    // The verdict is about the server, not about the stage's number.
    let like_stage_4 = room_with(|peer| format!("[{peer}]")).to_string();
    let text = output(&["4", "spoof", "--target", &like_stage_4]);
    assert!(text.contains("outcome     works: "), "{text}");
    let with_lasting_addresses = room_with(|_| "[one of us]".to_owned()).to_string();
    let text = output(&["4", "spoof", "--target", &with_lasting_addresses]);
    assert!(text.contains("outcome     defeated: alice can be told by her address"), "{text}");
    // It writes to one after the other, and waits for each.
    let text = output(&["4", "slow-reader", "--target", &like_stage_4]);
    assert!(text.contains("outcome     works: a client that does not read stops the room"), "{text}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
#[cfg(target_os = "linux")]
fn a_signal_ends_it_with_all_that_it_started() {
    output(&["2", "eavesdrop"]); // built
    let mut lab = process::Command::new(env!("CARGO_BIN_EXE_lab-tools"));
    // A second and a half in which nothing else happens.
    lab.args(["attack", "2", "queue"]).stdout(process::Stdio::piped()).stderr(process::Stdio::null());
    let mut lab = lab.spawn().unwrap();
    let mut lines = BufReader::new(lab.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("mallory has three connections")));
    // What it has started runs on a leash that names its process.
    let mine = format!("{}", lab.id());
    let children = || {
        let path = format!("/proc/{mine}/task/{mine}/children");
        fs::read_to_string(path).unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let started = children();
    assert!(!started.is_empty(), "a server at least");
    let pid = rustix::process::Pid::from_child(&lab);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let start = Instant::now();
    let status = lab.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15), "{status}");
    assert!(start.elapsed() < Duration::from_secs(10));
    for child in started {
        assert!(!fs::exists(format!("/proc/{child}")).unwrap(), "{child} was left behind");
    }
}

/// Every attack on every stage.
#[test]
#[ignore = "self-test of the course: make test-course"]
fn the_table_in_the_book_is_what_comes_of_the_attacks() {
    let page = fs::read_to_string(root().join("docs/src/attacks.md")).unwrap();
    let (_, rest) = page.split_once("--table --write` -->\n").expect("the page has a place for the table");
    let (written, _) = rest.split_once("<!-- end of the table -->").expect("the table has an end");
    let found = output(&["--table"]);
    assert_eq!(
        written.trim(),
        found.trim(),
        "what comes of the attacks is not what the book says. If it is right: cargo run -p lab -- attack --table --write"
    );
}
