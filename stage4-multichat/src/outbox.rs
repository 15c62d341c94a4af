//! The outbox: everything that one client still has to be sent.
//!
//! A room in which each message was written to one client after the other would
//! be as slow as its slowest client: `write` waits when the other side does not
//! read. So nobody ever waits here. [`Outbox::send`] writes what the socket
//! takes at once and keeps the rest; a thread that serves all stalled clients
//! (see [`Helper`]) writes it when the socket can take more. Whoever
//! has more than a bounded number of bytes waiting is cut off.
//!
//! Three things make it fast, and each was measured against the simpler way:
//! - The sending thread writes itself. A writing thread for each client costs
//!   two to three times the processor time and latency, and twice the memory.
//! - All lines of one delivery go out in one `write`, which costs 4 µs however
//!   much it carries.
//! - What has to be kept is shared by all clients ([`Piece`]), not copied: a
//!   thousand stalled clients hold one copy of what was said.

// `super::sync` is the standard library's, or, in a test that tries thousands of
// interleavings, a model of it.
use super::sync::{Condvar, Mutex, MutexGuard};
use crate::wire::{Form, Piece, Wire, push};
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Who writes on when a socket is full: it waits until the socket can take more
/// and then calls [`Outbox::resume`], until that says that nothing is left.
pub trait Helper<W: Wire>: Send + Sync {
    /// Takes on an outbox that is stalled.
    fn take_on(&self, stalled: Arc<Outbox<W>>);
}

/// What holds for all outboxes of a server.
pub struct Terms<W: Wire> {
    /// Bytes that may wait in one outbox.
    pub bound: usize,
    /// Who writes on when a socket is full.
    pub helper: Arc<dyn Helper<W>>,
    /// How a word to one client alone is put on the wire.
    pub form: Arc<dyn Form>,
}

/// What became of [`Outbox::send`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is written, or will be.
    Taken,
    /// The same, but more than half of the bound is waiting, and the client has
    /// not been found to be stuck: a sender that floods should
    /// [wait](Outbox::wait_for_room) a little.
    Crowded,
    /// It was too much: the client is cut off, by this very call.
    CutOff,
    /// The client was gone already.
    Gone,
}

/// See the [module](self).
pub struct Outbox<W: Wire> {
    wire: W,
    terms: Arc<Terms<W>>,
    /// Written by everyone who sends, by the helper, and by
    /// the client's own thread at its end. Held for memory operations only: the
    /// one who writes to the socket marks the outbox `busy` and lets go.
    state: Mutex<State>,
    /// Signalled when little is waiting again, and when the client is gone.
    eased: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Piece>,
    bytes: usize,
    /// Somebody is writing, or the helper has taken it on.
    /// Everybody else only appends to `waiting`, which keeps the order.
    busy: bool,
    /// Nothing is accepted any more; what waits is written, then the end.
    ending: bool,
    /// The connection is gone, and `waiting` is empty for ever.
    gone: bool,
    /// It did not read while somebody waited for it; nobody does so again.
    stuck: bool,
    /// Somebody waits on `eased`. Waking nobody would still be a system call.
    awaited: bool,
}

impl<W: Wire> Outbox<W> {
    /// An outbox in front of `wire`.
    pub fn new(wire: W, terms: Arc<Terms<W>>) -> Arc<Self> {
        let state = Mutex::new(State::default());
        Arc::new(Outbox { wire, terms, state, eased: Condvar::new() })
    }

    /// The connection itself, for those who read from it.
    pub fn wire(&self) -> &W {
        &self.wire
    }

    /// Sends `pieces`, in this order and behind all that was sent before. Never
    /// waits for the client.
    pub fn send(self: &Arc<Self>, pieces: &[Piece]) -> Sent {
        let mut state = self.lock();
        if state.gone || state.ending {
            return Sent::Gone;
        }
        if state.busy {
            state.keep(pieces);
            return self.judge(state);
        }
        state.busy = true;
        drop(state);
        // The fast path, nearly always: the socket takes everything, and
        // nothing is kept, so not even a reference count is touched.
        let pushed = push(&self.wire, pieces);
        let mut state = self.lock();
        let Ok(pushed) = pushed else { return self.give_up(state, Sent::Gone) };
        if state.gone {
            return Sent::Gone;
        }
        if pushed.stalled {
            let left = pushed.left_of(pieces);
            state.bytes += left.iter().map(Piece::len).sum::<usize>();
            state.put_in_front(left);
            return self.hand_over(state);
        }
        if state.waiting.is_empty() {
            return self.rest(state);
        }
        // Others have put something in while we were writing.
        match self.write_waiting(state) {
            Ok((state, true)) => self.hand_over(state),
            Ok((state, false)) => self.rest(state),
            Err(gone) => self.give_up(gone, Sent::Gone),
        }
    }

    /// Sends one line, for a word to this client alone.
    pub fn send_line(self: &Arc<Self>, text: &str) -> Sent {
        self.send_lines(&format!("{text}\n"))
    }

