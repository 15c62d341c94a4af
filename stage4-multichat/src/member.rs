//! A member: one client, for as long as it is in the room.

use crate::outbox::Outbox;
use crate::registry::Registry;
use crate::wire::Wire;
use std::ops::Deref;
use std::sync::Arc;

/// One client that is in the room.
pub struct Member<W: Wire> {
    /// The number, among all things ever said here, of the notice that this one
    /// has joined. It is unique, and what was said before is not for this one.
    pub(crate) id: u64,
    pub(crate) name: Box<str>,
    pub(crate) outbox: Arc<Outbox<W>>,
}

impl<W: Wire> Member<W> {
    /// By which name the others know it: its address.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says something to this client alone.
    pub fn tell(&self, line: &str) {
        // If it is gone, its own thread finds out by itself.
        let _ = self.outbox.send_line(line);
    }
}

/// A member's presence: it leaves the room when this is dropped, even if by a
/// panic.
pub struct Present<W: Wire> {
    registry: Arc<Registry<W>>,
    member: Arc<Member<W>>,
}

impl<W: Wire> Present<W> {
    pub(crate) fn new(registry: Arc<Registry<W>>, member: Arc<Member<W>>) -> Self {
        Present { registry, member }
    }
}

impl<W: Wire> Deref for Present<W> {
    type Target = Member<W>;

    fn deref(&self) -> &Member<W> {
        &self.member
    }
}

impl<W: Wire> Drop for Present<W> {
    fn drop(&mut self) {
        self.registry.leave(&self.member);
    }
}
