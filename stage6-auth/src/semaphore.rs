//! A counting semaphore: only so many threads at once. The others wait, until a
//! deadline. The standard library has none.

use common::poison::IgnorePoison;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// See the [module](self).
#[derive(Debug)]
pub struct Semaphore {
    /// Written by all threads that use it; held for memory operations only.
    state: Mutex<State>,
    /// Signalled for each permit that is given back.
    released: Condvar,
}

#[derive(Debug)]
struct State {
    /// Permits.
    free: usize,
    /// Threads.
    waiting: usize,
}

/// The right to go on. Dropping it, even in a panic, gives it back.
#[derive(Debug)]
pub struct Permit<'a>(&'a Semaphore);

impl Semaphore {
    /// A semaphore with so many permits, at least one.
    pub fn new(permits: usize) -> Self {
        let state = Mutex::new(State { free: permits.max(1), waiting: 0 });
        Semaphore { state, released: Condvar::new() }
    }

    /// Waits for a permit until `deadline`; `None` when none was free in time.
    pub fn acquire(&self, deadline: Instant) -> Option<Permit<'_>> {
        let patience = deadline.saturating_duration_since(Instant::now());
        let mut state = self.lock();
        // A permit that is free just now is for a thread that is being woken. Without
        // this a thread that gives its permit back and comes again at once, as the
        // committer does, would be faster each time.
        let mut is_early = state.waiting > 0;
        state.waiting += 1;
        let has_to_wait = |state: &mut State| std::mem::take(&mut is_early) || state.free == 0;
        (state, _) = self.released.wait_timeout_while(state, patience, has_to_wait).ignore_poison();
        state.waiting -= 1;
        state.free = state.free.checked_sub(1)?;
        Some(Permit(self))
    }

    /// As [`Semaphore::acquire`], for a length of time.
    pub fn acquire_for(&self, patience: Duration) -> Option<Permit<'_>> {
        self.acquire(Instant::now() + patience)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.lock().free += 1;
        self.0.released.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn never_more_than_the_permits_inside_and_threads_that_wait_are_woken() {
        let (semaphore, started) = (Semaphore::new(3), Instant::now());
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _permit = semaphore.acquire_for(LONG).unwrap();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 3);
        assert_eq!(semaphore.lock().free, 3);
        assert!(started.elapsed() < LONG, "a thread slept until its deadline");
    }

    #[test]
    fn a_thread_that_comes_back_at_once_is_behind_one_that_waits() {
        let semaphore = Semaphore::new(1);
        let inside = semaphore.acquire_for(LONG).unwrap();
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            scope.spawn(|| {
                let _permit = semaphore.acquire_for(LONG).unwrap();
                order.lock().unwrap().push("waited");
            });
            while semaphore.lock().waiting == 0 {
                thread::yield_now();
            }
            drop(inside);
            let _permit = semaphore.acquire_for(LONG).unwrap();
            order.lock().unwrap().push("came back");
        });
        assert_eq!(*order.lock().unwrap(), ["waited", "came back"]);
    }

    #[test]
    fn threads_that_gave_up_lose_no_permit() {
        let semaphore = Semaphore::new(1);
        let inside = semaphore.acquire_for(LONG).unwrap();
        for _ in 0..10 {
            assert!(semaphore.acquire_for(Duration::from_millis(1)).is_none());
        }
        drop(inside);
        assert!(semaphore.acquire_for(Duration::ZERO).is_some());
    }

    #[test]
    fn giving_up_while_being_let_in_loses_no_permit() {
        let semaphore = Semaphore::new(1);
        thread::scope(|scope| {
            for n in 0..4 {
                let semaphore = &semaphore;
                scope.spawn(move || {
                    for _ in 0..2000 {
                        drop(semaphore.acquire_for(Duration::from_micros(n * 20)));
                    }
                });
            }
        });
        assert!(semaphore.acquire_for(Duration::ZERO).is_some());
        assert_eq!(semaphore.lock().free, 1);
    }
}
