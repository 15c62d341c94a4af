//! Failed logins are slowed, per address and per name.
//!
//! Per name, or a guesser with many addresses could guess at one account; per
//! address, or one machine could try the commonest password on every account.
//! Logins that succeed are not slowed.
//!
//! Slowed, not locked out: an account that locks after so many failures can be
//! locked by any client that knows its name. For the same reason the first failure of
//! an address at a name within an hour is not slowed by what others do to that
//! name. Otherwise guessers would make its owner wait in line with them.

use super::origin::Origin;
use stage4_multichat::token_bucket::Rate;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Entries that each table remembers at most, some 100 bytes each. A failure costs
/// the guesser a bcrypt computation, so this many within a minute are out of
/// reach but for a very low cost.
pub(super) const MOST: usize = 20_000;

/// How long a failure of an address at a name is remembered.
const PAIR_MEMORY: Duration = Duration::from_secs(3600);

/// A token bucket for each key: stage 4's, whose tokens can also be owed.
#[derive(Debug)]
pub struct RateLimit<K> {
    rate: Rate,
    /// When the bucket of each key will be full; a full one has no entry.
    full_at: HashMap<K, Instant>,
}

impl<K: Eq + Hash> RateLimit<K> {
    /// For each key up to `burst` at once, and so many in each `period` in the long run;
    /// 0 is no limit.
    pub fn new(burst: u32, period: Duration) -> Self {
        RateLimit { rate: Rate::new(burst, period), full_at: HashMap::new() }
    }

    /// How long `key` has to wait for its next time.
    pub fn wait(&self, key: &K, now: Instant) -> Duration {
        self.rate.wait(self.full_at.get(key).copied().unwrap_or(now), now)
    }

    /// Counts one time.
    pub fn count(&mut self, key: K, now: Instant) {
        make_room(&mut self.full_at, now);
        let full_at = self.full_at.entry(key).or_insert(now);
        *full_at = self.rate.take(*full_at, now);
    }
}

/// Counts failures, and knows how long the next attempt has to wait.
#[derive(Debug)]
pub struct LoginLimiter {
    addresses: RateLimit<IpAddr>,
    names: RateLimit<String>,
    /// Until when it is remembered that this address failed at this name.
    pairs: HashMap<Origin, Instant>,
}

impl LoginLimiter {
    /// Each address and each name may fail `per_minute` times, all at once if need be;
    /// after that one failure is allowed every `60 / per_minute` seconds. 0 allows any
    /// number.
    pub fn new(per_minute: u32) -> Self {
        let minute = Duration::from_secs(60);
        LoginLimiter {
            addresses: RateLimit::new(per_minute, minute),
            names: RateLimit::new(per_minute, minute),
            pairs: HashMap::new(),
        }
    }

    /// How long the next attempt has to wait.
    pub fn wait(&self, origin: &Origin, now: Instant) -> Duration {
        let address = self.addresses.wait(&origin.address, now);
        match &origin.name {
            Some(name) if self.pairs.get(origin).is_some_and(|until| *until > now) => {
                address.max(self.names.wait(name, now))
            }
            _ => address,
        }
    }

    /// Counts a failure.
    pub fn failed(&mut self, origin: &Origin, now: Instant) {
        self.addresses.count(origin.address, now);
        if let Some(name) = &origin.name {
            self.names.count(name.clone(), now);
            make_room(&mut self.pairs, now);
            self.pairs.insert(origin.clone(), now + PAIR_MEMORY);
        }
    }
}

