//! The reason of a change, for the audit log.

use super::Result;
use super::name::new_line;

/// Why a key was changed, rotated or revoked, in the words of the person who did it. 1 to 255 characters, no control characters,
/// no surrounding white space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(Box<str>);

impl Reason {
    /// Trims and checks a reason.
    ///
    /// # Errors
    /// [`Error::Invalid`](super::Error::Invalid) if the text is empty or too long, or contains control characters,
    /// invisible characters or a full key.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self(new_line("reason", text)?.into()))
    }

    /// The reason as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_one_to_255_characters_and_no_secret() {
        assert_eq!(Reason::parse(" The laptop was stolen. ").unwrap().as_str(), "The laptop was stolen.");
        assert!(Reason::parse(&"é".repeat(255)).is_ok());
        for bad in ["", " ", "a\nb", "a\u{200b}b", &"é".repeat(256), &format!("confident_org_{}", "0a".repeat(16))] {
            let sentence = Reason::parse(bad).unwrap_err().to_string();
            assert!(sentence.starts_with("The reason ") && !sentence.contains("0a0a"), "{bad:?}: {sentence}");
        }
    }
}
