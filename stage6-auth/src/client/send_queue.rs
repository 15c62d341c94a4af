//! The client's send queue: lines in, and out over one connection after another.
//!
//! One thread puts in what is typed, the *sender* thread takes out, and the
//! receiver thread says when: before the login the server gets one line for each
//! of its questions, after it all lines, and without a connection none. So it
//! makes no difference to the user whether the connection is there just now: the
//! lines wait, in order.
//!
//! What is lost with a connection? A line counts as sent when the system has
//! taken all of it. What was on its way then may have arrived or not, which no
//! client can know unless the server confirms each line, and here none does. It
//! is not sent again: better a line too few, which its author misses, than one
//! that all others read twice.

mod encode;
mod state;

pub use encode::{Encode, Encoded};
pub use state::ClientSession;

use crate::client::connection::{finish, send_all};
use crate::sessions::ELSEWHERE;
use anyhow::{bail, ensure};
use common::poison::IgnorePoison;
use common::terminal::Output;
use stage2_echo::line::DISCONNECT;
use stage4_multichat::transport::Transport;
use state::{Allowed, MAX_ANSWERS, State};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;
use zeroize::Zeroizing;

/// Lines that are kept while there is no connection.
const MAX_QUEUED: usize = 1000;

/// How long a line that is just being sent may take, once the connection is gone.
const LAST_SEND: Duration = Duration::from_millis(500);

/// See the [module](self).
pub struct SendQueue {
    encoder: Arc<dyn Encode>,
    /// Written by the thread that reads what is typed, by the sender, and by the
    /// receiver. Held for memory operations only.
    state: Mutex<State>,
    /// Signalled at every change: these are few.
    changed: Condvar,
    /// Held by the sender and by the receiver while one of them writes to the
    /// connection, so that lines leave whole.
    writing: Mutex<()>,
}

impl SendQueue {
    /// A queue without a connection.
    pub fn new(encoder: Arc<dyn Encode>) -> Arc<Self> {
        let (state, changed, writing) = (Mutex::default(), Condvar::new(), Mutex::new(()));
        Arc::new(SendQueue { encoder, state, changed, writing })
    }

    /// Queues a line that was typed, if it can be sent. On a pipe this waits when the queue
    /// is full: the lines are there when they are there. A user at a terminal is told instead.
    ///
    /// # Errors
    /// On a pipe, when it cannot be sent: it would not be noticed that a line is missing.
    pub fn submit(&self, line: Zeroizing<String>, output: &Output) -> anyhow::Result<()> {
        if let Err(problem) = self.encoder.fits(&line) {
            ensure!(output.interactive(), problem);
            output.hint(&problem);
        } else if !self.push(line, !output.interactive()) {
            output.hint(&format!("not sent: {MAX_QUEUED} lines are waiting for the connection already"));
        }
        Ok(())
    }

    /// Queues a line. When the queue is full, this waits if there is a connection or if it
    /// `may_wait` for one. Returns `true` if the line was queued.
    pub fn push(&self, line: Zeroizing<String>, may_wait: bool) -> bool {
        let mut state = self.lock();
        while state.lines.len() >= MAX_QUEUED {
            if !may_wait && state.connection.is_none() {
                return false;
            }
            state = self.changed.wait(state).ignore_poison();
        }
        state.lines.push_back(line);
        self.changed.notify_all();
        true
    }

    /// Nothing more will be typed. When all is sent, the client's half of the
    /// connection is closed.
    pub fn end_input(&self) {
        self.change(|state| state.input_ended = true);
    }

    /// Waits for the first login.
    pub fn wait_for_login(&self) -> ClientSession {
        let waits = |state: &mut State| state.session.is_none();
        let state = self.changed.wait_while(self.lock(), waits).ignore_poison();
        state.session.clone().expect("this has waited for it")
    }

    /// The sender thread: sends lines whenever that is allowed, and in the end
    /// closes this half of the connection.
    pub fn send_all(&self) {
        loop {
            let mut state = self.lock();
            while state.allowed == Allowed::Nothing || (state.lines.is_empty() && !state.input_ended) {
                state = self.changed.wait(state).ignore_poison();
            }
            match (state.lines.front().cloned(), state.connection.clone()) {
                (Some(line), Some(connection)) => {
                    let answer = state.begin_sending(&line);
                    drop(state);
                    self.send(&line, answer, &connection);
                }
                (None, Some(connection)) => return finish(&*connection),
                (_, None) => state.allowed = Allowed::Nothing,
            }
        }
    }

