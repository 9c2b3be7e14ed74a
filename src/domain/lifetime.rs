//! How long a key lasts, and how long a rotation's grace period is.

use super::{Error, Result, Timestamp};

pub(super) const HOUR_MS: i64 = 3_600_000;
const DAY_S: i64 = 24 * 3_600;

/// How long a key lasts, in whole seconds: a minute to a century.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(i64);

impl Lifetime {
    /// The most days: a century, leap days included.
    pub const MAX_DAYS: i64 = 36_525;
    /// The fewest seconds: a minute.
    pub const MIN_SECONDS: i64 = 60;
    /// The most seconds: as many days as there may be.
    pub const MAX_SECONDS: i64 = Self::MAX_DAYS * DAY_S;

    /// `None` where the number of days is not allowed.
    pub fn from_days(days: i64) -> Option<Self> {
        (1..=Self::MAX_DAYS).contains(&days).then_some(Self(days * DAY_S))
    }

    /// `None` where the number of seconds is not allowed.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        (Self::MIN_SECONDS..=Self::MAX_SECONDS).contains(&seconds).then_some(Self(seconds))
    }

    /// When a key ends that begins to last now.
    ///
    /// # Errors
    /// [`Error::Invalid`] where that lies beyond the year 9999.
    pub fn end(self, now: Timestamp) -> Result<Timestamp> {
        let too_far = || Error::Invalid("The expiry would lie beyond the year 9999.".to_owned());
        now.plus_ms(self.0 * 1_000).ok_or_else(too_far)
    }
}

/// How long the outgoing value of a rotation goes on authenticating, in whole hours: 0 to 8,784, a year.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grace(i64);

impl Grace {
    /// The most hours: a leap year.
    pub const MAX_HOURS: i64 = 8_784;

    /// `None` where the number of hours is not allowed.
    pub fn from_hours(hours: i64) -> Option<Self> {
        (0..=Self::MAX_HOURS).contains(&hours).then_some(Self(hours))
    }

    /// How many hours it has.
    pub fn hours(self) -> i64 {
        self.0
    }

    /// When it ends if it begins now; `None` beyond the year 9999.
    pub fn end(self, now: Timestamp) -> Option<Timestamp> {
        now.plus_ms(self.0 * HOUR_MS)
    }
}

/// What a change does to the expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Nothing was said: it stays.
    Keep,
    /// The key lasts for ever.
    Never,
    /// The key lasts this long from now.
    After(Lifetime),
}

impl Expiry {
    /// When a key ends whose end was `before` until now.
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
