//! What an [outbox](crate::outbox) holds and does: the data behind its lock.
//!
//! Its [`Phase`] says how far the connection is, its [`Writer`] which thread may
//! write to the socket now:
//!
//! | | `Open` | `Closing` | `ShutDown` |
//! |---|---|---|---|
//! | `Nobody` | nothing waits | (never) | everything is written |
//! | `Sender` | a thread that sends writes | it writes the rest, then the end | it flushes the end |
//! | `Drainer` | the drainer waits for the socket | it writes the rest, then the end | it flushes the end |
//!
//! In the phase `Gone` nothing waits, nothing is accepted, and no thread begins to
//! write.
//!
//! Two marks say what became of a client that does not read:
//!
//! | | set when | cleared when |
//! |---|---|---|
//! | `unresponsive` | a thread has waited in vain for it to read | everything is written |
//! | `overrun` | more than the limit waits: its phase is `Gone` from now on | never |

use bytes::Bytes;
use std::collections::VecDeque;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct OutboxState {
    pub(crate) phase: Phase,
    pub(crate) writer: Writer,
    /// What waits, in order, without what is being written at this moment.
    pub(crate) pending: VecDeque<Bytes>,
    /// How many bytes are not written yet, what is being written included.
    pub(crate) bytes: usize,
    /// The connection is gone since too much waited for it.
    pub(crate) overrun: bool,
    /// The client did not read while a thread waited for that. No thread waits
    /// for it again before it has read everything.
    pub(crate) unresponsive: bool,
}

/// How far the connection is, from its start to its end.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Open,
    /// Nothing more is accepted. What waits is written, and then the end.
    Closing,
    /// The transport was told of the end.
    ShutDown,
    /// The connection is gone, and `pending` is empty for ever.
    Gone,
}

/// Which thread may write to the socket now.
#[derive(Default, PartialEq, Eq)]
pub(crate) enum Writer {
    #[default]
    Nobody,
    /// A thread that sends.
    Sender,
    /// The socket was full.
    Drainer,
}

impl OutboxState {
    /// More that is to be written.
    pub(crate) fn append(&mut self, pieces: &[Bytes]) {
        self.bytes += pieces.iter().map(Bytes::len).sum::<usize>();
        self.pending.extend(pieces.iter().cloned());
    }

    /// What a write has left over comes before what was appended meanwhile.
    pub(crate) fn put_back(&mut self, mut left: VecDeque<Bytes>) {
        left.append(&mut self.pending);
        self.pending = left;
    }

    /// The connection is gone. Returns what was not written.
    pub(crate) fn clear(&mut self) -> VecDeque<Bytes> {
        self.phase = Phase::Gone;
        self.writer = Writer::Nobody;
        self.bytes = 0;
        std::mem::take(&mut self.pending)
    }
}

/// How many bytes these are together.
pub(crate) fn total_len(pieces: &VecDeque<Bytes>) -> usize {
    pieces.iter().map(Bytes::len).sum()
}
