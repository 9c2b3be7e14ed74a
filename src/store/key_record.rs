//! How a key stands: what the ledger of revocations keeps of it.

use crate::domain::{AddressList, ApiKey, Fingerprint, KeyId, RateLimit, Shadow, Timestamp};

/// How a key stands, as far as its validity goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key.
    pub id: KeyId,
    /// When it was minted: with its number, what tells it from any other key of any copy of the store.
    pub created_at: Timestamp,
    /// What is good of it; `None` where it was revoked.
    pub state: Option<Box<KeyState>>,
}

/// What decides over the validity of a key that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// Whether it is switched on.
    pub valid: bool,
    /// Its value; during a rotation the outgoing one.
    pub value: Fingerprint,
    /// The new value of a rotation, and from when on it is the only one.
    pub shadow: Option<(Fingerprint, Timestamp)>,
    /// From when on it authenticates nobody.
    pub expires_at: Option<Timestamp>,
    /// How often and from where it may be used; `None` where that is not known, as of keys that an older version wrote down.
    pub limits: Option<Limits>,
}

/// How often a key may be used, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How often; `None` for as often as anybody likes.
    pub rate_limit: Option<RateLimit>,
    /// From where; `None` for anywhere.
    pub allowed_addresses: Option<AddressList>,
}

impl KeyRecord {
    /// Of a key that is there.
    pub fn of(key: &ApiKey) -> Self {
        // Whose it is never changes; what it is called and when it was used decides over nothing.
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
        } = key;
        let new_value = |it: &Shadow| (it.fingerprint, it.rotates_at);
        let limits = Limits { rate_limit: *rate_limit, allowed_addresses: allowed_addresses.clone() };
        let state = KeyState {
            valid: *valid,
            value: *value,
            shadow: shadow.as_ref().map(new_value),
            expires_at: *expires_at,
            limits: Some(limits),
        };
        Self { id: *id, created_at: *created_at, state: Some(Box::new(state)) }
    }

    /// Of a key that was just revoked.
    pub fn revoked(key: &ApiKey) -> Self {
        Self { id: key.id, created_at: key.created_at, state: None }
    }
}
