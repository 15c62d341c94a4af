//! How many lines a client may send: a token bucket.

use std::time::{Duration, Instant};

/// How a token bucket fills, as in RFC 2697's meters.
///
/// All that has to be known of a bucket is when it will be full again. A token that is
/// taken makes that later by the time in which one token comes (the "generic cell rate
/// algorithm" of ITU-T I.371).
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// How many tokens a full bucket holds.
    burst: u32,
    /// In which time one token comes; zero is no limit.
    step: Duration,
}

impl Rate {
    /// Up to `burst` at once, and so many in each `period` in the long run; 0 is no limit.
    pub fn new(burst: u32, period: Duration) -> Rate {
        Rate { burst, step: period.checked_div(burst).unwrap_or_default() }
    }

    /// How long it takes until there is a token in a bucket that will be full at `full_at`.
    ///
    /// For example, a bucket holds 4 tokens, and one comes each second. It is empty now, so
    /// `full_at` is in 4 s. To take a token would make that 5 s. But no bucket needs more
    /// than 4 s to be full: the wait is 5 s - 4 s = 1 s. One second later the bucket has
    /// its token: to take it makes `full_at` 3 s + 1 s = 4 s, and the wait is zero.
    pub fn wait(self, full_at: Instant, now: Instant) -> Duration {
        if self.step.is_zero() {
            return Duration::ZERO;
        }
        (self.take(full_at, now) - now).saturating_sub(self.step * self.burst)
    }

    /// Takes a token, or owes it. Returns when the bucket will be full after that.
    pub fn take(self, full_at: Instant, now: Instant) -> Instant {
        full_at.max(now) + self.step
    }
}

/// Allows `per_second` lines a second in the long run, and twice as many at
/// once after a pause.
pub struct TokenBucket {
    rate: Rate,
    full_at: Instant,
}

/// How long a client may save up, in seconds.
const BURST: u32 = 2;

impl TokenBucket {
    /// A full bucket; 0 lines a second is no limit.
    pub fn new(per_second: u32) -> TokenBucket {
        let rate = Rate::new(per_second.saturating_mul(BURST), Duration::from_secs(BURST.into()));
        TokenBucket { rate, full_at: Instant::now() }
    }

    /// Takes a token for one line. Returns `true` if there was one.
    pub fn take(&mut self, now: Instant) -> bool {
        let is_there = self.rate.wait(self.full_at, now).is_zero();
        if is_there {
            self.full_at = self.rate.take(self.full_at, now);
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_twice_the_rate() {
        let mut bucket = TokenBucket::new(3);
        let now = Instant::now();
        let allowed: Vec<_> = (0..9).map(|_| bucket.take(now)).collect();
        assert_eq!(allowed, [true, true, true, true, true, true, false, false, false]);
    }

    #[test]
    fn a_second_later_the_rate_is_allowed_again() {
        let mut bucket = TokenBucket::new(3);
        let now = Instant::now();
        assert_eq!((0..9).filter(|_| bucket.take(now)).count(), 6);
        let later = now + Duration::from_millis(1001);
        let allowed: Vec<_> = (0..5).map(|_| bucket.take(later)).collect();
        assert_eq!(allowed, [true, true, true, false, false]);
    }

    #[test]
    fn nobody_saves_up_more_than_a_burst() {
        let mut bucket = TokenBucket::new(3);
        let later = Instant::now() + Duration::from_secs(3600);
        assert_eq!((0..99).filter(|_| bucket.take(later)).count(), 6);
    }

    #[test]
    fn zero_is_no_limit() {
        let mut bucket = TokenBucket::new(0);
        let now = Instant::now();
        assert!((0..99_999).all(|_| bucket.take(now)));
    }
}
