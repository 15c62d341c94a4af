//! Lines that came in from a socket, a pipe or a terminal.
//!
//! A thread reads them as fast as they come (a check must never be the slow
//! reader by accident: a server may rightly drop it), and the check takes them
//! from here, with a deadline.

use crate::failure::NO_LINE;
use crate::poison::IgnorePoison;
use crate::transcript::{Transcript, shown};
use std::collections::VecDeque;
use std::fmt;
use std::io::{ErrorKind, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How a stream of lines ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// In good order: the other side closed.
    Closed,
    /// A TCP reset: the other side closed without reading all, or died.
    Reset,
    /// The connection ended, and what lies on it (TLS) did not.
    Truncated,
    /// Something else went wrong.
    Failed(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Closed => write!(f, "a close in good order"),
            End::Reset => write!(f, "a TCP reset"),
            End::Truncated => write!(f, "a TCP end without a close of TLS before it (close_notify)"),
            End::Failed(why) => write!(f, "a failure: {why}"),
        }
    }
}

/// What came next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A line, without its line end (`\n`; a `\r` before it stays visible).
    Line(String),
    /// The end of the stream, and what stood before it without a line end.
    End(End, String),
    /// Nothing until the deadline.
    Nothing,
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Next::Line(line) => write!(f, "the line {}", shown(line)),
            Next::End(end, rest) if rest.is_empty() => write!(f, "{end}"),
            Next::End(end, rest) => write!(f, "{} without a line end, then {end}", shown(rest)),
            Next::Nothing => write!(f, "{NO_LINE}"),
        }
    }
}

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    partial: Vec<u8>,
    everything: Vec<u8>,
    /// The other side ends its lines with CR LF, which the contract allows.
    cr_lf: bool,
    end: Option<End>,
}

/// The lines of one stream; a clone is another handle to the same lines.
#[derive(Clone, Default)]
pub struct Inbox {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Inbox {
    /// Starts the thread that reads `source` to its end. It ends with the stream.
    pub(crate) fn fill(
        &self,
        who: &str,
        verb: &'static str,
        transcript: Arc<Transcript>,
        mut source: impl Read + Send + 'static,
    ) -> JoinHandle<()> {
        let (inbox, who) = (self.clone(), who.to_owned());
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            let end = loop {
                match source.read(&mut buffer) {
                    Ok(0) => break End::Closed,
                    Ok(n) => inbox.add(&buffer[..n], |line| {
                        transcript.note(&who, format!("{verb} {}", shown(line)));
                    }),
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Err(e) if e.kind() == ErrorKind::ConnectionReset => break End::Reset,
                    Err(e) if e.kind() == ErrorKind::UnexpectedEof => break End::Truncated,
                    // How Linux says that the program behind a terminal is gone.
                    Err(e) if e.raw_os_error() == Some(5) => break End::Closed,
                    Err(e) => break End::Failed(e.to_string()),
                }
            };
            transcript.note(&who, format!("saw {end} ({verb} no more)"));
            inbox.state().end = Some(end);
            inbox.shared.1.notify_all();
        })
    }

    fn add(&self, bytes: &[u8], mut note: impl FnMut(&[u8])) {
        let mut state = self.state();
        state.everything.extend_from_slice(bytes);
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            state.partial.extend_from_slice(piece);
            if state.partial.pop_if(|last| *last == b'\n').is_some() {
                let line = std::mem::take(&mut state.partial);
                note(&line);
                state.lines.push_back(line);
            }
        }
        self.shared.1.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().ignore_poison()
    }

    /// Takes the next line, waiting for it until `deadline`.
    pub fn next(&self, deadline: Instant) -> Next {
        let mut state = self.state();
        loop {
            if let Some(mut line) = state.lines.pop_front() {
                if state.cr_lf {
                    line.pop_if(|last| *last == b'\r');
                }
                return Next::Line(String::from_utf8_lossy(&line).into_owned());
            }
            if let Some(end) = &state.end {
                return Next::End(end.clone(), String::from_utf8_lossy(&state.partial).into_owned());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Nothing;
            }
            let waited = self.shared.1.wait_timeout(state, left);
            state = waited.ignore_poison().0;
        }
    }

    /// From now on one CR before a line end belongs to the line end.
    pub fn take_cr_lf(&self) {
        self.state().cr_lf = true;
    }

    /// Returns `true` if one CR before a line end belongs to the line end.
    pub fn takes_cr_lf(&self) -> bool {
        self.state().cr_lf
    }

    /// Everything that came so far, line ends included, taken or not.
    pub fn everything(&self) -> Vec<u8> {
        self.state().everything.clone()
    }

    /// Waits for the end of the stream; `None` when `limit` has passed before it.
    pub fn wait_end(&self, limit: Duration) -> Option<End> {
        let state = self.state();
        let waited = self.shared.1.wait_timeout_while(state, limit, |s| s.end.is_none());
        waited.ignore_poison().0.end.clone()
    }
}
