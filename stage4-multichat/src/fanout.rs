//! The fan-out: what was said is encoded once, and each receiver gets its part
//! of it in one write.
//!
//! Lines gather in one buffer, in the order in which they were said; `runs` stores
//! which sender wrote which bytes. Nearly every receiver gets the whole buffer, and
//! all of these share it. Only a client that spoke itself, or that joined or
//! left in the middle, gets less.

use crate::line_codec::LineCodec;
use crate::outbox::{Outbox, SendResult};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tells one connection from all others of this server.
pub type ClientId = u64;

/// The sender of notices. No client has this number.
pub const SERVER: ClientId = 0;

/// Lines that gather for the next fan-out.
#[derive(Default)]
pub struct Batch {
    /// Whole lines, encoded.
    bytes: Vec<u8>,
    /// Who said which part of `bytes`, without gaps.
    runs: Vec<Run>,
}

struct Run {
    sender: ClientId,
    end: usize,
}

impl Batch {
    /// Appends `lines`, each ended by `\n`. All receivers get them, but not
    /// `sender`.
    pub fn append(&mut self, sender: ClientId, lines: &str, codec: &dyn LineCodec) {
        if lines.is_empty() {
            return;
        }
        codec.encode(lines, &mut self.bytes);
        match self.runs.last_mut() {
            Some(run) if run.sender == sender => run.end = self.bytes.len(),
            _ => self.runs.push(Run { sender, end: self.bytes.len() }),
        }
    }

    /// How many bytes have gathered: also the place where a client that joins
    /// now begins to hear.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns `true` if there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes everything out, ready to be sent. The next batch begins empty.
    pub fn take(&mut self) -> Fanout {
        let mut senders: Vec<_> = self.runs.iter().map(|run| run.sender).collect();
        senders.sort_unstable();
        senders.dedup();
        // The next batch will be about as large as this one.
        let next = Vec::with_capacity(self.bytes.len());
        let bytes = std::mem::replace(&mut self.bytes, next).into();
        Fanout { bytes, runs: std::mem::take(&mut self.runs), senders }
    }
}

/// What is sent to all receivers at once.
pub struct Fanout {
    bytes: Bytes,
    runs: Vec<Run>,
    /// Who said something, in ascending order.
    senders: Vec<ClientId>,
}

impl Fanout {
    /// All of it, for the log.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The part of `client`, which was there for this `range` of the bytes:
    /// everything in it but the client's own lines.
    pub fn part_for(&self, client: ClientId, range: Range<usize>) -> Vec<Bytes> {
        if self.senders.binary_search(&client).is_err() {
            return if range.is_empty() { Vec::new() } else { vec![self.bytes.slice(range)] };
        }
        let mut pieces = Vec::new();
        let mut start = range.start;
        for (n, run) in self.runs.iter().enumerate() {
            let run_start = n.checked_sub(1).map_or(0, |before| self.runs[before].end);
            if run.sender == client {
                if start < run_start.min(range.end) {
                    pieces.push(self.bytes.slice(start..run_start.min(range.end)));
                }
                start = start.max(run.end);
            }
        }
        if start < range.end {
            pieces.push(self.bytes.slice(start..range.end));
        }
        pieces
    }
}

/// How long all senders together wait for receivers that lag behind, so that a
/// flood does not disconnect a client that does read. A client that does not
/// catch up in this time is not waited for again.
const SLOW_CLIENT_WAIT: Duration = Duration::from_millis(100);

/// Sends to one receiver after the other, notes which of them lag behind, and
/// waits a little for these at the end.
#[derive(Default)]
pub struct Delivery {
    near_limit: Vec<Arc<Outbox>>,
}

impl Delivery {
    /// Sends `pieces` to one receiver. If it does not read, it is disconnected,
    /// and the thread that reads from it says so in the log.
    pub fn send(&mut self, outbox: &Arc<Outbox>, pieces: &[Bytes]) {
        if outbox.send(pieces) == SendResult::NearLimit {
            self.near_limit.push(outbox.clone());
        }
    }

    /// Waits for the receivers that lag behind, with one deadline for all.
    pub fn wait_for_slow_clients(self) {
        let deadline = Instant::now() + SLOW_CLIENT_WAIT;
        self.near_limit.iter().for_each(|outbox| outbox.wait_drained(deadline));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line_codec::Plaintext;
    use proptest::prelude::*;

    fn text(pieces: &[Bytes]) -> String {
        pieces.iter().map(|piece| std::str::from_utf8(piece).unwrap()).collect()
    }

    #[test]
    fn a_client_that_said_nothing_gets_everything_in_one_piece() {
        let mut batch = Batch::default();
        batch.append(7, "one\n", &Plaintext);
        batch.append(SERVER, "two\n", &Plaintext);
        let fanout = batch.take();
        assert_eq!(fanout.part_for(1, 0..8).len(), 1);
        assert_eq!(text(&fanout.part_for(1, 0..8)), "one\ntwo\n");
        assert!(batch.is_empty());
    }

    #[test]
    fn nothing_said_is_no_piece() {
        let mut batch = Batch::default();
        batch.append(7, "one\n", &Plaintext);
        let fanout = batch.take();
        assert!(fanout.part_for(1, 4..4).is_empty());
        assert!(fanout.part_for(7, 0..4).is_empty());
    }

    proptest! {
        /// Against the definition: each line goes to those who were there and
        /// did not say it. No piece is empty.
        #[test]
        fn each_client_gets_what_is_for_it(
            senders in prop::collection::vec(0..5u64, 1..30),
            client in 0..5u64, first in 0..30usize, end in 0..30usize,
        ) {
            let mut batch = Batch::default();
            let mut places = vec![0];
            for (n, &sender) in senders.iter().enumerate() {
                batch.append(sender, &format!("{n} by {sender}\n"), &Plaintext);
                places.push(batch.len());
            }
            let end = end.min(senders.len());
            let first = first.min(end);
            let pieces = batch.take().part_for(client, places[first]..places[end]);
            let lines = senders.iter().enumerate().take(end).skip(first);
            let expected: String =
                lines.filter(|(_, s)| **s != client).map(|(n, s)| format!("{n} by {s}\n")).collect();
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
            prop_assert_eq!(text(&pieces), expected);
        }
    }
}
