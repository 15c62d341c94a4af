//! Points in time in UTC, as logs, databases and the history have them.

use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time: milliseconds since 1970-01-01 UTC, leap seconds not counted.
pub type Millis = i64;

const DAY: Millis = 86_400_000;

/// The time now; 0 if the machine's clock is before 1970.
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

/// A time as RFC 3339 in UTC, to the millisecond: `2026-01-31T09:30:00.250Z`.
pub fn rfc3339(at: Millis) -> String {
    let (year, month, day) = date(at.div_euclid(DAY));
    let millis = at.rem_euclid(DAY);
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of the day with this number; 1970-01-01 has the number 0.
///
/// The calendar repeats itself every 400 years, which have 146,097 days. Inside of them
/// a year is taken to begin with March: the leap day is then the last day of its year,
/// and the months before it have lengths that follow one formula. (After H. Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms".)
fn date(number: i64) -> (i64, i64, i64) {
    // 0000-03-01 has the number -719,468.
    let number = number + 719_468;
    let (cycle, day) = (number.div_euclid(146_097), number.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // March is 0, and five months from any 31-30-31-30-31 have 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = year + 400 * cycle;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_rfc_3339_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_700_000_000_250), "2023-11-14T22:13:20.250Z");
        assert_eq!(rfc3339(951_782_400_000 - 1), "2000-02-28T23:59:59.999Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn each_day_of_a_thousand_years_has_its_date() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for number in 0..365_250 {
            assert_eq!(date(number), (year, month, day));
            let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
            let length = match month {
                2 => 28 + i64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }

    #[test]
    fn no_number_is_too_large() {
        assert!(rfc3339(Millis::MAX).ends_with('Z') && rfc3339(Millis::MIN).ends_with('Z'));
    }
}
