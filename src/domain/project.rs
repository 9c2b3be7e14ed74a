//! Projects: what an organization divides its work into.

use super::name::check_new;
use super::{Error, Name, OrganizationId, Result, Timestamp};
use std::fmt;

/// The most characters (not bytes) that a description may have.
const MAX_DESCRIPTION: usize = 2000;

/// A project's identity: 63 random bits. `Display` is the opaque string that clients see, such as
/// `proj_2f9c1e7ab3d84f06`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProjectId(i64);

impl ProjectId {
    /// From random bytes, the first eight of which count.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = bytes;
        Self(i64::from_be_bytes([a, b, c, d, e, f, g, h]) & i64::MAX)
    }

    /// From the stored number; `None` where it is negative.
    pub fn new(number: i64) -> Option<Self> {
        (number >= 0).then_some(Self(number))
    }

    /// From the string that clients see; `None` where it is of another form, so that there is no such project.
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

/// What a project is for, in free words: up to 2,000 characters, line breaks among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// A new description.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the text is too long, has control characters other than line breaks and tabs, or others that
    /// nobody sees, or has a full key in it.
    pub fn parse(text: &str) -> Result<Self> {
        check_new("description", text)?;
        Self::stored(text)
    }

    /// One that may be stored already: those from older versions may have characters that nobody sees, or a key in them.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the text is too long or has control characters other than line breaks and tabs.
    pub fn stored(text: &str) -> Result<Self> {
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(Error::Invalid("The description must not contain control characters.".to_owned()));
        }
        if text.chars().count() > MAX_DESCRIPTION {
            return Err(Error::Invalid(format!("The description must have {MAX_DESCRIPTION} characters at the most.")));
        }
        Ok(Self(text.to_owned()))
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A project. Its keys are its own; the organization's keys manage it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its identity.
    pub id: ProjectId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Its name, unique within the organization.
    pub name: Name,
    /// What it is for.
    pub description: Option<Description>,
    /// When it was created.
    pub created_at: Timestamp,
}
