//! The registry: who is here, who speaks, and how it reaches all the others.
//!
//! Whoever says something appends it to the room's [backlog](crate::backlog)
//! and then, if nobody is at it already, delivers the backlog to everybody,
//! again and again until it is empty. So there is no thread whose task it is to
//! deliver, and never more than one that does. That has three effects:
//! - At chat rates the sender's own thread delivers at once; no other thread
//!   has to be woken first.
//! - When many talk at the same time, what the others say while one delivers
//!   gathers in the backlog, and goes to each receiver in one write. The more is
//!   said, the cheaper each line becomes.
//! - Everybody sees the same order: that of the backlog.
//!
//! The one lock is held while something is appended, not while it is delivered.

pub use crate::member::{Member, Present};

use crate::audience::Audience;
use crate::backlog::{Backlog, SERVER};
use crate::outbox::Outbox;
use crate::wire::Wire;
use common::log::Log;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that may wait for delivery. Who wants to say more waits, and so does
/// the client who sends it: its socket fills up, and TCP holds it back.
const BACKLOG: usize = 256 << 10;

/// How long one thread delivers before another may take over. While it does, it
/// does not read what its own client sends.
const TURN: Duration = Duration::from_millis(20);

/// The room is full.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

/// See the [module](self).
pub struct Registry<W: Wire> {
    most: usize,
    log: Log,
    /// Written by everyone who joins, leaves or speaks.
    state: Mutex<State<W>>,
    /// Signalled when a full backlog was taken, when a delivery is handed over,
    /// when everybody waits for the farewell, and when it was delivered.
    changed: Condvar,
}

struct State<W: Wire> {
    online: usize,
    /// Empty while a delivery is under way, which has taken it along.
    audience: Audience<W>,
    /// Who came and went since then.
    joined: Vec<Arc<Member<W>>>,
    left: Vec<u64>,
    backlog: Backlog,
    delivering: bool,
    /// Who delivers has done so for a whole [`TURN`], and somebody waits to go
    /// on in its place.
    tired: bool,
    relieved: bool,
    /// How many members wait for the farewell, and the farewell when it is said.
    waiting: usize,
    farewell: Option<String>,
}

