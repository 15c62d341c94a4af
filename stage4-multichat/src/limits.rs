//! The limits that keep one client, or many, from using up the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The options for it, the same from stage 4 to stage 8.
#[derive(clap::Args, Clone, Debug)]
pub struct LimitArgs {
    /// Clients at once; one more is told that the server is full
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_clients: usize,

    /// Lines a second that each client may send, with bursts of twice that; 0 is no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub rate: u32,

    /// Bytes that may wait for a client that does not read, before it is disconnected
    #[arg(long = "queue", value_name = "BYTES", default_value_t = 1 << 20)]
    pub outbox_bytes: usize,
}

/// A bounded number of slots. Each client needs one.
pub struct ClientSlots {
    max: usize,
    /// Written by every thread that serves a client.
    used: AtomicUsize,
}

/// One slot, free again when this is dropped.
pub struct ClientSlot(Arc<ClientSlots>);

impl ClientSlots {
    /// `max` free slots.
    pub fn new(max: usize) -> Arc<ClientSlots> {
        Arc::new(ClientSlots { max, used: AtomicUsize::new(0) })
    }

    /// Takes a slot; `None` when all are taken. Never waits.
    pub fn try_acquire(self: &Arc<Self>) -> Option<ClientSlot> {
        let one_more = |used: usize| (used < self.max).then_some(used + 1);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(ClientSlot(self.clone()))
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_can_be_taken_again_once_it_is_free() {
        let slots = ClientSlots::new(1);
        let slot = slots.try_acquire().unwrap();
        assert!(slots.try_acquire().is_none());
        drop(slot);
        assert!(slots.try_acquire().is_some());
    }
}
