//! Points in time in UTC, as logs, databases and the history have them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: milliseconds since 1970-01-01 UTC, leap seconds not counted.
pub type Millis = i64;

/// The time now; 0 if the machine's clock is before 1970.
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

/// A time as RFC 3339 in UTC, to the millisecond: `2026-01-31T09:30:00.250Z`. What is
/// before 1970 or after the year 9999 becomes the nearest time that is not.
pub fn rfc3339(at: Millis) -> String {
    let since = Duration::from_millis(at.clamp(0, LAST).unsigned_abs());
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}

/// 9999-12-31T23:59:59.999Z: RFC 3339 gives a year four digits.
const LAST: Millis = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_rfc_3339_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_700_000_000_250), "2023-11-14T22:13:20.250Z");
        assert_eq!(rfc3339(951_782_400_000 - 1), "2000-02-28T23:59:59.999Z");
    }

    #[test]
    fn no_number_is_too_large() {
        assert_eq!(rfc3339(Millis::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(Millis::MIN), rfc3339(0));
    }
}