impl<W: Wire> Registry<W> {
    /// An empty room for at most `most` members. What is said there is logged.
    pub fn new(most: usize, log: &Log) -> Self {
        let state = State {
            online: 0,
            audience: Audience::default(),
            joined: Vec::new(),
            left: Vec::new(),
            backlog: Backlog::new(),
            delivering: false,
            tired: false,
            relieved: false,
            waiting: 0,
            farewell: None,
        };
        Registry { most, log: log.clone(), state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Lets a client in and tells the others. Who comes after the farewell hears
    /// that alone.
    ///
    /// # Errors
    /// When the room is full.
    pub fn join(&self, name: String, outbox: Arc<Outbox<W>>) -> Result<Present<'_, W>, Full> {
        let mut state = self.lock();
        if state.online >= self.most {
            return Err(Full);
        }
        let id = state.backlog.next_number();
        let member = Arc::new(Member { id, name: name.into(), outbox });
        state.joined.push(member.clone());
        state.online += 1;
        let online = state.online;
        // From here on, even a panic makes it leave.
        let present = Present::new(self, member);
        if let Some(farewell) = state.farewell.clone() {
            drop(state);
            present.tell(&farewell);
        } else {
            let name = present.name();
            state.backlog.append(id, format_args!("[SERVER] {name} joined ({online} online)\n"));
            self.deliver(state);
        }
        Ok(present)
    }

    /// Takes a member out and tells the others.
    pub(crate) fn leave(&self, member: &Member<W>) {
        if std::thread::panicking() {
            self.log.error(format_args!("{} lost: its thread panicked", member.name));
        }
        let mut state = self.lock();
        state.left.push(member.id);
        state.online -= 1;
        let online = state.online;
        if state.waiting >= online {
            self.changed.notify_all();
        }
        // After the farewell there is nothing more to say.
        if state.farewell.is_none() {
            let name = &member.name;
            state.backlog.append(member.id, format_args!("[SERVER] {name} left ({online} online)\n"));
        }
        // Whatever is there: this thread may have panicked in a delivery.
        self.deliver(state);
    }

    /// Delivers `lines`, each with its line end, to everybody but this member;
    /// after the farewell, to nobody.
    pub fn say(&self, member: &Member<W>, lines: &str) {
        let mut state = self.wait_while(self.lock(), |s| s.delivering && s.backlog.len() > BACKLOG);
        if state.farewell.is_some() {
            return;
        }
        state.backlog.append(member.id, lines);
        if state.tired && !state.relieved {
            state.relieved = true;
            state = self.wait_while(state, |s| s.relieved);
        }
        self.deliver(state);
    }

    /// Says the farewell to everybody: the last line that the room delivers.
    ///
    /// First it waits, for `limit` at the longest, until every member has said
    /// what the server had received from it, in
    /// [`await_farewell`](Registry::await_farewell); otherwise a line of one
    /// could come after another's connection was closed.
    pub fn say_farewell(&self, line: &str, limit: Duration) {
        let still_speaking = |state: &mut State<W>| state.waiting < state.online;
        let wait = self.changed.wait_timeout_while(self.lock(), limit, still_speaking);
        let mut state = wait.unwrap_or_else(PoisonError::into_inner).0;
        state.farewell = Some(line.to_owned());
        state.backlog.append(SERVER, format_args!("{line}\n"));
        self.deliver(state);
    }

    /// For a member that has nothing more to say because the server is to end:
    /// waits until everybody has been told.
    pub fn await_farewell(&self) {
        let mut state = self.lock();
        state.waiting += 1;
        // Only the last one's call means something, and each wakes everybody.
        if state.waiting >= state.online {
            self.changed.notify_all();
        }
        let untold = |s: &State<W>| s.farewell.is_none() || s.delivering || !s.backlog.is_empty();
        drop(self.wait_while(state, untold));
    }

    /// Delivers until nothing is left or somebody takes over, unless somebody is
    /// at it already.
    fn deliver<'a>(&'a self, mut state: MutexGuard<'a, State<W>>) {
        if state.delivering || state.backlog.is_empty() {
            return;
        }
        state.delivering = true;
        let mut delivery = Delivery { registry: self, audience: std::mem::take(&mut state.audience) };
        let turn_ends = Instant::now() + TURN;
        while !state.backlog.is_empty() && !state.relieved {
            let State { joined, left, backlog, .. } = &mut *state;
            delivery.audience.see_to_changes(joined, left);
            let said = delivery.audience.take(backlog);
            drop(state);
            if said.len() > BACKLOG {
                self.changed.notify_all();
            }
            delivery.audience.hear(said, &self.log);
            state = self.lock();
            state.tired = Instant::now() >= turn_ends;
        }
        delivery.give_back(&mut state);
    }

    fn wait_while<'a>(
        &self,
        state: MutexGuard<'a, State<W>>,
        condition: impl Fn(&State<W>) -> bool,
    ) -> MutexGuard<'a, State<W>> {
        let wait = self.changed.wait_while(state, |state| condition(state));
        wait.unwrap_or_else(PoisonError::into_inner)
    }

    /// `State` is whole whenever the lock is free, so a poisoned lock, left by
    /// a thread that panicked, is used as it is.
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A delivery under way. If its thread panics, the audience goes back all the
/// same, and the next one who speaks delivers.
struct Delivery<'a, W: Wire> {
    registry: &'a Registry<W>,
    audience: Audience<W>,
}

impl<W: Wire> Delivery<'_, W> {
    fn give_back(&mut self, state: &mut State<W>) {
        state.audience = std::mem::take(&mut self.audience);
        state.delivering = false;
        state.tired = false;
        let relieved = std::mem::take(&mut state.relieved);
        // Not always: waking nobody would still be a system call at every line.
        if relieved || state.farewell.is_some() || std::thread::panicking() {
            self.registry.changed.notify_all();
        }
    }
}

impl<W: Wire> Drop for Delivery<'_, W> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.give_back(&mut self.registry.lock());
        }
    }
}
