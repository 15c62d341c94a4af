//! The audience: the members to whom a delivery goes, one after the other.

use crate::backlog::{Backlog, Batch, Lists};
use crate::member::Member;
use crate::outbox::{Outbox, Sent};
use crate::wire::{Form, Piece, Wire};
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
        let mut round = Round::new(log);
        for member in &self.members {
            round.send(&member.name, &member.outbox, &batch.heard_by(member.id));
        }
        if form.may_be_logged() {
            log.lines(Level::Info, batch.bytes());
        }
        round.end();
        self.lists = batch.into_lists();
    }
}

/// One round of a delivery: each receiver gets its pieces, whoever does not read
/// is cut off, and at the end those who lag are waited for a little.
pub struct Round<'a, W: Wire> {
    log: &'a Log,
    crowded: Vec<&'a Outbox<W>>,
}

impl<'a, W: Wire> Round<'a, W> {
    /// Nobody has got anything yet.
    pub fn new(log: &'a Log) -> Self {
        Round { log, crowded: Vec::new() }
    }

    /// Sends `pieces`, of which there may be none, to the receiver of this name.
    pub fn send(&mut self, name: &str, outbox: &'a Arc<Outbox<W>>, pieces: &[Piece]) {
        let sent = if pieces.is_empty() { Sent::Taken } else { outbox.send(pieces) };
        match sent {
            Sent::Taken => {}
            Sent::Crowded => self.crowded.push(outbox),
            Sent::CutOff => self.log.warn(format_args!("{name} does not read: disconnected")),
        }
    }

    /// Waits for those who lag, for all of them together no longer than for one.
    pub fn end(self) {
        let end = Instant::now() + PATIENCE;
        self.crowded.iter().for_each(|outbox| outbox.wait_for_room(end));
    }
}
