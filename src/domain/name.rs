//! Names of organizations, projects and keys.

use super::{Error, Result, has_full_key, invisible};

/// Maximum length in characters, not bytes.
const MAX: usize = 255;

/// A display name: 1 to 255 characters, no control characters, no surrounding white space. Names from older
/// versions may contain invisible characters or a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Trims and checks a new name.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the text is empty or too long, or contains control characters, invisible
    /// characters or a full key.
    pub fn parse(text: &str) -> Result<Self> {
        let name = Self::stored(text)?;
        check_new("name", name.as_str())?;
        Ok(name)
    }

    /// Trims and checks a name that may already be stored.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the text is empty or too long, or contains control characters.
    pub fn stored(text: &str) -> Result<Self> {
        Self::read(text.trim())
    }

    /// Checks a name without trimming it, to compare it with stored names.
    ///
    /// # Errors
    /// As [`Name::stored`].
    pub fn read(name: &str) -> Result<Self> {
        if name.chars().any(char::is_control) {
            return Err(Error::Invalid("The name must not contain control characters.".to_owned()));
        }
        if name.is_empty() || name.chars().count() > MAX {
            return Err(Error::Invalid(format!("The name must have 1 to {MAX} characters.")));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Trims and checks a new text of one line: 1 to 255 characters.
///
/// # Errors
/// [`Error::Invalid`] if the text is empty or too long, or contains control characters, invisible characters or a full
/// key.
pub(super) fn new_line<'a>(field: &str, text: &'a str) -> Result<&'a str> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        return Err(Error::Invalid(format!("The {field} must not contain control characters.")));
    }
    if text.is_empty() || text.chars().count() > MAX {
        return Err(Error::Invalid(format!("The {field} must have 1 to {MAX} characters.")));
    }
    check_new(field, text)?;
    Ok(text)
}

/// Checks rules that only new texts must follow. A full key in a name would be stored, listed, exported and
/// logged in clear; the sentence does not repeat it.
pub(super) fn check_new(field: &str, text: &str) -> Result<()> {
    if let Some(c) = invisible(text) {
        let number = u32::from(c);
        return Err(Error::Invalid(format!(
            "The {field} contains an invisible character (U+{number:04X}); remove it."
        )));
    }
    if has_full_key(text.as_bytes()) {
        return Err(Error::Invalid(format!("The {field} contains text that looks like a full API key; remove it.")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_has_one_to_255_characters_whatever_their_bytes() {
        assert!(Name::parse(&"é".repeat(255)).is_ok());
        assert!(Name::parse(&"é".repeat(256)).is_err());
        assert!(Name::parse("").is_err());
        assert!(Name::parse(" \t ").is_err());
    }

    proptest! {
        #[test]
        fn a_name_is_trimmed_and_parsing_it_again_changes_nothing(text in "\\PC{0,300}") {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(name.as_str(), text.trim());
                prop_assert_eq!(Name::parse(name.as_str()).unwrap(), name);
            } else {
                let length = text.trim().chars().count();
                prop_assert!(length == 0 || length > 255 || invisible(&text).is_some());
            }
        }

        #[test]
        fn a_name_with_a_control_character_inside_is_refused(
            before in "[a-z]{1,9}", control in "[\\x00-\\x1f\\x7f-\\x9f]", after in "[a-z]{1,9}",
        ) {
            let text = format!("{before}{control}{after}");
            prop_assert!(Name::parse(&text).is_err());
        }
    }
}
