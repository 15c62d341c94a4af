//! The audience: the members to whom a delivery goes, one after the other.

use crate::backlog::{Backlog, Batch, Lists};
use crate::member::Member;
use crate::outbox::Sent;
use crate::wire::{Form, Wire};
use common::log::{Level, Log};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long all senders together wait for the receivers who lag behind, so that
/// a flood does not cost those who do read their connection. A client that does
/// not catch up meanwhile is not waited for again.
const PATIENCE: Duration = Duration::from_millis(100);

/// Everybody, as far as the deliveries know. A delivery takes it along, out of
/// the registry's lock, so it needs no copy; who comes or goes meanwhile is
/// noted by the registry and seen to before the next one.
pub(crate) struct Audience<W: Wire> {
    members: Vec<Arc<Member<W>>>,
    lists: Lists,
}

impl<W: Wire> Default for Audience<W> {
    fn default() -> Self {
        Audience { members: Vec::new(), lists: Lists::default() }
    }
}

impl<W: Wire> Audience<W> {
    /// Lets those in who have `joined`, takes those out who have `left`, and
    /// empties both lists. Somebody may be in both.
    pub fn see_to_changes(&mut self, joined: &mut Vec<Arc<Member<W>>>, left: &mut Vec<u64>) {
        self.members.append(joined);
        if !left.is_empty() {
            left.sort_unstable();
            self.members.retain(|member| left.binary_search(&member.id).is_err());
            left.clear();
        }
    }

    /// Takes the `backlog`, which goes on where this ends.
    pub fn take(&mut self, backlog: &mut Backlog) -> Backlog {
        backlog.take(&mut self.lists)
    }

    /// Sends everybody what is for it, and waits a little for those who lag.
    pub fn hear(&mut self, said: Backlog, form: &dyn Form, log: &Log) {
        let batch = Batch::new(said, &mut self.lists);
        let mut crowded = Vec::new();
        for member in &self.members {
            let sent = match &*batch.heard_by(member.id) {
                [] => Sent::Taken,
                pieces => member.outbox.send(pieces),
            };
            match sent {
                Sent::Taken => {}
                Sent::Crowded => crowded.push(member),
                Sent::CutOff => log.warn(format_args!("{} does not read: disconnected", member.name)),
            }
        }
        if form.may_be_logged() {
            log.lines(Level::Info, batch.bytes());
        }
        let end = Instant::now() + PATIENCE;
        crowded.iter().for_each(|member| member.outbox.wait_for_room(end));
        self.lists = batch.into_lists();
    }
}
