//! The outbox: all bytes that are not yet sent to one client.
//!
//! `write` waits while the other side does not read, so a room that wrote to one
//! client after the other would be as slow as its slowest client. Here no thread
//! waits in a write: [`Outbox::send`] writes what the socket takes at once and keeps the
//! rest. A [`Drainer`] writes that rest when the socket can take more. A client
//! for which more than a bounded number of bytes wait is disconnected.
//!
//! Three decisions make it fast. Each was measured against the simpler way:
//! - The thread that sends writes itself. A writing thread for each client costs
//!   two to three times the processor time and latency, and twice the memory.
//! - All pieces of one `send` go out in one system call: 4 µs, however many.
//! - What has to be kept is shared by all clients ([`Bytes`]), not copied: a
//!   thousand clients that do not read hold one copy of what was said.

// `super::sync` is the standard library's, or, in a test that tries thousands of
// interleavings, a model of it.
use super::sync::{Condvar, Mutex, MutexGuard};
use crate::line_codec::LineCodec;
use crate::transport::{Transport, write_nonblocking};
use bytes::Bytes;
use common::poison::IgnorePoison;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Continues the writing after a socket was full: it waits until the socket can
/// take more and then calls [`Outbox::on_writable`], until that says that nothing is left.
pub trait Drainer: Send + Sync {
    /// Takes over an outbox whose socket is full.
    fn register(&self, outbox: Arc<Outbox>);
}

/// What is the same for all outboxes of a server.
pub struct OutboxConfig {
    /// Bytes that may wait in one outbox.
    pub limit: usize,
    /// Continues the writing after a socket was full.
    pub drainer: Arc<dyn Drainer>,
    /// How a line for one client alone is put on the wire.
    pub codec: Arc<dyn LineCodec>,
}

/// What became of [`Outbox::send`], as far as the sender has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendResult {
    /// It is written, or will be, unless the client is gone: the thread that
    /// reads from the client finds that out.
    Queued,
    /// The same, but more than half of the limit waits, and the client is not
    /// known to be unresponsive: a sender that floods should
    /// [wait](Outbox::wait_drained) a little.
    NearLimit,
    /// It was too much. This call has disconnected the client.
    Disconnected,
}

/// See the [module](self).
pub struct Outbox {
    transport: Arc<dyn Transport>,
    config: Arc<OutboxConfig>,
    /// Written by every thread that sends, by the drainer, and by the client's
    /// own thread at its end. Held for memory operations only: the thread that
    /// writes to the socket notes that in `writer` and lets go.
    state: Mutex<State>,
    /// Signalled when little waits again, when everything is written, and when
    /// the client is gone.
    drained: Condvar,
}

/// Which thread may write to the socket now. All others only append to
/// `pending`, which keeps the order.
#[derive(Default, PartialEq, Eq)]
enum Writer {
    #[default]
    Nobody,
    /// A thread that sends.
    Sender,
    /// The socket was full.
    Drainer,
}

/// How far the connection is, from its start to its end.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// Nothing more is accepted. What waits is written, and then the end.
    Closing,
    /// The transport was told of the end.
    ShutDown,
    /// The connection is gone, and `pending` is empty for ever.
    Gone,
}

#[derive(Default)]
struct State {
    phase: Phase,
    writer: Writer,
    /// What waits, in order, without what is being written at this moment.
    pending: VecDeque<Bytes>,
    /// How many bytes are not written yet, what is being written included.
    bytes: usize,
    /// The connection is gone since too much waited for it.
    overrun: bool,
    /// The client did not read while a thread waited for that. No thread waits
    /// for it again before it has read everything.
    unresponsive: bool,
    /// A thread waits on `drained`. To signal without that would still be a
    /// system call.
    awaited: bool,
}

impl Outbox {
    /// An outbox in front of `transport`.
    pub fn new(transport: Arc<dyn Transport>, config: Arc<OutboxConfig>) -> Arc<Self> {
        Arc::new(Outbox { transport, config, state: Mutex::default(), drained: Condvar::new() })
    }

    /// How many bytes may wait here before the client is disconnected.
    pub fn limit(&self) -> usize {
        self.config.limit
    }

    /// The connection itself.
    pub fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// Sends `pieces`, in this order and behind all that was sent before. Never
    /// waits for the client.
    pub fn send(self: &Arc<Self>, pieces: &[Bytes]) -> SendResult {
        let mut state = self.lock();
        if state.phase != Phase::Open || pieces.is_empty() {
            return SendResult::Queued;
        }
        state.bytes += pieces.iter().map(Bytes::len).sum::<usize>();
        state.pending.extend(pieces.iter().cloned());
        match state.writer {
            Writer::Nobody => self.start_writing(state),
            // That thread writes this too, and then checks the limit.
            Writer::Sender => SendResult::Queued,
            Writer::Drainer => self.check_limit(state),
        }
    }

    /// Sends one line to this client alone.
    pub fn send_line(self: &Arc<Self>, text: &str) -> SendResult {
        self.send_lines(&format!("{text}\n"))
    }

    /// Sends lines, each ended by `\n` and at least one, to this client alone.
    pub fn send_lines(self: &Arc<Self>, lines: &str) -> SendResult {
        let mut encoded = Vec::new();
        self.config.codec.encode(lines, &mut encoded);
        self.send(&[encoded.into()])
    }

