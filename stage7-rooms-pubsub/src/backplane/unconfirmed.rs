//! What was read of the shared log and may yet be lost: visible is not durable, as
//! `log.rs` says. It waits here until it is confirmed.

use super::{Change, ChatSubmission};
use crate::addressed_message::Address;
use crate::room_event::RoomEvent;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What no other server has confirmed for so long, this one confirms itself.
const LATE: Duration = Duration::from_millis(200);

/// See the [module](self). Used by the committer thread alone.
#[derive(Default)]
pub(super) struct Unconfirmed {
    /// In the order of the log: with the id of each, and since when it waits.
    entries: VecDeque<(i64, Instant, ChatSubmission)>,
}

impl Unconfirmed {
    /// Puts in what was read under this id.
    pub fn push(&mut self, id: i64, submission: ChatSubmission) {
        self.entries.push_back((id, Instant::now(), submission));
    }

    /// Takes out the first one, if it can no longer be lost.
    pub fn take_confirmed(&mut self, confirmed: i64) -> Option<ChatSubmission> {
        if self.entries.front()?.0 > confirmed {
            return None;
        }
        self.entries.pop_front().map(|(.., submission)| submission)
    }

    /// The connection is lost, and all of this is read again. Returns what of it was
    /// submitted in this `run` of this server, the last one first.
    pub fn forget(&mut self, run: i64) -> impl Iterator<Item = ChatSubmission> {
        let own = move |submission: &ChatSubmission| {
            submission.message.as_ref().is_none_or(|entry| entry.message.id.run == run)
        };
        self.entries.drain(..).rev().map(|(.., submission)| submission).filter(own)
    }

    /// Returns `true` if this server has to confirm it by an entry of its own: no other
    /// server has done that in time, or clients of this server wait for it.
    pub fn must_be_confirmed(&self, redis_is_away: bool) -> bool {
        let Some((_, since, _)) = self.entries.front() else { return false };
        let is_late = redis_is_away || since.elapsed() > LATE;
        let is_waited_for = |s: &ChatSubmission| !matches!(s.event, RoomEvent::Replicated);
        let mut submissions = self.entries.iter().map(|(.., submission)| submission);
        // No server waits for a confirmation: two servers would confirm each other's for ever.
        !submissions.clone().all(is_confirmation) && (is_late || submissions.any(is_waited_for))
    }
}

fn is_confirmation(submission: &ChatSubmission) -> bool {
    submission.message.as_ref().is_some_and(|entry| entry.to == Address::Servers(Change::Confirm))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stage6_auth::pipeline::Submission;
    use stage6_auth::store::MessageId;

    fn entry(run: i64, number: i64) -> ChatSubmission {
        let mut entry = Change::Start.entry("");
        entry.message.id = MessageId { run, number };
        Submission { message: Some(entry), event: RoomEvent::Replicated }
    }

    /// The start of this server's run is no client's, and must not be lost all the same:
    /// without it no other server would watch this one.
    #[test]
    fn what_this_server_has_appended_is_appended_again_and_nothing_of_others() {
        let mut unconfirmed = Unconfirmed::default();
        for (id, run, number) in [(5, 1, 1), (6, 2, 7), (7, 1, 2)] {
            unconfirmed.push(id, entry(run, number));
        }
        let own: Vec<i64> = unconfirmed.forget(1).map(|s| s.message.unwrap().message.id.number).collect();
        assert_eq!(own, [2, 1]);
        assert!(unconfirmed.take_confirmed(i64::MAX).is_none());
    }

    #[test]
    fn an_entry_is_given_out_when_it_is_confirmed() {
        let mut unconfirmed = Unconfirmed::default();
        unconfirmed.push(5, entry(1, 1));
        assert!(unconfirmed.take_confirmed(4).is_none());
        assert!(unconfirmed.take_confirmed(5).is_some());
    }
}
