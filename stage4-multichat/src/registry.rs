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

use crate::outbox::{Outbox, Sent};
use crate::wire::{Piece, Wire};
use common::log::{Level, Log};
use std::fmt;
use std::io::Write;
use std::ops::Deref;
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
    /// The number, among all things ever said here, of the notice that this one
    /// has joined. It is unique, and what was said before is not for this one.
    id: u64,
    name: Box<str>,
    outbox: Arc<Outbox<W>>,
}

impl<W: Wire> Member<W> {
    /// By which name the others know it: its address.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says something to this client alone.
    pub fn tell(&self, line: &str) {
        // If it is gone, its own thread finds out by itself.
        let _ = self.outbox.send_line(line);
    }
}

/// A member's presence: it leaves the room when this is dropped.
pub struct Present<'a, W: Wire> {
    registry: &'a Registry<W>,
    member: Arc<Member<W>>,
}

impl<W: Wire> Deref for Present<'_, W> {
    type Target = Member<W>;

    fn deref(&self) -> &Member<W> {
        &self.member
    }
}

impl<W: Wire> Drop for Present<'_, W> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.registry.log.error(format_args!("{} lost: its thread panicked", self.name()));
        }
        self.registry.leave(&self.member);
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
    online: usize,
    /// Everybody, as far as the deliveries know; empty here while one is under
    /// way, which has taken the list along. It needs no copy of it: who comes
    /// or goes meanwhile is noted below and seen to before the next delivery.
    members: Vec<Arc<Member<W>>>,
    scratch: Scratch,
    joined: Vec<Arc<Member<W>>>,
    left: Vec<u64>,
    backlog: Backlog,
    delivering: bool,
    /// How many members wait for the farewell, and whether it was said.
    waiting: usize,
    closed: bool,
}

/// Lists that deliveries use and hand on to the next one. They are not made
/// anew each time, since what a thread has once freed stays with that thread,
/// and there may be ten thousand.
#[derive(Default)]
struct Scratch {
    said: Vec<Said>,
    speakers: Vec<u64>,
}

/// What was said and is not delivered yet.
struct Backlog {
    /// Whole lines.
    bytes: Vec<u8>,
    /// Who said which part of `bytes`; the server itself is [`SERVER`].
    said: Vec<Said>,
    /// The number of the first of them. Numbers begin with 1.
    first: u64,
}

/// Who speaks when no member does.
const SERVER: u64 = 0;

struct Said {
    by: u64,
    end: usize,
}

