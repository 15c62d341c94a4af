//! What was read of the shared log and may yet be lost: visible is not durable, as
//! `log.rs` says. It waits here until it is confirmed.

use crate::addressed_message::{AddressedMessage, Change, Recipient};
use crate::room_state::RoomEvent;
use stage6_auth::committer::Event;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What no other server has confirmed for so long, this one confirms itself.
const LATE: Duration = Duration::from_millis(200);

type LogEvent = Event<AddressedMessage, RoomEvent>;

/// See the [module](self). Used by the committer thread alone.
pub(super) struct Unconfirmed {
    /// With their ids, in the order of the log.
    entries: VecDeque<(i64, LogEvent)>,
    /// The first of them, and since when it waits.
    waits_for: (i64, Instant),
}

impl Unconfirmed {
    pub fn new() -> Self {
        Unconfirmed { entries: VecDeque::new(), waits_for: (0, Instant::now()) }
    }

    /// Puts in what was read under this id.
    pub fn push(&mut self, id: i64, event: LogEvent) {
        self.entries.push_back((id, event));
    }

    /// Takes out the first one, if it can no longer be lost.
    pub fn take_confirmed(&mut self, confirmed: i64) -> Option<LogEvent> {
        if self.entries.front()?.0 > confirmed {
            return None;
        }
        self.entries.pop_front().map(|(_, event)| event)
    }

    /// The connection is lost, and all of this is read again. Returns what of it comes
    /// from this server's own clients, the last one first.
    pub fn forget(&mut self) -> impl Iterator<Item = LogEvent> {
        let own = |event: &LogEvent| !is_foreign(event);
        self.entries.drain(..).rev().map(|(_, event)| event).filter(own)
    }

    /// Returns `true` if this server has to confirm it by an entry of its own: no other
    /// server has done that in time, or clients of this server wait for it.
    pub fn must_be_confirmed(&mut self, redis_is_away: bool) -> bool {
        let Some(&(first, _)) = self.entries.front() else { return false };
        if self.waits_for.0 != first {
            self.waits_for = (first, Instant::now());
        }
        let is_late = redis_is_away || self.waits_for.1.elapsed() > LATE;
        let mut events = self.entries.iter().map(|(_, event)| event);
        // No server waits for a confirmation: two servers would confirm each other's for ever.
        !events.clone().all(is_confirmation) && (is_late || !events.all(is_foreign))
    }
}

fn is_foreign(event: &LogEvent) -> bool {
    matches!(event, Event::Stored(_, RoomEvent::Replicated))
}

fn is_confirmation(event: &LogEvent) -> bool {
    matches!(event, Event::Stored(entry, _) if entry.to == Recipient::Servers(Change::Confirm))
}
