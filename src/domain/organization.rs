//! Organizations, to which projects and keys belong.

use super::{Name, Timestamp};
use std::fmt;

/// An organization's id: 63 random bits, so an id reveals nothing about others. `Display` is the opaque
/// string for clients, such as `org_2f9c1e7ab3d84f06`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganizationId(i64);

impl OrganizationId {
    /// From eight random bytes.
    pub fn from_random(bytes: [u8; 8]) -> Self {
        Self(i64::from_be_bytes(bytes) & i64::MAX)
    }

    /// From the stored number; `None` if it is negative.
    pub fn new(number: i64) -> Option<Self> {
        (number >= 0).then_some(Self(number))
    }

    /// Parses the clients' string; `None` for any other form: no such organization exists.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_prefix("org_").and_then(|digits| i64::from_str_radix(digits, 16).ok());
        number.and_then(Self::new).filter(|id| id.to_string() == text)
    }

    /// The number to store.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for OrganizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "org_{:016x}", self.0)
    }
}

/// The space that an organization takes in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrganizationSize {
    /// Number of keys.
    pub api_keys: u64,
    /// Number of audit events.
    pub audit_events: u64,
    /// Approximate size of its audit events, in bytes.
    pub audit_bytes: u64,
}

impl OrganizationSize {
    /// Approximate size of a key and its index entries, in bytes.
    const KEY_BYTES: u64 = 200;

    /// Approximate total size, in bytes.
    pub fn bytes(&self) -> u64 {
        self.audit_bytes + Self::KEY_BYTES * self.api_keys
    }
}

/// An organization. Keys and projects belong to exactly one and see only that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Its display name.
    pub name: Name,
    /// When it was created.
    pub created_at: Timestamp,
}
