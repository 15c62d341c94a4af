//! Failed logins are slowed, per address and per name.
//!
//! Per name, or someone with many addresses could guess at one account; per
//! address, or one machine could try the commonest password on every account.
//! Those who got in right away are not slowed, and neither is anyone else.
//!
//! Slowed, not locked out: an account that locks after so many failures can be
//! locked by anyone who knows its name. Someone who is being guessed at still
//! has to take turns with the guesser.

use common::poison::IgnorePoison;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Addresses and names that are remembered at most, some 100 bytes each. A
/// failure costs the guesser a bcrypt computation, so that this many within a
/// minute are out of reach but for a very cheap cost.
const MOST: usize = 20_000;

/// How many failures there were lately, and whether that is too many.
///
/// For each address and each name it keeps one point in time: when all failures
/// so far would be over at the allowed rate (the "generic cell rate algorithm",
/// ITU-T I.371, which does what a token bucket does with one number).
#[derive(Debug)]
pub struct LoginLimiter {
    /// Failures a minute for each address and each name; 0 allows any number.
    per_minute: u32,
    /// Changed by whoever fails to log in. What is in the past is forgotten.
    next_free_at: Mutex<HashMap<Key, Instant>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Address(IpAddr),
    Name(String),
}

impl LoginLimiter {
    /// `per_minute` failures are free, all at once if need be; after that one
    /// is allowed every `60 / per_minute` seconds.
    pub fn new(per_minute: u32) -> Self {
        LoginLimiter { per_minute, next_free_at: Mutex::default() }
    }

    /// How long the next attempt has to wait. `name` is the name's key.
    pub fn wait(&self, address: IpAddr, name: &str, now: Instant) -> Duration {
        if self.per_minute == 0 {
            return Duration::ZERO;
        }
        let next_free_at = self.lock();
        let wait = |key| {
            let until = next_free_at.get(&key).copied().unwrap_or(now) + self.step();
            until.saturating_duration_since(now).saturating_sub(self.free())
        };
        keys(address, name).map(wait).max().unwrap_or_default()
    }

    /// Counts a failure.
    pub fn failed(&self, address: IpAddr, name: &str, now: Instant) {
        if self.per_minute == 0 {
            return;
        }
        let mut next_free_at = self.lock();
        if next_free_at.len() + 2 > MOST {
            make_room(&mut next_free_at, now);
        }
        for key in keys(address, name) {
            let until = next_free_at.entry(key).or_insert(now);
            *until = (*until).max(now) + self.step();
        }
    }

    /// What one failure takes to be worked off.
    fn step(&self) -> Duration {
        Duration::from_secs(60) / self.per_minute
    }

    /// How much may be piled up without waiting.
    fn free(&self) -> Duration {
        self.step() * self.per_minute
    }

    /// A map is whole between any two statements; nothing to repair.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Instant>> {
        self.next_free_at.lock().ignore_poison()
    }
}

fn keys(address: IpAddr, name: &str) -> impl Iterator<Item = Key> {
    // A name that no account can have needs no entry, and could be of any length.
    let name = crate::accounts::check_name(name).is_ok().then(|| Key::Name(name.to_owned()));
    [Some(Key::Address(network_prefix(address))), name].into_iter().flatten()
}

/// The part of an address that its owner cannot choose: with IPv6 anyone has
/// 2^64 addresses to come from, and they count as one.
fn network_prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

/// Forgets what is over; if all are current, those that would be over first.
fn make_room(next_free_at: &mut HashMap<Key, Instant>, now: Instant) {
    next_free_at.retain(|_, until| *until > now);
    if next_free_at.len() + 2 <= MOST {
        return;
    }
    let mut times: Vec<Instant> = next_free_at.values().copied().collect();
    let (_, &mut median, _) = times.select_nth_unstable(MOST / 2);
    next_free_at.retain(|_, until| *until > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn some_failures_are_free_and_the_rest_take_turns() {
        let (limiter, now) = (LoginLimiter::new(6), Instant::now());
        for _ in 0..6 {
            assert_eq!(limiter.wait(HOME, "alice", now), Duration::ZERO);
            limiter.failed(HOME, "alice", now);
        }
        assert_eq!(limiter.wait(HOME, "alice", now), secs(10));
        assert_eq!(limiter.wait(HOME, "alice", now + secs(4)), secs(6));
        let later = now + secs(10);
        assert_eq!(limiter.wait(HOME, "alice", later), Duration::ZERO);
        limiter.failed(HOME, "alice", later);
        assert_eq!(limiter.wait(HOME, "alice", later), secs(10));
        assert_eq!(limiter.wait(HOME, "alice", later + secs(600)), Duration::ZERO);
    }

    #[test]
    fn names_and_addresses_count_apart() {
        let (limiter, now) = (LoginLimiter::new(2), Instant::now());
        for n in 0..4 {
            limiter.failed(address(&format!("10.0.0.{n}")), "alice", now);
        }
        assert!(limiter.wait(address("10.9.9.9"), "alice", now) > secs(29), "the name, from anywhere");
        assert_eq!(limiter.wait(address("10.0.0.1"), "bob", now), Duration::ZERO);
        for name in ["a", "b", "c", "d"] {
            limiter.failed(HOME, name, now);
        }
        assert!(limiter.wait(HOME, "carol", now) > secs(29), "the address, for anyone");
        assert_eq!(limiter.wait(address("10.9.9.9"), "carol", now), Duration::ZERO);
    }

    #[test]
    fn a_whole_ipv6_network_is_one_address() {
        let (limiter, now) = (LoginLimiter::new(1), Instant::now());
        limiter.failed(address("2001:db8:1:2::1"), "a", now);
        assert!(limiter.wait(address("2001:db8:1:2:ffff::9"), "b", now) > Duration::ZERO);
        assert_eq!(limiter.wait(address("2001:db8:1:3::1"), "b", now), Duration::ZERO);
        limiter.failed(address("::ffff:192.0.2.1"), "a", now);
        assert!(limiter.wait(address("192.0.2.1"), "b", now) > Duration::ZERO);
    }

    #[test]
    fn zero_turns_it_off() {
        let (limiter, now) = (LoginLimiter::new(0), Instant::now());
        for _ in 0..1000 {
            limiter.failed(HOME, "alice", now);
        }
        assert_eq!(limiter.wait(HOME, "alice", now), Duration::ZERO);
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let (limiter, now) = (LoginLimiter::new(3), Instant::now());
        for _ in 0..10 {
            limiter.failed(HOME, "alice", now);
        }
        for n in 0..3 * MOST as u32 {
            limiter.failed(IpAddr::V4((n + (10 << 24)).into()), &format!("n{n}"), now);
        }
        assert!(limiter.lock().len() <= MOST);
        assert!(limiter.wait(HOME, "alice", now) > secs(100));
    }
}
