//! Members: one connection for each name.
//!
//! A name is taken from the login until its connection has left the room, so
//! that nobody is there twice, and whoever comes in the place of another one
//! comes after that one has left. Which of the two has to yield is decided by
//! the caller.

use crate::store::name_key;
use common::poison::IgnorePoison;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long a newcomer waits for a name that it may not take away. Somebody who
/// leaves and comes back at once would else find the own name taken: the two
/// connections are served by two threads, and the new one's may be faster.
const GRACE: Duration = Duration::from_millis(250);

/// What happens at the second login of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OnDuplicate {
    /// The second one is turned away.
    Reject,
    /// The first one is told so and closed.
    Replace,
}

/// Who holds which name. `M` is whatever the server knows about a member.
pub struct Members<M> {
    /// By [`name_key`], with the number of the turn. Written when somebody comes or goes.
    held: Mutex<HashMap<String, (u64, M)>>,
    /// How often a name was taken so far: tells one holder from the next.
    turns: AtomicU64,
    /// Signalled when a name is free again.
    freed: Condvar,
}

impl<M> Default for Members<M> {
    fn default() -> Self {
        Members { held: Mutex::default(), turns: AtomicU64::new(0), freed: Condvar::new() }
    }
}

/// The name is in use and stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("already logged in")]
pub struct AlreadyIn;

/// A name that is held; free again when this is dropped.
pub struct Hold<'a, M> {
    members: &'a Members<M>,
    key: String,
}

impl<M: Clone> Members<M> {
    /// Takes `name` for `newcomer`. Where somebody holds it whom `yields` names,
    /// that one is told to go, once, by `oust`, and its name waited for until
    /// `deadline`. So is whoever else gets the name meanwhile: of many who come
    /// at once, each has to yield to the next.
    ///
    /// # Errors
    /// [`AlreadyIn`] when the name does not become free.
    pub fn hold(
        &self,
        name: &str,
        newcomer: M,
        yields: impl Fn(&M) -> bool,
        oust: impl Fn(&M),
        deadline: Instant,
    ) -> Result<Hold<'_, M>, AlreadyIn> {
        let key = name_key(name);
        let grace = Instant::now() + GRACE;
        let mut ousted = None;
        let mut held = self.lock();
        loop {
            let Some((turn, holder)) = held.get(&key) else {
                held.insert(key.clone(), (self.turns.fetch_add(1, Ordering::Relaxed), newcomer));
                return Ok(Hold { members: self, key });
            };
            let must_go = yields(holder);
            if must_go && ousted != Some(*turn) {
                ousted = Some(*turn);
                let holder = holder.clone();
                // Without the lock: it writes to the other one's connection.
                drop(held);
                oust(&holder);
                held = self.lock();
                continue;
            }
            let end = if must_go { deadline } else { grace.min(deadline) };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(AlreadyIn);
            }
            held = self.freed.wait_timeout(held, left).ignore_poison().0;
        }
    }

    /// Who holds `name` now, in whatever case it is written.
    pub fn get(&self, name: &str) -> Option<M> {
        self.lock().get(&name_key(name)).map(|(_, holder)| holder.clone())
    }

    /// A map is whole between any two statements; nothing to repair.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (u64, M)>> {
        self.held.lock().ignore_poison()
    }
}

impl<M> Drop for Hold<'_, M> {
    fn drop(&mut self) {
        self.members.held.lock().ignore_poison().remove(&self.key);
        self.members.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn a_name_is_held_once_whatever_its_case() {
        let members = Members::default();
        let alice = members.hold("Alice", 1, |_| false, |_| {}, soon()).unwrap();
        assert_eq!(members.hold("aLICE", 2, |_| false, |_| {}, soon()).err(), Some(AlreadyIn));
        let _bob = members.hold("bob", 3, |_| false, |_| {}, soon()).unwrap();
        drop(alice);
        assert!(members.hold("alice", 4, |_| false, |_| {}, soon()).is_ok());
    }

    #[test]
    fn who_yields_is_told_once_and_waited_for() {
        let members = Members::default();
        let older = members.hold("alice", 1, |_| false, |_| {}, soon()).unwrap();
        let told = AtomicUsize::new(0);
        thread::scope(|scope| {
            let newcomer = scope.spawn(|| {
                let oust = |holder: &i32| {
                    assert_eq!(*holder, 1);
                    told.fetch_add(1, Ordering::SeqCst);
                };
                members.hold("alice", 2, |&holder| holder == 1, oust, soon()).map(std::mem::forget)
            });
            while told.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            assert!(!newcomer.is_finished(), "came in before the older one had left");
            drop(older);
            assert_eq!(newcomer.join().unwrap(), Ok(()));
        });
        assert_eq!(told.load(Ordering::SeqCst), 1);
        assert_eq!(members.lock()["alice"].1, 2);
    }

    #[test]
    fn of_many_who_come_at_once_each_yields_to_the_next() {
        let members = Members::default();
        let gone: Vec<_> = (0..8).map(|_| AtomicUsize::new(0)).collect();
        thread::scope(|scope| {
            for n in 0..8 {
                let (members, gone) = (&members, &gone);
                scope.spawn(move || {
                    let oust = |&holder: &usize| gone[holder].store(1, Ordering::SeqCst);
                    let hold = members.hold("alice", n, |_| true, oust, soon()).unwrap();
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
        let members = Members::default();
        let _stuck = members.hold("alice", 1, |_| false, |_| {}, soon()).unwrap();
        let deadline = Instant::now() + Duration::from_millis(20);
        assert_eq!(members.hold("alice", 2, |_| true, |_| {}, deadline).err(), Some(AlreadyIn));
    }

    #[test]
    fn who_leaves_and_comes_back_at_once_comes_in() {
        let members = Members::default();
        let mut before = members.hold("alice", 0, |_| false, |_| {}, soon()).unwrap();
        for n in 1..50 {
            thread::scope(|scope| {
                let next = scope.spawn(|| members.hold("alice", n, |_| false, |_| {}, soon()));
                drop(std::mem::replace(
                    &mut before,
                    members.hold("else", n, |_| false, |_| {}, soon()).unwrap(),
                ));
                before = next.join().unwrap().unwrap();
            });
        }
    }
}
