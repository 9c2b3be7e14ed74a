//! Secrets: full keys in clear, shown once and wiped from memory.

use super::key_format::{RANDOM_DIGITS, is_key};
use super::{Digest, Error, Fingerprint, KeyPrefix, Result, Tail};
use data_encoding::HEXLOWER;
use std::fmt;
use zeroize::Zeroizing;

/// A full key: a prefix and 32 lower-case hexadecimal digits. Its memory is wiped on drop.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Builds a key from 16 random bytes.
    pub fn new(prefix: &KeyPrefix, random: [u8; RANDOM_DIGITS / 2]) -> Self {
        let random = Zeroizing::new(random);
        let mut text = Zeroizing::new(String::with_capacity(prefix.as_str().len() + RANDOM_DIGITS));
        text.push_str(prefix.as_str());
        HEXLOWER.encode_append(random.as_slice(), &mut text);
        Self(text)
    }

    /// Parses an existing key; surrounding white space is ignored.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the text does not have Keystead's form. The sentence does not repeat the text.
    pub fn parse(prefix: &KeyPrefix, text: &str) -> Result<Self> {
        let text = text.trim();
        if text.starts_with(prefix.as_str())
            && text.len() == prefix.as_str().len() + RANDOM_DIGITS
            && is_key(text.as_bytes())
        {
            return Ok(Self(Zeroizing::new(text.to_owned())));
        }
        Err(Error::Invalid(format!(
            "A key must be {} followed by {RANDOM_DIGITS} lower-case hexadecimal digits.",
            prefix.as_str()
        )))
    }

    /// The full key in clear, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The fingerprint to store.
    pub fn fingerprint(&self) -> Fingerprint {
        let bytes = self.0.as_bytes();
        Fingerprint { digest: Digest::blake3(bytes), tail: Tail::of(bytes) }
    }

    /// The SHA-256 digest, which other tools may have stored.
    pub fn sha256(&self) -> Digest {
        Digest::sha256(self.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::KeyForms;
    use super::*;
    use proptest::prelude::*;

    fn prefix() -> KeyPrefix {
        KeyPrefix::parse("confident_org_").unwrap()
    }

    #[test]
    fn debug_output_of_secrets_and_digests_is_redacted() {
        let secret = Secret::new(&prefix(), [0xab; 16]);
        assert_eq!(format!("{secret:?} {:?}", secret.fingerprint().digest), "Secret(…) Digest(…)");
    }

    proptest! {
        #[test]
        fn every_new_key_is_parsed_back_as_itself(random: [u8; 16]) {
            let secret = Secret::new(&prefix(), random);
            prop_assert_eq!(secret.expose().len(), 46);
            let again = Secret::parse(&prefix(), &format!(" {}\n", secret.expose())).unwrap();
            prop_assert_eq!(again.fingerprint().digest, secret.fingerprint().digest);
            prop_assert_eq!(Digest::of_presented(secret.expose().as_bytes(), KeyForms::default()).unwrap(), secret.fingerprint().digest);
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
        fn arbitrary_bytes_are_not_a_key_and_never_panic(bytes: Vec<u8>) {
            prop_assert!(Digest::of_presented(&bytes, KeyForms::default()).is_none());
        }

        #[test]
        fn a_key_with_one_changed_character_has_another_digest_or_none(random: [u8; 16], at in 0usize..46, with: u8) {
            let secret = Secret::new(&prefix(), random);
            let mut bytes = secret.expose().as_bytes().to_vec();
            prop_assume!(bytes[at] != with);
            bytes[at] = with;
            prop_assert!(Digest::of_presented(&bytes, KeyForms::default()) != Some(secret.fingerprint().digest));
        }

        #[test]
        fn a_text_of_another_form_is_refused_and_not_repeated(text in "[!-~]{8,60}") {
            prop_assume!(!text.starts_with("confident_org_"));
            let sentence = Secret::parse(&prefix(), &text).unwrap_err().to_string();
            prop_assert!(!sentence.contains(&text));
        }
    }
}
