//! Usage: how often keys were used or asked about, counted by hour and outcome.

use super::{KeyId, OrganizationId, Refusal, Timestamp};
use std::ops::{Add, AddAssign};

const HOUR_MS: i64 = 3_600_000;

/// An hour, as the number of hours since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(u32);

impl Hour {
    /// From its number.
    pub fn new(number: u32) -> Self {
        Self(number)
    }

    /// The hour that contains this time.
    pub fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.unix_ms() / HOUR_MS).unwrap_or(u32::MAX))
    }

    /// Its number.
    pub fn number(self) -> u32 {
        self.0
    }

    /// When it begins.
    pub fn start(self) -> Timestamp {
        Timestamp::from_unix_ms(i64::from(self.0) * HOUR_MS).unwrap_or_default()
    }
}

/// Hours later.
impl Add<u32> for Hour {
    type Output = Self;

    fn add(self, hours: u32) -> Self {
        Self(self.0.saturating_add(hours))
    }
}

/// What came of the use of a known key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UseOutcome {
    /// The key was valid.
    Valid,
    /// It was deactivated.
    Deactivated,
    /// It had expired.
    Expired,
    /// A rotation had replaced or dropped the value.
    RotatedOut,
    /// Its rate limit was used up.
    RateLimited,
    /// The client's address was not allowed.
    AddressRefused,
    /// It lacked a permission.
    InsufficientPermissions,
}

impl UseOutcome {
    /// All outcomes, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Valid,
        Self::Deactivated,
        Self::Expired,
        Self::RotatedOut,
        Self::RateLimited,
        Self::AddressRefused,
        Self::InsufficientPermissions,
    ];

    /// The outcome with this refusal; `None` where there is no key that could be counted.
    pub fn of(refusal: Option<Refusal>) -> Option<Self> {
        Some(match refusal {
            None => Self::Valid,
            Some(Refusal::Missing | Refusal::Unknown) => return None,
            Some(Refusal::Deactivated) => Self::Deactivated,
            Some(Refusal::Expired) => Self::Expired,
            Some(Refusal::RotatedOut) => Self::RotatedOut,
            Some(Refusal::RateLimited(_)) => Self::RateLimited,
            Some(Refusal::AddressRefused) => Self::AddressRefused,
            Some(Refusal::InsufficientPermissions) => Self::InsufficientPermissions,
        })
    }

    /// The outcome with this number.
    pub fn new(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its number, which is stored.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The code of a verification with this outcome.
    pub fn code(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::Deactivated => "DEACTIVATED",
            Self::Expired => "EXPIRED",
            Self::RotatedOut => "ROTATED_OUT",
            Self::RateLimited => "RATE_LIMITED",
            Self::AddressRefused => "ADDRESS_REFUSED",
            Self::InsufficientPermissions => "INSUFFICIENT_PERMISSIONS",
        }
    }
}

/// The uses of one key in one hour with one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedUses {
    /// The hour.
    pub hour: Hour,
    /// The key's organization.
    pub organization: OrganizationId,
    /// The key.
    pub key: KeyId,
    /// The outcome.
    pub outcome: UseOutcome,
    /// How many.
    pub count: u64,
}

/// Numbers of uses by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UseCounts([u64; UseOutcome::ALL.len()]);

impl UseCounts {
    /// Uses with one outcome.
    pub fn of(outcome: UseOutcome, count: u64) -> Self {
        let mut counts = Self::default();
        counts.0[usize::from(outcome.number())] = count;
        counts
    }

    /// The number of uses with this outcome.
    pub fn get(&self, outcome: UseOutcome) -> u64 {
        self.0[usize::from(outcome.number())]
    }

    /// The number of all uses.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The refused uses, with the outcomes that occurred.
    pub fn refused(&self) -> impl Iterator<Item = (UseOutcome, u64)> {
        let refused = UseOutcome::ALL.into_iter().filter(|outcome| *outcome != UseOutcome::Valid);
        refused.map(|outcome| (outcome, self.get(outcome))).filter(|(_, count)| *count > 0)
    }
}

impl AddAssign for UseCounts {
    fn add_assign(&mut self, more: Self) {
        for (sum, more) in self.0.iter_mut().zip(more.0) {
            *sum += more;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_contains_its_first_millisecond_and_not_that_of_the_next() {
        let at = |ms| Timestamp::from_unix_ms(ms).unwrap();
        let hour = Hour::of(at(1_733_353_200_000));
        assert_eq!(hour.start().to_string(), "2024-12-04T23:00:00.000Z");
        assert_eq!(Hour::of(at(1_733_353_200_000 + HOUR_MS - 1)), hour);
        assert_eq!(Hour::of(at(1_733_353_200_000 + HOUR_MS)), hour + 1);
        assert_eq!(Hour::of(at(253_402_300_799_999)).start().to_string(), "9999-12-31T23:00:00.000Z");
    }

    #[test]
    fn each_outcome_has_its_own_number_and_code() {
        for (number, outcome) in (0..).zip(UseOutcome::ALL) {
            assert_eq!((outcome.number(), UseOutcome::new(number)), (number, Some(outcome)));
            assert_eq!(UseOutcome::ALL.iter().filter(|other| other.code() == outcome.code()).count(), 1);
        }
        assert_eq!(UseOutcome::new(7), None);
        assert_eq!(UseOutcome::of(Some(Refusal::Unknown)), None);
    }

    #[test]
    fn counts_add_up_by_outcome() {
        let mut counts = UseCounts::of(UseOutcome::Valid, 3);
        counts += UseCounts::of(UseOutcome::Expired, 2);
        counts += UseCounts::of(UseOutcome::Valid, 1);
        assert_eq!((counts.get(UseOutcome::Valid), counts.total()), (4, 6));
        assert_eq!(counts.refused().collect::<Vec<_>>(), [(UseOutcome::Expired, 2)]);
    }
}
