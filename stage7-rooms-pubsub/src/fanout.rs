//! The fan-out: from "these lines for those clients" to one write for each client.
//!
//! In stage 4's room every client gets nearly everything, and its fan-out makes
//! the most of that. Here each client has a part of its own: its room,
//! publications, private messages. So each has a list of which parts of the batch
//! are for it. All parts lie in one buffer, encoded once, however many receive
//! them. Neighbours are joined, so that the list of a client that gets all of a
//! busy room is still a single piece. Each list is in the order in which things
//! happened, so no client hears anything in another order.

use bytes::Bytes;
use slab::Slab;
use stage4_multichat::fanout::Delivery;
use stage4_multichat::limits::ClientSlot;
use stage4_multichat::line_codec::LineCodec;
use stage4_multichat::room::Member;
use stage6_auth::sessions::session::Session;
use std::ops::Range;
use std::sync::Arc;

/// Bytes that gather before they are delivered. More at once would be too much
/// for the outbox even of a client that does read.
const MAX_BATCH: usize = 256 << 10;

/// A client that is in, as long as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReceiverId(usize);

struct Receiver {
    /// Dropping it closes the client's outbox.
    member: Member,
    /// Which parts of the buffer are for it.
    parts: Vec<Range<u32>>,
}

/// See the [module](self).
pub(crate) struct Fanout {
    codec: Arc<dyn LineCodec>,
    receivers: Slab<Receiver>,
    buffer: Vec<u8>,
    /// Those for which there is something in it.
    addressed: Vec<ReceiverId>,
    /// Those that go when the buffer is delivered.
    departed: Vec<ReceiverId>,
}

impl Fanout {
    pub fn new(codec: &Arc<dyn LineCodec>) -> Self {
        Fanout {
            codec: codec.clone(),
            receivers: Slab::new(),
            buffer: Vec::new(),
            addressed: Vec::new(),
            departed: Vec::new(),
        }
    }

    /// A client comes in.
    pub fn add(&mut self, session: &Session, slot: ClientSlot) -> ReceiverId {
        let member = Member::new(session.name.clone(), session.outbox.clone(), slot);
        ReceiverId(self.receivers.insert(Receiver { member, parts: Vec::new() }))
    }

    /// A client goes, when what was sent to it before is delivered.
    pub fn remove(&mut self, id: ReceiverId) {
        self.departed.push(id);
    }

    /// All clients.
    pub fn all(&self) -> Vec<ReceiverId> {
        self.receivers.iter().map(|(id, _)| ReceiverId(id)).collect()
    }

    /// How many clients there are.
    pub fn count(&self) -> usize {
        self.receivers.len()
    }

    /// `lines`, each with its line end, are for all of `to`, in which no client
    /// may be twice.
    pub fn send(&mut self, lines: &str, to: impl IntoIterator<Item = ReceiverId>) {
        let mut to = to.into_iter().peekable();
        if to.peek().is_none() {
            return;
        }
        let start = self.buffer.len() as u32;
        self.codec.encode(lines, &mut self.buffer);
        let end = self.buffer.len() as u32;
        for id in to {
            let parts = &mut self.receivers[id.0].parts;
            match parts.last_mut() {
                Some(last) if last.end == start => last.end = end,
                Some(_) => parts.push(start..end),
                None => {
                    parts.push(start..end);
                    self.addressed.push(id);
                }
            }
        }
        if self.buffer.len() > MAX_BATCH {
            self.deliver();
        }
    }

    /// Each client gets what is for it. This waits a little for those that lag
    /// behind.
    pub fn deliver(&mut self) {
        // The next buffer will be about as large as this one.
        let next = Vec::with_capacity(self.buffer.len());
        let buffer = Bytes::from(std::mem::replace(&mut self.buffer, next));
        let mut delivery = Delivery::default();
        let mut pieces = Vec::new();
        for id in self.addressed.drain(..) {
            let Receiver { member, parts } = &mut self.receivers[id.0];
            pieces.extend(parts.drain(..).map(|part| buffer.slice(part.start as usize..part.end as usize)));
            delivery.send(member.outbox(), &pieces);
            pieces.clear();
        }
        delivery.wait_for_slow_clients();
        for id in self.departed.drain(..) {
            self.receivers.remove(id.0);
        }
    }
}
