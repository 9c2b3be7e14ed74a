//! API keys: their identity, and the rules by which they change.

use super::{
    AddressList, Digest, Error, Fingerprint, Name, OrganizationId, ProjectId, RateLimit, Refusal, Result, Timestamp,
};
use core::net::IpAddr;
use std::ops::Add;

const HOUR_MS: i64 = 3_600_000;
const DAY_S: i64 = 24 * 3_600;
/// For how long the outgoing value must not have been used before ending its grace counts as safe.
const QUIET_MS: i64 = HOUR_MS;

/// A key's number: positive, never reused, not even after a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(i64);

impl KeyId {
    /// `None` where the number is not positive.
    pub fn new(number: i64) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// Whom a key belongs to, for good: an organization, or one of its projects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The organization.
    pub organization: OrganizationId,
    /// The project; `None` for the organization's own keys.
    pub project: Option<ProjectId>,
}

/// How many keys there are, by what a request with one of them would come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCounts {
    /// Those that are good.
    pub active: u32,
    /// Those that are switched off, also where their time is over.
    pub deactivated: u32,
    /// Those that are switched on and whose time is over.
    pub expired: u32,
}

impl Add for KeyCounts {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            active: self.active + more.active,
            deactivated: self.deactivated + more.deactivated,
            expired: self.expired + more.expired,
        }
    }
}

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
    fn end(self, before: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>> {
        match self {
            Self::Keep => Ok(before),
            Self::Never => Ok(None),
            Self::After(lifetime) => lifetime.end(now).map(Some),
        }
    }
}

/// Which of a key's values somebody presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented {
    /// The value; during a rotation the outgoing one.
    Value,
    /// The new value of a rotation.
    Shadow,
    /// One that it had before a rotation.
    Former,
}

/// The new value of a rotation that is in its grace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// What is kept of it.
    pub fingerprint: Fingerprint,
    /// When it takes the outgoing value's place: when the grace ends, or the key before that.
    pub rotates_at: Timestamp,
    /// When it last authenticated.
    pub last_used: Option<Timestamp>,
}

/// An API key: all but its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The key's number.
    pub id: KeyId,
    /// Whom it belongs to.
    pub parent: Parent,
    /// Its label.
    pub name: Name,
    /// What is kept of its value.
    pub value: Fingerprint,
    /// The value that takes its place, while a rotation is in its grace.
    pub shadow: Option<Shadow>,
    /// Whether it is switched on; a key that is switched off authenticates nobody.
    pub valid: bool,
    /// When it was minted.
    pub created_at: Timestamp,
    /// From when on it authenticates nobody; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// When its value last authenticated; during a rotation the outgoing one.
    pub value_last_used: Option<Timestamp>,
    /// How often it may be used; `None` for as often as anybody likes.
    pub rate_limit: Option<RateLimit>,
    /// Where it may be used from; `None` for anywhere.
    pub allowed_addresses: Option<AddressList>,
}

