//! Points in time, as the database and the history have them.

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;

/// A point in time: milliseconds since 1970-01-01 UTC. Both databases store an
/// integer, since their date types differ in precision and time zone.
pub type Millis = i64;

/// The time now.
pub fn now() -> Millis {
    (OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000) as Millis
}

/// A time as RFC 3339 in UTC, to the millisecond: `2026-01-31T09:30:00.25Z`.
pub fn rfc3339(at: Millis) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        // Only for a year beyond 9999, which no clock here has written.
        .unwrap_or_else(|| "0000-00-00T00:00:00Z".to_owned())
}

#[test]
fn time_is_rfc_3339_in_utc() {
    assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
    assert_eq!(rfc3339(1_700_000_000_250), "2023-11-14T22:13:20.25Z");
    assert!(rfc3339(now()).ends_with('Z'));
}
