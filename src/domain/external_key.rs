//! Full keys that another system made.

use super::key_format::{EXTERNAL_LENGTH, is_external_key, is_key};
use super::{Digest, Error, Fingerprint, Result, Tail};

/// A key of another form that is shorter than this is shown without its last characters: they are too large a part of it.
const MIN_FOR_TAIL: usize = 24;

/// What is known of a full key that was made elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExternalKey {
    /// What is stored of it.
    pub value: Fingerprint,
    /// What other tools may have stored of it.
    pub sha256: Digest,
    /// Whether it has our own form all the same.
    pub is_ours: bool,
}

impl ExternalKey {
    /// Of a full key. Surrounding white space is not part of it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the text can be no key; the sentence does not repeat the text.
    pub fn parse(text: &str) -> Result<Self> {
        let bytes = text.trim().as_bytes();
        if !is_external_key(bytes) {
            return Err(Error::Invalid(format!(
                "A key must have {} to {} visible ASCII characters.",
                EXTERNAL_LENGTH.start(),
                EXTERNAL_LENGTH.end()
            )));
        }
        let tail = if bytes.len() < MIN_FOR_TAIL { Tail::UNKNOWN } else { Tail::of(bytes) };
        let value = Fingerprint { digest: Digest::blake3(bytes), tail };
        Ok(Self { value, sha256: Digest::sha256(bytes), is_ours: is_key(bytes) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_from_elsewhere_is_shown_by_its_last_characters_where_they_are_a_small_part_of_it() {
        let tail = |key: &str| ExternalKey::parse(key).map(|it| it.value.tail.as_str().to_owned());
        assert_eq!(tail(" sk_live_0123456789ABCDEF\n").unwrap(), "ABCDEF");
        assert_eq!(tail("sk_live_0123456").unwrap_err().to_string().matches("0123").count(), 0);
        assert_eq!(tail("sk_live_01234567").unwrap(), "******");
    }
}
