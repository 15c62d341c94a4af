//! `lab run 4` on a real terminal, and how it ends.

use lab::output::WIDTH;
use lab::registry::Registry;
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
    start_stage(name, command, 4)
}

fn start_stage(name: &str, command: &str, stage: u16) -> Run {
    let mark = format!("{name}-{}", std::process::id());
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.args([command, &stage.to_string()])
        .env("LAB_TEST_MARK", &mark)
        .env("TERM", "xterm")
        .env("NO_COLOR", "1");
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
        self.session.exp_string("more users  make client 4").unwrap();
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
fn a_user_is_greeted_answered_and_leaves_nothing_behind() {
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
fn on_the_wire_a_user_is_in_the_client_and_the_bytes_are_in_a_file() {
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

/// What is shown on a terminal of 80 columns: the rows, without colours.
fn rows(shown: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut chars = shown.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            // ESC [ … letter, which sets a colour or moves the cursor.
            while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
        } else {
            plain.push(c);
        }
    }
    // The line editor draws its row anew behind a bare CR.
    let last = |row: &str| row.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default().to_owned();
    plain.split('\n').map(last).collect()
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn what_is_shown_fits_on_a_terminal_and_has_no_two_blank_rows() {
    for stage in Registry::load().stages.iter().filter(|stage| stage.classmate.is_some()) {
        let mut run = start_stage("rows", "run", stage.number);
        let mut shown = String::new();
        let mut see = |run: &mut Run, text: &str| {
            let before = run.session.exp_string(text).unwrap();
            shown.push_str(&before);
            shown.push_str(text);
        };
        see(&mut run, "Stage");
        if stage.database.is_some() {
            for line in ["/help", "REGISTER anna secret99"] {
                see(&mut run, "LOGIN or REGISTER?");
                run.session.send_line(line).unwrap();
            }
            see(&mut run, "Say something!");
        } else {
            see(&mut run, "/help");
        }
        see(&mut run, "> ");
        run.session.send_line("/help").unwrap();
        see(&mut run, "!DISCONNECT or Ctrl-D");
        if stage.number == 8 {
            run.session.send_line("/msg bob hello").unwrap();
            see(&mut run, "compare with /fingerprint bob.");
        }
        run.session.send_control('d').unwrap();
        shown.push_str(&run.session.exp_eof().unwrap());
        run.nothing_is_left();
        let rows = rows(&shown);
        let rows = &rows[rows.iter().position(|row| row.starts_with("Stage")).unwrap()..];
        assert!(rows.iter().any(|row| row.contains("has ended")), "{shown}");
        for pair in rows.windows(2) {
            assert!(
                pair.iter().any(|row| !row.is_empty()),
                "stage {}: two blank rows: {rows:#?}",
                stage.number
            );
        }
        // A folder's name is as long as it is.
        for row in rows.iter().filter(|row| !row.contains("/lab/stage")) {
            assert!(row.chars().count() <= WIDTH, "stage {}: {row}", stage.number);
        }
    }
}
