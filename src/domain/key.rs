//! API keys: identity, state and restrictions.

use super::{
    AddressList, Digest, Fingerprint, Metadata, Name, OrganizationId, Owner, Permissions, ProjectId, RateLimit,
    Refusal, Role, Timestamp,
};
use core::net::IpAddr;
use std::ops::Add;

/// A key's number: positive and never reused, not even after a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(i64);

impl KeyId {
    /// `None` if the number is not positive.
    pub fn new(number: i64) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// The organization or project that a key belongs to. It never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The organization.
    pub organization: OrganizationId,
    /// The project; `None` for an organization's own key.
    pub project: Option<ProjectId>,
}

/// Numbers of keys by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCounts {
    /// Keys that authenticate.
    pub active: u32,
    /// Deactivated keys, expired or not.
    pub deactivated: u32,
    /// Expired keys that are not deactivated.
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

/// Which value of a key was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented {
    /// The current value; during a rotation the outgoing one.
    Value,
    /// The new value of a rotation.
    Shadow,
    /// A value from before a rotation.
    Former,
}

/// The new value of a rotation during its grace period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// The stored fingerprint.
    pub fingerprint: Fingerprint,
    /// When it replaces the outgoing value: at the end of the grace period, or at the key's expiry if that is
    /// earlier.
    pub rotates_at: Timestamp,
    /// When it last authenticated a request.
    pub last_used: Option<Timestamp>,
}

/// An API key without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The key's number.
    pub id: KeyId,
    /// The organization or project that it belongs to.
    pub parent: Parent,
    /// Its display name.
    pub name: Name,
    /// The fingerprint of its value.
    pub value: Fingerprint,
    /// The new value, during the grace period of a rotation.
    pub shadow: Option<Shadow>,
    /// Whether the key is activated; a deactivated key is refused.
    pub valid: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// The first instant at which it is refused; `None` for no expiry.
    pub expires_at: Option<Timestamp>,
    /// When its value last authenticated a request; during a rotation the outgoing one.
    pub value_last_used: Option<Timestamp>,
    /// Its rate limit; `None` for unlimited.
    pub rate_limit: Option<RateLimit>,
    /// The addresses that it may be used from; `None` for any.
    pub allowed_addresses: Option<AddressList>,
    /// What it may do in Keystead.
    pub role: Role,
    /// What it may do in the services that ask Keystead.
    pub permissions: Permissions,
    /// Whose key it is.
    pub owner: Option<Owner>,
    /// The team's notes about it.
    pub metadata: Metadata,
}

impl ApiKey {
    /// A newly created key: activated, never used, unrestricted, with the default role and no permissions.
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
            role: Role::default_for(parent),
            permissions: Permissions::default(),
            owner: None,
            metadata: Metadata::default(),
        }
    }

    /// When any of its values last authenticated a request.
    pub fn last_used(&self) -> Option<Timestamp> {
        self.value_last_used.max(self.shadow.as_ref().and_then(|shadow| shadow.last_used))
    }

    /// The value that has this digest.
    pub fn presented(&self, digest: &Digest) -> Option<Presented> {
        if self.value.digest == *digest {
            return Some(Presented::Value);
        }
        let shadow = self.shadow.as_ref()?;
        (shadow.fingerprint.digest == *digest).then_some(Presented::Shadow)
    }

    /// Checks the value's state at `now`. At the exact millisecond of an expiry it is refused.
    ///
    /// # Errors
    /// The reason for the refusal.
    pub fn check(&self, presented: Presented, now: Timestamp) -> std::result::Result<(), Refusal> {
        match (presented, &self.shadow) {
            (Presented::Former, _) => return Err(Refusal::RotatedOut),
            (Presented::Value, Some(shadow)) if shadow.rotates_at <= now => return Err(Refusal::RotatedOut),
            _ if !self.valid => return Err(Refusal::Deactivated),
            _ => {}
        }
        if self.is_expired(now) { Err(Refusal::Expired) } else { Ok(()) }
    }

    /// Checks the value's state at `now`, the client's address (`None` is an unknown one), and the needed permissions.
    ///
    /// # Errors
    /// The reason for the refusal.
    pub fn admit(
        &self,
        presented: Presented,
        address: Option<IpAddr>,
        needed: &Permissions,
        now: Timestamp,
    ) -> std::result::Result<(), Refusal> {
        self.check(presented, now)?;
        match &self.allowed_addresses {
            Some(allowed) if !address.is_some_and(|address| allowed.contains(address)) => Err(Refusal::AddressRefused),
            _ if !self.permissions.grant(needed) => Err(Refusal::InsufficientPermissions),
            _ => Ok(()),
        }
    }

    /// When the value stops working, if it is the outgoing value of a rotation.
    pub fn sunset(&self, presented: Presented) -> Option<Timestamp> {
        self.shadow.as_ref().filter(|_| presented == Presented::Value).map(|shadow| shadow.rotates_at)
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// Changes to a key. `None` leaves a field as it is; an inner `None` removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyChange {
    /// The new display name.
    pub name: Option<Name>,
    /// Switches the key on or off.
    pub valid: Option<bool>,
    /// The new rate limit.
    pub rate_limit: Option<Option<RateLimit>>,
    /// The new allowed addresses.
    pub allowed_addresses: Option<Option<AddressList>>,
    /// The new role.
    pub role: Option<Role>,
    /// The new permissions, which replace all others.
    pub permissions: Option<Permissions>,
    /// The new owner.
    pub owner: Option<Option<Owner>>,
    /// The new metadata, which replace all others.
    pub metadata: Option<Metadata>,
}

