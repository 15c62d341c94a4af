//! How many lines a client may send: a token bucket.

use std::time::{Duration, Instant};

/// Allows `per_second` lines a second in the long run, and twice as many at
/// once after a pause. A token bucket, as in RFC 2697's meters.
pub struct TokenBucket {
    per_second: u32,
    /// When the bucket was, or will be, empty; each second behind now is worth
    /// `per_second` lines.
    empty_at: Instant,
    told: bool,
}

/// What the bucket says about a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is within the limit.
    Allowed,
    /// It is over the limit, and dropped.
    Limited {
        /// The first one since a line was allowed: the client is to be told.
        first: bool,
    },
}

/// How long a client may save up.
const BURST: Duration = Duration::from_secs(2);

impl TokenBucket {
    /// A full bucket; 0 lines a second is no limit.
    pub fn new(per_second: u32) -> TokenBucket {
        let now = Instant::now();
        // A machine that has run for less than two seconds starts empty.
        TokenBucket { per_second, empty_at: now.checked_sub(BURST).unwrap_or(now), told: false }
    }

    /// Counts one line.
    pub fn take(&mut self, now: Instant) -> Decision {
        if self.per_second == 0 {
            return Decision::Allowed;
        }
        let full = now.checked_sub(BURST).unwrap_or(now);
        self.empty_at = self.empty_at.max(full);
        let after = self.empty_at + Duration::from_secs(1) / self.per_second;
        if after <= now {
            self.empty_at = after;
            self.told = false;
            return Decision::Allowed;
        }
        Decision::Limited { first: !std::mem::replace(&mut self.told, true) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Decision::Allowed;

    const FIRST: Decision = Decision::Limited { first: true };
    const MORE: Decision = Decision::Limited { first: false };

    #[test]
    fn a_burst_is_twice_the_rate_and_one_word_is_said_about_it() {
        let mut bucket = TokenBucket::new(3);
        let now = Instant::now();
        let said: Vec<_> = (0..9).map(|_| bucket.take(now)).collect();
        assert_eq!(said, [Allowed, Allowed, Allowed, Allowed, Allowed, Allowed, FIRST, MORE, MORE]);
    }

    #[test]
    fn a_second_later_the_rate_is_allowed_again_and_the_next_burst_is_told() {
        let mut bucket = TokenBucket::new(3);
        let now = Instant::now();
        assert_eq!((0..9).filter(|_| bucket.take(now) == Allowed).count(), 6);
        let later = now + Duration::from_millis(1001);
        let said: Vec<_> = (0..5).map(|_| bucket.take(later)).collect();
        assert_eq!(said, [Allowed, Allowed, Allowed, FIRST, MORE]);
    }

    #[test]
    fn nobody_saves_up_more_than_a_burst() {
        let mut bucket = TokenBucket::new(3);
        let later = Instant::now() + Duration::from_secs(3600);
        assert_eq!((0..99).filter(|_| bucket.take(later) == Allowed).count(), 6);
    }

    #[test]
    fn zero_is_no_limit() {
        let mut bucket = TokenBucket::new(0);
        let now = Instant::now();
        assert!((0..99_999).all(|_| bucket.take(now) == Allowed));
    }
}
