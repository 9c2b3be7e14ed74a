//! Organizations: whom everything belongs to.

use super::{Name, Timestamp};
use std::fmt;

/// An organization's identity: 63 random bits, so that nothing is learnt from one about another. `Display` is the
/// opaque string that clients see, such as `org_2f9c1e7ab3d84f06`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrganizationId(i64);

impl OrganizationId {
    /// From eight random bytes.
    pub fn from_random(bytes: [u8; 8]) -> Self {
        Self(i64::from_be_bytes(bytes) & i64::MAX)
    }

    /// From the stored number; `None` where it is negative.
    pub fn new(number: i64) -> Option<Self> {
        (number >= 0).then_some(Self(number))
    }

    /// From the string that clients see; `None` where it is of another form, so that there is no such organization.
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

/// What an organization takes of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrganizationSize {
    /// How many keys it has.
    pub api_keys: u64,
    /// How many events of the audit log concern it.
    pub audit_events: u64,
    /// About how many bytes those take.
    pub audit_bytes: u64,
}

impl OrganizationSize {
    /// About how many bytes a key takes, with what it is found by.
    const KEY_BYTES: u64 = 200;

    /// About how many bytes all of it takes.
    pub fn bytes(&self) -> u64 {
        self.audit_bytes + Self::KEY_BYTES * self.api_keys
    }
}

/// An organization: keys and projects belong to one and can see only that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its identity.
    pub id: OrganizationId,
    /// Its name.
    pub name: Name,
    /// When it was created.
    pub created_at: Timestamp,
}