impl<W: Wire> Registry<W> {
    /// An empty room for at most `most` members. What is said there is logged.
    pub fn new(most: usize, log: &Log) -> Self {
        let state = State {
            online: 0,
            members: Vec::new(),
            scratch: Scratch::default(),
            joined: Vec::new(),
            left: Vec::new(),
            backlog: Backlog { bytes: Vec::new(), said: Vec::new(), first: 1 },
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
    pub fn join(&self, name: String, outbox: Arc<Outbox<W>>) -> Result<Present<'_, W>, Full> {
        let mut state = self.lock();
        if state.online >= self.most {
            return Err(Full);
        }
        let id = state.backlog.first + state.backlog.said.len() as u64;
        let member = Arc::new(Member { id, name: name.into(), outbox });
        state.joined.push(member.clone());
        state.online += 1;
        let online = state.online;
        state.backlog.append(id, format_args!("[SERVER] {} joined ({online} online)\n", member.name));
        self.deliver(state);
        Ok(Present { registry: self, member })
    }

    /// Takes a member out and tells the others.
    fn leave(&self, member: &Member<W>) {
        let mut state = self.lock();
        state.left.push(member.id);
        state.online -= 1;
        // After the farewell there is nothing more to say.
        if !state.closed {
            let online = state.online;
            state
                .backlog
                .append(member.id, format_args!("[SERVER] {} left ({online} online)\n", member.name));
            self.deliver(state);
        }
        self.changed.notify_all();
    }

    /// Delivers `lines`, each with its line end, to everybody but this member.
    pub fn say(&self, member: &Member<W>, lines: &str) {
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
        let still_speaking = |state: &mut State<W>| state.waiting < state.online;
        let wait = self.changed.wait_timeout_while(self.lock(), limit, still_speaking);
        let mut state = wait.unwrap_or_else(PoisonError::into_inner).0;
        state.closed = true;
        state.backlog.append(SERVER, format_args!("{line}\n"));
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
        let mut delivery = Delivery {
            registry: self,
            members: std::mem::take(&mut state.members),
            scratch: std::mem::take(&mut state.scratch),
        };
        while !state.backlog.said.is_empty() {
            state.see_to_changes(&mut delivery.members);
            let backlog = state.backlog.take(std::mem::take(&mut delivery.scratch.said));
            drop(state);
            if backlog.bytes.len() > BACKLOG {
                self.changed.notify_all();
            }
            delivery.deliver(backlog);
            state = self.lock();
        }
        delivery.end(state);
    }

    /// `State` is whole whenever the lock is free, so a poisoned lock, left by
    /// a thread that panicked, is used as it is.
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parts that `member` should hear: not its own, and nothing from before it
/// came.
fn heard_by<W: Wire>(member: &Member<W>, said: &[Said], first: u64, bytes: &Arc<Vec<u8>>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (number, part) in (first..).zip(said) {
        if number > member.id && part.by != member.id {
            pieces.push(Piece::new(bytes, start, part.end));
        }
        start = part.end;
    }
    pieces
}

impl Backlog {
    fn append(&mut self, by: u64, lines: impl fmt::Display) {
        let start = self.bytes.len();
        // Writing to a Vec cannot fail.
        let _ = write!(self.bytes, "{lines}");
        if self.bytes.len() > start {
            self.said.push(Said { by, end: self.bytes.len() });
        }
    }

    /// Takes everything, and leaves a backlog that goes on where this one ends.
    fn take(&mut self, said: Vec<Said>) -> Backlog {
        let first = self.first + self.said.len() as u64;
        // The next one will be about as large as this one was.
        let next = Backlog { bytes: Vec::with_capacity(self.bytes.len()), said, first };
        std::mem::replace(self, next)
    }
}

impl<W: Wire> State<W> {
    fn see_to_changes(&mut self, members: &mut Vec<Arc<Member<W>>>) {
        members.append(&mut self.joined);
        if !self.left.is_empty() {
            self.left.sort_unstable();
            members.retain(|member| self.left.binary_search(&member.id).is_err());
            self.left.clear();
        }
    }
}

/// A delivery under way. If its thread panics, the list goes back all the same,
/// and the next one who speaks delivers.
struct Delivery<'a, W: Wire> {
    registry: &'a Registry<W>,
    members: Vec<Arc<Member<W>>>,
    scratch: Scratch,
}

impl<W: Wire> Delivery<'_, W> {
    fn deliver(&mut self, mut backlog: Backlog) {
        let bytes = Arc::new(std::mem::take(&mut backlog.bytes));
        let speakers = &mut self.scratch.speakers;
        speakers.clear();
        speakers.extend(backlog.said.iter().map(|said| said.by));
        speakers.sort_unstable();
        speakers.dedup();
        let all = [Piece::new(&bytes, 0, bytes.len())];
        let mut crowded = Vec::new();
        for member in &self.members {
            let hears_all = member.id < backlog.first && speakers.binary_search(&member.id).is_err();
            let sent = if hears_all {
                member.outbox.send(&all)
            } else {
                let own = heard_by(member, &backlog.said, backlog.first, &bytes);
                if own.is_empty() { Sent::Taken } else { member.outbox.send(&own) }
            };
            match sent {
                Sent::Taken | Sent::Gone => {}
                Sent::Crowded => crowded.push(member),
                Sent::CutOff => {
                    self.registry.log.warn(format_args!("{} does not read: disconnected", member.name));
                }
            }
        }
        self.registry.log.lines(Level::Info, &bytes);
        let end = Instant::now() + PATIENCE;
        crowded.iter().for_each(|member| member.outbox.wait_for_room(end));
        backlog.said.clear();
        self.scratch.said = backlog.said;
    }

    fn end(mut self, mut state: MutexGuard<'_, State<W>>) {
        self.give_back(&mut state);
    }

    fn give_back(&mut self, state: &mut State<W>) {
        state.members = std::mem::take(&mut self.members);
        state.scratch = std::mem::take(&mut self.scratch);
        state.delivering = false;
        if state.closed {
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
