//! `lab watch`, with a script in cargo's place and one in that of the checks: what
//! it does at a save, and what it leaves behind.

use rexpect::process::Signal;
use rexpect::session::{PtySession, spawn_command};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(20);

/// A course of one stage: a source file, and what is built of it.
struct Course {
    folder: TempDir,
}

impl Course {
    /// `cargo` and `checks` are the bodies of shell scripts. In both of them $S is
    /// the source file, and $F the folder.
    fn new(cargo: &str, checks: &str) -> Course {
        let course = Course { folder: TempDir::new().unwrap() };
        fs::create_dir_all(course.path("common/lab")).unwrap();
        fs::create_dir_all(course.path("stage1-handshake/src")).unwrap();
        course.save("as it was");
        course.script("checks", checks);
        let built = format!(
            r#"echo '{{"target":{{"name":"checks"}},"executable":"{}"}}'"#,
            course.path("checks").display()
        );
        course.script("cargo", &format!("{cargo}\n{built}"));
        course
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn script(&self, name: &str, text: &str) {
        let folder = self.folder.path().display();
        let head = format!("#!/bin/sh\nF='{folder}'; S=\"$F/stage1-handshake/src/server.rs\"\n");
        fs::write(self.path(name), head + text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn save(&self, text: &str) {
        fs::write(self.path("stage1-handshake/src/server.rs"), text).unwrap();
    }

    fn command(&self) -> Command {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab-tools"));
        lab.args(["watch", "1"]).env("CARGO", self.path("cargo")).env("TERM", "xterm");
        lab.env("CARGO_MANIFEST_DIR", self.path("common/lab"));
        lab
    }

    fn watch(&self) -> Watch {
        let mut child = self.command().stdout(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        Watch { child, lines, seen: Vec::new() }
    }

    /// The number of the process that a script has written down.
    fn process(&self, name: &str) -> PathBuf {
        let deadline = Instant::now() + LIMIT;
        loop {
            let number = fs::read_to_string(self.path(name)).unwrap_or_default();
            if number.ends_with('\n') {
                return PathBuf::from("/proc").join(number.trim());
            }
            assert!(Instant::now() < deadline, "{name} was not started");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A running `lab watch` on a pipe.
struct Watch {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Watch {
    /// Waits for a line that contains `text`; those up to it.
    fn shows(&mut self, text: &str) -> Vec<String> {
        let deadline = Instant::now() + LIMIT;
        let from = self.seen.len();
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.seen.push(line);
            if self.seen.last().is_some_and(|line| line.contains(text)) {
                return self.seen[from..].to_vec();
            }
        }
        panic!("no line with {text:?} in:\n{}", self.seen.join("\n"));
    }

    fn end(mut self, signal: rustix::process::Signal) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gone(process: &Path) {
    let deadline = Instant::now() + LIMIT;
    while process.exists() {
        // Ended, and nobody has asked after it yet.
        if fs::read_to_string(process.join("stat")).is_ok_and(|stat| stat.contains(") Z ")) {
            return;
        }
        assert!(Instant::now() < deadline, "{} still runs", process.display());
        thread::sleep(Duration::from_millis(5));
    }
}

/// A report in which `second` fails as long as the source says so, and `first`
/// ends after it.
const CHECKS: &str = r#"
echo '{"stage":1,"checks":[{"name":"first","ignored":false},{"name":"second","ignored":false}]}' >&2
if grep -q wrong "$S"; then
  printf '%s\n' '{"check":"second","passed":false,"what":"  expected: a\n  got: b","hint":"Look at b.","steps":"alice sent a"}' >&2
else
  echo '{"check":"second","passed":true}' >&2
fi
echo '{"check":"first","passed":true}' >&2
echo '{"end":true}' >&2
"#;

#[test]
fn a_word_that_no_check_has_in_its_name_is_no_success() {
    let none =
        r#"echo '{"stage":1,"checks":[{"name":"first","ignored":false}]}' >&2; echo '{"end":true}' >&2"#;
    let course = Course::new("", none);
    let mut watch = course.watch();
    let round = watch.shows("Ctrl-C ends it").join("\n");
    assert!(round.contains("No check has this in its name, so none was run"), "{round}");
    assert!(!round.contains("All 0 pass"), "{round}");
}

#[test]
fn each_save_is_a_round_with_the_first_failure_and_its_hint() {
    let course = Course::new("", CHECKS);
    let mut watch = course.watch();
    let round = watch.shows("Ctrl-C ends it");
    assert!(round[0].starts_with("The checks of stage 1, handshake"), "{round:?}");
    assert!(round.iter().any(|l| l.starts_with("All 2 pass, in ")), "{round:?}");
    course.save("wrong now");
    let round = watch.shows("Ctrl-C ends it").join("\n");
    assert!(round.contains("after stage1-handshake/src/server.rs was saved"), "{round}");
    for part in
        ["The first that fails: second", "alice sent a", "expected: a", "got: b", "likely cause: Look at b."]
    {
        assert!(round.contains(part), "{part} in {round}");
    }
    assert!(round.contains("1 pass, 1 fail, in "), "{round}");
    course.save("right");
    let round = watch.shows("Ctrl-C ends it").join("\n");
    assert!(round.contains("All 2 pass") && !round.contains("fails"), "{round}");
    assert!(watch.end(rustix::process::Signal::INT).success(), "Ctrl-C is how it ends");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn what_does_not_build_is_not_checked() {
    let message = r#"{"message":{"level":"error","rendered":"error: a semicolon, please"}}"#;
    let cargo = format!("if grep -q wrong \"$S\"; then echo '{message}'; exit 101; fi");
    let course = Course::new(&cargo, CHECKS);
    course.save("wrong");
    let mut watch = course.watch();
    let round = watch.shows("Ctrl-C ends it").join("\n");
    assert!(round.contains("does not build") && round.contains("error: a semicolon, please"), "{round}");
    assert!(!round.contains("pass"), "{round}");
    course.save("right");
    assert!(watch.shows("Ctrl-C ends it").join("\n").contains("All 2 pass"));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn checks_that_break_off_are_no_success() {
    let course =
        Course::new("", "echo '{\"stage\":1,\"checks\":[]}' >&2; echo 'thread main panicked' >&2; exit 101");
    let round = course.watch().shows("Ctrl-C ends it").join("\n");
    assert!(
        round.contains("came to no end: exit status: 101") && round.contains("thread main panicked"),
        "{round}"
    );
    assert!(!round.contains("pass"), "{round}");
}

/// Hangs, with a helper, until the source is right.
const HANGS: &str = r#"
if grep -q wrong "$S"; then sleep 300 & echo $! > "$F/helper"; echo $$ > "$F/hangs"; wait; fi
"#;

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_save_ends_the_round_that_it_overtakes() {
    for (cargo, checks) in [(HANGS, CHECKS), ("", &*format!("{HANGS}{CHECKS}"))] {
        let course = Course::new(cargo, checks);
        course.save("wrong");
        let mut watch = course.watch();
        let (hangs, helper) = (course.process("hangs"), course.process("helper"));
        course.save("right");
        assert!(watch.shows("Ctrl-C ends it").join("\n").contains("All 2 pass"));
        gone(&hangs);
        gone(&helper);
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn nothing_is_left_however_it_ends() {
    for signal in ["INT", "TERM", "HUP", "KILL"] {
        let course = Course::new("", HANGS);
        course.save("wrong");
        let watch = course.watch();
        let hangs = course.process("hangs");
        let number = match signal {
            "INT" => rustix::process::Signal::INT,
            "TERM" => rustix::process::Signal::TERM,
            "HUP" => rustix::process::Signal::HUP,
            _ => rustix::process::Signal::KILL,
        };
        assert_eq!(watch.end(number).success(), signal == "INT", "{signal}");
        gone(&hangs);
    }
}

fn on_a_terminal(course: &Course, no_colour: bool) -> PtySession {
    let mut command = course.command();
    if no_colour {
        command.env("NO_COLOR", "1");
    } else {
        command.env_remove("NO_COLOR");
    }
    spawn_command(command, Some(20_000)).unwrap()
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn on_a_terminal_each_round_has_the_screen_to_itself() {
    let course = Course::new("", CHECKS);
    course.save("wrong");
    let mut session = on_a_terminal(&course, false);
    session.exp_string("\x1b[H\x1b[2J").unwrap();
    session.exp_string("building").unwrap();
    session.exp_string("\x1b[31mThe first that fails: second\x1b[0m").unwrap();
    session.exp_string("Ctrl-C ends it").unwrap();
    course.save("right");
    session.exp_string("\x1b[H\x1b[2J").unwrap();
    session.exp_string("\x1b[32mAll 2 pass\x1b[0m").unwrap();
    session.exp_string("Ctrl-C ends it").unwrap();
    session.send_control('c').unwrap();
    session.exp_eof().unwrap();
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn no_color_is_respected_on_a_terminal() {
    let course = Course::new("", CHECKS);
    course.save("wrong");
    let mut session = on_a_terminal(&course, true);
    let shown = session.exp_string("Ctrl-C ends it").unwrap();
    assert!(shown.contains("The first that fails: second") && !shown.contains("\x1b[31m"), "{shown:?}");
    session.process_mut().signal(Signal::SIGTERM).unwrap();
    session.exp_eof().unwrap();
}
