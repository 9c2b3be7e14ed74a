//! API keys: their identity, their name, and the rules by which they change.

use super::{Error, OrganizationId, Refusal, Result, Tail, Timestamp};

/// The most characters (not bytes) that a name may have.
const MAX_NAME: usize = 255;

/// A key's number: positive, never reused, not even after a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(i64);

impl KeyId {
    /// `None` where the number is not positive.
    pub fn new(number: i64) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// A human-readable label: 1 to 255 characters, none of them a control character, no white space around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName(String);

impl KeyName {
    /// Trims and checks.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the text is empty, too long, or has control characters.
    pub fn parse(text: &str) -> Result<Self> {
        parse_name(text).map(Self)
    }

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The rule that keys' and organizations' names share.
pub(super) fn parse_name(text: &str) -> Result<String> {
    let name = text.trim();
    if name.chars().any(char::is_control) {
        return Err(Error::Invalid("The name must not contain control characters.".to_owned()));
    }
    if name.is_empty() || name.chars().count() > MAX_NAME {
        return Err(Error::Invalid(format!("The name must have 1 to {MAX_NAME} characters.")));
    }
    Ok(name.to_owned())
}

/// An API key, as it is listed: all but its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The key's number.
    pub id: KeyId,
    /// The organization it belongs to, for good.
    pub organization: OrganizationId,
    /// Its label.
    pub name: KeyName,
    /// The last six characters of its value.
    pub tail: Tail,
    /// Whether it is switched on; a key that is switched off authenticates nobody.
    pub valid: bool,
    /// When it was minted.
    pub created_at: Timestamp,
    /// When it last authenticated a request; `None` until the first time.
    pub last_used: Option<Timestamp>,
}

impl ApiKey {
    /// Whether the key may be used.
    ///
    /// # Errors
    /// The reason why not.
    pub fn check(&self) -> std::result::Result<(), Refusal> {
        if self.valid { Ok(()) } else { Err(Refusal::Deactivated) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_has_one_to_255_characters_whatever_their_bytes() {
        assert!(KeyName::parse(&"é".repeat(255)).is_ok());
        assert!(KeyName::parse(&"é".repeat(256)).is_err());
        assert!(KeyName::parse("").is_err());
        assert!(KeyName::parse(" \t ").is_err());
    }

    #[test]
    fn a_key_number_is_positive() {
        assert!(KeyId::new(0).is_none());
        assert!(KeyId::new(-1).is_none());
        assert_eq!(KeyId::new(1).unwrap().get(), 1);
    }

    proptest! {
        #[test]
        fn a_name_is_trimmed_and_parsing_it_again_changes_nothing(text in "\\PC{0,300}") {
            if let Ok(name) = KeyName::parse(&text) {
                prop_assert_eq!(name.as_str(), text.trim());
                prop_assert_eq!(KeyName::parse(name.as_str()).unwrap(), name);
            } else {
                let length = text.trim().chars().count();
                prop_assert!(length == 0 || length > 255);
            }
        }

        #[test]
        fn a_name_with_a_control_character_inside_is_refused(
            before in "[a-z]{1,9}", control in "[\\x00-\\x1f\\x7f-\\x9f]", after in "[a-z]{1,9}",
        ) {
            let text = format!("{before}{control}{after}");
            prop_assert!(KeyName::parse(&text).is_err());
        }
    }
}