impl ApiKey {
    /// One that was just minted: switched on, never used, without restrictions.
    pub fn minted(
        id: KeyId,
        parent: Parent,
        name: Name,
        value: Fingerprint,
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Self {
        Self {
            id,
            parent,
            name,
            value,
            shadow: None,
            valid: true,
            created_at,
            expires_at,
            value_last_used: None,
            rate_limit: None,
            allowed_addresses: None,
        }
    }

    /// When any of its values last authenticated.
    pub fn last_used(&self) -> Option<Timestamp> {
        self.value_last_used.max(self.shadow.as_ref().and_then(|shadow| shadow.last_used))
    }

    /// Which of the values has this digest.
    pub fn presented(&self, digest: &Digest) -> Option<Presented> {
        if self.value.digest == *digest {
            return Some(Presented::Value);
        }
        let shadow = self.shadow.as_ref()?;
        (shadow.fingerprint.digest == *digest).then_some(Presented::Shadow)
    }

    /// Whether the value may be used now. At the very millisecond of an end it may not.
    ///
    /// # Errors
    /// The reason why not.
    pub fn check(&self, presented: Presented, now: Timestamp) -> std::result::Result<(), Refusal> {
        match (presented, &self.shadow) {
            (Presented::Former, _) => return Err(Refusal::RotatedOut),
            (Presented::Value, Some(shadow)) if shadow.rotates_at <= now => return Err(Refusal::RotatedOut),
            _ if !self.valid => return Err(Refusal::Deactivated),
            _ => {}
        }
        if self.is_expired(now) { Err(Refusal::Expired) } else { Ok(()) }
    }

    /// Whether the value may be used now from this address, `None` being one that nobody knows.
    ///
    /// # Errors
    /// The reason why not.
    pub fn admit(
        &self,
        presented: Presented,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> std::result::Result<(), Refusal> {
        self.check(presented, now)?;
        match &self.allowed_addresses {
            Some(allowed) if !address.is_some_and(|address| allowed.contains(address)) => Err(Refusal::AddressRefused),
            _ => Ok(()),
        }
    }

    /// When the value is replaced, where it is the outgoing one of a rotation.
    pub fn sunset(&self, presented: Presented) -> Option<Timestamp> {
        self.shadow.as_ref().filter(|_| presented == Presented::Value).map(|shadow| shadow.rotates_at)
    }

    fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Finishes a rotation whose grace is over.
    pub fn complete_due_rotation(&mut self, now: Timestamp) {
        if self.shadow.as_ref().is_some_and(|shadow| shadow.rotates_at <= now) {
            self.promote_shadow();
        }
    }

    /// Gives the key a new value. Without a grace the old one stops at once, and with it a rotation under way; with one
    /// both go on until it ends, or the key does.
    ///
    /// # Errors
    /// [`Error::Invalid`] where an expired key is to have a grace, [`Error::ExpiryNeeded`] where it is not told when to expire,
    /// [`Error::Conflict`] where a rotation is in its grace and another is to have one.
    pub fn rotate(&mut self, new: Fingerprint, grace: Grace, expiry: Expiry, now: Timestamp) -> Result<()> {
        self.complete_due_rotation(now);
        if self.is_expired(now) {
            if grace != Grace::default() {
                let sentence = "An expired key has no value that a grace period could keep; rotate it without one.";
                return Err(Error::Invalid(sentence.to_owned()));
            }
            if expiry == Expiry::Keep {
                return Err(Error::ExpiryNeeded);
            }
        }
        let expires_at = expiry.end(self.expires_at, now)?;
        if grace == Grace::default() {
            self.value_last_used = self.last_used();
            (self.value, self.shadow) = (new, None);
        } else {
            if self.shadow.is_some() {
                let sentence = "The key is being rotated already: complete or cancel that rotation first, or rotate without a grace period.";
                return Err(Error::Conflict(sentence.to_owned()));
            }
            let too_far = || Error::Invalid("The grace period would end beyond the year 9999.".to_owned());
            let end = grace.end(now).ok_or_else(too_far)?;
            let rotates_at = expires_at.map_or(end, |expires_at| expires_at.min(end));
            self.shadow = Some(Shadow { fingerprint: new, rotates_at, last_used: None });
        }
        self.expires_at = expires_at;
        Ok(())
    }

    /// Changes when the key ends. A key that has expired is good again until then, by its newest value alone. A rotation
    /// under way gets no more time by it: where the key now ends before the grace does, the outgoing value ends with the key,
    /// also should the key get a later end after that.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the end would lie beyond the year 9999.
    pub fn set_expiry(&mut self, expiry: Expiry, now: Timestamp) -> Result<()> {
        self.complete_due_rotation(now);
        self.expires_at = expiry.end(self.expires_at, now)?;
        if let (Some(shadow), Some(end)) = (&mut self.shadow, self.expires_at) {
            shadow.rotates_at = shadow.rotates_at.min(end);
        }
        Ok(())
    }

    /// Ends the grace of a rotation now: the outgoing value stops.
    ///
    /// # Errors
    /// [`Error::Conflict`] where there is no rotation in its grace.
    pub fn complete_rotation(&mut self, now: Timestamp) -> Result<()> {
        self.expect_rotation(now)?;
        self.promote_shadow();
        Ok(())
    }

    /// Drops the new value of a rotation; the outgoing one stays.
    ///
    /// # Errors
    /// [`Error::Conflict`] where there is no rotation in its grace.
    pub fn cancel_rotation(&mut self, now: Timestamp) -> Result<()> {
        self.expect_rotation(now)?;
        self.value_last_used = self.last_used();
        self.shadow = None;
        Ok(())
    }

    /// Whether nobody would notice if the grace ended now: the new value has been used, and the outgoing one not within
    /// the last hour.
    pub fn is_safe_to_complete(&self, now: Timestamp) -> bool {
        let is_in_use = self.shadow.as_ref().is_some_and(|shadow| shadow.last_used.is_some());
        is_in_use && self.value_last_used.is_none_or(|at| at.unix_ms() + QUIET_MS <= now.unix_ms())
    }

    fn expect_rotation(&mut self, now: Timestamp) -> Result<()> {
        self.complete_due_rotation(now);
        if self.shadow.is_some() {
            return Ok(());
        }
        Err(Error::Conflict("The key is not being rotated.".to_owned()))
    }

    fn promote_shadow(&mut self) {
        self.value_last_used = self.last_used();
        if let Some(shadow) = self.shadow.take() {
            self.value = shadow.fingerprint;
        }
    }
}

/// What is to become of a key; `None` leaves a field as it is, an inner `None` removes it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KeyChange {
    /// Its label.
    pub name: Option<Name>,
    /// Switches it on or off.
    pub valid: Option<bool>,
    /// How often it may be used.
    pub rate_limit: Option<Option<RateLimit>>,
    /// Where it may be used from.
    pub allowed_addresses: Option<Option<AddressList>>,
}

impl KeyChange {
    /// Does it to the key.
    pub fn apply(self, key: &mut ApiKey) {
        let Self { name, valid, rate_limit, allowed_addresses } = self;
        if let Some(name) = name {
            key.name = name;
        }
        key.valid = valid.unwrap_or(key.valid);
        key.rate_limit = rate_limit.unwrap_or(key.rate_limit);
        if let Some(allowed_addresses) = allowed_addresses {
            key.allowed_addresses = allowed_addresses;
        }
    }

