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

mod farewell;

pub use crate::member::{Member, Present};

use crate::audience::Audience;
use crate::backlog::Backlog;
use crate::outbox::Outbox;
use crate::wire::{Form, Wire};
use common::log::Log;
use common::poison::IgnorePoison;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
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
    form: Arc<dyn Form>,
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
    /// How many deliver later; see [`Registry::together`].
    held: usize,
    /// Who delivers has done so for a whole [`TURN`], and somebody waits to go
    /// on in its place.
    tired: bool,
    relieved: bool,
    /// How many members wait for the farewell, and the farewell when it is said.
    waiting: usize,
    farewell: Option<String>,
}

impl<W: Wire> Registry<W> {
    /// An empty room for at most `most` members. What is said there goes out in
    /// this `form`, and is logged if the form allows it.
    pub fn new(most: usize, form: Arc<dyn Form>, log: &Log) -> Arc<Self> {
        let state = State {
            online: 0,
            audience: Audience::default(),
            joined: Vec::new(),
            left: Vec::new(),
            backlog: Backlog::new(),
            delivering: false,
            held: 0,
            tired: false,
            relieved: false,
            waiting: 0,
            farewell: None,
        };
        let (log, state) = (log.clone(), Mutex::new(state));
        Arc::new(Registry { most, form, log, state, changed: Condvar::new() })
    }

    /// Lets a client in and tells the others. Who comes after the farewell hears
    /// that alone.
    ///
    /// # Errors
    /// When the room is full.
    pub fn join(self: &Arc<Self>, name: String, outbox: Arc<Outbox<W>>) -> Result<Present<W>, Full> {
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
        let present = Present::new(self.clone(), member);
        if let Some(farewell) = state.farewell.clone() {
            drop(state);
            present.tell(&farewell);
        } else {
            let name = present.name();
            state.backlog.append(id, &format!("[SERVER] {name} joined ({online} online)\n"), &*self.form);
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
            let notice = format!("[SERVER] {name} left ({online} online)\n");
            state.backlog.append(member.id, &notice, &*self.form);
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
        state.backlog.append(member.id, lines, &*self.form);
        if state.tired && !state.relieved {
            state.relieved = true;
            state = self.wait_while(state, |s| s.relieved);
        }
        self.deliver(state);
    }

    /// Does `act`, and delivers all that it says, joins and leaves together: each
    /// receiver gets it in one write.
    pub fn together(&self, act: impl FnOnce()) {
        self.lock().held += 1;
        let held = Held(self);
        act();
        drop(held);
    }

    /// Delivers until nothing is left or somebody takes over, unless somebody is
    /// at it already.
    fn deliver<'a>(&'a self, mut state: MutexGuard<'a, State<W>>) {
        if state.delivering || state.held > 0 || state.backlog.is_empty() {
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
            delivery.audience.hear(said, &*self.form, &self.log);
            state = self.lock();
            state.tired = Instant::now() >= turn_ends;
        }
        delivery.end(&mut state);
    }

    fn wait_while<'a>(
        &self,
        state: MutexGuard<'a, State<W>>,
        condition: impl Fn(&State<W>) -> bool,
    ) -> MutexGuard<'a, State<W>> {
        let wait = self.changed.wait_while(state, |state| condition(state));
        wait.ignore_poison()
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().ignore_poison()
    }
}

/// Ends what [`Registry::together`] began, even by a panic.
struct Held<'a, W: Wire>(&'a Registry<W>);

impl<W: Wire> Drop for Held<'_, W> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.held -= 1;
        self.0.deliver(state);
    }
}

/// A delivery under way. If its thread panics, this is dropped, the audience
/// goes back all the same, and the next one who speaks delivers.
struct Delivery<'a, W: Wire> {
    registry: &'a Registry<W>,
    audience: Audience<W>,
}

impl<W: Wire> Delivery<'_, W> {
    fn end(mut self, state: &mut State<W>) {
        self.give_back(state);
        std::mem::forget(self);
    }

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
        self.give_back(&mut self.registry.lock());
    }
}