    /// Sends lines, each ended by `\n` and at least one, to this client alone.
    pub fn send_lines(self: &Arc<Self>, lines: &str) -> Sent {
        self.send(&[Piece::lines(lines, &*self.terms.form)])
    }

    /// The helper's part: the socket can take more. Whether the helper should
    /// wait and call again.
    pub fn resume(&self) -> bool {
        let state = self.lock();
        if state.gone {
            return false;
        }
        match self.write_waiting(state) {
            Ok((state, true)) => {
                if state.awaited && state.bytes < self.terms.bound / 4 {
                    self.eased.notify_all();
                }
                true
            }
            Ok((state, false)) => {
                self.rest(state);
                false
            }
            Err(gone) => {
                self.give_up(gone, Sent::Gone);
                false
            }
        }
    }

    /// Waits until less than a quarter of the bound is waiting, until `end` at
    /// the longest. A client that does not get there counts as stuck, and
    /// nobody waits for it again before it has read everything.
    pub fn wait_for_room(&self, end: Instant) {
        let mut state = self.wait(end, |s| s.bytes < self.terms.bound / 4);
        if state.bytes >= self.terms.bound / 4 {
            state.stuck = true;
        }
    }

    /// Accepts nothing more; when all that waits is written, the client is told
    /// that this was all. Does not wait for that.
    pub fn end(&self) {
        let mut state = self.lock();
        if state.ending || state.gone {
            return;
        }
        state.ending = true;
        if !state.busy {
            self.rest(state);
        }
    }

    /// Waits until all that was sent is written, for `limit` at the longest.
    /// Whether it is.
    pub fn wait_until_written(&self, limit: Duration) -> bool {
        let state = self.wait(Instant::now() + limit, |s| !s.busy);
        !state.busy && !state.gone
    }

    /// Cuts the connection off, whatever still waits.
    pub fn cut(&self) {
        self.give_up(self.lock(), Sent::CutOff);
    }

    /// Writes until nothing waits (`false`) or the socket is full (`true`);
    /// `Err` is a connection that is gone. The caller has made the outbox busy;
    /// the lock is free during each write.
    #[allow(clippy::type_complexity)] // a guard that goes through, and the answer
    fn write_waiting<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> Result<(MutexGuard<'a, State>, bool), MutexGuard<'a, State>> {
        loop {
            let mut taken = std::mem::take(&mut state.waiting);
            drop(state);
            let pushed = push(&self.wire, taken.make_contiguous());
            state = self.lock();
            let Ok(pushed) = pushed else { return Err(state) };
            if state.gone {
                return Err(state);
            }
            state.bytes -= pushed.bytes;
            state.put_in_front(pushed.left_of(taken.make_contiguous()));
            if pushed.stalled || state.waiting.is_empty() {
                return Ok((state, pushed.stalled));
            }
        }
    }

    /// The socket is full: from here on it is the helper's.
    fn hand_over(self: &Arc<Self>, state: MutexGuard<'_, State>) -> Sent {
        let judged = self.judge(state);
        if judged != Sent::CutOff {
            self.terms.helper.take_on(self.clone());
        }
        judged
    }

    /// Nothing waits: whoever comes next writes.
    fn rest(&self, mut state: MutexGuard<'_, State>) -> Sent {
        state.busy = false;
        state.stuck = false;
        let (ending, awaited) = (state.ending, std::mem::take(&mut state.awaited));
        drop(state);
        if awaited {
            self.eased.notify_all();
        }
        if ending {
            self.wire.end();
        }
        Sent::Taken
    }

    fn judge(&self, state: MutexGuard<'_, State>) -> Sent {
        if state.bytes > self.terms.bound {
            return self.give_up(state, Sent::CutOff);
        }
        if state.bytes > self.terms.bound / 2 && !state.stuck { Sent::Crowded } else { Sent::Taken }
    }

    fn give_up(&self, mut state: MutexGuard<'_, State>, why: Sent) -> Sent {
        state.gone = true;
        state.busy = false;
        state.bytes = 0;
        // Dropped below, without the lock: it may be the last use of much.
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
        self.eased.notify_all();
        self.wire.cut();
        why
    }

    fn wait(&self, end: Instant, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if state.gone || left.is_zero() || done(&state) {
                return state;
            }
            state.awaited = true;
            let waited = self.eased.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// `State` is whole whenever the lock is free, so a poisoned lock, left by
    /// a thread that panicked, is used as it is.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, pieces: &[Piece]) {
        self.bytes += pieces.iter().map(Piece::len).sum::<usize>();
        self.waiting.extend(pieces.iter().cloned());
    }

    /// What is `left` of a write comes before what was put in meanwhile.
    fn put_in_front(&mut self, mut left: VecDeque<Piece>) {
        left.append(&mut self.waiting);
        self.waiting = left;
    }
}
