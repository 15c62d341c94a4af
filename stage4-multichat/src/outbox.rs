//! The outbox: all bytes that are not yet sent to one client.
//!
//! `write` waits while the other side does not read, so a room that wrote to one
//! client after the other would be as slow as its slowest client. Here no thread
//! waits in a write: [`Outbox::send`] writes what the socket takes at once and keeps the
//! rest. A [`Drainer`] writes that rest when the socket can take more. A client
//! for which more than a bounded number of bytes wait is disconnected.
//!
//! At most one thread writes to the socket at any time, so that the bytes stay in
//! order. The others append, and it writes that too. The [state](OutboxState) says
//! which thread that is.
//!
//! Three decisions make it fast. Each was measured against the simpler way:
//! - The thread that sends writes itself. A writing thread for each client costs
//!   two to three times the processor time and latency, and twice the memory.
//! - All pieces of one `send` go out in one system call: 4 µs, however many.
//! - What has to be kept is shared by all clients ([`Bytes`]), not copied: a
//!   thousand clients that do not read hold one copy of what was said.

// As in `queue`: the standard library's, or a model of it in a test.
use super::sync::{Condvar, Mutex, MutexGuard};
use crate::line_codec::LineCodec;
use crate::outbox_state::{OutboxState, Phase, Writer, total_len};
use crate::transport::{Transport, write_nonblocking};
use bytes::Bytes;
use common::poison::IgnorePoison;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a client that leaves, or that is disconnected, has to read what was
/// sent to it before.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// See the [module](self).
pub struct Outbox {
    /// The connection itself.
    pub transport: Arc<dyn Transport>,
    /// What this outbox and all others have in common.
    pub config: Arc<OutboxConfig>,
    /// Written by every thread that sends, by the drainer, and by the client's
    /// own thread at its end. Held for memory operations only, never in a write.
    state: Mutex<OutboxState>,
    /// Signalled when little waits again, when everything is written, and when
    /// the client is gone.
    drained: Condvar,
}

/// What is the same for all outboxes of a server.
pub struct OutboxConfig {
    /// Bytes that may wait in one outbox, before its client is disconnected.
    pub limit: usize,
    /// Continues the writing after a socket was full.
    pub drainer: Arc<dyn Drainer>,
    /// How a line is put on the wire.
    pub codec: Arc<dyn LineCodec>,
}

/// Continues the writing after a socket was full: it waits until the socket can
/// take more and then calls [`Outbox::write_until_full`], until that says that
/// nothing is left. The server has [one](crate::drainer::PollDrainer); tests put one here
/// that continues when they say so.
pub trait Drainer: Send + Sync {
    /// Takes over an outbox whose socket is full.
    fn register(&self, outbox: Arc<Outbox>);
}

impl Outbox {
    /// An outbox in front of `transport`.
    pub fn new(transport: Arc<dyn Transport>, config: Arc<OutboxConfig>) -> Arc<Self> {
        Arc::new(Outbox { transport, config, state: Mutex::default(), drained: Condvar::new() })
    }

    /// Sends `pieces`, in this order and after all that was sent before. Never
    /// waits for the client. If it is gone, or too much waits for it now, the
    /// thread that reads from it finds that out.
    pub fn send(self: &Arc<Self>, pieces: &[Bytes]) {
        let mut state = self.lock();
        if state.phase != Phase::Open || pieces.is_empty() {
            return;
        }
        state.append(pieces);
        drop(state);
        self.write_unless_busy();
    }

    /// Sends one line to this client alone.
    pub fn send_line(self: &Arc<Self>, text: &str) {
        self.send_lines(&format!("{text}\n"));
    }

    /// Sends lines, each ended by `\n` and at least one, to this client alone.
    pub fn send_lines(self: &Arc<Self>, lines: &str) {
        let mut encoded = Vec::new();
        self.config.codec.encode(lines, &mut encoded);
        self.send(&[encoded.into()]);
    }

    /// Sends one line to this client alone, and then [closes](Outbox::close).
    pub fn send_last_line(self: &Arc<Self>, text: &str) {
        self.send_line(text);
        self.close();
    }

