//! Key formats: prefixes, and the forms of keys that a store accepts.

use super::{Error, Result};

/// Number of characters after the prefix: 128 random bits as lower-case hexadecimal digits.
pub(super) const RANDOM_DIGITS: usize = 32;
const MIN_PREFIX: usize = 2;
const MAX_PREFIX: usize = 32;
/// Length of an external key, in characters.
pub(super) const EXTERNAL_LENGTH: std::ops::RangeInclusive<usize> = 16..=256;

/// The prefix of one kind of keys, such as `confident_org_`: 2 to 32 characters of `a-z`, `0-9` and `_`,
/// ending in `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// Whether the bytes contain the prefix, and so perhaps a key.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        bytes.windows(self.0.len()).any(|part| part == self.0.as_bytes())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// # Errors
    /// [`Error::Invalid`] if the text is not a prefix.
    pub fn parse(text: &str) -> Result<Self> {
        if is_prefix(text.as_bytes()) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::Invalid(format!(
            "A key prefix must have {MIN_PREFIX} to {MAX_PREFIX} characters of a-z, 0-9 and _, and end in _."
        )))
    }
}

fn is_prefix(text: &[u8]) -> bool {
    (MIN_PREFIX..=MAX_PREFIX).contains(&text.len())
        && text.ends_with(b"_")
        && text.iter().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// Whether the bytes have the form of a key under any prefix: keys stay valid when the configured prefix
/// changes.
pub(super) fn is_key(bytes: &[u8]) -> bool {
    let Some(split) = bytes.len().checked_sub(RANDOM_DIGITS) else { return false };
    let (prefix, digits) = bytes.split_at(split);
    is_prefix(prefix) && digits.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether the text contains something in the form of a full key, under any prefix.
pub fn has_full_key(text: &[u8]) -> bool {
    text.windows(RANDOM_DIGITS + MIN_PREFIX).any(is_key)
}

/// Whether the bytes can be an external key: 16 to 256 visible ASCII characters. Keystead's own form is
/// included.
pub(super) fn is_external_key(bytes: &[u8]) -> bool {
    EXTERNAL_LENGTH.contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

/// The forms of keys that a store may hold through imports, besides Keystead's own form with a BLAKE3 digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyForms {
    /// Keys of another form.
    pub external: bool,
    /// Keys that have only a SHA-256 digest.
    pub sha256: bool,
}

impl KeyForms {
    /// Whether the credential has the form of a key that such a store may hold.
    pub fn admit(self, credential: &[u8]) -> bool {
        is_key(credential) || self.external && is_external_key(credential)
    }

    /// The union of both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { external: self.external || other.external, sha256: self.sha256 || other.sha256 }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_short_lower_case_and_ends_in_an_underscore() {
        for good in ["a_", "confident_org_", "confident_us_org_", "team9_"] {
            assert!(KeyPrefix::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "_", "org", "Org_", "o rg_", "é_", &format!("{}_", "a".repeat(32))] {
            assert!(KeyPrefix::parse(bad).is_err(), "{bad}");
        }
    }
}
