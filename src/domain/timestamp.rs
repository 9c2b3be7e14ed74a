//! Points in time, as the wire and the store have them.

use std::fmt;
use time::OffsetDateTime;

/// The last representable instant: the end of the year 9999, beyond which RFC 3339 has no form.
const MAX_MS: i64 = 253_402_300_799_999;

/// A point in time: whole milliseconds since 1970-01-01T00:00:00Z, within RFC 3339's years 0 to 9999.
///
/// `Display` is the wire's form, `2024-12-04T23:00:00.000Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch; `None` before 1970 or after the year 9999.
    pub fn from_unix_ms(ms: i64) -> Option<Self> {
        (0..=MAX_MS).contains(&ms).then_some(Self(ms))
    }

    /// That much later; `None` beyond the year 9999.
    pub fn plus_ms(self, ms: i64) -> Option<Self> {
        self.0.checked_add(ms).and_then(Self::from_unix_ms)
    }

    /// Milliseconds since the epoch.
    pub fn unix_ms(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = OffsetDateTime::from_unix_timestamp(self.0 / 1000).map_err(|_| fmt::Error)?;
        let (date, time) = (at.date(), at.time());
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            self.0 % 1000
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_as_rfc_3339_with_milliseconds_and_z() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_733_353_200_000, "2024-12-04T23:00:00.000Z"),
            (1_709_164_800_007, "2024-02-29T00:00:00.007Z"),
            (MAX_MS, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from_unix_ms(ms).unwrap().to_string(), text);
        }
    }

    #[test]
    fn times_that_rfc_3339_cannot_say_are_refused() {
        assert!(Timestamp::from_unix_ms(-1).is_none());
        assert!(Timestamp::from_unix_ms(MAX_MS + 1).is_none());
    }
}
