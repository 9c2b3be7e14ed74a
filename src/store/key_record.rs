//! The ledger's record of a key: what may restrict its use.

use crate::domain::{AddressList, ApiKey, Fingerprint, KeyId, Permissions, RateLimit, Role, Shadow, Timestamp};

/// The ledger's record of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key's id.
    pub id: KeyId,
    /// When it was created. Id and time together identify the key among all copies of the store.
    pub created_at: Timestamp,
    /// Its state; `None` for a revoked key.
    pub state: Option<Box<KeyState>>,
}

/// What restricts a key that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// Whether it is active.
    pub valid: bool,
    /// Its value; during a rotation, the outgoing one.
    pub value: Fingerprint,
    /// The new value of a rotation, and when it becomes the only one.
    pub shadow: Option<(Fingerprint, Timestamp)>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// Its limits; `None` where they are not known, as in ledgers of older versions.
    pub limits: Option<RecordedLimits>,
    /// What it may do; `None` where it is not known, as in ledgers of older versions.
    pub grants: Option<RecordedGrants>,
}

/// How often a key may be used, and from which addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedLimits {
    /// `None`: without limit.
    pub rate_limit: Option<RateLimit>,
    /// `None`: from any address.
    pub allowed_addresses: Option<AddressList>,
}

/// What a key may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedGrants {
    /// In Keystead.
    pub role: Role,
    /// Elsewhere.
    pub permissions: Permissions,
}

impl KeyRecord {
    /// The record of an existing key.
    pub fn of(key: &ApiKey) -> Self {
        // Its organization never changes. Its name, owner, metadata and last use do not restrict it.
        let ApiKey {
            id,
            parent: _,
            name: _,
            value,
            shadow,
            valid,
            created_at,
            expires_at,
            value_last_used: _,
            rate_limit,
            allowed_addresses,
            role,
            permissions,
            owner: _,
            metadata: _,
        } = key;
        let new_value = |it: &Shadow| (it.fingerprint, it.rotates_at);
        let limits = RecordedLimits { rate_limit: *rate_limit, allowed_addresses: allowed_addresses.clone() };
        let state = KeyState {
            valid: *valid,
            value: *value,
            shadow: shadow.as_ref().map(new_value),
            expires_at: *expires_at,
            limits: Some(limits),
            grants: Some(RecordedGrants { role: *role, permissions: permissions.clone() }),
        };
        Self { id: *id, created_at: *created_at, state: Some(Box::new(state)) }
    }

    /// The record of a revoked key.
    pub fn revoked(key: &ApiKey) -> Self {
        Self { id: key.id, created_at: key.created_at, state: None }
    }
}
