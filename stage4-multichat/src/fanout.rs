//! The fan-out: from "these lines for those clients" to one write for each client.
//!
//! The lines of a batch gather in one buffer and are encoded once, however many
//! clients receive them. Each client has a list of the parts of that buffer which
//! are for it: not its own lines, and nothing from before it came. Neighbours are
//! joined, so the list of a client that gets all of a busy room is a single piece.
//! Each list is in the order in which things happened, so all clients see one order.

use crate::limits::ClientSlot;
use crate::line_codec::LineCodec;
use crate::outbox::Outbox;
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
    codec: Arc<dyn LineCodec>,
    /// Where all lines are written, if they may be.
    log: Option<Log>,
    members: HashMap<ClientId, Member>,
    /// Those that go when the buffer is delivered.
    departed: Vec<Member>,
    /// Whole lines, encoded.
    buffer: Vec<u8>,
    /// Those for which there is something in it.
    addressed: Vec<ClientId>,
    /// Bytes that may gather in it.
    max_batch: usize,
}

impl Fanout {
    /// Without members. Lines are sent in this `codec`, and written to `log`.
    pub fn new(codec: &Arc<dyn LineCodec>, log: Option<&Log>) -> Fanout {
        Fanout {
            codec: codec.clone(),
            log: log.cloned(),
            members: HashMap::new(),
            departed: Vec::new(),
            buffer: Vec::new(),
            addressed: Vec::new(),
            max_batch: MAX_BATCH,
        }
    }

    /// A client comes in.
    pub fn add(&mut self, id: ClientId, member: Member) {
        self.max_batch = self.max_batch.min(member.outbox.limit() / 4);
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
        self.codec.encode(lines, &mut self.buffer);
        start..self.buffer.len()
    }

    fn deliver_if_much(&mut self) {
        if self.buffer.len() > self.max_batch {
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
mod tests {
    use super::*;
    use crate::limits::ClientSlots;
    use crate::tests::fake::{FakeTransport, config};
    use proptest::prelude::*;

    /// A fan-out, and what each of `count` clients, numbered from 0, is sent.
    fn fanout(count: u64) -> (Fanout, Vec<FakeTransport>) {
        with_limit(count, 1 << 20)
    }

    /// The same, and so many bytes may wait for each client.
    fn with_limit(count: u64, limit: usize) -> (Fanout, Vec<FakeTransport>) {
        let (config, _) = config(limit);
        let mut fanout = Fanout::new(&config.codec, None);
        let slots = ClientSlots::new(100);
        let client = |id| {
            let transport = FakeTransport::default();
            let outbox = Outbox::new(Arc::new(transport.clone()), config.clone());
            fanout.add(id, Member::new("name".into(), outbox, slots.try_acquire().unwrap()));
            transport
        };
        let transports = (0..count).map(client).collect();
        (fanout, transports)
    }

    #[test]
    fn a_client_that_said_nothing_gets_everything_in_one_piece() {
        let (mut fanout, _) = fanout(2);
        fanout.broadcast("one\n", Some(0));
        fanout.broadcast("two\n", None);
        fanout.broadcast("three\n", Some(0));
        assert_eq!(fanout.members[&1].parts.len(), 1);
        assert_eq!(fanout.members[&0].parts.len(), 1);
        let mut addressed = fanout.addressed.clone();
        addressed.sort();
        assert_eq!(addressed, [0, 1], "each client once, however many lines there are for it");
    }

    #[test]
    fn what_is_for_no_client_is_not_encoded_and_what_is_for_one_reaches_no_other() {
        let (mut fanout, clients) = fanout(2);
        fanout.send("nothing\n", []);
        assert!(fanout.buffer.is_empty());
        fanout.send("one\n", [1, 7]);
        fanout.deliver();
        assert_eq!((clients[0].text(), clients[1].text()), (String::new(), "one\n".to_owned()));
    }

    #[test]
    fn more_than_a_client_can_be_sent_at_once_is_delivered_before() {
        for (limit, batch) in [(1 << 20, 256 << 10), (64 << 10, 16 << 10)] {
            let (mut fanout, clients) = with_limit(1, limit);
            fanout.broadcast("gathers\n", None);
            assert_eq!(clients[0].lines().len(), 0);
            fanout.broadcast(&format!("{}\n", "x".repeat(batch)), None);
            assert_eq!(clients[0].lines().len(), 2);
        }
    }

    proptest! {
        /// Against the definition: each line goes to all but its sender, in this
        /// order, however the lines are divided into batches.
        #[test]
        fn each_client_gets_what_is_for_it(
            said in prop::collection::vec((0..5u64, any::<bool>()), 1..30),
        ) {
            let (mut fanout, clients) = fanout(5);
            for (n, &(sender, ends_batch)) in said.iter().enumerate() {
                fanout.broadcast(&format!("{n} by {sender}\n"), Some(sender));
                if ends_batch {
                    fanout.deliver();
                }
            }
            fanout.deliver();
            for (id, client) in clients.iter().enumerate() {
                let lines = said.iter().enumerate().filter(|(_, (sender, _))| *sender != id as u64);
                let expected: String = lines.map(|(n, (sender, _))| format!("{n} by {sender}\n")).collect();
                prop_assert_eq!(client.text(), expected);
            }
        }
    }
}
