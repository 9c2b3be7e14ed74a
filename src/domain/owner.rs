//! The owner of a key, and its metadata: what the team notes about it. Neither decides anything.

use super::name::check_new;
use super::{Error, Result};
use std::sync::Arc;

/// Whose key it is, in the team's own terms: a person, a service, a customer number. 1 to 255 characters, no control
/// characters, no surrounding white space. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner(Arc<str>);

impl Owner {
    /// Maximum length in characters.
    pub const MAX: usize = 255;

    /// Trims and checks an owner.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the text is empty or too long, or contains control characters, invisible characters or
    /// a full key.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err(Error::Invalid("The owner must not contain control characters.".to_owned()));
        }
        if text.is_empty() || text.chars().count() > Self::MAX {
            return Err(Error::Invalid(format!("The owner must have 1 to {} characters.", Self::MAX)));
        }
        check_new("owner", text)?;
        Ok(Self(text.into()))
    }

    /// An owner that was checked when it was stored.
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The owner as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Notes about a key: the text of a JSON object of at most 4,096 bytes, without white space between its parts. The
/// default is the empty object. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Option<Arc<str>>);

impl Metadata {
    /// Maximum length in bytes.
    pub const MAX_BYTES: usize = 4096;
    const EMPTY: &str = "{}";

    /// Takes a JSON object as it will be sent back. The caller has parsed and written it.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is too long, or contains invisible characters or a full key.
    pub fn parse(object: &str) -> Result<Self> {
        if object.len() > Self::MAX_BYTES {
            return Err(Error::Invalid(format!("The metadata must have at most {} bytes as JSON.", Self::MAX_BYTES)));
        }
        check_new("metadata", object)?;
        Ok(Self::stored(object))
    }

    /// Metadata that were checked when they were stored.
    pub fn stored(object: &str) -> Self {
        Self((object != Self::EMPTY).then(|| object.into()))
    }

    /// Whether the object has no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The object as JSON.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or(Self::EMPTY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_has_one_to_255_characters_and_no_secret() {
        assert_eq!(Owner::parse(" customer 17 ").unwrap().as_str(), "customer 17");
        assert!(Owner::parse(&"é".repeat(255)).is_ok());
        for bad in ["", "  ", "a\nb", "a\u{200b}b", &"é".repeat(256), &format!("confident_org_{}", "0a".repeat(16))] {
            assert!(Owner::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn metadata_have_at_most_4096_bytes_and_no_secret() {
        assert!(Metadata::parse("{}").unwrap().is_empty());
        let longest = format!(r#"{{"a":"{}"}}"#, "x".repeat(Metadata::MAX_BYTES - 8));
        assert_eq!(Metadata::parse(&longest).unwrap().as_str(), longest);
        assert!(Metadata::parse(&format!("{longest} ")).is_err());
        assert!(Metadata::parse(&format!(r#"{{"key":"confident_org_{}"}}"#, "0a".repeat(16))).is_err());
    }
}
