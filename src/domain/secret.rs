//! A key's secret and what is kept of it.
//!
//! Two types, so that the compiler tells them apart: a [`Secret`] is shown once and wiped, a [`Digest`] is stored.
//! Neither can be printed or serialised by accident.

use super::{Error, Result};
use std::fmt;
use zeroize::Zeroizing;

/// Characters of a secret after its prefix: 128 random bits as lower-case hexadecimal digits.
const RANDOM_DIGITS: usize = 32;
const MAX_PREFIX: usize = 32;

/// What every key of one kind begins with, such as `confident_org_`: 2 to 32 characters of `a-z`, `0-9` and `_`, the
/// last of them `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// # Errors
    /// [`Error::Invalid`] where the text is no prefix.
    pub fn parse(text: &str) -> Result<Self> {
        if is_prefix(text.as_bytes()) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::Invalid(format!(
            "A key prefix must have 2 to {MAX_PREFIX} characters of a-z, 0-9 and _, and end in _."
        )))
    }
}

fn is_prefix(text: &[u8]) -> bool {
    (2..=MAX_PREFIX).contains(&text.len())
        && text.ends_with(b"_")
        && text.iter().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// A full key: a prefix and 32 lower-case hexadecimal digits. Wiped from memory when dropped.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The key that 16 random bytes make.
    pub fn new(prefix: &KeyPrefix, random: [u8; RANDOM_DIGITS / 2]) -> Self {
        let random = Zeroizing::new(random);
        let mut text = Zeroizing::new(String::with_capacity(prefix.0.len() + RANDOM_DIGITS));
        text.push_str(&prefix.0);
        for byte in random.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        Self(text)
    }

    /// A key that somebody already holds. Surrounding white space is not part of it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the text is not of our form; the sentence does not repeat the text.
    pub fn parse(prefix: &KeyPrefix, text: &str) -> Result<Self> {
        let text = text.trim();
        if text.starts_with(&prefix.0) && text.len() == prefix.0.len() + RANDOM_DIGITS && is_key(text.as_bytes()) {
            return Ok(Self(Zeroizing::new(text.to_owned())));
        }
        Err(Error::Invalid(format!(
            "A key must be {} followed by {RANDOM_DIGITS} lower-case hexadecimal digits.",
            prefix.0
        )))
    }

    /// The full key in clear, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of the key.
    pub fn fingerprint(&self) -> Fingerprint {
        let bytes = self.0.as_bytes();
        let mut tail = [0; Tail::LENGTH];
        tail.copy_from_slice(&bytes[bytes.len() - Tail::LENGTH..]);
        Fingerprint { digest: Digest(blake3::hash(bytes)), tail: Tail(tail) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Whether the bytes have the form of a key under any prefix: keys minted before the configured prefix changed stay
/// good.
fn is_key(bytes: &[u8]) -> bool {
    let Some(split) = bytes.len().checked_sub(RANDOM_DIGITS) else { return false };
    let (prefix, digits) = bytes.split_at(split);
    is_prefix(prefix) && digits.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

/// All that is kept of a full key: its digest for us, its tail for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// What the key is recognised by.
    pub digest: Digest,
    /// What people recognise it by.
    pub tail: Tail,
}

/// The BLAKE3 hash of a full key: all that is kept of it besides its [`Tail`]. Compared in constant time.
///
/// A plain fast hash is enough because a key holds 128 random bits: there is nothing to guess.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest(blake3::Hash);

impl Digest {
    /// The digest of a credential as a client presented it; `None` where it has not the form of a key.
    pub fn of_presented(credential: &[u8]) -> Option<Self> {
        is_key(credential).then(|| Self(blake3::hash(credential)))
    }

    /// From 64 lower-case hexadecimal digits, as `b3sum` prints them; `None` where the text is something else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_lower = text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        blake3::Hash::from_hex(text).ok().filter(|_| is_lower).map(Self)
    }

    /// From the 32 stored bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(blake3::Hash::from_bytes(bytes))
    }

    /// The 32 bytes to store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The first eight bytes as an integer: a small index key. Two digests may share it.
    pub fn prefix(&self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = *self.as_bytes();
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// The bytes are uniformly distributed already; equal digests hash equally, as `Eq` demands.
impl std::hash::Hash for Digest {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_i64(self.prefix());
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// The last six characters of a key. `Display` is the masked value, `***************a1b2c3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail([u8; Tail::LENGTH]);

impl Tail {
    const LENGTH: usize = 6;

    /// # Errors
    /// [`Error::Invalid`] where the text is not six lower-case hexadecimal digits.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix() -> KeyPrefix {
        KeyPrefix::parse("confident_org_").unwrap()
    }

    #[test]
    fn neither_a_secret_nor_a_digest_prints_itself() {
        let secret = Secret::new(&prefix(), [0xab; 16]);
        assert_eq!(format!("{secret:?} {:?}", secret.fingerprint().digest), "Secret(…) Digest(…)");
    }

    #[test]
    fn a_prefix_is_short_lower_case_and_ends_in_an_underscore() {
        for good in ["a_", "confident_org_", "confident_us_org_", "team9_"] {
            assert!(KeyPrefix::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "_", "org", "Org_", "o rg_", "é_", &format!("{}_", "a".repeat(32))] {
            assert!(KeyPrefix::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_minted_key_has_the_form_and_is_read_back_as_itself(random: [u8; 16]) {
            let secret = Secret::new(&prefix(), random);
            prop_assert_eq!(secret.expose().len(), 46);
            let again = Secret::parse(&prefix(), &format!(" {}\n", secret.expose())).unwrap();
            prop_assert_eq!(again.fingerprint().digest, secret.fingerprint().digest);
            prop_assert_eq!(Digest::of_presented(secret.expose().as_bytes()).unwrap(), secret.fingerprint().digest);
        }

        #[test]
        fn different_random_bits_make_different_digests(a: [u8; 16], b: [u8; 16]) {
            let (left, right) = (Secret::new(&prefix(), a), Secret::new(&prefix(), b));
            prop_assert_eq!(a == b, left.fingerprint() == right.fingerprint());
        }

        #[test]
        fn a_masked_value_is_fifteen_asterisks_and_the_last_six_characters(random: [u8; 16]) {
            let secret = Secret::new(&prefix(), random);
            let masked = secret.fingerprint().tail.to_string();
            prop_assert_eq!(masked.len(), 21);
            prop_assert_eq!(&masked[..15], "***************");
            prop_assert!(secret.expose().ends_with(&masked[15..]));
            prop_assert_eq!(Tail::parse(&masked[15..]).unwrap(), secret.fingerprint().tail);
        }

        #[test]
        fn arbitrary_bytes_are_no_key_and_never_a_panic(bytes: Vec<u8>) {
            prop_assert!(Digest::of_presented(&bytes).is_none());
        }

        #[test]
        fn a_key_with_one_character_changed_is_another_key_or_none(random: [u8; 16], at in 0usize..46, with: u8) {
            let secret = Secret::new(&prefix(), random);
            let mut bytes = secret.expose().as_bytes().to_vec();
            prop_assume!(bytes[at] != with);
            bytes[at] = with;
            prop_assert!(Digest::of_presented(&bytes) != Some(secret.fingerprint().digest));
        }

        #[test]
        fn a_text_that_is_not_of_our_form_is_refused_without_being_repeated(text in "[!-~]{8,60}") {
            prop_assume!(!text.starts_with("confident_org_"));
            let sentence = Secret::parse(&prefix(), &text).unwrap_err().to_string();
            prop_assert!(!sentence.contains(&text));
        }
    }
}
