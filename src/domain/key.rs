//! API keys: their identity, and the rules by which they change.

use super::{AddressList, Digest, Fingerprint, Name, OrganizationId, ProjectId, RateLimit, Refusal, Timestamp};
use core::net::IpAddr;
use std::ops::Add;

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

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
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
pub(super) mod tests {
    use super::super::{KeyPrefix, Secret};
    use super::*;

    pub(in crate::domain) const NOW: i64 = 1_709_164_800_000; // 2024-02-29T00:00:00Z
    pub(in crate::domain) const DAY_MS: i64 = 86_400_000;

    pub(in crate::domain) fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms).unwrap()
    }

    pub(in crate::domain) fn fingerprint(seed: u8) -> Fingerprint {
        Secret::new(&KeyPrefix::parse("a_").unwrap(), [seed; 16]).fingerprint()
    }

    pub(in crate::domain) fn key(expires_at: Option<Timestamp>) -> ApiKey {
        let parent = Parent { organization: OrganizationId::new(1).unwrap(), project: None };
        let (id, name) = (KeyId::new(1).unwrap(), Name::parse("a").unwrap());
        ApiKey::minted(id, parent, name, fingerprint(1), at(NOW), expires_at)
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
}
