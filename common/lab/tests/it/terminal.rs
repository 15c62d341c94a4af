//! `lab run 4` on a real terminal, and how it ends.

use lab::workspace::root;
use rexpect::process::Signal;
use rexpect::session::{PtySession, spawn_command};
use rustix::process::{Pid, kill_process};
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Milliseconds for one step; the first has a build before it.
const STEP: u64 = 120_000;

/// A run of stage 4 on a terminal of its own. All processes of the run have a
/// variable in their environment by which they can be found.
struct Run {
    session: PtySession,
    mark: String,
}

fn start(name: &str) -> Run {
    start_with(name, "run")
}

fn start_with(name: &str, command: &str) -> Run {
    let mark = format!("{name}-{}", std::process::id());
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.args([command, "4"]).env("LAB_TEST_MARK", &mark).env("TERM", "xterm").env("NO_COLOR", "1");
    let session = spawn_command(lab, Some(STEP)).unwrap();
    Run { session, mark }
}

impl Run {
    /// Processes of this run, whoever their parent is by now: number and words.
    fn processes(&self) -> Vec<(i32, String)> {
        let wanted = format!("LAB_TEST_MARK={}", self.mark);
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(number) = entry.file_name().to_string_lossy().parse() else { continue };
            // Most of them are not ours to look at, and some are gone by now.
            let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
            if environment.split(|b| *b == 0).any(|v| v == wanted.as_bytes()) {
                let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push((number, String::from_utf8_lossy(&words).replace('\0', " ")));
            }
        }
        found
    }

    /// The numbers of this run's processes of one program.
    fn running(&self, program: &str) -> Vec<i32> {
        let all = self.processes().into_iter();
        all.filter(|(_, words)| words.contains(program)).map(|(number, _)| number).collect()
    }

    /// In the room, greeted.
    fn join(&mut self) {
        self.session.exp_string("more        make client 4").unwrap();
        self.session.exp_regex("hello 127.0.0.1:[0-9]+, I am bob").unwrap();
    }

    fn nothing_is_left(&self) {
        let deadline = Instant::now() + Duration::from_secs(15);
        while !self.processes().is_empty() {
            assert!(Instant::now() < deadline, "still there: {:?}", self.processes());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// As the kernel, a shell or another program would.
    fn kill(&mut self, signal: Signal) {
        self.session.process_mut().signal(signal).unwrap();
    }
}

#[test]
fn a_person_is_greeted_answered_and_leaves_nothing_behind() {
    let mut run = start("talk");
    run.join();
    let running = (run.running("stage4-server").len(), run.running("stage4-client").len());
    assert_eq!(running, (1, 2), "{:?}", run.processes());
    run.session.send_line("where am I?").unwrap();
    run.session.exp_string("good question").unwrap();
    run.session.send_line("I am in a pty").unwrap();
    run.session.exp_string("you said \"I am in a pty\"").unwrap();
    run.session.send_line("/quit").unwrap();
    run.session.exp_string("Stage 4 has ended; the server's log is in").unwrap();
    run.session.exp_eof().unwrap();
    run.nothing_is_left();
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn on_the_wire_a_person_is_in_the_client_and_the_bytes_are_in_a_file() {
    // Built by itself it takes longer than one step may, on a busy machine.
    lab::workspace::build_tools().unwrap();
    let mut run = start_with("wire", "wire");
    let (_, command) = run.session.exp_regex("tail -n \\+1 -f [^ ]+wire.txt").unwrap();
    let file = root().join(command.rsplit(' ').next().unwrap());
    run.join();
    run.session.send_line("I am in a pty").unwrap();
    let (before, _) = run.session.exp_regex("you said \"I am in a pty\"").unwrap();
    // As it happens, and not on this screen.
    let passed = fs::read_to_string(&file).unwrap();
    assert!(passed.contains("you -> server: 14 bytes\n  | text         49 20 61 6d 20 69 6e"), "{passed}");
    assert!(passed.contains("server -> bob: ") && passed.contains("bob -> server: "), "{passed}");
    assert!(!before.contains("49 20 61 6d"), "{before}");
    run.session.send_line("/quit").unwrap();
    run.session.exp_string("Stage 4 has ended").unwrap();
    run.session.exp_eof().unwrap();
    run.nothing_is_left();
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn ctrl_d_ends_it_too() {
    let mut run = start("ctrl-d");
    run.join();
    run.session.send_control('d').unwrap();
    run.session.exp_string("Stage 4 has ended").unwrap();
    run.nothing_is_left();
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn ctrl_c_ends_everything() {
    let mut run = start("ctrl-c");
    run.join();
    run.session.send_control('c').unwrap();
    run.nothing_is_left();
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn being_told_to_end_ends_everything() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let mut run = start(&format!("{signal:?}"));
        run.join();
        run.kill(signal);
        run.nothing_is_left();
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_tool_that_is_killed_takes_its_programs_along() {
    let mut run = start("kill");
    run.join();
    run.kill(Signal::SIGKILL);
    run.nothing_is_left();
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_server_that_dies_ends_the_run_with_an_error() {
    let mut run = start("dead");
    run.join();
    let server = Pid::from_raw(run.running("stage4-server")[0]).unwrap();
    kill_process(server, rustix::process::Signal::KILL).unwrap();
    run.session.exp_string("error: the server did not end in good order").unwrap();
    run.nothing_is_left();
}
