//! The outbox: everything that one client still has to be sent.
//!
//! `write` waits while the other side does not read, so a room that wrote to one
//! client after the other would be as slow as its slowest. Here nobody waits:
//! [`Outbox::send`] writes what the socket takes at once and keeps the rest, for
//! a [`Helper`] that writes it when the socket can take more. Whoever has more
//! than a bounded number of bytes waiting is cut off.
//!
//! Three things make it fast, and each was measured against the simpler way:
//! - The sending thread writes itself. A writing thread for each client costs
//!   two to three times the processor time and latency, and twice the memory.
//! - All lines of one delivery go out in one `write`: 4 µs, however many.
//! - What has to be kept is shared by all clients ([`Piece`]), not copied: a
//!   thousand stalled clients hold one copy of what was said.

// `super::sync` is the standard library's, or, in a test that tries thousands of
// interleavings, a model of it.
use super::sync::{Condvar, Mutex, MutexGuard};
use crate::wire::{Form, Piece, Wire, push};
use common::poison::IgnorePoison;
use std::borrow::Cow;
use std::sync::Arc;
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

/// What became of [`Outbox::send`], as far as it concerns the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is written, or will be, unless the client is gone: then its own
    /// thread finds out by itself.
    Taken,
    /// The same, but more than half of the bound is waiting, and the client has
    /// not been found to be stuck: a sender that floods should
    /// [wait](Outbox::wait_for_room) a little.
    Crowded,
    /// It was too much: the client is cut off, by this very call.
    CutOff,
}

/// See the [module](self).
pub struct Outbox<W: Wire> {
    wire: W,
    terms: Arc<Terms<W>>,
    /// Written by everyone who sends, by the helper, and by the client's own
    /// thread at its end. Held for memory operations only: the one who writes to
    /// the socket marks the outbox `busy` and lets go.
    state: Mutex<State>,
    /// Signalled when little is waiting again, and when the client is gone.
    eased: Condvar,
    /// Makes the whole 144 bytes, and that makes a connection 100 bytes smaller:
    /// glibc leaves a free block of this size with each new thread
    /// (pthread_getattr_np(3) has used it), and nothing else would ever fit it.
    _fills_a_block: [u64; 7],
}

#[derive(Default)]
struct State {
    waiting: Vec<Piece>,
    /// How many bytes wait. What the helper is just writing still counts, or
    /// the outbox would look empty for a moment; what a sender is just writing
    /// does not yet, since the socket nearly always takes all of it.
    bytes: usize,
    /// Somebody is writing, or the helper has taken it on. Everybody else only
    /// appends to `waiting`, which keeps the order.
    busy: bool,
    /// Nothing is accepted any more; what waits is written, then the end.
    ending: bool,
    /// The wire was told of the end.
    ended: bool,
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
        Arc::new(Outbox {
            wire,
            terms,
            state: Mutex::default(),
            eased: Condvar::new(),
            _fills_a_block: [0; 7],
        })
    }

    /// How many bytes may wait here before the client is cut off.
    pub fn bound(&self) -> usize {
        self.terms.bound
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
            return Sent::Taken;
        }
        if state.busy {
            state.bytes += pieces.iter().map(Piece::len).sum::<usize>();
            state.waiting.extend_from_slice(pieces);
            return self.judge(state);
        }
        // Nearly always the socket takes everything, and nothing is kept.
        self.take_turn(state, pieces)
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
        let Some(stalled) = self.write(self.lock(), &[]) else { return false };
        if stalled.awaited && stalled.bytes < self.terms.bound / 4 {
            self.eased.notify_all();
        }
        true
    }

    /// Waits until less than a quarter of the bound is waiting, until `end` at
    /// the longest. A client that does not get there counts as stuck, and
    /// nobody waits for it again before it has read everything.
    pub fn wait_for_room(&self, end: Instant) {
        let little = self.terms.bound / 4;
        let mut state = self.wait(end.saturating_duration_since(Instant::now()), |s| s.bytes < little);
        state.stuck |= state.bytes >= little;
    }

    /// Accepts nothing more; when all that waits is written, the client is told
    /// that this was all. Does not wait for that.
    pub fn end(self: &Arc<Self>) {
        let mut state = self.lock();
        let already = std::mem::replace(&mut state.ending, true);
        if !already && !state.busy && !state.gone {
            self.take_turn(state, &[]);
        }
    }

    /// Waits until all that was sent is written, for `limit` at the longest.
    /// Whether it is.
    pub fn wait_until_written(&self, limit: Duration) -> bool {
        let state = self.wait(limit, |s| !s.busy);
        !state.busy && !state.gone
    }

    /// Cuts the connection off, whatever still waits.
    pub fn cut(&self) {
        self.give_up(self.lock());
    }

    /// Nobody is writing: so do that, and leave the rest to the helper.
    fn take_turn(self: &Arc<Self>, mut state: MutexGuard<'_, State>, pieces: &[Piece]) -> Sent {
        state.busy = true;
        let Some(stalled) = self.write(state, pieces) else { return Sent::Taken };
        let judged = self.judge(stalled);
        if judged != Sent::CutOff {
            self.terms.helper.take_on(self.clone());
        }
        judged
    }

    /// Writes `first` and then what waits. The caller has made the outbox busy;
    /// the lock is free during each write, so that meanwhile others can put
    /// something in. `None`: nothing is left, or the client is gone; the state:
    /// the socket is full, and the outbox still busy.
    fn write<'a>(&'a self, state: MutexGuard<'a, State>, first: &[Piece]) -> Option<MutexGuard<'a, State>> {
        drop(state);
        let mut pieces = Cow::Borrowed(first);
        let mut counted = 0;
        loop {
            let pushed = push(&self.wire, &pieces);
            let mut state = self.lock();
            let (Ok(pushed), false) = (pushed, state.gone) else {
                self.give_up(state);
                return None;
            };
            state.bytes -= counted;
            if pushed.stalled {
                state.bytes += pushed.put_back(&pieces, &mut state.waiting);
                return Some(state);
            }
            let all = state.waiting.is_empty();
            if all && state.ending == state.ended {
                self.rest(state);
                return None;
            }
            // After the last piece comes the end, and what the wire says then.
            state.ended = all;
            counted = state.bytes;
            pieces = Cow::Owned(std::mem::take(&mut state.waiting));
            drop(state);
            if all {
                self.wire.end();
            }
        }
    }

    /// Nothing waits: whoever comes next writes.
    fn rest(&self, mut state: MutexGuard<'_, State>) {
        (state.busy, state.stuck) = (false, false);
        if std::mem::take(&mut state.awaited) {
            drop(state);
            self.eased.notify_all();
        }
    }

    fn judge(&self, state: MutexGuard<'_, State>) -> Sent {
        if state.bytes > self.terms.bound {
            self.give_up(state);
            return Sent::CutOff;
        }
        if state.bytes > self.terms.bound / 2 && !state.stuck { Sent::Crowded } else { Sent::Taken }
    }

    fn give_up(&self, mut state: MutexGuard<'_, State>) {
        state.gone = true;
        state.busy = false;
        state.bytes = 0;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        // Without the lock: it may be the last use of much.
        drop(waiting);
        self.eased.notify_all();
        self.wire.cut();
    }

    fn wait(&self, limit: Duration, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.eased.wait_timeout_while(self.lock(), limit, |state| {
            let goes_on = !state.gone && !done(state);
            state.awaited |= goes_on;
            goes_on
        });
        waited.ignore_poison().0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}
