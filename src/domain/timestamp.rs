//! Points in time, as the wire and the store have them.

use std::fmt;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The last representable instant: the end of the year 9999, beyond which RFC 3339 has no form.
const MAX_MS: i64 = 253_402_300_799_999;

/// A point in time: whole milliseconds since 1970-01-01T00:00:00Z, within RFC 3339's years 0 to 9999.
///
/// `Display` is the wire's form, `2024-12-04T23:00:00.000Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A point in time by both of the machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the one that can be set: what is stored and shown.
    pub time: Timestamp,
    /// By the one that cannot, as the time since some beginning: what limits count by.
    pub uptime: Duration,
}

impl Timestamp {
    /// From milliseconds since the epoch; `None` before 1970 or after the year 9999.
    pub fn from_unix_ms(ms: i64) -> Option<Self> {
        (0..=MAX_MS).contains(&ms).then_some(Self(ms))
    }

    /// From RFC 3339, or a date, which stands for its first instant; `None` where the text is neither. What is finer than a
    /// millisecond is cut off, and a time before 1970 stands for the first that there is.
    pub fn parse(text: &str) -> Option<Self> {
        let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
        let at = parse(text).or_else(|| parse(&format!("{text}T00:00:00Z")))?;
        let ms = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
        Some(Self(ms.clamp(0, MAX_MS)))
    }

    /// That much later; `None` beyond the year 9999.
    pub fn plus_ms(self, ms: i64) -> Option<Self> {
        self.0.checked_add(ms).and_then(Self::from_unix_ms)
    }

    /// The wire's form without an allocation or a formatter: every answer has some, and a formatter took a sixth of what a
    /// verification costs.
    pub fn text(self) -> TimestampText {
        // Any number of seconds up to the year 9999 is a time.
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

/// What [`Timestamp::text`] gives.
pub struct TimestampText([u8; 24]);

impl TimestampText {
    /// The text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Writes a number over as many digits as there are.
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
    fn a_time_is_read_as_it_is_written_in_other_zones_too_and_a_date_is_its_beginning() {
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
    fn times_that_rfc_3339_cannot_say_are_refused() {
        assert!(Timestamp::from_unix_ms(-1).is_none());
        assert!(Timestamp::from_unix_ms(MAX_MS + 1).is_none());
    }
}
