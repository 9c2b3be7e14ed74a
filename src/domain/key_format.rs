//! The forms that keys have.

use super::{Error, Result};

/// Characters of a secret after its prefix: 128 random bits as lower-case hexadecimal digits.
pub(super) const RANDOM_DIGITS: usize = 32;
const MIN_PREFIX: usize = 2;
const MAX_PREFIX: usize = 32;
/// The characters that a key of another form may have.
pub(super) const EXTERNAL_LENGTH: std::ops::RangeInclusive<usize> = 16..=256;

/// What every key of one kind begins with, such as `confident_org_`: 2 to 32 characters of `a-z`, `0-9` and `_`, the
/// last of them `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// Whether it is anywhere in these bytes, which are then perhaps a key.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        bytes.windows(self.0.len()).any(|part| part == self.0.as_bytes())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// # Errors
    /// [`Error::Invalid`] where the text is no prefix.
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

/// Whether the bytes have the form of a key under any prefix: keys minted before the configured prefix changed stay
/// good.
pub(super) fn is_key(bytes: &[u8]) -> bool {
    let Some(split) = bytes.len().checked_sub(RANDOM_DIGITS) else { return false };
    let (prefix, digits) = bytes.split_at(split);
    is_prefix(prefix) && digits.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether something of the form of a full key, under any prefix, is anywhere in the text.
pub fn has_full_key(text: &[u8]) -> bool {
    text.windows(RANDOM_DIGITS + MIN_PREFIX).any(is_key)
}

/// Whether the bytes may be a key that was made elsewhere: 16 to 256 visible ASCII characters, our own form among them.
pub(super) fn is_external_key(bytes: &[u8]) -> bool {
    EXTERNAL_LENGTH.contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

/// What a store may hold besides keys of our own form that are known by their BLAKE3 digests: what imports brought in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyForms {
    /// Keys of another form.
    pub external: bool,
    /// Keys that are known by their SHA-256 digests alone.
    pub sha256: bool,
}

impl KeyForms {
    /// Whether these bytes have the form of a key of a store that holds these.
    pub fn admit(self, credential: &[u8]) -> bool {
        is_key(credential) || self.external && is_external_key(credential)
    }

    /// What either says.
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