impl KeyChange {
    /// Applies the changes to the key.
    pub fn apply(self, key: &mut ApiKey) {
        let Self { name, valid, rate_limit, allowed_addresses, role, permissions, owner, metadata } = self;
        set(&mut key.name, name);
        set(&mut key.valid, valid);
        set(&mut key.rate_limit, rate_limit);
        set(&mut key.allowed_addresses, allowed_addresses);
        set(&mut key.role, role);
        set(&mut key.permissions, permissions);
        set(&mut key.owner, owner);
        set(&mut key.metadata, metadata);
    }

    /// Whether the change deactivates the key and does nothing else. A key must be activated before each of
    /// these, so their number is bounded.
    pub fn only_deactivates(&self) -> bool {
        *self == Self { valid: Some(false), ..Self::default() }
    }
}

fn set<T>(field: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *field = new;
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
    fn a_key_works_until_the_millisecond_before_its_expiry() {
        let end = NOW + DAY_MS;
        let key = key(Some(at(end)));
        assert_eq!(key.check(Presented::Value, at(end - 1)), Ok(()));
        assert_eq!(key.check(Presented::Value, at(end)), Err(Refusal::Expired));
        assert_eq!(key.check(Presented::Value, at(end + 1)), Err(Refusal::Expired));
    }

    #[test]
    fn allowed_addresses_refuse_other_and_unknown_addresses() {
        let mut key = key(None);
        let none = Permissions::default();
        let admit = |key: &ApiKey, address: &str| key.admit(Presented::Value, address.parse().ok(), &none, at(NOW));
        assert_eq!(admit(&key, "unknown"), Ok(()));
        key.allowed_addresses = Some(AddressList::parse(["10.0.0.0/8"]).unwrap());
        assert_eq!(admit(&key, "10.1.2.3"), Ok(()));
        assert_eq!(admit(&key, "11.1.2.3"), Err(Refusal::AddressRefused));
        assert_eq!(admit(&key, "unknown"), Err(Refusal::AddressRefused));
        key.valid = false;
        assert_eq!(admit(&key, "11.1.2.3"), Err(Refusal::Deactivated));
    }

    #[test]
    fn a_key_needs_each_permission_that_is_asked_for() {
        let mut key = key(None);
        let admit = |key: &ApiKey, needed: &str| {
            key.admit(Presented::Value, None, &Permissions::parse_list(needed).unwrap(), at(NOW))
        };
        assert_eq!(admit(&key, ""), Ok(()));
        assert_eq!(admit(&key, "invoices:read"), Err(Refusal::InsufficientPermissions));
        key.permissions = Permissions::parse_list("invoices:read orders:*").unwrap();
        assert_eq!(admit(&key, "invoices:read orders:list"), Ok(()));
        assert_eq!(admit(&key, "invoices:read users:list"), Err(Refusal::InsufficientPermissions));
        key.valid = false;
        assert_eq!(admit(&key, "users:list"), Err(Refusal::Deactivated));
    }

    #[test]
    fn a_former_value_is_rotated_out_whatever_the_state_of_the_key() {
        let mut key = key(None);
        assert_eq!(key.check(Presented::Former, at(NOW)), Err(Refusal::RotatedOut));
        key.valid = false;
        assert_eq!(key.check(Presented::Former, at(NOW)), Err(Refusal::RotatedOut));
    }
}
