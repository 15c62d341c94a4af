//! A fair counting semaphore: only so many threads at once, in the order of arrival.
//!
//! The standard library has no semaphore, and a mutex with a condition
//! variable lets a thread that comes later overtake those that wait.

use common::poison::IgnorePoison;
use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// See the [module](self). Its state is written by all threads that use it, under
/// a lock that none of them holds while it waits.
#[derive(Clone, Debug)]
pub struct Semaphore(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    /// The waiting threads, in the order of arrival; each is sent its permit.
    waiting: VecDeque<SyncSender<Permit>>,
}

/// A place. Dropping it, even in a panic, gives it to the next thread.
#[derive(Debug)]
pub struct Permit(Semaphore);

impl Semaphore {
    /// A semaphore with so many places, at least one.
    pub fn new(places: usize) -> Self {
        Semaphore(Arc::new(Mutex::new(State { free: places.max(1), waiting: VecDeque::new() })))
    }

    /// Waits for a place until `deadline`; `None` when there was none in time.
    pub fn acquire(&self, deadline: Instant) -> Option<Permit> {
        let turn = {
            let mut state = self.lock();
            // No thread waits while a place is free: `drop` hands places on.
            if state.free > 0 {
                state.free -= 1;
                return Some(Permit(self.clone()));
            }
            let (mine, turn) = sync_channel(1);
            state.waiting.push_back(mine);
            turn
        };
        // A permit that is sent just as this thread gives up is dropped with the
        // channel, and its drop hands it on: none is lost.
        turn.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }

    /// As [`Semaphore::acquire`], for a length of time.
    pub fn acquire_for(&self, patience: Duration) -> Option<Permit> {
        self.acquire(Instant::now() + patience)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().ignore_poison()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        loop {
            let next = {
                let mut state = self.0.lock();
                let Some(next) = state.waiting.pop_front() else {
                    state.free += 1;
                    return;
                };
                next
            };
            // Outside the lock, since the channel may drop what it is sent.
            let Err(unsent) = next.try_send(Permit(self.0.clone())) else {
                return;
            };
            // That thread has given up: on to the next. The permit that came back
            // must not be dropped. That would call this function again, once for
            // each thread that gave up, until the stack ends.
            std::mem::forget(unsent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn never_more_than_the_places_inside() {
        let semaphore = Semaphore::new(3);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    for _ in 0..200 {
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
    }

    #[test]
    fn first_come_first_served() {
        let semaphore = Semaphore::new(1);
        let inside = semaphore.acquire_for(LONG).unwrap();
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for n in 0..5 {
                let (semaphore, order) = (&semaphore, &order);
                scope.spawn(move || {
                    let _permit = semaphore.acquire_for(LONG).unwrap();
                    order.lock().unwrap().push(n);
                });
                while semaphore.lock().waiting.len() <= n {
                    thread::yield_now();
                }
            }
            drop(inside);
        });
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn those_who_gave_up_lose_no_place() {
        let semaphore = Semaphore::new(1);
        let inside = semaphore.acquire_for(LONG).unwrap();
        for _ in 0..10 {
            assert!(semaphore.acquire_for(Duration::from_millis(1)).is_none());
        }
        drop(inside);
        assert!(semaphore.acquire_for(Duration::ZERO).is_some());
    }

    #[test]
    fn giving_up_while_being_let_in_loses_no_place() {
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
