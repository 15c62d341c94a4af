//! The limits that keep one client, or many, from using up the server.

use crate::outbox::Outbox;
use crate::token_bucket::TokenBucket;
use common::log::Log;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

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
#[derive(Debug)]
pub struct ClientSlots {
    /// Written by every thread that serves a client.
    free: AtomicUsize,
}

/// One slot, free again when this is dropped.
#[derive(Debug)]
pub struct ClientSlot(Arc<ClientSlots>);

impl ClientSlots {
    /// `max` free slots.
    pub fn new(max: usize) -> Arc<ClientSlots> {
        Arc::new(ClientSlots { free: AtomicUsize::new(max) })
    }

    /// Takes a slot; `None` when all are taken. Never waits.
    pub fn try_acquire(self: &Arc<Self>) -> Option<ClientSlot> {
        let one_less = |free: usize| free.checked_sub(1);
        self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).ok()?;
        Some(ClientSlot(self.clone()))
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, Ordering::AcqRel);
    }
}

/// Drops the lines of a client that sends too fast. Used by its reader thread alone, so
/// it needs no lock.
pub struct LineLimiter<'a> {
    per_second: u32,
    bucket: TokenBucket,
    /// `true` if the client was told, and no line was allowed since then: one error for
    /// each burst, or they would be a flood themselves.
    told: bool,
    name: &'a str,
    outbox: &'a Arc<Outbox>,
    log: &'a Log,
}

impl<'a> LineLimiter<'a> {
    /// For the client of this name; 0 lines a second is no limit.
    pub fn new(per_second: u32, name: &'a str, outbox: &'a Arc<Outbox>, log: &'a Log) -> LineLimiter<'a> {
        LineLimiter { per_second, bucket: TokenBucket::new(per_second), told: false, name, outbox, log }
    }

    /// Returns `true` if the client may send a line now. If not, the line is to be dropped:
    /// the client is told, and so is the log.
    pub fn allows(&mut self) -> bool {
        self.allows_at(Instant::now())
    }

    fn allows_at(&mut self, now: Instant) -> bool {
        let allowed = self.bucket.take(now);
        if !allowed && !self.told {
            let rate = self.per_second;
            self.outbox.send_line(&format!("[SERVER] error: too fast, {rate} lines per second allowed"));
            self.log.warn(format_args!("{} is too fast: lines dropped", self.name));
        }
        self.told = !allowed;
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fake::{FakeTransport, config};
    use common::log::Level;
    use std::time::Duration;

    #[test]
    fn of_each_burst_the_client_is_told_once() {
        let (log, _guard) = Log::start(Level::Error, None).unwrap();
        let transport = FakeTransport::default();
        let outbox = Outbox::new(Arc::new(transport.clone()), config(1 << 20).0);
        let mut limiter = LineLimiter::new(1, "name", &outbox, &log);
        let told = "[SERVER] error: too fast, 1 lines per second allowed";
        let start = Instant::now();
        for (burst, (seconds, allowed)) in (1..).zip([(0, 2), (1, 1), (9, 2)]) {
            let now = start + Duration::from_secs(seconds);
            assert_eq!((0..9).filter(|_| limiter.allows_at(now)).count(), allowed);
            assert_eq!(transport.lines(), vec![told; burst]);
        }
    }

    #[test]
    fn a_slot_can_be_taken_again_once_it_is_free() {
        let slots = ClientSlots::new(1);
        let slot = slots.try_acquire().unwrap();
        assert!(slots.try_acquire().is_none());
        drop(slot);
        assert!(slots.try_acquire().is_some());
    }
}
