//! What the threads of a server that is one of several share.

use super::Change;
use crate::addressed_message::{Address, AddressedMessage};
use common::poison::IgnorePoison;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};

/// See the [module](self).
pub struct Status {
    /// Names this server, from its start to its end or until it is declared dead.
    run: AtomicI64,
    /// The last entry that this server knows and that cannot be lost. Written by the
    /// committer thread.
    tail: AtomicI64,
    /// The greatest of these numbers that other servers have announced through Redis.
    announced: AtomicI64,
    /// Written by the thread that has subscribed in Redis.
    redis_away: AtomicBool,
    /// The runs of the other servers. Written by the committer thread.
    peers: Mutex<HashSet<i64>>,
    /// Users of other servers, name by key. Written by the room thread.
    elsewhere: Mutex<HashMap<Arc<str>, Arc<str>>>,
    /// Wakes the thread that publishes in Redis.
    wake_publisher: SyncSender<()>,
}

impl Status {
    /// With what wakes the thread that publishes in Redis.
    pub(super) fn new() -> (Self, Receiver<()>) {
        let (wake_publisher, woken) = sync_channel(1);
        let status = Status {
            run: AtomicI64::new(random_run()),
            tail: AtomicI64::new(0),
            announced: AtomicI64::new(0),
            redis_away: AtomicBool::new(false),
            peers: Mutex::default(),
            elsewhere: Mutex::default(),
            wake_publisher,
        };
        (status, woken)
    }

    /// The run of this server.
    pub fn run(&self) -> i64 {
        self.run.load(Ordering::SeqCst)
    }

    pub(super) fn new_run(&self) {
        self.run.store(random_run(), Ordering::SeqCst);
    }

    pub(super) fn tail(&self) -> i64 {
        self.tail.load(Ordering::SeqCst)
    }

    pub(super) fn set_tail(&self, tail: i64) {
        if self.tail.swap(tail, Ordering::SeqCst) != tail {
            // Full: the thread has not yet come to the last one, and will see this too.
            let _ = self.wake_publisher.try_send(());
        }
    }

    pub(super) fn announced(&self) -> i64 {
        self.announced.load(Ordering::SeqCst)
    }

    /// Takes note of a number that another server has announced. Returns `true` if it is new.
    pub(super) fn note_announced(&self, tail: i64) -> bool {
        self.announced.fetch_max(tail, Ordering::SeqCst);
        tail > self.tail()
    }

    /// Returns `true` if it was away before.
    pub(super) fn set_redis_away(&self, away: bool) -> bool {
        self.redis_away.swap(away, Ordering::SeqCst)
    }

    pub(super) fn redis_is_away(&self) -> bool {
        self.redis_away.load(Ordering::SeqCst)
    }

    /// Takes note of servers that come and go.
    pub(super) fn note(&self, entry: &AddressedMessage) {
        let run = entry.message.id.run;
        match entry.to {
            Address::Servers(Change::Start) if run != self.run() => _ = self.peers().insert(run),
            Address::Servers(Change::Dead(ended)) => _ = self.peers().remove(&ended),
            _ => {}
        }
    }

    pub(super) fn peers(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.peers.lock().ignore_poison()
    }

    /// The user with this key, if it is online on another server.
    pub fn elsewhere(&self, key: &str) -> Option<Arc<str>> {
        self.elsewhere.lock().ignore_poison().get(key).cloned()
    }

    /// Notes that a user is online on another server, or no longer.
    pub(crate) fn set_elsewhere(&self, key: &Arc<str>, name: Option<&Arc<str>>) {
        let mut elsewhere = self.elsewhere.lock().ignore_poison();
        match name {
            Some(name) => elsewhere.insert(key.clone(), name.clone()),
            None => elsewhere.remove(key),
        };
    }
}

fn random_run() -> i64 {
    rand::random::<i64>() & i64::MAX
}
