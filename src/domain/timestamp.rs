//! Points in time, as the API and the store use them.

use std::fmt;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The last instant of the year 9999: RFC 3339 has no later years.
const MAX_MS: i64 = 253_402_300_799_999;

/// A point in time: whole milliseconds since 1970-01-01T00:00:00Z, up to the year 9999.
///
/// `Display` is the API's form, `2024-12-04T23:00:00.000Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A point in time by both of the machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The wall clock, which can be set. Stored and shown times use it.
    pub time: Timestamp,
    /// The monotonic clock, as time since an arbitrary start. Limits use it.
    pub uptime: Duration,
}

impl Timestamp {
    /// From milliseconds since the epoch; `None` before 1970 or after the year 9999.
    pub fn from_unix_ms(ms: i64) -> Option<Self> {
        (0..=MAX_MS).contains(&ms).then_some(Self(ms))
    }

    /// Parses an RFC 3339 time, or a date, which means its first instant. Fractions of a millisecond are cut
    /// off; times before 1970 become 1970-01-01T00:00:00Z.
    pub fn parse(text: &str) -> Option<Self> {
        let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
        let at = parse(text).or_else(|| parse(&format!("{text}T00:00:00Z")))?;
        let ms = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
        Some(Self(ms.clamp(0, MAX_MS)))
    }

    /// Adds milliseconds; `None` after the year 9999.
    pub fn plus_ms(self, ms: i64) -> Option<Self> {
        self.0.checked_add(ms).and_then(Self::from_unix_ms)
    }

    /// The API's form without an allocation or a formatter: a formatter took a sixth of the time of a
    /// verification.
    pub fn text(self) -> TimestampText {
        // Every number of seconds up to the year 9999 is valid.
        let at = OffsetDateTime::from_unix_timestamp(self.0 / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (date, time) = (at.date(), at.time());
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put(&mut text[0..4], date.year().unsigned_abs());
        put(&mut text[5..7], u8::from(date.month()).into());
        put(&mut text[8..10], date.day().into());
        put(&mut text[11..13], time.hour().into());
        put(&mut text[14..16], time.minute().into());
        put(&mut text[17..19], time.second().into());
        put(&mut text[20..23], u32::try_from(self.0 % 1000).unwrap_or_default());
        TimestampText(text)
    }

    /// Milliseconds since the epoch.
    pub fn unix_ms(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

/// The result of [`Timestamp::text`].
pub struct TimestampText([u8; 24]);

impl TimestampText {
    /// The text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Writes a number with leading zeros.
fn put(digits: &mut [u8], mut number: u32) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
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
    fn times_of_all_zones_and_dates_are_parsed() {
        let text = |text| Timestamp::parse(text).map(|at| at.to_string());
        for (given, read) in [
            ("2024-12-04T23:00:00.007Z", "2024-12-04T23:00:00.007Z"),
            ("2024-12-05T00:30:00.0079+01:30", "2024-12-04T23:00:00.007Z"),
            ("2024-12-04", "2024-12-04T00:00:00.000Z"),
            ("0791-08-14T00:50:44Z", "1970-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(text(given).as_deref(), Some(read));
        }
        for wrong in ["", "now", "2024-13-01", "2024-12-04T23:00:00", "1733353200"] {
            assert_eq!(text(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_outside_1970_to_9999_are_refused() {
        assert!(Timestamp::from_unix_ms(-1).is_none());
        assert!(Timestamp::from_unix_ms(MAX_MS + 1).is_none());
    }
}
