//! Batches whose COMMIT had an unknown outcome: transactions *in doubt*, as
//! two-phase commit calls them. The [store](crate::store) says what they are for.

use super::{MessageId, MessageRow};
use common::poison::IgnorePoison;
use std::sync::{Mutex, MutexGuard};

/// Consecutive numbers of one run, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberRange {
    pub run: i64,
    pub first: i64,
    pub last: i64,
}

/// Written by the committer's thread, read by all threads that read a history.
#[derive(Debug, Default)]
pub struct InDoubt(Mutex<Vec<NumberRange>>);

impl InDoubt {
    /// Notes a batch whose outcome is unknown.
    pub fn add(&self, batch: &[&dyn MessageRow]) {
        let mut ranges = self.lock();
        for MessageId { run, number } in batch.iter().map(|message| message.id()) {
            match ranges.last_mut() {
                Some(range) if range.run == run && range.last + 1 == number => range.last = number,
                _ => ranges.push(NumberRange { run, first: number, last: number }),
            }
        }
    }

    /// The retractions that the next transaction has to contain.
    pub fn get(&self) -> Vec<NumberRange> {
        self.lock().clone()
    }

    /// Forgets these: a transaction that retracts them was committed.
    pub fn resolved(&self, retracted: &[NumberRange]) {
        // By value and not by count: `add` may have made the last range longer
        // since then, and it has to be retracted again.
        self.lock().retain(|range| !retracted.contains(range));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<NumberRange>> {
        self.0.lock().ignore_poison()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Message, rows};
    use super::*;

    fn message(run: i64, number: i64) -> Message {
        let mut message = Message::new("alice".into(), String::new());
        message.id = MessageId { run, number };
        message
    }

    #[test]
    fn consecutive_numbers_become_one_range() {
        let in_doubt = InDoubt::default();
        in_doubt.add(&rows(&[message(7, 1), message(7, 2)]));
        in_doubt.add(&rows(&[message(7, 3), message(7, 5), message(8, 6)]));
        assert_eq!(
            in_doubt.get(),
            [
                NumberRange { run: 7, first: 1, last: 3 },
                NumberRange { run: 7, first: 5, last: 5 },
                NumberRange { run: 8, first: 6, last: 6 },
            ]
        );
    }

    #[test]
    fn a_range_that_grew_meanwhile_stays() {
        let in_doubt = InDoubt::default();
        in_doubt.add(&rows(&[message(7, 1)]));
        let in_flight = in_doubt.get();
        in_doubt.add(&rows(&[message(7, 2)]));
        in_doubt.resolved(&in_flight);
        assert_eq!(in_doubt.get(), [NumberRange { run: 7, first: 1, last: 2 }]);
    }
}
