//! The fan-out: from "these lines for those clients" to one write for each client.
//!
//! The lines of a batch gather in one buffer and are encoded once, however many
//! clients receive them. Each client has a list of the parts of that buffer which
//! are for it: not its own lines, and nothing from before it came. Neighbours are
//! joined, so the list of a client that gets all of a busy room is a single piece.
//! Each list is in the order in which things happened, so all clients see one order.

use crate::limits::ClientSlot;
use crate::outbox::{Outbox, OutboxConfig};
use bytes::Bytes;
use common::log::{Level, Log};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tells one connection from all others of this server.
pub type ClientId = u64;

/// Bytes that gather before they are delivered, or a quarter of an outbox if that is
/// less. More at once would be too much even for a client that does read.
const MAX_BATCH: usize = 256 << 10;

/// How long one delivery waits for clients that lag behind, for all of them together, so
/// that a flood does not disconnect a client that does read. A batch can have several
/// deliveries. A client that does not catch up in this time is not waited for again
/// before it has read everything.
const SLOW_CLIENT_WAIT: Duration = Duration::from_millis(100);

/// A client as the room thread knows it. When it is dropped, its outbox is
/// closed: the client gets all that was sent to it, and then the end.
pub struct Member {
    name: Arc<str>,
    outbox: Arc<Outbox>,
    slot: Option<ClientSlot>,
    /// Which parts of the buffer are for it.
    parts: Vec<Range<usize>>,
}

impl Member {
    /// A client with this name, before it comes in. Its `slot` is free again
    /// before the client can see the end of the connection.
    pub fn new(name: Arc<str>, outbox: Arc<Outbox>, slot: ClientSlot) -> Member {
        Member { name, outbox, slot: Some(slot), parts: Vec::new() }
    }

    /// What the others call it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// `part` is for this client too. Returns `true` if it is the first one.
    fn add(&mut self, part: &Range<usize>) -> bool {
        let is_first = self.parts.is_empty();
        match self.parts.last_mut() {
            Some(last) if last.end == part.start => last.end = part.end,
            _ => self.parts.push(part.clone()),
        }
        is_first
    }

    /// Sends its parts of the `buffer`. If it does not read, it is disconnected,
    /// and the thread that reads from it says so in the log.
    fn send(&mut self, buffer: &Bytes) {
        let pieces: Vec<_> = self.parts.drain(..).map(|part| buffer.slice(part)).collect();
        self.outbox.send(&pieces);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        drop(self.slot.take());
        self.outbox.close();
    }
}

/// See the [module](self). The room thread owns it: nothing in it is shared.
pub struct Fanout {
    config: Arc<OutboxConfig>,
    /// Where all lines are written, if they may be.
    log: Option<Log>,
    members: HashMap<ClientId, Member>,
    /// Those that go when the buffer is delivered.
    departed: Vec<Member>,
    /// Whole lines, encoded.
    buffer: Vec<u8>,
    /// Those for which there is something in it.
    addressed: Vec<ClientId>,
}

impl Fanout {
    /// Without members. The `config` is that of their outboxes. Lines are written to `log`.
    pub fn new(config: &Arc<OutboxConfig>, log: Option<&Log>) -> Fanout {
        Fanout {
            config: config.clone(),
            log: log.cloned(),
            members: HashMap::new(),
            departed: Vec::new(),
            buffer: Vec::new(),
            addressed: Vec::new(),
        }
    }

    /// A client comes in.
    pub fn add(&mut self, id: ClientId, member: Member) {
        self.members.insert(id, member);
    }

    /// A client goes, when what was sent to it before is delivered. Returns its
    /// name; `None` if it was not here.
    pub fn remove(&mut self, id: ClientId) -> Option<Arc<str>> {
        let member = self.members.remove(&id)?;
        let name = member.name.clone();
        self.departed.push(member);
        Some(name)
    }

    /// Returns `true` if this client is here.
    pub fn contains(&self, id: ClientId) -> bool {
        self.members.contains_key(&id)
    }

    /// How many clients are here.
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// `lines`, each with its line end, are for all clients, but not for `except`.
    pub fn broadcast(&mut self, lines: &str, except: Option<ClientId>) {
        let part = self.encode(lines);
        for (&id, member) in &mut self.members {
            if Some(id) != except && member.add(&part) {
                self.addressed.push(id);
            }
        }
        self.deliver_if_much();
    }

    /// `lines`, each with its line end, are for all of `to`, in which no client
    /// may be twice.
    pub fn send(&mut self, lines: &str, to: impl IntoIterator<Item = ClientId>) {
        let mut to = to.into_iter().peekable();
        if to.peek().is_none() {
            return;
        }
        let part = self.encode(lines);
        for id in to {
            if self.members.get_mut(&id).is_some_and(|member| member.add(&part)) {
                self.addressed.push(id);
            }
        }
        self.deliver_if_much();
    }

    fn encode(&mut self, lines: &str) -> Range<usize> {
        let start = self.buffer.len();
        self.config.codec.encode(lines, &mut self.buffer);
        start..self.buffer.len()
    }

    fn deliver_if_much(&mut self) {
        if self.buffer.len() > MAX_BATCH.min(self.config.limit / 4) {
            self.deliver();
        }
    }

    /// Each client gets what is for it. This waits a little for clients that lag
    /// behind, with one deadline for all.
    pub fn deliver(&mut self) {
        // The next buffer will be about as large as this one.
        let next = Vec::with_capacity(self.buffer.len());
        let buffer = Bytes::from(std::mem::replace(&mut self.buffer, next));
        let mut near_limit = Vec::new();
        for id in self.addressed.drain(..) {
            // One that has departed is not among the members any longer.
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.send(&buffer);
            if member.outbox.is_near_limit() {
                near_limit.push(member.outbox.clone());
            }
        }
        // This closes their outboxes, after all that was for them.
        for mut member in self.departed.drain(..) {
            member.send(&buffer);
        }
        if let Some(log) = &self.log {
            log.lines(Level::Info, &buffer);
        }
        let deadline = Instant::now() + SLOW_CLIENT_WAIT;
        for outbox in &near_limit {
            outbox.wait_drained(deadline);
        }
    }

    /// The server ends: `line` is the last one for all clients, and then their
    /// outboxes are closed.
    pub fn shutdown(&mut self, line: &str) {
        self.broadcast(&format!("{line}\n"), None);
        self.deliver();
        self.members.clear();
    }
}

#[cfg(test)]
mod tests;
