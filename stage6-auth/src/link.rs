//! The link: what a client has to say, over one connection after another.
//!
//! Lines typed go into a queue, and a thread sends them when there is a
//! connection and the server waits for them. So it makes no difference to whoever
//! types whether the connection is there just now: the lines wait, in order.
//!
//! What is lost with a connection? A line counts as sent when the system has
//! taken all of it. What was on its way then may have arrived or not, which no
//! client can know unless the server confirms each line, and here none does. It
//! is not sent again: better a line too few, which its author misses, than one
//! that all others read twice.

use crate::envelope::Envelope;
use stage2_echo::line::DISCONNECT;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Lines that are kept while there is no connection.
pub const MOST_KEPT: usize = 1000;

/// Lines in one write.
const AT_ONCE: usize = 64;

/// What the server waits for, as far as we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing: it is its turn.
    Nothing,
    /// An answer in the dialogue, with this prompt.
    Answer(&'static str),
    /// The password.
    Password,
    /// Whatever the person of this name has to say.
    Anything(String),
}

/// See the [module](self).
pub struct Link {
    envelope: Envelope,
    /// Written by the thread that reads what is typed, by the one that sends,
    /// and by the one that receives.
    state: Mutex<State>,
    /// Signalled at every change: these are few.
    changed: Condvar,
}

struct State {
    queue: VecDeque<Zeroizing<String>>,
    stream: Option<Arc<TcpStream>>,
    /// Whether the server takes lines from the queue now.
    open: bool,
    asked: Asked,
    token: Option<Zeroizing<String>>,
    /// Nothing more will be typed.
    ended: bool,
    /// We want to go, or were told to: a connection that ends was not lost.
    leaving: bool,
}

impl Link {
    /// A link without a connection.
    pub fn new(envelope: Envelope) -> Arc<Self> {
        let state = State {
            queue: VecDeque::new(),
            stream: None,
            open: false,
            asked: Asked::Nothing,
            token: None,
            ended: false,
            leaving: false,
        };
        Arc::new(Link { envelope, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// The envelope of both directions.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// There is a connection; nothing is sent before the server asks.
    pub fn connected(&self, stream: &Arc<TcpStream>) {
        self.change(|state| state.stream = Some(stream.clone()));
    }

    /// The connection is gone. Whether to look for a new one: when we are logged
    /// in, and neither we nor the server wanted this end.
    pub fn disconnected(&self) -> bool {
        self.change(|state| {
            (state.stream, state.open) = (None, false);
            state.token.is_some() && !state.leaving && !state.ended
        })
    }

    /// The server waits for an answer, or lets us speak.
    pub fn asked(&self, asked: Asked) {
        self.change(|state| {
            state.asked = asked;
            state.open = true;
        });
    }

    /// We are in.
    pub fn logged_in(&self, name: &str, token: &str) {
        self.change(|state| state.token = Some(Zeroizing::new(token.to_owned())));
        self.asked(Asked::Anything(name.to_owned()));
    }

    /// The token to come back with.
    pub fn token(&self) -> Option<Zeroizing<String>> {
        self.lock().token.clone()
    }

    /// Whether the next end of the connection is meant to be one.
    pub fn leaving(&self, leaving: bool) {
        self.change(|state| state.leaving = leaving);
    }

    /// Queues a line. With `MOST_KEPT` in the queue already it waits, if it
    /// `may_wait`. Whether the line was taken.
    pub fn put(&self, line: Zeroizing<String>, may_wait: bool) -> bool {
        let mut state = self.lock();
        while state.queue.len() >= MOST_KEPT {
            if !may_wait {
                return false;
            }
            state = self.wait(state);
        }
        state.queue.push_back(line);
        if !matches!(state.asked, Asked::Anything(_)) {
            state.asked = Asked::Nothing;
        }
        self.changed.notify_all();
        true
    }

    /// Nothing more will be typed. Our half of the connection is closed when all
    /// is sent.
    pub fn end(&self) {
        self.change(|state| state.ended = true);
    }

    /// How many lines were typed and not sent.
    pub fn unsent(&self) -> usize {
        self.lock().queue.iter().filter(|line| line.as_str() != DISCONNECT).count()
    }

    /// Waits until the server waits for something, and says what.
    pub fn wait_until_asked(&self) -> Asked {
        let mut state = self.lock();
        while state.asked == Asked::Nothing {
            state = self.wait(state);
        }
        state.asked.clone()
    }

    /// Lets time pass before the next attempt to connect. Whether it is still wanted.
    pub fn pause(&self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        let mut state = self.lock();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let wanted = !state.leaving && !state.ended;
            if !wanted || left.is_zero() {
                return wanted;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The sending thread: sends what is queued, whenever that is possible, and
    /// then the end.
    pub fn send_all(&self) {
        loop {
            let mut state = self.lock();
            while !(state.open && (state.ended || !state.queue.is_empty())) {
                state = self.wait(state);
            }
            let Some(stream) = state.stream.clone() else {
                state.open = false;
                continue;
            };
            if state.queue.is_empty() {
                // Only the sending half: what is still under way arrives.
                let _ = stream.shutdown(Shutdown::Write);
                return;
            }
            let count = state.queue.len().min(AT_ONCE);
            let lines: Vec<_> = state.queue.drain(..count).collect();
            drop(state);
            self.send(lines, &stream);
        }
    }

    fn send(&self, mut lines: Vec<Zeroizing<String>>, stream: &Arc<TcpStream>) {
        let mut sealed = Vec::new();
        let mut ends = Vec::new();
        for line in &lines {
            self.envelope.seal_into(line, &mut sealed);
            sealed.push(b'\n');
            ends.push(sealed.len());
        }
        let written = write(stream, &sealed);
        let sent = ends.iter().filter(|&&end| end <= written).count();
        let mut state = self.lock();
        if sent < lines.len() {
            // Broken, which the receiving thread finds out too. The rest goes
            // back to where it was.
            state.open = false;
            for line in lines.drain(sent..).rev() {
                state.queue.push_front(line);
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Small changes of independent fields; nothing to repair.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes all, or as much as the connection takes before it breaks; how much.
fn write(mut stream: &TcpStream, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(0) => break,
            Ok(n) => written += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    written
}