/// Room for one entry more: forgets what is over at `now`, or, if all is current,
/// the half that would be over first.
pub(super) fn make_room<K: Eq + Hash>(table: &mut HashMap<K, Instant>, now: Instant) {
    if table.len() < MOST {
        return;
    }
    table.retain(|_, until| *until > now);
    if table.len() < MOST {
        return;
    }
    let mut times: Vec<Instant> = table.values().copied().collect();
    let (_, &mut median, _) = times.select_nth_unstable(MOST / 2);
    table.retain(|_, until| *until > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str, name: &str) -> Origin {
        Origin::new(address.parse().unwrap(), Some(name.to_owned()))
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    const HOME: &str = "127.0.0.1";

    #[test]
    fn some_failures_are_free_and_the_rest_take_turns() {
        let (mut limiter, now, alice) = (LoginLimiter::new(6), Instant::now(), from(HOME, "alice"));
        for _ in 0..6 {
            assert_eq!(limiter.wait(&alice, now), Duration::ZERO);
            limiter.failed(&alice, now);
        }
        assert_eq!(limiter.wait(&alice, now), secs(10));
        assert_eq!(limiter.wait(&alice, now + secs(4)), secs(6));
        let later = now + secs(10);
        assert_eq!(limiter.wait(&alice, later), Duration::ZERO);
        limiter.failed(&alice, later);
        assert_eq!(limiter.wait(&alice, later), secs(10));
        assert_eq!(limiter.wait(&alice, later + secs(600)), Duration::ZERO);
    }

    #[test]
    fn names_and_addresses_count_apart() {
        let (mut limiter, now) = (LoginLimiter::new(2), Instant::now());
        for n in 0..4 {
            limiter.failed(&from(&format!("10.0.0.{n}"), "alice"), now);
        }
        assert!(limiter.wait(&from("10.0.0.1", "alice"), now) > secs(29), "the name, from anywhere");
        assert_eq!(limiter.wait(&from("10.0.0.1", "bob"), now), Duration::ZERO);
        for name in ["a", "b", "c", "d"] {
            limiter.failed(&from(HOME, name), now);
        }
        assert!(limiter.wait(&from(HOME, "carol"), now) > secs(29), "the address, for any name");
        assert_eq!(limiter.wait(&from("10.9.9.9", "carol"), now), Duration::ZERO);
    }

    #[test]
    fn an_address_that_has_not_failed_at_a_name_does_not_wait_for_those_that_have() {
        let (mut limiter, now) = (LoginLimiter::new(2), Instant::now());
        for n in 0..200 {
            limiter.failed(&from(&format!("10.0.0.{n}"), "alice"), now);
        }
        let owner = from(HOME, "alice");
        assert_eq!(limiter.wait(&owner, now), Duration::ZERO);
        limiter.failed(&owner, now);
        assert!(limiter.wait(&owner, now) > secs(60), "but one failure is all that it has free");
        assert_eq!(limiter.wait(&owner, now + PAIR_MEMORY), Duration::ZERO);
    }

    #[test]
    fn a_whole_ipv6_network_is_one_address() {
        let (mut limiter, now) = (LoginLimiter::new(1), Instant::now());
        limiter.failed(&from("2001:db8:1:2::1", "a"), now);
        assert!(limiter.wait(&from("2001:db8:1:2:ffff::9", "b"), now) > Duration::ZERO);
        assert_eq!(limiter.wait(&from("2001:db8:1:3::1", "b"), now), Duration::ZERO);
        limiter.failed(&from("::ffff:192.0.2.1", "a"), now);
        assert!(limiter.wait(&from("192.0.2.1", "b"), now) > Duration::ZERO);
    }

    #[test]
    fn zero_turns_it_off() {
        let (mut limiter, now, alice) = (LoginLimiter::new(0), Instant::now(), from(HOME, "alice"));
        (0..1000).for_each(|_| limiter.failed(&alice, now));
        assert_eq!(limiter.wait(&alice, now), Duration::ZERO);
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let (mut limiter, now, alice) = (LoginLimiter::new(3), Instant::now(), from(HOME, "alice"));
        (0..10).for_each(|_| limiter.failed(&alice, now));
        for n in 0..3 * MOST as u32 {
            let address = IpAddr::V4((n + (10 << 24)).into());
            limiter.failed(&Origin::new(address, Some(format!("n{n}"))), now);
        }
        let sizes = [limiter.addresses.full_at.len(), limiter.names.full_at.len(), limiter.pairs.len()];
        assert!(sizes.iter().all(|&size| size <= MOST), "{sizes:?}");
        assert!(limiter.wait(&alice, now) > secs(100));
    }
}