    /// Whether all that it does is to switch the key off. There are no more of these than times that keys are switched on.
    pub fn only_deactivates(&self) -> bool {
        let Self { name, valid, rate_limit, allowed_addresses } = self;
        *valid == Some(false) && name.is_none() && rate_limit.is_none() && allowed_addresses.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{KeyPrefix, Secret};
    use super::*;

    const NOW: i64 = 1_709_164_800_000; // 2024-02-29T00:00:00Z
    const DAY_MS: i64 = DAY_S * 1_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms).unwrap()
    }

    fn fingerprint(seed: u8) -> Fingerprint {
        Secret::new(&KeyPrefix::parse("a_").unwrap(), [seed; 16]).fingerprint()
    }

    fn key(expires_at: Option<Timestamp>) -> ApiKey {
        let parent = Parent { organization: OrganizationId::new(1).unwrap(), project: None };
        let (id, name) = (KeyId::new(1).unwrap(), Name::parse("a").unwrap());
        ApiKey::minted(id, parent, name, fingerprint(1), at(NOW), expires_at)
    }

    fn hours(hours: i64) -> Grace {
        Grace::from_hours(hours).unwrap()
    }

    #[test]
    fn a_key_number_is_positive() {
        assert!(KeyId::new(0).is_none());
        assert!(KeyId::new(-1).is_none());
        assert_eq!(KeyId::new(1).unwrap().get(), 1);
    }

    #[test]
    fn a_key_is_good_until_the_millisecond_before_its_expiry() {
        let end = NOW + DAY_MS;
        let key = key(Some(at(end)));
        assert_eq!(key.check(Presented::Value, at(end - 1)), Ok(()));
        assert_eq!(key.check(Presented::Value, at(end)), Err(Refusal::Expired));
        assert_eq!(key.check(Presented::Value, at(end + 1)), Err(Refusal::Expired));
    }

    #[test]
    fn a_key_with_allowed_addresses_is_refused_from_any_other_and_from_an_unknown_one() {
        let mut key = key(None);
        let admit = |key: &ApiKey, address: &str| key.admit(Presented::Value, address.parse().ok(), at(NOW));
        assert_eq!(admit(&key, "unknown"), Ok(()));
        key.allowed_addresses = Some(AddressList::parse(["10.0.0.0/8"]).unwrap());
        assert_eq!(admit(&key, "10.1.2.3"), Ok(()));
        assert_eq!(admit(&key, "11.1.2.3"), Err(Refusal::AddressRefused));
        assert_eq!(admit(&key, "unknown"), Err(Refusal::AddressRefused));
        key.valid = false;
        assert_eq!(admit(&key, "11.1.2.3"), Err(Refusal::Deactivated));
    }

    #[test]
    fn a_former_value_is_known_and_refused_whatever_the_key_is() {
        let mut key = key(None);
        assert_eq!(key.check(Presented::Former, at(NOW)), Err(Refusal::RotatedOut));
        key.valid = false;
        assert_eq!(key.check(Presented::Former, at(NOW)), Err(Refusal::RotatedOut));
    }

    #[test]
    fn an_outgoing_value_is_good_until_the_millisecond_before_it_is_replaced_and_the_new_one_throughout() {
        let mut key = key(None);
        key.rotate(fingerprint(2), hours(1), Expiry::Keep, at(NOW)).unwrap();
        let end = NOW + HOUR_MS;
        assert_eq!(key.check(Presented::Value, at(end - 1)), Ok(()));
        assert_eq!(key.check(Presented::Value, at(end)), Err(Refusal::RotatedOut));
        for now in [NOW, end - 1, end, end + 1] {
            assert_eq!(key.check(Presented::Shadow, at(now)), Ok(()));
        }
        let mut before = key.clone();
        before.complete_due_rotation(at(end - 1));
        assert_eq!(before, key);
        key.complete_due_rotation(at(end));
        assert_eq!((key.value, key.shadow), (fingerprint(2), None));
    }

