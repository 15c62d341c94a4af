//! The registry: who is here, what was said, and in which order.
//!
//! Whoever says something appends it to the room's backlog and then, if nobody
//! is at it already, delivers the backlog to everybody, again and again until
//! it is empty. So there is no thread whose task it is to deliver, and never
//! more than one that does. That has three effects:
//! - At chat rates the sender's own thread delivers at once; no other thread
//!   has to be woken first.
//! - When many talk at the same time, what the others say while one delivers
//!   gathers in the backlog, and goes to each receiver in one write. The more is
//!   said, the cheaper each line becomes.
//! - Everybody sees the same order: that of the backlog.
//!
//! The one lock is held while something is appended, not while it is delivered.

use crate::outbox::{Outbox, Piece, Sent, Wire};
use common::log::{Level, Log};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that may wait for delivery. Who wants to say more waits, and so does
/// the client who sends it: its socket fills up, and TCP holds it back.
const BACKLOG: usize = 256 << 10;

/// How long all senders together wait for the receivers who lag behind, so that
/// a flood does not cost those who do read their connection. A client that does
/// not catch up meanwhile is not waited for again.
const PATIENCE: Duration = Duration::from_millis(100);

/// One client that is in the room.
pub struct Member<W: Wire> {
    id: u64,
    name: String,
    /// The number of the first thing said that is meant for this one.
    since: u64,
    outbox: Arc<Outbox<W>>,
}

impl<W: Wire> Member<W> {
    /// By which name the others know it: its address.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The way to this client alone.
    pub fn outbox(&self) -> &Arc<Outbox<W>> {
        &self.outbox
    }
}

/// The room is full.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

/// See the [module](self).
pub struct Registry<W: Wire> {
    most: usize,
    log: Log,
    /// Written by everyone who joins, leaves or speaks.
    state: Mutex<State<W>>,
    /// Signalled when the backlog was taken, and when a member has left.
    changed: Condvar,
}

struct State<W: Wire> {
    next_id: u64,
    /// Ordered by id. A delivery works on a snapshot; a change while one is
    /// under way makes a copy.
    members: Arc<Vec<Arc<Member<W>>>>,
    backlog: Backlog,
    delivering: bool,
    /// How many members wait for the farewell, and whether it was said.
    waiting: usize,
    closed: bool,
}

/// What was said and is not delivered yet.
#[derive(Default)]
struct Backlog {
    /// Whole lines.
    bytes: Vec<u8>,
    /// Who said which part of `bytes`; the server has id 0.
    said: Vec<Said>,
    /// How many things were said before this backlog began.
    before: u64,
}

struct Said {
    by: u64,
    end: usize,
}

