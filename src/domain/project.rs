//! Projects, which divide the keys of an organization.

use super::name::check_new;
use super::{Error, Name, OrganizationId, Result, Timestamp};
use std::fmt;

/// Maximum length of a description in characters, not bytes.
const MAX_DESCRIPTION: usize = 2000;

/// A project's id: 63 random bits. `Display` is the opaque string for clients, such as
/// `proj_2f9c1e7ab3d84f06`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProjectId(i64);

impl ProjectId {
    /// From random bytes, of which the first eight are used.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = bytes;
        Self(i64::from_be_bytes([a, b, c, d, e, f, g, h]) & i64::MAX)
    }

    /// From the stored number; `None` if it is negative.
    pub fn new(number: i64) -> Option<Self> {
        (number >= 0).then_some(Self(number))
    }

    /// Parses the clients' string; `None` for any other form: no such project exists.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_prefix("proj_").and_then(|digits| i64::from_str_radix(digits, 16).ok());
        number.and_then(Self::new).filter(|id| id.to_string() == text)
    }

    /// The number to store.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proj_{:016x}", self.0)
    }
}

/// A project's description: up to 2,000 characters, with line breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// Checks a new description.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the text is too long, or contains a full key, invisible characters, or control
    /// characters other than line breaks and tabs.
    pub fn parse(text: &str) -> Result<Self> {
        check_new("description", text)?;
        Self::stored(text)
    }

    /// Checks a description that may already be stored: those from older versions may contain invisible
    /// characters or a key.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the text is too long or contains control characters other than line breaks and
    /// tabs.
    pub fn stored(text: &str) -> Result<Self> {
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(Error::Invalid("The description must not contain control characters.".to_owned()));
        }
        if text.chars().count() > MAX_DESCRIPTION {
            return Err(Error::Invalid(format!("The description must have at most {MAX_DESCRIPTION} characters.")));
        }
        Ok(Self(text.to_owned()))
    }

    /// The description as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A project. The organization's keys manage it; its own keys verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The organization that it belongs to.
    pub organization: OrganizationId,
    /// Its name, unique within the organization.
    pub name: Name,
    /// Its description.
    pub description: Option<Description>,
    /// When it was created.
    pub created_at: Timestamp,
}
