//! External keys: full keys that another system issued.

use super::key_format::{EXTERNAL_LENGTH, is_external_key, is_key};
use super::{Digest, Error, Fingerprint, Result, Tail};

/// Shorter keys are stored without a tail: six characters would be too large a part of them.
const MIN_FOR_TAIL: usize = 24;

/// What Keystead derives from a full external key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExternalKey {
    /// The stored fingerprint.
    pub value: Fingerprint,
    /// The SHA-256 digest, which other tools may have stored.
    pub sha256: Digest,
    /// Whether the key has Keystead's own form as well.
    pub is_ours: bool,
}

impl ExternalKey {
    /// Parses a full key; surrounding white space is ignored.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the text cannot be a key. The sentence does not repeat the text.
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
    fn an_external_key_has_a_tail_only_if_it_is_long_enough() {
        let tail = |key: &str| ExternalKey::parse(key).map(|it| it.value.tail.as_str().to_owned());
        assert_eq!(tail(" sk_live_0123456789ABCDEF\n").unwrap(), "ABCDEF");
        assert_eq!(tail("sk_live_0123456").unwrap_err().to_string().matches("0123").count(), 0);
        assert_eq!(tail("sk_live_01234567").unwrap(), "******");
    }
}
