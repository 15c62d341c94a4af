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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Plain;
    use proptest::prelude::*;

    fn heard(batch: &Batch, member: u64) -> String {
        let bytes: Vec<u8> =
            batch.heard_by(member).iter().flat_map(|piece| piece.as_slice().to_vec()).collect();
        String::from_utf8(bytes).unwrap()
    }

    fn batch(backlog: &mut Backlog) -> Batch {
        let mut lists = Lists::default();
        Batch::new(backlog.take(&mut lists), &mut lists)
    }

    #[test]
    fn who_was_there_and_said_nothing_hears_the_whole_in_one_piece() {
        let mut backlog = Backlog::new();
        backlog.append(7, "one\n", &Plain);
        backlog.append(SERVER, "two\n", &Plain);
        batch(&mut backlog);
        backlog.append(8, "three\ntoo\n", &Plain);
        backlog.append(SERVER, "four\n", &Plain);
        let batch = batch(&mut backlog);
        assert_eq!(batch.heard_by(1).len(), 1);
        assert_eq!(heard(&batch, 1), "three\ntoo\nfour\n");
        assert_eq!(batch.bytes().as_slice(), b"three\ntoo\nfour\n");
    }

    #[test]
    fn nothing_said_is_nothing() {
        let mut backlog = Backlog::new();
        backlog.append(1, "", &Plain);
        assert!(backlog.is_empty());
        assert_eq!(backlog.next_number(), 1);
    }

    proptest! {
        /// Against the definition: each part goes to those who came before it
        /// and did not say it. It does not matter where the cuts between the
        /// batches are.
        #[test]
        fn everybody_hears_what_is_for_it(parts in prop::collection::vec((0..6u64, 0..4u8), 1..40)) {
            let mut backlog = Backlog::new();
            let mut lists = Lists::default();
            let mut said = Vec::new();
            let mut heard_by: Vec<String> = vec![String::new(); 42];
            for (by, what) in parts {
                // A member is numbered by the notice that it came: here each
                // fourth part is taken for one.
                let number = backlog.next_number();
                let by = if what == 0 { number } else { by };
                let text = format!("{number} by {by}\n");
                backlog.append(by, &text, &Plain);
                said.push((number, by, text));
                if what == 1 {
                    let batch = Batch::new(backlog.take(&mut lists), &mut lists);
                    (1..42).for_each(|member| heard_by[member as usize] += &heard(&batch, member));
                    lists = batch.into_lists();
                }
            }
            said.push((backlog.next_number(), SERVER, "last\n".to_owned()));
            backlog.append(SERVER, "last\n", &Plain);
            let batch = Batch::new(backlog.take(&mut lists), &mut lists);
            for member in 1..41 {
                let heard = heard_by[member as usize].clone() + &heard(&batch, member);
                let own = |(number, by, _): &&(u64, u64, String)| *number > member && *by != member;
                let expected: String = said.iter().filter(own).map(|(_, _, text)| text.as_str()).collect();
                prop_assert_eq!(heard, expected);
            }
        }
    }
}
