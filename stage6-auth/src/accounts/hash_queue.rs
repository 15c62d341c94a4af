//! Which of the waiting logins and registrations computes its hash next.
//!
//! A hash keeps a processor busy for a quarter of a second, so only as many are
//! computed at once as there are processors. A client that opens hundreds of
//! connections could fill a queue in the order of arrival, and everybody else
//! would wait behind it. This queue is fair between addresses instead:
//!
//! 1. A login goes before a registration.
//! 2. The address goes first whose last turn was longest ago (*round robin*);
//!    within an address it is the same with names. A login that succeeds clears
//!    its address and name.
//! 3. Of several addresses that had no turn lately the newest goes first. With
//!    too many of them someone has to wait too long in any order, and in the
//!    order of arrival it would be every client, as long as the crowd lasts.

use super::login_limiter::{LoginLimiter, Origin, make_room};
use common::poison::IgnorePoison;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What a hash is for, the more urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// To compare a password with the one stored.
    Login,
    /// To store a new one.
    Registration,
}

/// How many of one address may wait. More are refused at once.
const MOST_OF_ADDRESS: usize = 1024;

/// How long a turn is remembered; then the address is like a new one.
const MEMORY: Duration = Duration::from_secs(600);

/// The waiting logins and registrations, and what is known of where they come from.
///
/// Written by the threads of clients that are logging in, under one lock that is
/// never held while a thread computes or waits.
#[derive(Debug)]
pub struct HashQueue(Mutex<State>);

#[derive(Debug)]
struct State {
    /// How many more hashes may be computed at once.
    free: usize,
    waiting: Vec<Waiting>,
    /// Counts the arrivals.
    last_number: u64,
    limiter: LoginLimiter,
    /// When an address, and a name from an address, had its last turn, plus [`MEMORY`].
    address_turns: HashMap<(Purpose, IpAddr), Instant>,
    name_turns: HashMap<(Purpose, Origin), Instant>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    purpose: Purpose,
    origin: Origin,
    /// Wakes its thread, whose turn it is.
    wake: SyncSender<()>,
}

/// The right to compute a hash. Dropping it, even in a panic, is the next one's turn.
#[derive(Debug)]
pub struct Permit<'a>(&'a HashQueue);

impl HashQueue {
    /// Lets so many hashes be computed at once, and so many logins fail a minute;
    /// see [`LoginLimiter::new`].
    pub fn new(at_once: usize, failures_per_minute: u32) -> Self {
        HashQueue(Mutex::new(State {
            free: at_once.max(1),
            waiting: Vec::new(),
            last_number: 0,
            limiter: LoginLimiter::new(failures_per_minute),
            address_turns: HashMap::new(),
            name_turns: HashMap::new(),
        }))
    }

