//! Our client on a real terminal (a pty): what a user types, and what the
//! screen shows after every escape sequence has done its work.

use crate::context::Context;
use crate::poison::IgnorePoison;
use crate::program::Exit;
use crate::transcript::shown;
use rexpect::process::{PtyProcess, Signal, WaitStatus};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const ROWS: u16 = 24;
const COLUMNS: u16 = 100;

struct Screen {
    emulator: vt100::Parser,
    raw: Vec<u8>,
}

/// A client on a terminal of 24 rows and 100 columns.
pub struct Terminal {
    process: PtyProcess,
    keyboard: File,
    screen: Arc<(Mutex<Screen>, Condvar)>,
    context: Arc<Context>,
}

impl Terminal {
    #[track_caller]
    pub(crate) fn start(context: &Arc<Context>, command: Command) -> Self {
        context.transcript.note("terminal", "started the client on a terminal");
        let opened = PtyProcess::new(command).and_then(|process| {
            let keyboard = process.get_file_handle()?;
            let output = process.get_file_handle()?;
            Ok((process, keyboard, output))
        });
        let (process, keyboard, output) = match opened {
            Ok(opened) => opened,
            Err(e) => crate::fail("a terminal for the client", e.to_string()),
        };
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&keyboard, size).expect("a pty has a size");
        let screen = Screen { emulator: vt100::Parser::new(ROWS, COLUMNS, 0), raw: Vec::new() };
        let screen = Arc::new((Mutex::new(screen), Condvar::new()));
        draw(output, screen.clone());
        Self { process, keyboard, screen, context: context.clone() }
    }

    /// Types `keys` as they are; Enter is `\r`, Ctrl-C `\x03`, Ctrl-D `\x04`,
    /// arrow up `\x1b[A`.
    ///
    /// A user types at a prompt. Keys that came before it, while the terminal
    /// still edits lines itself, would mean something else: so this waits for
    /// the client to take that over, or to hide what is typed (a password).
    #[track_caller]
    pub fn types(&mut self, keys: &str) {
        let deadline = Instant::now() + crate::patience();
        while !self.is_taken_over() {
            let late = Instant::now() > deadline;
            crate::require(!late, "a client that edits the line itself", "it never does");
            std::thread::sleep(Duration::from_millis(2));
        }
        self.context.transcript.note("terminal", format!("typed {}", shown(keys)));
        if let Err(e) = self.keyboard.write_all(keys.as_bytes()) {
            crate::fail("a client that takes what is typed", e.to_string());
        }
    }

    fn is_taken_over(&self) -> bool {
        // Not by its echo: a terminal of rexpect's has none from the beginning.
        tcgetattr(&self.keyboard).is_ok_and(|modes| !modes.local_modes.contains(LocalModes::ICANON))
    }

    /// The rows of the screen that are not empty, from the top.
    pub fn rows(&self) -> Vec<String> {
        rows(&self.screen.0.lock().ignore_poison())
    }

    /// All bytes that the client ever wrote to the terminal.
    pub fn raw(&self) -> String {
        let screen = self.screen.0.lock().ignore_poison();
        String::from_utf8_lossy(&screen.raw).into_owned()
    }

    /// Waits until the rows of the screen satisfy `fits`.
    #[track_caller]
    pub fn shows(&self, what: &str, fits: impl Fn(&[String]) -> bool) {
        let screen = self.screen.0.lock().ignore_poison();
        let patience = crate::patience();
        let waited = self.screen.1.wait_timeout_while(screen, patience, |s| !fits(&rows(s)));
        let (screen, timeout) = waited.ignore_poison();
        let rows = rows(&screen).join("\n    | ");
        drop(screen);
        if timeout.timed_out() {
            let expected = format!("the screen to show {what} (within {patience:?})");
            crate::fail(expected, format!("this screen:\n    | {rows}"));
        }
        self.context.transcript.note("terminal", format!("shows {what}"));
    }

    /// Waits until the last row that is not empty ends with `text`: the line
    /// being typed, after whatever prompt there is.
    #[track_caller]
    pub fn shows_typed(&self, text: &str) {
        self.shows(&format!("{} on its last row", shown(text)), |rows| {
            rows.last().is_some_and(|row| row.ends_with(text))
        });
    }

    /// Sends the client a signal, as `kill` does.
    pub fn signal(&mut self, signal: crate::Signal) {
        self.context.transcript.note("terminal", format!("sent {signal:?}"));
        if let Ok(signal) = Signal::try_from(signal.as_raw()) {
            let _ = self.process.signal(signal);
        }
    }

    /// Waits for the end of the client, and asks for this exit code.
    #[track_caller]
    pub fn exits(&self, code: i32) {
        let exit = self.ends();
        crate::require(exit == Exit::Code(code), format!("exit code {code}"), exit.to_string());
    }

    /// Waits for the end of the client, which gives the terminal back as it was.
    #[track_caller]
    pub fn ends(&self) -> Exit {
        let deadline = Instant::now() + Duration::from_secs(5);
        let exit = loop {
            match self.process.status() {
                Some(WaitStatus::Exited(_, code)) => break Exit::Code(code),
                Some(WaitStatus::Signaled(_, signal, _)) => break Exit::Signal(signal as i32),
                _ if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(3)),
                _ => crate::fail_late("the client to end within 5 s", "it still runs"),
            }
        };
        self.context.transcript.note("terminal", format!("the client ended: {exit}"));
        crate::require(
            !self.is_taken_over(),
            "the terminal as it was before",
            "it still gives each key at once",
        );
        exit
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(WaitStatus::StillAlive) = self.process.status() {
            let _ = self.process.kill(Signal::SIGKILL);
        }
    }
}

/// The thread that draws what the client writes; it ends with the terminal.
fn draw(mut output: File, screen: Arc<(Mutex<Screen>, Condvar)>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = output.read(&mut buffer) {
            let mut drawn = screen.0.lock().ignore_poison();
            drawn.emulator.process(&buffer[..n]);
            drawn.raw.extend_from_slice(&buffer[..n]);
            screen.1.notify_all();
        }
    });
}

fn rows(screen: &Screen) -> Vec<String> {
    let rows = screen.emulator.screen().rows(0, COLUMNS);
    rows.map(|row| row.trim_end().to_owned()).filter(|row| !row.is_empty()).collect()
}
