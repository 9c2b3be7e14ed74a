//! The JSON that the audit log keeps about a change. Use cases write it, and so does the store when it replays its
//! ledger of revocations.

use crate::domain::{ApiKey, Error, Metadata, Owner, RateLimit, Reason, Result};
use serde::Serialize;

/// The object before and after a change, and its reason, as JSON.
///
/// # Errors
/// [`Error::Internal`] where they cannot be serialized.
pub fn audit_change([before, after]: [Option<impl Serialize>; 2], reason: Option<&Reason>) -> Result<String> {
    serde_json::to_string(&BeforeAndAfter { before, after, reason: reason.map(Reason::as_str) })
        .map_err(|e| Error::Internal(format!("an event could not be written: {e}")))
}

#[derive(Serialize)]
struct BeforeAndAfter<'a, T> {
    before: Option<T>,
    after: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// The fields of a key that can change, as an event keeps them: values masked, unset fields left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyDetails<'a> {
    name: &'a str,
    valid: bool,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotates_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<LimitDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_addresses: Option<Vec<String>>,
    role: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    permissions: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<MetadataDetails>,
}

/// Metadata in an event: short ones in full, long ones by size and hash. Events are kept permanently.
#[derive(Serialize)]
#[serde(untagged)]
enum MetadataDetails {
    Short(serde_json::Value),
    Long { bytes: usize, blake3: String },
}

impl MetadataDetails {
    const MAX_SHORT: usize = 256;

    /// `None` if they are empty.
    fn of(metadata: &Metadata) -> Option<Self> {
        let text = Some(metadata.as_str()).filter(|_| !metadata.is_empty())?;
        if let (..=Self::MAX_SHORT, Ok(object)) = (text.len(), serde_json::from_str(text)) {
            return Some(Self::Short(object));
        }
        Some(Self::Long { bytes: text.len(), blake3: blake3::hash(text.as_bytes()).to_hex().to_string() })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LimitDetails {
    limit: u32,
    window_in_seconds: u32,
}

impl<'a> From<&'a ApiKey> for KeyDetails<'a> {
    fn from(key: &'a ApiKey) -> Self {
        // The event itself names the key and its organization and project. A use is not a change.
        let ApiKey {
            id: _,
            parent: _,
            name,
            value,
            shadow,
            valid,
            created_at: _,
            expires_at,
            value_last_used: _,
            rate_limit,
            allowed_addresses,
            role,
            permissions,
            owner,
            metadata,
        } = key;
        let limit = |it: RateLimit| LimitDetails { limit: it.limit(), window_in_seconds: it.window_s() };
        let shadow = shadow.as_ref();
        Self {
            name: name.as_str(),
            valid: *valid,
            value: value.tail.to_string(),
            expires_at: expires_at.map(|at| at.to_string()),
            shadow_value: shadow.map(|shadow| shadow.fingerprint.tail.to_string()),
            rotates_at: shadow.map(|shadow| shadow.rotates_at.to_string()),
            rate_limit: rate_limit.map(limit),
            allowed_addresses: allowed_addresses.as_ref().map(|list| list.iter().collect()),
            role: role.name(),
            permissions: permissions.iter().collect(),
            owner: owner.as_ref().map(Owner::as_str),
            metadata: MetadataDetails::of(metadata),
        }
    }
}
