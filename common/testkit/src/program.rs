//! A program that a check has started: its standard input, output and error,
//! its exit. It runs in a process group of its own and never outlives the check.

use crate::context::{Context, WAIT_FOR_THE_COMMAND};
use crate::inbox::{Inbox, Next};
use crate::reading::Reading;
use crate::transcript::shown;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No check asks for nearly as much output. What comes after it is read and thrown
/// away: a server may print every message, and a program that prints without end is
/// not to fill the memory of the checks.
const MOST_OUTPUT: usize = 4 << 20;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code @ 129..=159) => {
                write!(f, "exit code {code} (a shell's word for an end by signal {})", code - 128)
            }
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(signal) => write!(f, "an end by signal {signal}"),
        }
    }
}

/// A running (or ended) program.
pub struct Program {
    who: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Inbox,
    errors: Inbox,
    context: Arc<Context>,
}

/// A program's output, as much of it as is kept; the rest is thrown away.
struct Bounded<R> {
    pipe: R,
    left: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.pipe.read(buffer)?;
            let kept = count.min(self.left);
            self.left -= kept;
            if kept > 0 || count == 0 {
                return Ok(kept);
            }
        }
    }
}

impl Program {
    /// Starts `command` with pipes on all three standard streams.
    #[track_caller]
    pub(crate) fn start(context: &Arc<Context>, who: &str, mut command: Command) -> Self {
        context.transcript.note(who, format!("started: {}", words(&command)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: a command given by hand may start helpers, and
        // all of them have to go when the check is over.
        command.process_group(0);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(e) => crate::fail(format!("{who} to start"), format!("{}: {e}", words(&command))),
        };
        context.register(who, pid_of(&child));
        let (output, errors) = (Inbox::default(), context.errors_of(who));
        if let Some(pipe) = child.stdout.take() {
            output.fill(who, "printed", context.transcript.clone(), Bounded { pipe, left: MOST_OUTPUT });
        }
        if let Some(pipe) = child.stderr.take() {
            let pipe = Bounded { pipe, left: MOST_OUTPUT };
            errors.fill(who, "said on stderr", context.transcript.clone(), pipe);
        }
        let input = child.stdin.take();
        Self { who: who.to_owned(), child, input, output, errors, context: context.clone() }
    }

    /// Types `line` and a line end on its standard input.
    #[track_caller]
    pub fn type_line(&mut self, line: &str) {
        self.context.transcript.note(&self.who, format!("was given {}", shown(line)));
        let Some(input) = &mut self.input else {
            crate::fail("an open standard input", "it was closed by this check before");
        };
        if let Err(e) = input.write_all(format!("{line}\n").as_bytes()) {
            crate::fail(format!("{} to read its standard input", self.who), e.to_string());
        }
    }

    /// Types bytes as they are; an error is no failure, the program may be gone.
    pub fn try_type(&mut self, bytes: &[u8]) {
        self.context.transcript.note(&self.who, format!("was given {}", shown(bytes)));
        if let Some(input) = &mut self.input {
            let _ = input.write_all(bytes);
        }
    }

    /// Ends its standard input.
    pub fn end_input(&mut self) {
        self.context.transcript.note(&self.who, "came to the end of its input");
        self.input = None;
    }

    /// The very next line of its standard output must be `line`.
    #[track_caller]
    pub fn prints(&self, line: &str) {
        self.reading().next_line(&format!("{} on stdout", shown(line)), |l| l == line);
    }

    /// The very next line of its standard output, whatever it is.
    #[track_caller]
    pub fn prints_a_line(&self) -> String {
        self.reading().next_line("a line on stdout", |_| true)
    }

    /// What comes next on its standard output, until `deadline`.
    pub fn next_line(&self, deadline: Instant) -> Next {
        self.output.next(deadline)
    }

    /// Waits for a line of standard output that satisfies `fits`.
    #[track_caller]
    pub fn prints_some(&self, what: &str, fits: impl FnMut(&str) -> bool) -> String {
        self.reading().some_line(&format!("on stdout {what}"), fits)
    }

    /// Waits for a line of standard error that satisfies `fits`.
    #[track_caller]
    pub fn says(&self, what: &str, fits: impl FnMut(&str) -> bool) -> String {
        let patience = crate::patience();
        let reading = Reading { who: &self.who, inbox: &self.errors, patience };
        reading.some_line(&format!("on stderr {what}"), fits)
    }

    /// Waits until `text` is somewhere in what it wrote, on standard output or error.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        let deadline = Instant::now() + crate::patience();
        while !self.output().contains(text) && !self.errors().contains(text) {
            if Instant::now() > deadline {
                crate::fail(format!("{} to show {}", self.who, shown(text)), shown(self.output()));
            }
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    fn reading(&self) -> Reading<'_> {
        Reading { who: &self.who, inbox: &self.output, patience: crate::patience() }
    }

    /// Standard output so far; after [`ends`](Self::ends), all of it.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.output.everything()).into_owned()
    }

    /// Standard error so far; after [`ends`](Self::ends), all of it.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.errors.everything()).into_owned()
    }

    /// Sends a signal to the program and its helpers.
    pub fn signal(&self, signal: Signal) {
        self.context.transcript.note(&self.who, format!("was sent {signal:?}"));
        let _ = kill_process_group(pid_of(&self.child), signal);
    }

    /// Waits until the program has ended, `limit` at most.
    #[track_caller]
    pub fn ends(&self, limit: Duration) -> Exit {
        let Some(exit) = self.ended_by(Instant::now() + limit) else {
            crate::fail_late(format!("{} to end within {limit:?}", self.who), "it still runs");
        };
        // What it wrote last is in the pipes still.
        self.output.wait_end(Duration::from_secs(1));
        self.errors.wait_end(Duration::from_secs(1));
        self.context.transcript.note(&self.who, format!("ended: {exit}"));
        exit
    }

    /// Waits for the end, and asks for this exit code.
    #[track_caller]
    pub fn exits(&self, code: i32) {
        let exit = self.ends(Duration::from_secs(5));
        crate::require(exit == Exit::Code(code), format!("exit code {code}"), exit.to_string());
    }

    /// How it ended, or `None` if it still runs at `deadline`.
    pub fn ended_by(&self, deadline: Instant) -> Option<Exit> {
        loop {
            let exit = self.ended();
            if exit.is_some() || Instant::now() > deadline {
                return exit;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// How it ended, or `None` while it runs.
    ///
    /// The process is not reaped before this value is dropped: its number stays
    /// taken, so that no other process can be killed by mistake.
    pub fn ended(&self) -> Option<Exit> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(pid_of(&self.child)), options).ok()??;
        let code = status.exit_status().map(Exit::Code);
        code.or(status.terminating_signal().map(Exit::Signal))
    }

    /// The process group of the program and its helpers.
    pub(crate) fn group(&self) -> Pid {
        pid_of(&self.child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.context.kill(pid_of(&self.child));
        let _ = self.child.wait();
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy().replace(WAIT_FOR_THE_COMMAND, ""));
    words.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}