    /// For the drainer: the socket can take more. Returns `true` if the drainer
    /// should wait and call again.
    pub fn on_writable(&self) -> bool {
        let Some(full) = self.write(self.lock()) else { return false };
        if full.awaited && full.bytes < self.config.limit / 4 {
            self.drained.notify_all();
        }
        true
    }

    /// Waits until less than a quarter of the limit waits here, until `deadline`
    /// at the latest. Returns `true` if it is less; else the client is unresponsive.
    pub fn wait_drained(&self, deadline: Instant) -> bool {
        let little = self.config.limit / 4;
        let left = deadline.saturating_duration_since(Instant::now());
        let mut state = self.wait(left, |state| state.bytes < little);
        state.unresponsive |= state.bytes >= little;
        state.bytes < little
    }

    /// Accepts nothing more. When all that waits is written, the client is told
    /// that this was all. Does not wait for that.
    pub fn close(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
            if state.writer == Writer::Nobody {
                self.start_writing(state);
            }
        }
    }

    /// Waits until the outbox is [closed](Outbox::close) and everything is
    /// written, for `limit` at the longest. Returns `true` if it is.
    pub fn wait_closed(&self, limit: Duration) -> bool {
        let is_written = |state: &State| state.phase == Phase::ShutDown && state.writer == Writer::Nobody;
        is_written(&self.wait(limit, is_written))
    }

    /// Returns `true` if the outbox accepts nothing more: it was closed, or the
    /// client is gone. A thread that reads from the client has no reason to go on.
    pub fn is_closing(&self) -> bool {
        self.lock().phase != Phase::Open
    }

    /// Returns `true` if the client was disconnected since it did not read.
    pub fn is_overrun(&self) -> bool {
        self.lock().overrun
    }

    /// Ends the connection at once, whatever still waits.
    pub fn disconnect(&self) {
        self.drop_connection(self.lock());
    }

    /// Writes what waits; the drainer gets what is left over.
    fn start_writing(self: &Arc<Self>, mut state: MutexGuard<'_, State>) -> SendResult {
        state.writer = Writer::Sender;
        let Some(mut full) = self.write(state) else { return SendResult::Queued };
        full.writer = Writer::Drainer;
        let result = self.check_limit(full);
        if result != SendResult::Disconnected {
            self.config.drainer.register(self.clone());
        }
        result
    }

    /// Writes until nothing is left, the socket is full, or the client is gone.
    /// Returns the state if the socket is full. The caller is the `writer`. The
    /// lock is free during each write, so that other threads can append.
    fn write<'a>(&'a self, mut state: MutexGuard<'a, State>) -> Option<MutexGuard<'a, State>> {
        loop {
            let mut pieces = std::mem::take(&mut state.pending);
            let size: usize = pieces.iter().map(Bytes::len).sum();
            drop(state);
            let written = write_nonblocking(&*self.transport, &mut pieces);
            state = self.lock();
            let is_full = matches!(&written, Err(e) if e.kind() == ErrorKind::WouldBlock);
            if state.phase == Phase::Gone || (written.is_err() && !is_full) {
                self.drop_connection(state);
                return None;
            }
            let left: usize = pieces.iter().map(Bytes::len).sum();
            state.bytes -= size - left;
            if is_full {
                pieces.append(&mut state.pending);
                state.pending = pieces;
                return Some(state);
            }
            if !state.pending.is_empty() {
                continue;
            }
            if state.phase != Phase::Closing {
                self.mark_idle(state);
                return None;
            }
            // Behind the last piece. What this adds is flushed in the next round.
            state.phase = Phase::ShutDown;
            drop(state);
            self.transport.shutdown_write();
            state = self.lock();
        }
    }

    /// Nothing waits: the next thread that sends writes itself.
    fn mark_idle(&self, mut state: MutexGuard<'_, State>) {
        state.writer = Writer::Nobody;
        state.unresponsive = false;
        if std::mem::take(&mut state.awaited) {
            drop(state);
            self.drained.notify_all();
        }
    }

    fn check_limit(&self, mut state: MutexGuard<'_, State>) -> SendResult {
        let limit = self.config.limit;
        if state.bytes > limit {
            state.overrun = true;
            self.drop_connection(state);
            return SendResult::Disconnected;
        }
        if state.bytes > limit / 2 && !state.unresponsive {
            SendResult::NearLimit
        } else {
            SendResult::Queued
        }
    }

    fn drop_connection(&self, mut state: MutexGuard<'_, State>) {
        state.phase = Phase::Gone;
        state.writer = Writer::Nobody;
        state.bytes = 0;
        let pending = std::mem::take(&mut state.pending);
        drop(state);
        // Without the lock: it may be the last use of much memory.
        drop(pending);
        self.drained.notify_all();
        self.transport.abort();
    }

    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().writer == Writer::Nobody
    }

    fn wait(&self, limit: Duration, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.drained.wait_timeout_while(self.lock(), limit, |state| {
            let goes_on = state.phase != Phase::Gone && !done(state);
            state.awaited |= goes_on;
            goes_on
        });
        waited.ignore_poison().0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}
