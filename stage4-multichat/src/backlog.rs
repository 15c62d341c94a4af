//! The backlog: what was said and is not delivered yet, and who hears which
//! part of it.
//!
//! Lines lie in one buffer, in the order in which they were said, and beside it
//! who said which part. A delivery takes all of it at once, as a [`Batch`].
//! Nearly every member hears the whole buffer, so that is made once for all of
//! them; only those who spoke, or came in the middle of it, need parts.

use crate::wire::{Form, Piece};
use std::borrow::Cow;
use std::slice;
use std::sync::Arc;

/// Who speaks when no member does.
pub(crate) const SERVER: u64 = 0;

/// What was said and is not delivered yet.
pub(crate) struct Backlog {
    /// Whole lines.
    bytes: Vec<u8>,
    /// Who said which part of `bytes`.
    parts: Vec<Part>,
    /// The number of the first part. Each part ever appended has its number,
    /// the first of all is 1.
    first: u64,
}

struct Part {
    by: u64,
    end: usize,
}

impl Backlog {
    /// Nothing was ever said.
    pub fn new() -> Backlog {
        Backlog { bytes: Vec::new(), parts: Vec::new(), first: 1 }
    }

    /// The number that the next part will have.
    pub fn next_number(&self) -> u64 {
        self.first + self.parts.len() as u64
    }

    /// How many bytes wait for delivery.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing waits for delivery.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends `lines`, each with its line end, as said by the member with this
    /// number or by the [`SERVER`]. They are put into their form once, here, and
    /// not for each receiver.
    pub fn append(&mut self, by: u64, lines: &str, form: &dyn Form) {
        let start = self.bytes.len();
        form.put(lines, &mut self.bytes);
        if self.bytes.len() > start {
            self.parts.push(Part { by, end: self.bytes.len() });
        }
    }

    /// Takes everything, and leaves a backlog that goes on where this one ends.
    pub fn take(&mut self, lists: &mut Lists) -> Backlog {
        // The next one will be about as large as this one is.
        let bytes = Vec::with_capacity(self.bytes.len());
        let next = Backlog { bytes, parts: std::mem::take(&mut lists.parts), first: self.next_number() };
        std::mem::replace(self, next)
    }
}

/// Empty lists, handed on from one delivery to the next. They are not made anew
/// each time, since what a thread has once freed stays with that thread, and
/// there may be ten thousand.
#[derive(Default)]
pub(crate) struct Lists {
    parts: Vec<Part>,
    speakers: Vec<u64>,
}

/// What is delivered at once.
pub(crate) struct Batch {
    bytes: Arc<Vec<u8>>,
    /// All of `bytes`.
    whole: Piece,
    parts: Vec<Part>,
    first: u64,
    /// Who said something, in ascending order.
    speakers: Vec<u64>,
}

impl Batch {
    /// What was [taken](Backlog::take), which must not be nothing.
    pub fn new(taken: Backlog, lists: &mut Lists) -> Batch {
        let bytes = Arc::new(taken.bytes);
        let whole = Piece::new(&bytes, 0, bytes.len());
        let mut speakers = std::mem::take(&mut lists.speakers);
        speakers.extend(taken.parts.iter().map(|part| part.by));
        speakers.sort_unstable();
        speakers.dedup();
        Batch { bytes, whole, parts: taken.parts, first: taken.first, speakers }
    }

    /// All that was said, for the log.
    pub fn bytes(&self) -> &Arc<Vec<u8>> {
        &self.bytes
    }

    /// What the member with this number hears: not its own words, and nothing
    /// from before it came. A member's number is that of the notice that it has
    /// joined, so everything with a higher one was said in its presence.
    pub fn heard_by(&self, member: u64) -> Cow<'_, [Piece]> {
        if member < self.first && self.speakers.binary_search(&member).is_err() {
            return Cow::Borrowed(slice::from_ref(&self.whole));
        }
        let mut pieces = Vec::new();
        let mut start = 0;
        for (number, part) in (self.first..).zip(&self.parts) {
            if number > member && part.by != member {
                pieces.push(Piece::new(&self.bytes, start, part.end));
            }
            start = part.end;
        }
        Cow::Owned(pieces)
    }

    /// Gives the lists back, for the next one.
    pub fn into_lists(mut self) -> Lists {
        self.parts.clear();
        self.speakers.clear();
        Lists { parts: self.parts, speakers: self.speakers }
    }
}