    fn send(&self, line: &str, answer: bool, connection: &Arc<dyn Transport>) {
        let encoded = self.encoder.encode(line, self);
        let done = self.write(&encoded, &**connection);
        self.change(|state| {
            state.sending = false;
            if done {
                state.lines.pop_front();
            }
            let current = state.connection.as_ref().is_some_and(|now| Arc::ptr_eq(now, connection));
            if !done && current {
                // Broken, as the receiver will find out.
                state.allowed = Allowed::Nothing;
            } else if answer && matches!(encoded, Encoded::Nothing) {
                // The server still waits for a line.
                state.allowed = Allowed::OneAnswer;
            }
        });
    }

    /// Returns `true` if nothing is left to be done for the line.
    fn write(&self, encoded: &Encoded, connection: &dyn Transport) -> bool {
        match encoded {
            Encoded::Line(bytes) => {
                let _writing = self.writing.lock().ignore_poison();
                send_all(connection, bytes).is_ok()
            }
            Encoded::Nothing => true,
            Encoded::ConnectionLost => false,
        }
    }

    /// Sends a line past the queue: what the client itself has to say. Returns
    /// `true` if the connection took it; one that did not is broken, as the next
    /// read reports.
    pub fn send_now(&self, line: &str) -> bool {
        let Some(connection) = self.lock().connection.clone() else { return false };
        self.write(&self.encoder.encode(line, self), &*connection)
    }

    /// There is a connection. Nothing is sent before the server asks.
    pub fn connected(&self, connection: &Arc<dyn Transport>) {
        self.change(|state| {
            state.connection = Some(connection.clone());
            state.answers_left = MAX_ANSWERS;
        });
    }

    /// The connection is gone. Returns `true` if it was lost: the user is logged
    /// in, and neither the user nor the server wanted this end.
    pub fn disconnected(&self) -> bool {
        let lost = self.change(|state| {
            (state.connection, state.allowed) = (None, Allowed::Nothing);
            state.session.is_some() && !state.leaving && !state.input_ended
        });
        self.encoder.disconnected();
        lost
    }

    /// The server has asked a question: the next line is the answer.
    ///
    /// # Errors
    /// When the questions of a login have been answered. What the user types is
    /// for the room then, and a server gets nothing of it before the login is done.
    pub fn allow_answer(&self) -> anyhow::Result<()> {
        self.change(|state| {
            ensure!(state.answers_left > 0, "the server asks for more than a login needs");
            state.answers_left -= 1;
            state.allowed = Allowed::OneAnswer;
            Ok(())
        })
    }

    /// The user is logged in, on this connection. From now on what is typed is sent.
    pub fn logged_in(&self, session: ClientSession) {
        self.change(|state| (state.session, state.allowed) = (Some(session), Allowed::Everything));
    }

    /// The session of the last login.
    pub fn session(&self) -> Option<ClientSession> {
        self.lock().session.clone()
    }

    /// The client does not come back after the next end of the connection.
    pub fn leave(&self) {
        self.change(|state| state.leaving = true);
    }

    /// Takes in what a notice of the server says about the end of the connection.
    pub fn on_server_line(&self, line: &str) {
        match line {
            ELSEWHERE => self.leave(),
            "[SERVER] error: not logged out, try again" => self.change(|state| state.leaving = false),
            _ => {}
        }
    }

    /// # Errors
    /// When lines were typed that are not sent.
    pub fn require_all_sent(&self) -> anyhow::Result<()> {
        let sending = |state: &mut State| state.sending;
        let (state, _) = self.changed.wait_timeout_while(self.lock(), LAST_SEND, sending).ignore_poison();
        match state.lines.iter().filter(|line| line.as_str() != DISCONNECT).count() {
            0 => Ok(()),
            1 => bail!("the connection is closed, and 1 line was not sent"),
            unsent => bail!("the connection is closed, and {unsent} lines were not sent"),
        }
    }

    /// Lets time pass before the next attempt to connect. Returns `true` if it is
    /// still wanted.
    pub fn pause(&self, pause: Duration) -> bool {
        let wanted = |state: &mut State| !state.leaving && !state.input_ended;
        let (mut state, _) = self.changed.wait_timeout_while(self.lock(), pause, wanted).ignore_poison();
        wanted(&mut state)
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}

#[cfg(test)]
mod tests;
