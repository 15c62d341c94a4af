//! Which of the waiting logins and registrations computes its hash next.
//!
//! A hash keeps a processor busy for a quarter of a second, so only as many are
//! computed at once as there are processors. A client that opens hundreds of
//! connections could fill a queue in the order of arrival, and all others would
//! wait behind it. This queue is fair between addresses instead:
//!
//! 1. A login goes before a registration.
//! 2. A login with a name that has logged in from this address before goes first:
//!    a crowd of strangers does not keep out a user who comes back.
//! 3. The address goes first that was served longest ago (*round robin*);
//!    within an address it is the same with names. To wait in vain counts
//!    too, or a crowd that comes back would be new again.
//! 4. Of several addresses that were not served lately the newest goes first. With
//!    too many of them some clients wait too long in any order. In the order of
//!    arrival all of them would, as long as the crowd lasts.

use super::login_limiter::{LoginLimiter, MOST, RateLimit, make_room};
use super::origin::Origin;
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

/// How many accounts an address may make at once, and as many again spread over each
/// day, so twice that in any one day: more than any school behind one router needs, and
/// so few that no client can fill the table, from which nothing is ever deleted.
const REGISTRATIONS: u32 = 10_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long it is remembered that an address was served; then the address is like a new one.
const MEMORY: Duration = Duration::from_secs(600);

/// How long it is remembered that a name has logged in from an address.
const KNOWN_MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);

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
    registrations: RateLimit<IpAddr>,
    /// When an address, and a name from an address, was last served, plus [`MEMORY`].
    address_served: HashMap<(Purpose, IpAddr), Instant>,
    name_served: HashMap<(Purpose, Origin), Instant>,
    /// The origins from which a login has succeeded, and when that is forgotten.
    known: HashMap<Origin, Instant>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    purpose: Purpose,
    origin: Origin,
    /// Wakes its thread: it has a permit.
    wake: SyncSender<()>,
}

/// The right to compute a hash. Dropping it, even in a panic, gives it to the next one.
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
            registrations: RateLimit::new(REGISTRATIONS, DAY),
            address_served: HashMap::new(),
            name_served: HashMap::new(),
            known: HashMap::new(),
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
            state.wake_next(now);
            // It may be held back by a limit that ends; then this thread has to see to it.
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
            let now = Instant::now();
            if now >= deadline {
                let in_vain = state.waiting.swap_remove(at);
                state.count_served(in_vain.purpose, in_vain.origin, now);
                return None;
            }
        }
    }

    /// Counts a registration. Returns `true` if its address may make one more account.
    pub fn admit_registration(&self, origin: &Origin, now: Instant) -> bool {
        let mut state = self.lock();
        let admitted = state.registrations.wait(&origin.address, now).is_zero();
        if admitted {
            state.registrations.count(origin.address, now);
        }
        admitted
    }

    /// Counts a failed login.
    pub fn failed(&self, origin: &Origin) {
        self.lock().limiter.failed(origin, Instant::now());
    }

    /// Counts a login that succeeded, or a new account.
    pub fn succeeded(&self, origin: Origin) {
        let (mut state, now) = (self.lock(), Instant::now());
        make_room_among_known(&mut state.known, now);
        state.known.insert(origin, now + KNOWN_MEMORY);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().ignore_poison()
    }
}

impl State {
    /// Gives the free permits to the first of those that may compute now.
    fn wake_next(&mut self, now: Instant) {
        while self.free > 0 {
            let may = (0..self.waiting.len()).filter(|&at| {
                let Waiting { purpose, origin, .. } = &self.waiting[at];
                self.limited(*purpose, origin, now).is_zero()
            });
            let Some(first) = may.min_by_key(|&at| self.rank(&self.waiting[at], now)) else { return };
            let Waiting { purpose, origin, wake, .. } = self.waiting.swap_remove(first);
            self.count_served(purpose, origin, now);
            self.free -= 1;
            // Its thread takes the permit in any case, even if it is just giving up.
            let _ = wake.try_send(());
        }
    }

    fn count_served(&mut self, purpose: Purpose, origin: Origin, now: Instant) {
        make_room(&mut self.address_served, now);
        self.address_served.insert((purpose, origin.address), now + MEMORY);
        make_room(&mut self.name_served, now);
        self.name_served.insert((purpose, origin), now + MEMORY);
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
            // `false` is the lower.
            current(self.known.get(origin)).is_none(),
            current(self.address_served.get(&(*purpose, origin.address))),
            current(self.name_served.get(&(*purpose, origin.clone()))),
            Reverse(*number),
        )
    }
}

/// Room for one origin more. When all is current, the address with the most names
/// forgets half of them: an address that makes thousands of accounts pushes out its own
/// names and not those of others.
fn make_room_among_known(known: &mut HashMap<Origin, Instant>, now: Instant) {
    if known.len() < MOST {
        return;
    }
    known.retain(|_, until| *until > now);
    if known.len() < MOST {
        return;
    }
    let mut of_address: HashMap<IpAddr, Vec<Instant>> = HashMap::new();
    for (origin, until) in &*known {
        of_address.entry(origin.address).or_default().push(*until);
    }
    let Some((most, mut times)) = of_address.into_iter().max_by_key(|(_, times)| times.len()) else { return };
    let middle = times.len() / 2;
    let (_, &mut median, _) = times.select_nth_unstable(middle);
    known.retain(|origin, until| origin.address != most || *until > median);
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.free += 1;
        state.wake_next(Instant::now());
    }
}

#[cfg(test)]
mod tests;