impl<W: Wire> Registry<W> {
    /// An empty room for at most `most` members. What is said there is logged.
    pub fn new(most: usize, log: &Log) -> Self {
        let state = State {
            next_id: 1,
            members: Arc::default(),
            backlog: Backlog::default(),
            delivering: false,
            waiting: 0,
            closed: false,
        };
        Registry { most, log: log.clone(), state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Lets a client in and tells the others.
    ///
    /// # Errors
    /// When the room is full.
    pub fn join(&self, name: String, outbox: Arc<Outbox<W>>) -> Result<Arc<Member<W>>, Full> {
        let mut state = self.lock();
        if state.members.len() >= self.most {
            return Err(Full);
        }
        let id = state.next_id;
        state.next_id += 1;
        // What is in the backlog already was said before this one came.
        let since = state.backlog.before + state.backlog.said.len() as u64;
        let member = Arc::new(Member { id, name, since, outbox });
        Arc::make_mut(&mut state.members).push(member.clone());
        let notice = format!("[SERVER] {} joined ({} online)\n", member.name, state.members.len());
        state.backlog.append(id, notice.as_bytes());
        self.deliver(state);
        Ok(member)
    }

    /// Takes a member out and tells the others.
    pub fn leave(&self, member: &Member<W>) {
        let mut state = self.lock();
        let Ok(at) = state.members.binary_search_by_key(&member.id, |m| m.id) else { return };
        Arc::make_mut(&mut state.members).remove(at);
        // After the farewell there is nothing more to say.
        if !state.closed {
            let notice = format!("[SERVER] {} left ({} online)\n", member.name, state.members.len());
            state.backlog.append(member.id, notice.as_bytes());
            self.deliver(state);
        }
        self.changed.notify_all();
    }

    /// Delivers `lines`, each with its line end, to everybody but this member.
    pub fn say(&self, member: &Member<W>, lines: &[u8]) {
        let state = self.lock();
        let full = |state: &mut State<W>| state.delivering && state.backlog.bytes.len() > BACKLOG;
        let state = self.changed.wait_while(state, full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.backlog.append(member.id, lines);
        self.deliver(state);
    }

    /// Says the farewell to everybody: the last line that the room delivers.
    ///
    /// First it waits, for `limit` at the longest, until every member has said
    /// what the server had received from it, in
    /// [`await_farewell`](Registry::await_farewell); otherwise a line of one
    /// could come after another's connection was closed.
    pub fn say_farewell(&self, line: &str, limit: Duration) {
        let still_speaking = |state: &mut State<W>| state.waiting < state.members.len();
        let wait = self.changed.wait_timeout_while(self.lock(), limit, still_speaking);
        let mut state = wait.unwrap_or_else(PoisonError::into_inner).0;
        state.closed = true;
        state.backlog.append(0, format!("{line}\n").as_bytes());
        self.deliver(state);
        self.changed.notify_all();
    }

    /// For a member that has nothing more to say because the server is to end:
    /// waits until everybody has been told.
    pub fn await_farewell(&self) {
        let mut state = self.lock();
        state.waiting += 1;
        self.changed.notify_all();
        let told = self.changed.wait_while(state, |state| !state.closed || state.delivering);
        drop(told);
    }

    /// Delivers until nothing is left, unless somebody is at it already.
    fn deliver<'a>(&'a self, mut state: MutexGuard<'a, State<W>>) {
        if state.delivering {
            return;
        }
        state.delivering = true;
        // If this thread panics, the next one that speaks delivers.
        let _reset = OnPanic(self);
        while !state.backlog.said.is_empty() {
            let backlog = state.backlog.take();
            let members = state.members.clone();
            drop(state);
            if backlog.bytes.len() > BACKLOG {
                self.changed.notify_all();
            }
            self.deliver_to(&members, backlog);
            // Before the lock: a join or leave would copy the list we hold.
            drop(members);
            state = self.lock();
        }
        state.delivering = false;
        if state.closed {
            self.changed.notify_all();
        }
    }

    fn deliver_to(&self, members: &[Arc<Member<W>>], backlog: Backlog) {
        let bytes = Arc::new(backlog.bytes);
        let mut speakers: Vec<u64> = backlog.said.iter().map(|said| said.by).collect();
        speakers.sort_unstable();
        speakers.dedup();
        let all = [Piece::new(&bytes, 0, bytes.len())];
        let mut crowded = Vec::new();
        for member in members {
            let hears_all = member.since <= backlog.before && speakers.binary_search(&member.id).is_err();
            let sent = if hears_all {
                member.outbox.send(&all)
            } else {
                let own = heard_by(member, &backlog.said, backlog.before, &bytes);
                if own.is_empty() { Sent::Taken } else { member.outbox.send(&own) }
            };
            match sent {
                Sent::Taken | Sent::Gone => {}
                Sent::Crowded => crowded.push(member),
                Sent::CutOff => self.log.warn(format_args!("{} does not read: disconnected", member.name)),
            }
        }
        self.log.lines(Level::Info, &bytes);
        let end = Instant::now() + PATIENCE;
        crowded.iter().for_each(|member| member.outbox.wait_for_room(end));
    }

    /// `State` is whole whenever the lock is free, so a poisoned lock, left by
    /// a thread that panicked, is used as it is.
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parts that `member` should hear: not its own, and nothing from before it
/// came.
fn heard_by<W: Wire>(member: &Member<W>, said: &[Said], before: u64, bytes: &Arc<Vec<u8>>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (number, part) in (before..).zip(said) {
        if number >= member.since && part.by != member.id {
            pieces.push(Piece::new(bytes, start, part.end));
        }
        start = part.end;
    }
    pieces
}

impl Backlog {
    fn append(&mut self, by: u64, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        self.bytes.extend_from_slice(lines);
        self.said.push(Said { by, end: self.bytes.len() });
    }

    /// Takes everything, and leaves a backlog that goes on where this one ends.
    fn take(&mut self) -> Backlog {
        let before = self.before + self.said.len() as u64;
        // The next one will be about as large as this one was.
        let next = Backlog { bytes: Vec::with_capacity(self.bytes.len()), said: Vec::new(), before };
        std::mem::replace(self, next)
    }
}

/// Ends a delivery whose thread panics.
struct OnPanic<'a, W: Wire>(&'a Registry<W>);

impl<W: Wire> Drop for OnPanic<'_, W> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().delivering = false;
        }
    }
}
