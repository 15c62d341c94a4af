//! A speaker: somebody who is logged in, as all threads that deal with it see it.
//!
//! Its own thread reads what it says and submits it; the committer's thread lets
//! it into the room, delivers, and takes it out again. This is where the one can
//! see how far the other has come.

use crate::committer::Stopped;
use crate::sessions::Token;
use common::poison::IgnorePoison;
use stage4_multichat::outbox::Outbox;
use stage4_multichat::wire::Wire;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How much of one client's may wait for its commit. Far more than a person
/// types; but one program that floods can fill no more than this part of a
/// batch, and the others' lines still find room in it.
const IN_FLIGHT: usize = 256;

/// How long a commit may take before its sender's thread takes the committer for
/// dead. A database that hangs is given up after two seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the [module](self).
pub struct Speaker<W: Wire> {
    /// As registered.
    pub name: Arc<str>,
    /// Where from.
    pub peer: SocketAddr,
    /// What goes to this one alone.
    pub outbox: Arc<Outbox<W>>,
    /// The session.
    pub token: Token,
    /// Held by its own thread from before it takes its name until it has told the
    /// client so: whoever is already there to replace it waits for that word.
    pub(crate) welcome: Mutex<()>,
    /// Written by its own thread and the committer's.
    state: Mutex<State>,
    /// Signalled when something is through, if somebody waits for that.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    in_flight: usize,
    awaited: bool,
}

impl<W: Wire> Speaker<W> {
    /// Somebody who is logged in and not in the room yet.
    pub fn new(name: &str, peer: SocketAddr, outbox: &Arc<Outbox<W>>, token: Token) -> Arc<Self> {
        Arc::new(Speaker {
            name: name.into(),
            peer,
            outbox: outbox.clone(),
            token,
            welcome: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Says something to this client alone.
    pub fn tell(&self, line: &str) {
        // If it is gone, its own thread finds out by itself.
        let _ = self.outbox.send_line(line);
    }

    /// Puts one thing more on its way through the committer, by `put`. It waits
    /// here while too much of this speaker's is on its way already, and so,
    /// through TCP, does whoever sends it.
    ///
    /// # Errors
    /// When the committer has stopped, or does not get on.
    pub fn put(&self, put: impl FnOnce() -> Result<(), Stopped>) -> Result<(), Stopped> {
        let (mut state, there_is_room) = self.wait(|state| state.in_flight < IN_FLIGHT, PATIENCE);
        if !there_is_room {
            return Err(Stopped);
        }
        state.in_flight += 1;
        drop(state);
        put().inspect_err(|_| self.done(1))
    }

    /// So many things are through: for the committer's thread.
    pub fn done(&self, count: usize) {
        let mut state = self.lock();
        state.in_flight -= count;
        // Waking nobody would still be a system call.
        if std::mem::take(&mut state.awaited) {
            self.changed.notify_all();
        }
    }

    /// Waits until nothing is on its way any more, for `limit` at the longest.
    pub fn settle(&self, limit: Duration) {
        drop(self.wait(|state| state.in_flight == 0, limit));
    }

    fn wait(&self, done: impl Fn(&State) -> bool, limit: Duration) -> (MutexGuard<'_, State>, bool) {
        let end = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let is_done = done(&state);
            if is_done || left.is_zero() {
                return (state, is_done);
            }
            state.awaited = true;
            state = self.changed.wait_timeout(state, left).ignore_poison().0;
        }
    }

    /// A number and a flag: whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}
