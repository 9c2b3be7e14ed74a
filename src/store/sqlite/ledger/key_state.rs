//! The state of a key in the ledger: a JSON object with a version.

use crate::domain::{AddressList, Algorithm, Digest, Fingerprint, Permissions, RateLimit, Role, Tail, Timestamp};
use crate::store::key_record::{KeyState, RecordedGrants, RecordedLimits};
use serde::{Deserialize, Serialize};

/// The only version that this program writes and reads. A newer program has a newer schema of the store, which this one
/// refuses first.
const VERSION: u8 = 1;

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stored {
    version: u8,
    valid: bool,
    value: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<StoredRotation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<StoredLimits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grants: Option<StoredGrants>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Value {
    algorithm: String,
    digest: String,
    tail: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct StoredRotation {
    to: Value,
    at: i64,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<[u32; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_addresses: Option<Vec<String>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct StoredGrants {
    role: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    permissions: String,
}

pub(super) fn to_json(state: &KeyState) -> serde_json::Value {
    let of_limits = |RecordedLimits { rate_limit, allowed_addresses }: &RecordedLimits| StoredLimits {
        rate_limit: rate_limit.map(|it| [it.limit(), it.window_s()]),
        allowed_addresses: allowed_addresses.as_ref().map(|list| list.iter().collect()),
    };
    let of_grants = |RecordedGrants { role, permissions }: &RecordedGrants| StoredGrants {
        role: role.name().to_owned(),
        permissions: permissions.as_str().to_owned(),
    };
    let KeyState { valid, value, shadow, expires_at, limits, grants } = state;
    let stored = Stored {
        version: VERSION,
        valid: *valid,
        value: Value::of(value),
        rotation: shadow.as_ref().map(|(to, at)| StoredRotation { to: Value::of(to), at: at.unix_ms() }),
        expires_at: expires_at.map(Timestamp::unix_ms),
        limits: limits.as_ref().map(of_limits),
        grants: grants.as_ref().map(of_grants),
    };
    serde_json::json!(stored)
}

/// `None` where the text is not in this format.
pub(super) fn from_json(text: &str) -> Option<KeyState> {
    let stored = serde_json::from_str(text).ok().filter(|stored: &Stored| stored.version == VERSION)?;
    let Stored { version: _, valid, value, rotation, expires_at, limits, grants } = stored;
    let shadow = |it: StoredRotation| Some((it.to.fingerprint()?, Timestamp::from_unix_ms(it.at)?));
    let of_limits = |StoredLimits { rate_limit, allowed_addresses }: StoredLimits| {
        let to_rate_limit = |[limit, window_s]: [u32; 2]| RateLimit::new(limit, window_s);
        let addresses = |list: Vec<String>| AddressList::parse(list.iter().map(String::as_str)).ok();
        Some(RecordedLimits {
            rate_limit: all_or_none(rate_limit.map(to_rate_limit))?,
            allowed_addresses: all_or_none(allowed_addresses.map(addresses))?,
        })
    };
    let of_grants = |StoredGrants { role, permissions }: StoredGrants| {
        let permissions = Permissions::parse_list(&permissions).ok()?;
        Some(RecordedGrants { role: Role::parse(&role)?, permissions })
    };
    Some(KeyState {
        valid,
        value: value.fingerprint()?,
        shadow: all_or_none(rotation.map(shadow))?,
        expires_at: all_or_none(expires_at.map(Timestamp::from_unix_ms))?,
        limits: all_or_none(limits.map(of_limits))?,
        grants: all_or_none(grants.map(of_grants))?,
    })
}

/// A present value must be valid: `None` where it is not.
fn all_or_none<T>(parsed: Option<Option<T>>) -> Option<Option<T>> {
    match parsed {
        Some(None) => None,
        Some(value) => Some(value),
        None => Some(None),
    }
}

impl Value {
    fn of(value: &Fingerprint) -> Self {
        Self {
            algorithm: value.digest.algorithm().name().to_owned(),
            digest: value.digest.to_hex(),
            tail: value.tail.as_str().to_owned(),
        }
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        let digest = Digest::parse(Algorithm::parse(&self.algorithm)?, &self.digest)?;
        Some(Fingerprint { digest, tail: Tail::external(&self.tail).ok()? })
    }
}
