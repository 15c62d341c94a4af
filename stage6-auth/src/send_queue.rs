//! The queue: what a client has to say, over one connection after another.
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

mod sending;

use crate::connection::{Connection, Seal};
use common::poison::IgnorePoison;
use stage2_echo::line::DISCONNECT;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Lines that are kept while there is no connection.
pub const MOST_KEPT: usize = 1000;

/// What the server waits for, as far as we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
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
pub struct SendQueue {
    seal: Arc<dyn Seal>,
    /// Written by the thread that reads what is typed, by the one that sends,
    /// and by the one that receives.
    state: Mutex<State>,
    /// Signalled at every change: these are few.
    changed: Condvar,
}

struct State {
    queue: VecDeque<Zeroizing<String>>,
    connection: Option<Arc<dyn Connection>>,
    /// Whether the server takes lines from the queue now.
    open: bool,
    /// The first line in the queue waits for an answer.
    held: bool,
    asked: Prompt,
    token: Option<Zeroizing<String>>,
    /// Nothing more will be typed.
    ended: bool,
    /// All is sent, and the server knows that.
    finished: bool,
    /// We want to go, or were told to: a connection that ends was not lost.
    leaving: bool,
}

impl SendQueue {
    /// A queue without a connection.
    pub fn new(seal: Arc<dyn Seal>) -> Arc<Self> {
        let state = State {
            queue: VecDeque::new(),
            connection: None,
            open: false,
            held: false,
            asked: Prompt::Nothing,
            token: None,
            ended: false,
            finished: false,
            leaving: false,
        };
        Arc::new(SendQueue { seal, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// There is a connection; nothing is sent before the server asks.
    pub fn connected(&self, connection: &Arc<dyn Connection>) {
        self.change(|state| state.connection = Some(connection.clone()));
    }

    /// The connection is gone. Whether to look for a new one: when we are logged
    /// in, and neither we nor the server wanted this end.
    pub fn disconnected(&self) -> bool {
        self.change(|state| {
            (state.connection, state.open, state.held) = (None, false, false);
            state.token.is_some() && !state.leaving && !state.ended
        })
    }

    /// The server waits for an answer, or lets us speak.
    pub fn asked(&self, asked: Prompt) {
        self.change(|state| {
            state.asked = asked;
            state.open = true;
        });
    }

    /// We are in.
    pub fn logged_in(&self, name: &str, token: &str) {
        self.change(|state| state.token = Some(Zeroizing::new(token.to_owned())));
        self.asked(Prompt::Anything(name.to_owned()));
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
        if !matches!(state.asked, Prompt::Anything(_)) {
            state.asked = Prompt::Nothing;
        }
        self.changed.notify_all();
        true
    }

    /// Queues a line that nobody typed, before all others, as long as anything can
    /// be sent at all. What is to [seal](Seal) it knows it by the line end at its
    /// beginning, which no other has.
    pub fn push_front(&self, line: &str) -> bool {
        self.change(|state| {
            if !state.finished {
                state.queue.push_front(Zeroizing::new(format!("\n{line}")));
            }
            !state.finished
        })
    }

    /// Sends a line past the queue, which must not be open yet: an answer in the
    /// dialogue, or what comes before all that was typed.
    pub fn send_now(&self, line: &str) {
        let mut sealed = Zeroizing::new(Vec::new());
        self.seal.seal_line(line, &mut sealed);
        if let Some(connection) = self.lock().connection.clone() {
            // When that fails, so does the next read.
            connection.send(&sealed);
        }
    }

    /// Something came in: a line that waits for an answer may have it now.
    pub fn received(&self) {
        if self.lock().held {
            self.change(|state| state.held = false);
        }
    }

    /// Nothing more will be typed. Our half of the connection is closed when all
    /// is sent.
    pub fn end(&self) {
        self.change(|state| state.ended = true);
    }

    /// How many lines were typed and not sent.
    pub fn unsent(&self) -> usize {
        let typed = |line: &&Zeroizing<String>| line.as_str() != DISCONNECT && !line.starts_with('\n');
        self.lock().queue.iter().filter(typed).count()
    }

    /// Waits until the server waits for something, and says what.
    pub fn wait_until_asked(&self) -> Prompt {
        let mut state = self.lock();
        while state.asked == Prompt::Nothing {
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
            state = self.changed.wait_timeout(state, left).ignore_poison().0;
        }
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).ignore_poison()
    }

    /// Small changes of independent fields; nothing to repair.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}
