//! Fingerprints: what is stored of a key's value.

use super::{Digest, Error, Result};
use std::fmt;

/// All that is stored of a full key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Identifies the key for the program.
    pub digest: Digest,
    /// Identifies the key for people.
    pub tail: Tail,
}

/// The last six characters of a key. `Display` is the masked value, `***************a1b2c3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail([u8; Tail::LENGTH]);

impl Tail {
    const LENGTH: usize = 6;
    /// The tail of a key that Keystead never saw in full.
    pub const UNKNOWN: Self = Self([b'*'; Self::LENGTH]);

    pub(super) fn of(key: &[u8]) -> Self {
        key.last_chunk().map_or(Self::UNKNOWN, |tail| Self(*tail))
    }

    /// Parses the tail of a key of any form: six visible ASCII characters.
    ///
    /// # Errors
    /// [`Error::Invalid`] for any other text. The sentence does not repeat the text.
    pub fn external(text: &str) -> Result<Self> {
        match text.as_bytes().try_into() {
            Ok(tail) if text.bytes().all(|c| c.is_ascii_graphic()) => Ok(Self(tail)),
            _ => Err(Error::Invalid("A key's tail must be its last six characters, all of them visible.".to_owned())),
        }
    }

    /// Parses the tail of a key of Keystead's form.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the text is not six lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self> {
        match text.as_bytes().try_into() {
            Ok(tail) if text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) => Ok(Self(tail)),
            _ => Err(Error::Invalid("A key's tail must be six lower-case hexadecimal digits.".to_owned())),
        }
    }

    /// The six characters.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut masked = [b'*'; 15 + Self::LENGTH];
        masked[15..].copy_from_slice(&self.0);
        f.write_str(str::from_utf8(&masked).unwrap_or_default())
    }
}
