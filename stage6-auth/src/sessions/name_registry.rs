//! The name registry: one connection for each name.
//!
//! A connection has its name from the login until it has left the room. So no
//! user is there twice, and a connection that replaces another one comes in after
//! that one has left. Which of the two has to go is decided by the caller.

use crate::store::name_key;
use common::poison::IgnorePoison;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long a newcomer waits for a name that it may not take away. Otherwise
/// a user who reconnects at once could find the name still in use: two threads
/// serve the two connections, and that of the new one may be faster.
const GRACE: Duration = Duration::from_millis(250);

/// What happens at the second login of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OnDuplicate {
    /// The new one is refused.
    Reject,
    /// The old one is told so and closed.
    Replace,
}

/// Which connection has which name. `M` is what the server knows about a connection, and
/// tells it from all others.
pub struct NameRegistry<M> {
    /// By [`name_key`]. Written by the threads that log clients in and by those that end.
    holders: Mutex<HashMap<String, M>>,
    /// Signalled when a name is free again.
    freed: Condvar,
}

impl<M> Default for NameRegistry<M> {
    fn default() -> Self {
        NameRegistry { holders: Mutex::default(), freed: Condvar::new() }
    }
}

/// The name is in use and stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("already logged in")]
pub struct NameInUse;

/// A name that is taken; free again when this is dropped.
pub struct NameGuard<M> {
    registry: Arc<NameRegistry<M>>,
    key: String,
}

impl<M: Clone + PartialEq> NameRegistry<M> {
    /// Takes `name` for `newcomer`. If another connection has it and `may_evict`
    /// returns `true`, `evict` tells that connection to leave, once, and this waits
    /// until `deadline` for that. If a third connection gets the name meanwhile,
    /// the same happens to it: of many that come at once, each makes way for the
    /// next.
    ///
    /// # Errors
    /// [`NameInUse`] when the name does not become free.
    pub fn take(
        self: &Arc<Self>,
        name: &str,
        newcomer: M,
        may_evict: impl Fn(&M) -> bool,
        evict: impl Fn(&M),
        deadline: Instant,
    ) -> Result<NameGuard<M>, NameInUse> {
        let key = name_key(name);
        let grace = Instant::now() + GRACE;
        let mut evicted = None;
        let mut holders = self.lock();
        loop {
            let Some(holder) = holders.get(&key).cloned() else {
                holders.insert(key.clone(), newcomer);
                return Ok(NameGuard { registry: self.clone(), key });
            };
            let must_go = may_evict(&holder);
            if must_go && evicted.as_ref() != Some(&holder) {
                // Without the lock: this writes to the other connection.
                drop(holders);
                evict(&holder);
                evicted = Some(holder);
                holders = self.lock();
                continue;
            }
            let end = if must_go { deadline } else { grace.min(deadline) };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NameInUse);
            }
            holders = self.freed.wait_timeout(holders, left).ignore_poison().0;
        }
    }

    /// What has `name` now, in upper or lower case.
    pub fn get(&self, name: &str) -> Option<M> {
        self.lock().get(&name_key(name)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, M>> {
        self.holders.lock().ignore_poison()
    }
}

impl<M> Drop for NameGuard<M> {
    fn drop(&mut self) {
        self.registry.holders.lock().ignore_poison().remove(&self.key);
        self.registry.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn a_name_is_held_once_whatever_its_case() {
        let names = Arc::new(NameRegistry::default());
        let alice = names.take("Alice", 1, |_| false, |_| {}, soon()).unwrap();
        assert_eq!(names.take("aLICE", 2, |_| false, |_| {}, soon()).err(), Some(NameInUse));
        let _bob = names.take("bob", 3, |_| false, |_| {}, soon()).unwrap();
        drop(alice);
        assert!(names.take("alice", 4, |_| false, |_| {}, soon()).is_ok());
    }

    #[test]
    fn who_yields_is_told_once_and_waited_for() {
        let names = Arc::new(NameRegistry::default());
        let older = names.take("alice", 1, |_| false, |_| {}, soon()).unwrap();
        let told = AtomicUsize::new(0);
        thread::scope(|scope| {
            let newcomer = scope.spawn(|| {
                let evict = |holder: &i32| {
                    assert_eq!(*holder, 1);
                    told.fetch_add(1, Ordering::SeqCst);
                };
                names.take("alice", 2, |&holder| holder == 1, evict, soon()).map(std::mem::forget)
            });
            while told.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            assert!(!newcomer.is_finished(), "came in before the older one had left");
            drop(older);
            assert_eq!(newcomer.join().unwrap(), Ok(()));
        });
        assert_eq!(told.load(Ordering::SeqCst), 1);
        assert_eq!(names.lock()["alice"], 2);
    }

    #[test]
    fn of_many_who_come_at_once_each_yields_to_the_next() {
        let names = Arc::new(NameRegistry::default());
        let gone: Vec<_> = (0..8).map(|_| AtomicUsize::new(0)).collect();
        thread::scope(|scope| {
            for n in 0..8 {
                let (names, gone) = (&names, &gone);
                scope.spawn(move || {
                    let evict = |&holder: &usize| gone[holder].store(1, Ordering::SeqCst);
                    let hold = names.take("alice", n, |_| true, evict, soon()).unwrap();
                    // The last one stays.
                    let stays = || gone.iter().map(|g| g.load(Ordering::SeqCst)).sum::<usize>() == 7;
                    while gone[n].load(Ordering::SeqCst) == 0 && !stays() {
                        thread::yield_now();
                    }
                    drop(hold);
                });
            }
        });
        let told = gone.iter().map(|g| g.load(Ordering::SeqCst)).sum::<usize>();
        assert!(told >= 7, "{told} of 8 told to go");
    }

    #[test]
    fn who_yields_and_never_goes_is_not_waited_for_for_ever() {
        let names = Arc::new(NameRegistry::default());
        let _stuck = names.take("alice", 1, |_| false, |_| {}, soon()).unwrap();
        let deadline = Instant::now() + Duration::from_millis(20);
        assert_eq!(names.take("alice", 2, |_| true, |_| {}, deadline).err(), Some(NameInUse));
    }

    #[test]
    fn who_leaves_and_comes_back_at_once_comes_in() {
        let names = Arc::new(NameRegistry::default());
        let mut before = names.take("alice", 0, |_| false, |_| {}, soon()).unwrap();
        for n in 1..50 {
            thread::scope(|scope| {
                let next = scope.spawn(|| names.take("alice", n, |_| false, |_| {}, soon()));
                drop(std::mem::replace(
                    &mut before,
                    names.take("else", n, |_| false, |_| {}, soon()).unwrap(),
                ));
                before = next.join().unwrap().unwrap();
            });
        }
    }
}