    /// Waits for the right to compute; `None` when it did not come before `deadline`.
    ///
    /// Failures are counted by threads that hold such a right. So at most as many
    /// guesses as there are processors go beyond the allowed number, however many
    /// connections a guesser opens at once.
    pub fn acquire(&self, purpose: Purpose, origin: &Origin, deadline: Instant) -> Option<Permit<'_>> {
        let (wake, woken) = sync_channel(1);
        let mut state = self.lock();
        if state.waiting.iter().filter(|w| w.origin.address == origin.address).count() >= MOST_OF_ADDRESS {
            return None;
        }
        state.last_number += 1;
        let number = state.last_number;
        state.waiting.push(Waiting { number, purpose, origin: origin.clone(), wake });
        loop {
            let now = Instant::now();
            state.next_turns(now);
            // Its turn may be due to a limit that ends; then this thread has to see to it.
            let limited = state.limited(purpose, origin, now);
            drop(state);
            let left = deadline.saturating_duration_since(now);
            let pause = if limited.is_zero() { left } else { left.min(limited) };
            if woken.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return Some(Permit(self));
            }
            state = self.lock();
            let Some(at) = state.waiting.iter().position(|w| w.number == number) else {
                // It was woken just now.
                return Some(Permit(self));
            };
            if Instant::now() >= deadline {
                state.waiting.swap_remove(at);
                return None;
            }
        }
    }

    /// Counts a failed login.
    pub fn failed(&self, origin: &Origin) {
        self.lock().limiter.failed(origin, Instant::now());
    }

    /// A login that succeeded does not count as a turn.
    pub fn succeeded(&self, origin: &Origin) {
        let mut state = self.lock();
        state.address_turns.remove(&(Purpose::Login, origin.address));
        state.name_turns.remove(&(Purpose::Login, origin.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().ignore_poison()
    }
}

impl State {
    /// Gives the free turns to the first of those that may compute now.
    fn next_turns(&mut self, now: Instant) {
        while self.free > 0 {
            let may = (0..self.waiting.len()).filter(|&at| {
                let Waiting { purpose, origin, .. } = &self.waiting[at];
                self.limited(*purpose, origin, now).is_zero()
            });
            let Some(first) = may.min_by_key(|&at| self.rank(&self.waiting[at], now)) else { return };
            let Waiting { purpose, origin, wake, .. } = self.waiting.swap_remove(first);
            make_room(&mut self.address_turns, now);
            self.address_turns.insert((purpose, origin.address), now + MEMORY);
            make_room(&mut self.name_turns, now);
            self.name_turns.insert((purpose, origin), now + MEMORY);
            self.free -= 1;
            // Its thread takes the turn in any case, even if it is just giving up.
            let _ = wake.try_send(());
        }
    }

    fn limited(&self, purpose: Purpose, origin: &Origin, now: Instant) -> Duration {
        match purpose {
            Purpose::Login => self.limiter.wait(origin, now),
            Purpose::Registration => Duration::ZERO,
        }
    }

    /// The lowest goes first; see the [module](self).
    fn rank(&self, waiting: &Waiting, now: Instant) -> impl Ord + use<> {
        let current = |until: Option<&Instant>| until.copied().filter(|until| *until > now);
        let Waiting { number, purpose, origin, .. } = waiting;
        (
            *purpose,
            current(self.address_turns.get(&(*purpose, origin.address))),
            current(self.name_turns.get(&(*purpose, origin.clone()))),
            Reverse(*number),
        )
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.free += 1;
        state.next_turns(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::Mutex;
    use std::thread;

    const LONG: Duration = Duration::from_secs(20);

    fn from(address: u8, name: &str) -> Origin {
        Origin::new(Ipv4Addr::new(10, 0, 0, address).into(), Some(name.to_owned()))
    }

    fn acquire(queue: &HashQueue, purpose: Purpose, origin: Origin) -> Option<Permit<'_>> {
        queue.acquire(purpose, &origin, Instant::now() + LONG)
    }

    /// The order in which they get their turns, when they arrive in the order given
    /// while another one computes.
    fn order(before: &[Origin], arrivals: &[(Purpose, Origin)]) -> Vec<usize> {
        let queue = HashQueue::new(1, 0);
        for origin in before {
            drop(acquire(&queue, Purpose::Login, origin.clone()));
        }
        let computing = acquire(&queue, Purpose::Login, from(99, "x"));
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for (n, (purpose, origin)) in arrivals.iter().enumerate() {
                let (queue, order) = (&queue, &order);
                scope.spawn(move || {
                    let _permit = acquire(queue, *purpose, origin.clone()).unwrap();
                    order.lock().unwrap().push(n);
                });
                while queue.lock().waiting.len() <= n {
                    thread::yield_now();
                }
            }
            drop(computing);
        });
        order.into_inner().unwrap()
    }

    #[test]
    fn a_login_goes_before_registrations() {
        use Purpose::{Login, Registration};
        let arrivals = [(Registration, from(1, "a")), (Registration, from(2, "b")), (Login, from(3, "c"))];
        assert_eq!(order(&[], &arrivals)[0], 2);
    }

    #[test]
    fn addresses_take_turns_however_many_connections_each_has() {
        let many = |address| vec![(Purpose::Login, from(address, "a")); 3];
        let arrivals = [many(1), many(2), vec![(Purpose::Login, from(3, "a"))]].concat();
        let addresses: Vec<_> = order(&[], &arrivals).iter().map(|&n| arrivals[n].1.address).collect();
        let mut first: Vec<_> = addresses[..3].to_vec();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 3, "each address once before any has a second turn: {addresses:?}");
    }

    /// Whoever has just registered is not behind a crowd of strangers.
    #[test]
    fn a_registration_is_no_turn_of_a_login() {
        let queue = HashQueue::new(1, 0);
        drop(acquire(&queue, Purpose::Registration, from(1, "a")));
        let state = queue.lock();
        let (wake, _) = sync_channel(1);
        let rank = |number, address| {
            let (purpose, origin, wake) = (Purpose::Login, from(address, "a"), wake.clone());
            state.rank(&Waiting { number, purpose, origin, wake }, Instant::now())
        };
        assert!(rank(2, 1) < rank(1, 2));
    }

    #[test]
    fn an_address_that_had_a_turn_waits_for_those_that_had_none() {
        let login = |address| (Purpose::Login, from(address, "a"));
        assert_eq!(order(&[from(1, "a"), from(2, "a")], &[login(2), login(3), login(1)]), [1, 2, 0]);
    }

    #[test]
    fn within_an_address_names_take_turns() {
        let login = |name| (Purpose::Login, from(1, name));
        assert_eq!(order(&[from(1, "a")], &[login("b"), login("a"), login("a")])[0], 0);
    }

    #[test]
    fn among_strangers_the_newest_goes_first() {
        let arrivals: Vec<_> = (1..=4).map(|address| (Purpose::Login, from(address, "a"))).collect();
        assert_eq!(order(&[], &arrivals), [3, 2, 1, 0]);
    }

    #[test]
    fn giving_up_while_being_woken_loses_no_turn() {
        let queue = HashQueue::new(1, 0);
        thread::scope(|scope| {
            for n in 0..4u8 {
                let queue = &queue;
                scope.spawn(move || {
                    for _ in 0..2000 {
                        let deadline = Instant::now() + Duration::from_micros(u64::from(n) * 20);
                        drop(queue.acquire(Purpose::Login, &from(n, "a"), deadline));
                    }
                });
            }
        });
        assert!(queue.acquire(Purpose::Login, &from(9, "a"), Instant::now()).is_some());
        let state = queue.lock();
        assert_eq!((state.free, state.waiting.len()), (1, 0));
    }

    #[test]
    fn one_address_cannot_fill_the_queue() {
        let queue = HashQueue::new(1, 0);
        let _computing = acquire(&queue, Purpose::Login, from(1, "a"));
        {
            let mut state = queue.lock();
            for number in 0..MOST_OF_ADDRESS as u64 {
                let (wake, _) = sync_channel(1);
                let (purpose, origin) = (Purpose::Registration, from(1, "a"));
                state.waiting.push(Waiting { number: number + 1000, purpose, origin, wake });
            }
        }
        let started = Instant::now();
        assert!(acquire(&queue, Purpose::Login, from(1, "a")).is_none());
        assert!(started.elapsed() < LONG);
        assert!(queue.acquire(Purpose::Login, &from(2, "a"), Instant::now()).is_none(), "waits, and in vain");
    }
}