    #[test]
    fn a_grace_longer_than_the_key_is_cut_to_it() {
        let mut key = key(Some(at(NOW + 30 * 60_000)));
        key.rotate(fingerprint(2), hours(1), Expiry::Keep, at(NOW)).unwrap();
        assert_eq!(key.sunset(Presented::Value), Some(at(NOW + 30 * 60_000)));
        let mut renewed = self::key(Some(at(NOW + 1)));
        let day = Expiry::After(Lifetime::from_days(1).unwrap());
        renewed.rotate(fingerprint(2), hours(48), day, at(NOW)).unwrap();
        assert_eq!(renewed.sunset(Presented::Value), Some(at(NOW + DAY_MS)));
    }

    #[test]
    fn another_expiry_only_ever_shortens_a_grace_and_revives_the_newest_value_alone() {
        let after = |seconds| Expiry::After(Lifetime::from_seconds(seconds).unwrap());
        let mut key = key(Some(at(NOW + DAY_MS)));
        key.rotate(fingerprint(2), hours(48), Expiry::Keep, at(NOW)).unwrap();
        assert_eq!(key.sunset(Presented::Value), Some(at(NOW + DAY_MS)), "cut to the key");
        key.set_expiry(Expiry::Never, at(NOW)).unwrap();
        assert_eq!((key.expires_at, key.sunset(Presented::Value)), (None, Some(at(NOW + DAY_MS))));
        key.set_expiry(after(60), at(NOW)).unwrap();
        assert_eq!(key.sunset(Presented::Value), Some(at(NOW + 60_000)));
        key.set_expiry(Expiry::Keep, at(NOW + 1)).unwrap();
        assert_eq!(key.expires_at, Some(at(NOW + 60_000)));
        for presented in [Presented::Value, Presented::Shadow] {
            assert_eq!(key.check(presented, at(NOW + 59_999)), Ok(()));
            assert!(key.check(presented, at(NOW + 60_000)).is_err());
        }
        let mut in_time = key.clone();
        in_time.set_expiry(after(3_600), at(NOW + 59_999)).unwrap();
        assert_eq!(in_time.sunset(Presented::Value), Some(at(NOW + 60_000)), "no more time");
        key.set_expiry(after(3_600), at(NOW + 60_000)).unwrap();
        assert_eq!((key.value, key.shadow.clone()), (fingerprint(2), None));
        assert_eq!(key.check(Presented::Value, at(NOW + 60_001)), Ok(()));
    }

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

    #[test]
    fn a_deactivated_key_stays_so_through_a_rotation() {
        let mut key = key(None);
        key.valid = false;
        key.rotate(fingerprint(2), Grace::default(), Expiry::Keep, at(NOW)).unwrap();
        assert_eq!(key.check(Presented::Value, at(NOW)), Err(Refusal::Deactivated));
    }

    #[test]
    fn ending_a_grace_is_safe_once_the_new_value_is_used_and_the_outgoing_one_quiet_for_an_hour() {
        let mut key = key(None);
        assert!(!key.is_safe_to_complete(at(NOW)), "there is no grace to end");
        key.rotate(fingerprint(2), hours(9), Expiry::Keep, at(NOW)).unwrap();
        assert!(!key.is_safe_to_complete(at(NOW)));
        key.shadow.as_mut().unwrap().last_used = Some(at(NOW));
        assert!(key.is_safe_to_complete(at(NOW)), "the outgoing value was never used");
        key.value_last_used = Some(at(NOW));
        assert!(!key.is_safe_to_complete(at(NOW + QUIET_MS - 1)));
        assert!(key.is_safe_to_complete(at(NOW + QUIET_MS)));
    }

    #[test]
    fn the_history_of_use_outlives_every_kind_of_rotation() {
        let used = Some(at(NOW + 5));
        type End = fn(&mut ApiKey) -> Result<()>;
        let ends: [End; 4] = [
            |key| key.complete_rotation(at(NOW + 6)),
            |key| key.cancel_rotation(at(NOW + 6)),
            |key| key.rotate(fingerprint(3), Grace::default(), Expiry::Keep, at(NOW + 6)),
            |key| {
                key.complete_due_rotation(at(NOW + HOUR_MS));
                Ok(())
            },
        ];
        for end in ends {
            let mut key = key(None);
            key.rotate(fingerprint(2), hours(1), Expiry::Keep, at(NOW)).unwrap();
            key.shadow.as_mut().unwrap().last_used = used;
            end(&mut key).unwrap();
            assert_eq!((key.last_used(), key.shadow), (used, None));
        }
    }
}
