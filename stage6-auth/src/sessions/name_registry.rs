//! The name registry: one connection for each name.
//!
//! A connection has its name from the login until it has left the room. So no
//! user is there twice, and a connection that replaces another one comes in after
//! that one has left. See [`OnDuplicate`].

use super::session::Session;
use crate::auth::LoginError;
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

/// Which connection has which name.
pub struct NameRegistry {
    on_duplicate: OnDuplicate,
    /// By [`name_key`]. Written by the threads that log clients in and by those that end.
    holders: Mutex<HashMap<String, Arc<Session>>>,
    /// Signalled when a name is free again.
    freed: Condvar,
}

/// A name that is taken; free again when this is dropped.
pub struct NameGuard {
    registry: Arc<NameRegistry>,
    key: String,
}

impl NameRegistry {
    /// Without names.
    pub fn new(on_duplicate: OnDuplicate) -> Arc<Self> {
        Arc::new(NameRegistry { on_duplicate, holders: Mutex::default(), freed: Condvar::new() })
    }

    /// Takes its name for `newcomer`. If another connection has it and has to go, `replace`
    /// tells that connection to leave, once, and this waits until `deadline` for that. If a
    /// third connection gets the name meanwhile, the same happens to it: of many that come
    /// at once, each makes way for the next.
    ///
    /// # Errors
    /// [`LoginError::NameInUse`] when the name does not become free.
    pub fn take(
        self: &Arc<Self>,
        newcomer: &Arc<Session>,
        replace: impl Fn(&Session),
        deadline: Instant,
    ) -> Result<NameGuard, LoginError> {
        let key = name_key(&newcomer.name);
        let grace = Instant::now() + GRACE;
        let mut replaced = None;
        let mut holders = self.lock();
        loop {
            let Some(holder) = holders.get(&key).cloned() else {
                holders.insert(key.clone(), newcomer.clone());
                return Ok(NameGuard { registry: self.clone(), key });
            };
            let has_to_go = match newcomer.resumed {
                // The same session comes back: the earlier connection is most likely dead,
                // which the server may not know for minutes. Never another session's:
                // programs come back by themselves, and two of them would disconnect each
                // other again and again.
                true => holder.token == newcomer.token,
                false => self.on_duplicate == OnDuplicate::Replace,
            };
            if has_to_go && replaced != Some(holder.id) {
                // Without the lock: this writes to the other connection.
                drop(holders);
                replace(&holder);
                replaced = Some(holder.id);
                holders = self.lock();
                continue;
            }
            let end = if has_to_go { deadline } else { grace.min(deadline) };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LoginError::NameInUse);
            }
            holders = self.freed.wait_timeout(holders, left).ignore_poison().0;
        }
    }

    /// The session that has `name` now, in upper or lower case.
    pub fn get(&self, name: &str) -> Option<Arc<Session>> {
        self.lock().get(&name_key(name)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.holders.lock().ignore_poison()
    }
}

impl Drop for NameGuard {
    fn drop(&mut self) {
        self.registry.holders.lock().ignore_poison().remove(&self.key);
        self.registry.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::tests::session;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    fn no_one_goes(_: &Session) {
        panic!("no connection has to go");
    }

    #[test]
    fn a_name_is_held_once_whatever_its_case() {
        let names = NameRegistry::new(OnDuplicate::Reject);
        let take = |name| names.take(&session(name, 'A', false).0, no_one_goes, soon());
        let alice = take("Alice").unwrap();
        assert!(matches!(take("aLICE"), Err(LoginError::NameInUse)));
        let _bob = take("bob").unwrap();
        drop(alice);
        assert!(take("alice").is_ok());
    }

    #[test]
    fn a_connection_that_has_to_go_is_told_once_and_waited_for() {
        let names = NameRegistry::new(OnDuplicate::Replace);
        let first = session("alice", 'A', false).0;
        let older = names.take(&first, no_one_goes, soon()).unwrap();
        let told = AtomicUsize::new(0);
        let second = session("alice", 'B', false).0;
        thread::scope(|scope| {
            let newcomer = scope.spawn(|| {
                let replace = |holder: &Session| {
                    assert_eq!(holder.id, first.id);
                    told.fetch_add(1, Ordering::SeqCst);
                };
                names.take(&second, replace, soon()).map(std::mem::forget)
            });
            while told.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            assert!(!newcomer.is_finished(), "came in before the older one had left");
            drop(older);
            newcomer.join().unwrap().unwrap();
        });
        assert_eq!(told.load(Ordering::SeqCst), 1);
        assert_eq!(names.get("Alice").map(|holder| holder.id), Some(second.id));
    }

    /// A client that comes back by itself takes the name from its own session only.
    #[test]
    fn a_resumed_session_replaces_its_own_connection_and_no_other() {
        let names = NameRegistry::new(OnDuplicate::Replace);
        let first = session("alice", 'A', false).0;
        let older = Mutex::new(Some(names.take(&first, no_one_goes, soon()).unwrap()));
        let other = session("alice", 'B', true).0;
        assert!(matches!(names.take(&other, no_one_goes, soon()), Err(LoginError::NameInUse)));
        let again = session("alice", 'A', true).0;
        let replace = |_: &Session| drop(older.lock().unwrap().take());
        assert!(names.take(&again, replace, soon()).is_ok());
    }

    #[test]
    fn of_many_that_come_at_once_each_makes_way_for_the_next() {
        let names = NameRegistry::new(OnDuplicate::Replace);
        let sessions: Vec<_> = (0..8).map(|_| session("alice", 'A', false).0).collect();
        let gone: HashMap<_, _> = sessions.iter().map(|s| (s.id, AtomicUsize::new(0))).collect();
        thread::scope(|scope| {
            for session in &sessions {
                let (names, gone) = (&names, &gone);
                scope.spawn(move || {
                    let replace = |holder: &Session| gone[&holder.id].store(1, Ordering::SeqCst);
                    let name = names.take(session, replace, soon()).unwrap();
                    // The last one stays.
                    let stays = || gone.values().map(|g| g.load(Ordering::SeqCst)).sum::<usize>() == 7;
                    while gone[&session.id].load(Ordering::SeqCst) == 0 && !stays() {
                        thread::yield_now();
                    }
                    drop(name);
                });
            }
        });
        let told = gone.values().map(|g| g.load(Ordering::SeqCst)).sum::<usize>();
        assert!(told >= 7, "{told} of 8 told to go");
    }

    #[test]
    fn a_connection_that_never_goes_is_not_waited_for_for_ever() {
        let names = NameRegistry::new(OnDuplicate::Replace);
        let _stuck = names.take(&session("alice", 'A', false).0, no_one_goes, soon()).unwrap();
        let deadline = Instant::now() + Duration::from_millis(20);
        let next = session("alice", 'A', false).0;
        assert!(matches!(names.take(&next, |_| {}, deadline), Err(LoginError::NameInUse)));
    }

    #[test]
    fn a_user_who_leaves_and_comes_back_at_once_comes_in() {
        let names = NameRegistry::new(OnDuplicate::Reject);
        let take = |name| names.take(&session(name, 'A', false).0, no_one_goes, soon());
        let mut before = take("alice").unwrap();
        for _ in 1..50 {
            thread::scope(|scope| {
                let next = scope.spawn(|| take("alice"));
                drop(std::mem::replace(&mut before, take("else").unwrap()));
                before = next.join().unwrap().unwrap();
            });
        }
    }
}
