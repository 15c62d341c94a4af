//! What waits to be appended to the shared log, in order, and events that keep their
//! place among it.

use super::ChatSubmission;
use crate::room_event::RoomEvent;
use stage4_multichat::fanout::ClientId;
use stage6_auth::store::{MessageId, MessageRow, now};
use std::collections::VecDeque;

/// See the [module](self). Used by the committer thread alone.
#[derive(Default)]
pub(super) struct Pending {
    items: VecDeque<Item>,
}

struct Item {
    submission: ChatSubmission,
    /// Its statement was sent, or that of an entry after it, and the answer did not come.
    /// It may be in the log, so it is not refused (but see `refuse_taken_over`), and is
    /// appended again until it is there. It keeps its number, so that it is known when it is
    /// read. It cannot come twice: the place where a lost statement wants it is taken by then.
    in_doubt: bool,
}

impl Pending {
    /// Puts something in, as the last one.
    pub fn push(&mut self, submission: ChatSubmission) {
        self.items.push_back(Item { submission, in_doubt: false });
    }

    /// Puts in again, as the first one, what may be in the log or not.
    pub fn put_back(&mut self, submission: ChatSubmission) {
        self.items.push_front(Item { submission, in_doubt: true });
    }

    /// How much waits.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// The first `count` entries, numbered. `last_number` is the one given last.
    pub fn first_entries(&mut self, count: usize, run: i64, last_number: &mut i64) -> Vec<&dyn MessageRow> {
        let entries = self.items.iter_mut().filter_map(|item| item.submission.message.as_mut());
        let entries = entries.take(count).map(|entry| {
            if entry.message.id.number == 0 {
                *last_number += 1;
                entry.stamp(MessageId { run, number: *last_number }, now());
            }
            &*entry as &dyn MessageRow
        });
        entries.collect()
    }

    /// How many entries there are.
    pub fn entries(&self) -> usize {
        self.items.iter().filter(|item| item.submission.message.is_some()).count()
    }

    /// Returns `true` if the first entry has this id.
    pub fn is_first(&self, id: MessageId) -> bool {
        let first = self.items.iter().find_map(|item| item.submission.message.as_ref());
        first.is_some_and(|entry| entry.message.id == id)
    }

    /// Returns `true` if this client's login waits.
    pub fn is_joining(&self, client: ClientId) -> bool {
        let is_it =
            |item: &Item| matches!(&item.submission.event, RoomEvent::Join(n) if n.session.id == client);
        self.items.iter().any(is_it)
    }

    /// The first `count` entries may be in the log, or not. The events before them wait
    /// with them.
    pub fn set_in_doubt(&mut self, count: usize) {
        let end = self.end_of(count);
        self.items.range_mut(..end).for_each(|item| item.in_doubt = true);
    }

    /// An entry is stored, so no lost statement can be any longer.
    pub fn clear_doubt(&mut self) {
        self.items.iter_mut().for_each(|item| item.in_doubt = false);
    }

    /// Takes out the events before the first entry.
    pub fn take_events(&mut self) -> Vec<ChatSubmission> {
        let is_entry = |item: &Item| item.submission.message.is_some();
        let end = self.items.iter().position(is_entry).unwrap_or(self.items.len());
        self.items.drain(..end).map(|item| item.submission).collect()
    }

    /// Takes out the first `count` entries, and the events before them.
    pub fn take_first(&mut self, count: usize) -> Vec<ChatSubmission> {
        let end = self.end_of(count);
        self.items.drain(..end).map(|item| item.submission).collect()
    }

    /// The place after the first `count` entries; 0 if there are fewer.
    fn end_of(&self, count: usize) -> usize {
        let entries = self.items.iter().enumerate().filter(|(_, item)| item.submission.message.is_some());
        entries.map(|(at, _)| at + 1).nth(count - 1).unwrap_or(0)
    }

    /// Takes out what `goes` returns `true` for. It is told what is in doubt.
    pub fn take_if(&mut self, goes: impl Fn(&ChatSubmission, bool) -> bool) -> Vec<ChatSubmission> {
        let (gone, stays): (VecDeque<Item>, _) =
            self.items.drain(..).partition(|item| goes(&item.submission, item.in_doubt));
        self.items = stays;
        gone.into_iter().map(|item| item.submission).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Change;
    use super::*;
    use stage6_auth::pipeline::Submission;

    /// `e` is an entry, `.` an event without one.
    fn pending(items: &str) -> Pending {
        let mut pending = Pending::default();
        for item in items.chars() {
            let message = (item == 'e').then(|| Change::Start.entry(""));
            pending.push(Submission { message, event: RoomEvent::Notice("") });
        }
        pending
    }

    fn shape(submissions: &[ChatSubmission]) -> String {
        submissions.iter().map(|s| if s.message.is_some() { 'e' } else { '.' }).collect()
    }

    #[test]
    fn an_entry_keeps_its_number() {
        let mut pending = pending(".ee.e");
        let mut number = 4;
        let numbers =
            |entries: Vec<&dyn MessageRow>| entries.iter().map(|e| e.id().number).collect::<Vec<_>>();
        assert_eq!(numbers(pending.first_entries(2, 1, &mut number)), [5, 6]);
        assert_eq!(numbers(pending.first_entries(9, 1, &mut number)), [5, 6, 7]);
        assert!(pending.is_first(MessageId { run: 1, number: 5 }));
        assert!(!pending.is_first(MessageId { run: 2, number: 5 }));
        assert_eq!(shape(&pending.take_first(1)), ".e");
        assert!(pending.is_first(MessageId { run: 1, number: 6 }));
    }

    #[test]
    fn events_keep_their_place_among_the_entries() {
        let mut pending = pending("..e.");
        assert_eq!(shape(&pending.take_events()), "..");
        assert_eq!(shape(&pending.take_events()), "");
        assert_eq!(shape(&pending.take_first(1)), "e");
        assert_eq!(shape(&pending.take_first(1)), "");
        assert_eq!(shape(&pending.take_events()), ".");
    }

    #[test]
    fn what_is_in_doubt_and_the_events_before_it_are_not_refused() {
        let mut pending = pending(".e.e.e");
        pending.set_in_doubt(2);
        assert_eq!(shape(&pending.take_if(|_, in_doubt| !in_doubt)), ".e");
        // A later item comes after it, an item that is put back before it.
        pending.push(Submission { message: None, event: RoomEvent::Notice("") });
        pending.put_back(Submission { message: Some(Change::Start.entry("")), event: RoomEvent::Notice("") });
        assert_eq!(shape(&pending.take_if(|_, in_doubt| in_doubt)), "e.e.e");
        assert_eq!(pending.len(), 1);
    }
}
