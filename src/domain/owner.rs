//! The owner of a key, and its metadata: what the team notes about it. Neither decides anything.

use super::name::{check_new, new_line};
use super::{Error, Result};
use std::sync::Arc;

/// Whose key it is, in the team's own terms: a person, a service, a customer number. 1 to 255 characters, no control
/// characters, no surrounding white space. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner(Arc<str>);

impl Owner {
    /// Trims and checks an owner.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the text is empty or too long, or contains control characters, invisible characters or
    /// a full key.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self(new_line("owner", text)?.into()))
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

/// Notes about a key: the text of a JSON object of at most 4,096 bytes and 32 levels, without white space between its
/// parts. The default is the empty object. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Option<Arc<str>>);

impl Metadata {
    /// Maximum length in bytes.
    pub const MAX_BYTES: usize = 4096;
    /// Maximum number of objects and lists within each other. Every client must be able to read the lists and events
    /// that show them, and many JSON parsers have a limit.
    pub const MAX_LEVELS: usize = 32;
    const EMPTY: &str = "{}";

    /// Takes a JSON object as it will be sent back. The caller has parsed and written it.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is too long or nested too deep, or contains invisible characters or a full key.
    pub fn parse(object: &str) -> Result<Self> {
        if object.len() > Self::MAX_BYTES {
            return Err(Error::Invalid(format!("The metadata must have at most {} bytes as JSON.", Self::MAX_BYTES)));
        }
        if levels(object) > Self::MAX_LEVELS {
            return Err(Error::Invalid(format!(
                "The metadata must be nested at most {} levels deep.",
                Self::MAX_LEVELS
            )));
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

/// How many objects and lists of a JSON text are within each other.
fn levels(json: &str) -> usize {
    let (mut now, mut most, mut is_in_text, mut is_escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_in_text = !is_in_text,
            b'{' | b'[' if !is_in_text => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !is_in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
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
    #[test]
    fn metadata_have_at_most_32_levels() {
        for (text, expected) in [
            ("{}", 1),
            (r#"{"a":{},"b":[{}],"c":[]}"#, 3),
            (r#"{"a{[":"[[{{","b\\":["]\"[["]}"#, 2),
            (r#"{"\\":"\\\"{"}"#, 1),
        ] {
            assert_eq!(levels(text), expected, "{text}");
        }
        let nested = |levels: usize| format!("{}{{}}{}", r#"{"a":"#.repeat(levels - 1), "}".repeat(levels - 1));
        assert!(Metadata::parse(&nested(32)).is_ok());
        assert!(Metadata::parse(&nested(33)).is_err());
    }
}
