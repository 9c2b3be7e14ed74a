//! Lifetimes of keys and grace periods of rotations.

use super::{Error, Result, Timestamp};

pub(super) const HOUR_MS: i64 = 3_600_000;
const DAY_S: i64 = 24 * 3_600;

/// A key's lifetime in whole seconds: from a minute to a century.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(i64);

impl Lifetime {
    /// Maximum in days: a century with its leap days.
    pub const MAX_DAYS: i64 = 36_525;
    /// Minimum in seconds: a minute.
    pub const MIN_SECONDS: i64 = 60;
    /// Maximum in seconds.
    pub const MAX_SECONDS: i64 = Self::MAX_DAYS * DAY_S;

    /// `None` if the number of days is out of range.
    pub fn from_days(days: i64) -> Option<Self> {
        (1..=Self::MAX_DAYS).contains(&days).then_some(Self(days * DAY_S))
    }

    /// `None` if the number of seconds is out of range.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        (Self::MIN_SECONDS..=Self::MAX_SECONDS).contains(&seconds).then_some(Self(seconds))
    }

    /// The expiry of a lifetime that starts now.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is after the year 9999.
    pub fn end(self, now: Timestamp) -> Result<Timestamp> {
        let too_far = || Error::Invalid("The expiry would lie beyond the year 9999.".to_owned());
        now.plus_ms(self.0 * 1_000).ok_or_else(too_far)
    }
}

/// A rotation's grace period, during which the outgoing value still works, in whole hours: 0 to 8,784 (a leap
/// year).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grace(i64);

impl Grace {
    /// Maximum in hours: a leap year.
    pub const MAX_HOURS: i64 = 8_784;

    /// `None` if the number of hours is out of range.
    pub fn from_hours(hours: i64) -> Option<Self> {
        (0..=Self::MAX_HOURS).contains(&hours).then_some(Self(hours))
    }

    /// The number of hours.
    pub fn hours(self) -> i64 {
        self.0
    }

    /// The end of a grace period that starts now; `None` after the year 9999.
    pub fn end(self, now: Timestamp) -> Option<Timestamp> {
        now.plus_ms(self.0 * HOUR_MS)
    }
}

/// A change of a key's expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The expiry stays.
    Keep,
    /// The key never expires.
    Never,
    /// The key expires after this time from now.
    After(Lifetime),
}

impl Expiry {
    /// The new expiry of a key whose expiry was `before`.
    pub(super) fn end(self, before: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>> {
        match self {
            Self::Keep => Ok(before),
            Self::Never => Ok(None),
            Self::After(lifetime) => lifetime.end(now).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::tests::{DAY_MS, NOW, at};
    use super::*;

    #[test]
    fn a_lifetime_is_counted_in_days_of_24_hours_over_leap_days_and_centuries() {
        let end = |days| Lifetime::from_days(days).unwrap().end(at(NOW)).unwrap().to_string();
        assert_eq!(end(1), "2024-03-01T00:00:00.000Z");
        assert_eq!(end(366), "2025-03-01T00:00:00.000Z");
        assert_eq!(end(36_525), "2124-03-01T00:00:00.000Z", "2100 is no leap year");
        assert!(Lifetime::from_days(0).is_none() && Lifetime::from_days(36_526).is_none());
        assert_eq!(Lifetime::from_seconds(3_155_760_000), Lifetime::from_days(36_525));
        assert!(Lifetime::from_seconds(59).is_none() && Lifetime::from_seconds(3_155_760_001).is_none());
        assert_eq!(Lifetime::from_seconds(60).unwrap().end(at(NOW)).unwrap(), at(NOW + 60_000));
        let late = at(253_402_300_799_999 - DAY_MS);
        assert!(Lifetime::from_days(1).unwrap().end(late).is_ok());
        assert!(Lifetime::from_days(2).unwrap().end(late).is_err());
    }
}