    /// Returns `true` if more than half of the limit waits, and the client is not
    /// known to be unresponsive: a thread that sends more should
    /// [wait](Outbox::wait_drained) a little.
    pub fn is_near_limit(&self) -> bool {
        let state = self.lock();
        state.bytes > self.config.limit / 2 && !state.unresponsive
    }

    /// Waits until less than a quarter of the limit waits here, until `deadline`
    /// at the latest. Returns `true` if it is less; else the client is unresponsive.
    pub fn wait_drained(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let little = self.config.limit / 4;
        let mut state = self.wait(left, |state| state.bytes < little);
        let is_drained = state.bytes < little;
        state.unresponsive |= !is_drained;
        is_drained
    }

    /// Accepts nothing more. When all that waits is written, the client is told
    /// that this was all. Does not wait for that.
    pub fn close(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return;
        }
        state.phase = Phase::Closing;
        drop(state);
        self.write_unless_busy();
    }

    /// Waits until the outbox is [closed](Outbox::close) and everything is
    /// written, for ten seconds at the longest. Returns `true` if it is.
    pub fn wait_closed(&self) -> bool {
        let is_written =
            |state: &OutboxState| state.phase == Phase::ShutDown && state.writer == Writer::Nobody;
        is_written(&self.wait(FLUSH_TIMEOUT, is_written))
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
        let mut state = self.lock();
        let pending = state.clear();
        drop(state);
        // Without the lock: it may be the last use of much memory.
        drop(pending);
        self.drained.notify_all();
        self.transport.abort();
    }

    /// Writes what waits, unless another thread does that already. The drainer
    /// gets what is left; if that is too much, the client is disconnected.
    fn write_unless_busy(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.writer == Writer::Nobody && state.phase != Phase::Gone {
            state.writer = Writer::Sender;
            drop(state);
            if self.write_until_full() {
                self.config.drainer.register(self.clone());
            }
            state = self.lock();
        }
        // Not while a thread still writes: the socket may take all that waits. That
        // thread checks this itself when it has written.
        if state.writer == Writer::Drainer && state.bytes > self.config.limit {
            state.overrun = true;
            drop(state);
            self.disconnect();
        }
    }

    /// Writes until nothing is left, the socket is full, or the client is gone.
    /// The caller is the `writer`: a thread that sends, or the drainer when the
    /// socket can take more. Returns `true` if the socket is full: then the drainer
    /// is the writer, and has to wait and to call this again. The lock is free during
    /// each write, so that other threads can append.
    pub fn write_until_full(&self) -> bool {
        loop {
            let mut pieces = std::mem::take(&mut self.lock().pending);
            let size = total_len(&pieces);
            let written = write_nonblocking(&*self.transport, &mut pieces);
            let mut state = self.lock();
            if state.phase == Phase::Gone {
                return false;
            }
            state.bytes -= size - total_len(&pieces);
            match written {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    state.put_back(pieces);
                    state.writer = Writer::Drainer;
                    drop(state);
                    // Less may wait now.
                    self.drained.notify_all();
                    return true;
                }
                Err(_) => {
                    drop(state);
                    self.disconnect();
                    return false;
                }
            }
            if !state.pending.is_empty() {
                continue;
            }
            if state.phase == Phase::Closing {
                // What this adds is flushed in the next round.
                state.phase = Phase::ShutDown;
                drop(state);
                self.transport.shutdown_write();
                continue;
            }
            state.writer = Writer::Nobody;
            state.unresponsive = false;
            drop(state);
            self.drained.notify_all();
            return false;
        }
    }

    fn wait(&self, limit: Duration, is_done: impl Fn(&OutboxState) -> bool) -> MutexGuard<'_, OutboxState> {
        let goes_on = |state: &mut OutboxState| state.phase != Phase::Gone && !is_done(state);
        self.drained.wait_timeout_while(self.lock(), limit, goes_on).ignore_poison().0
    }

    fn lock(&self) -> MutexGuard<'_, OutboxState> {
        self.state.lock().ignore_poison()
    }

    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().writer == Writer::Nobody
    }
}
