//! Locks that notice a deadlock, by a wait-for graph.
//!
//! The graph has an arrow from each thread that waits to the thread that holds the
//! lock. A deadlock is a circle of arrows. So a thread that is about to wait follows
//! the arrows first, and does not wait if they lead back to itself. Databases do the
//! same and abort one of the transactions. `std::sync::Mutex` does not check: there,
//! all threads of the circle would wait for ever.

use common::poison::IgnorePoison;
use std::sync::{Condvar, Mutex, MutexGuard};

/// A set of locks, numbered from 0, for threads that are numbered from 0 too.
#[derive(Debug)]
pub struct WatchedLocks {
    /// Written by every thread that takes, waits for or gives back a lock. LockGuard to
    /// read and change the graph only, never while waiting.
    graph: Mutex<Graph>,
    /// Signalled at each unlock; a thread that waits then looks again.
    unlocked: Condvar,
}

#[derive(Debug)]
struct Graph {
    /// By lock: the thread that holds it.
    holder: Vec<Option<usize>>,
    /// By thread: the lock it waits for.
    waits_for: Vec<Option<usize>>,
}

/// The thread would have waited for ever. Holds the threads of the circle: each
/// waits for the next one, and the last for the first, which noticed the deadlock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("deadlock among threads {threads:?}")]
pub struct Deadlock {
    /// Numbers as given to [`WatchedLocks::lock`].
    pub threads: Vec<usize>,
}

/// A lock that is held; dropping it gives it back.
#[derive(Debug)]
pub struct LockGuard<'a> {
    locks: &'a WatchedLocks,
    lock: usize,
}

impl WatchedLocks {
    /// `locks` free locks, for threads 0 to `threads - 1`.
    pub fn new(locks: usize, threads: usize) -> Self {
        let graph = Graph { holder: vec![None; locks], waits_for: vec![None; threads] };
        Self { graph: Mutex::new(graph), unlocked: Condvar::new() }
    }

    /// Waits until `lock` is free and takes it for `thread`.
    ///
    /// # Errors
    /// The wait would never end. What `thread` holds it still holds: to let the
    /// others go on, it must give that back.
    ///
    /// # Panics
    /// On a number that was not announced to [`WatchedLocks::new`].
    pub fn lock(&self, thread: usize, lock: usize) -> Result<LockGuard<'_>, Deadlock> {
        let mut graph = self.graph();
        while graph.holder[lock].is_some() {
            graph.waits_for[thread] = Some(lock);
            if let Some(threads) = graph.circle_from(thread) {
                graph.waits_for[thread] = None;
                return Err(Deadlock { threads });
            }
            graph = self.unlocked.wait(graph).ignore_poison();
        }
        graph.waits_for[thread] = None;
        graph.holder[lock] = Some(thread);
        Ok(LockGuard { locks: self, lock })
    }

    fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().ignore_poison()
    }
}

impl Graph {
    /// Follows the arrows. Each thread waits for one lock at most and each lock
    /// has one holder at most, so there is one way only, and no search.
    fn circle_from(&self, start: usize) -> Option<Vec<usize>> {
        let mut threads = vec![start];
        let mut thread = start;
        loop {
            thread = self.holder[self.waits_for[thread]?]?;
            if thread == start {
                return Some(threads);
            }
            // A circle that does not contain `start` was found by the one that
            // closed it. It may not have given way yet: no reason to go round.
            if threads.contains(&thread) {
                return None;
            }
            threads.push(thread);
        }
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        self.locks.graph().holder[self.lock] = None;
        // All of them: one may wait for this lock, another for a different one.
        self.locks.unlocked.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_the_same_lock_twice_is_the_smallest_deadlock() {
        let locks = WatchedLocks::new(1, 1);
        let held = locks.lock(0, 0).unwrap();
        assert_eq!(locks.lock(0, 0).unwrap_err(), Deadlock { threads: vec![0] });
        drop(held);
        assert!(locks.lock(0, 0).is_ok(), "given back, it can be taken again");
    }

    #[test]
    fn waiting_for_a_lock_that_will_be_given_back_is_no_deadlock() {
        let locks = WatchedLocks::new(2, 2);
        std::thread::scope(|scope| {
            let held = locks.lock(0, 0).unwrap();
            let other = scope.spawn(|| locks.lock(1, 0).map(drop));
            while locks.graph().waits_for[1].is_none() {
                std::thread::yield_now();
            }
            drop(held);
            assert_eq!(other.join().unwrap(), Ok(()));
        });
    }
}
