//! A key's secret and what is kept of it.
//!
//! Two types, so that the compiler tells them apart: a [`Secret`] is shown once and wiped, a [`Digest`] is stored.
//! Neither can be printed or serialised by accident.

use super::{Error, Result};
use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding as _};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// Characters of a secret after its prefix: 128 random bits as lower-case hexadecimal digits.
const RANDOM_DIGITS: usize = 32;
const MIN_PREFIX: usize = 2;
const MAX_PREFIX: usize = 32;
/// The characters that a key of another form may have.
const EXTERNAL_LENGTH: std::ops::RangeInclusive<usize> = 16..=256;
/// A key of another form that is shorter than this is shown without its last characters: they are too large a part of it.
const MIN_FOR_TAIL: usize = 24;

/// What every key of one kind begins with, such as `confident_org_`: 2 to 32 characters of `a-z`, `0-9` and `_`, the
/// last of them `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// Whether it is anywhere in these bytes, which are then perhaps a key.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        bytes.windows(self.0.len()).any(|part| part == self.0.as_bytes())
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

/// A full key: a prefix and 32 lower-case hexadecimal digits. Wiped from memory when dropped.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The key that 16 random bytes make.
    pub fn new(prefix: &KeyPrefix, random: [u8; RANDOM_DIGITS / 2]) -> Self {
        let random = Zeroizing::new(random);
        let mut text = Zeroizing::new(String::with_capacity(prefix.0.len() + RANDOM_DIGITS));
        text.push_str(&prefix.0);
        HEXLOWER.encode_append(random.as_slice(), &mut text);
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
        Fingerprint { digest: Digest::blake3(bytes), tail: Tail::of(bytes) }
    }

    /// What other tools may have stored of it.
    pub fn sha256(&self) -> Digest {
        Digest::sha256(self.0.as_bytes())
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

/// Whether something of the form of a full key, under any prefix, is anywhere in the text.
pub fn has_full_key(text: &[u8]) -> bool {
    text.windows(RANDOM_DIGITS + MIN_PREFIX).any(is_key)
}

/// Whether the bytes may be a key that was made elsewhere: 16 to 256 visible ASCII characters, our own form among them.
fn is_external_key(bytes: &[u8]) -> bool {
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

/// All that is kept of a full key: its digest for us, its tail for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// What the key is recognised by.
    pub digest: Digest,
    /// What people recognise it by.
    pub tail: Tail,
}

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

/// What a digest was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// What every key is known by, unless it came with another digest and was not used yet.
    Blake3,
    /// What a key may come with from elsewhere.
    Sha256,
}

impl Algorithm {
    /// From its name, such as `sha256` or `SHA-256`; `None` where it is neither of the two.
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "blake3" => Some(Self::Blake3),
            "sha256" | "sha-256" => Some(Self::Sha256),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
        }
    }
}

/// The hash of a full key: all that is kept of it besides its [`Tail`]. Compared in constant time; digests of two
/// algorithms are never equal, whatever their bytes.
///
/// A plain fast hash is enough because a key holds 128 random bits: there is nothing to guess.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    algorithm: Algorithm,
    /// The bytes, whichever algorithm made them: this type compares them in constant time.
    bytes: blake3::Hash,
}

impl Digest {
    /// The BLAKE3 digest of a credential as a client presented it; `None` where it has not the form of a key of a store
    /// that holds these.
    pub fn of_presented(credential: &[u8], forms: KeyForms) -> Option<Self> {
        forms.admit(credential).then(|| Self::blake3(credential))
    }

    /// The SHA-256 digest of a credential that is found under no BLAKE3 digest; `None` where the store holds no such
    /// keys, or this can be none.
    pub fn sha256_of_presented(credential: &[u8], forms: KeyForms) -> Option<Self> {
        (forms.sha256 && is_external_key(credential)).then(|| Self::sha256(credential))
    }

    fn blake3(credential: &[u8]) -> Self {
        Self { algorithm: Algorithm::Blake3, bytes: blake3::hash(credential) }
    }

    fn sha256(credential: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, Sha256::digest(credential).into())
    }

    /// A BLAKE3 digest from 64 lower-case hexadecimal digits, as `b3sum` prints them; `None` where the text is something
    /// else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_lower = text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        let bytes = blake3::Hash::from_hex(text).ok().filter(|_| is_lower)?;
        Some(Self { algorithm: Algorithm::Blake3, bytes })
    }

    /// From the forms that other tools write 32 bytes in: 64 hexadecimal digits, or base64 with either alphabet, padded
    /// or not; `None` where the text is something else.
    pub fn parse(algorithm: Algorithm, text: &str) -> Option<Self> {
        if text.len() == 64 {
            return blake3::Hash::from_hex(text).ok().map(|bytes| Self { algorithm, bytes });
        }
        let text = match text.len() {
            44 => text.strip_suffix('=')?,
            _ => text,
        };
        let mut bytes = [0; 32];
        let is_whole = |decoded: &[u8]| decoded.len() == 32;
        let is_read = Base64Unpadded::decode(text, &mut bytes).is_ok_and(is_whole)
            || Base64UrlUnpadded::decode(text, &mut bytes).is_ok_and(is_whole);
        is_read.then(|| Self::of(algorithm, bytes))
    }

    /// The BLAKE3 digest with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self::of(Algorithm::Blake3, bytes)
    }

    /// The digest with these bytes.
    pub fn of(algorithm: Algorithm, bytes: [u8; 32]) -> Self {
        Self { algorithm, bytes: blake3::Hash::from_bytes(bytes) }
    }

    /// What it was made with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The 32 bytes to store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.bytes.as_bytes()
    }

    /// The bytes as 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        self.bytes.to_hex().to_string()
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
    /// Of a key that nobody showed us.
    pub const UNKNOWN: Self = Self([b'*'; Self::LENGTH]);

    fn of(key: &[u8]) -> Self {
        key.last_chunk().map_or(Self::UNKNOWN, |tail| Self(*tail))
    }

    /// Of a key of any form: six visible ASCII characters.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the text is something else; the sentence does not repeat it.
    pub fn external(text: &str) -> Result<Self> {
        match text.as_bytes().try_into() {
            Ok(tail) if text.bytes().all(|c| c.is_ascii_graphic()) => Ok(Self(tail)),
            _ => Err(Error::Invalid("A key's tail must be its last six characters, all of them visible.".to_owned())),
        }
    }

    /// Of a key of our own form.
    ///
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

    const ALL: KeyForms = KeyForms { external: true, sha256: true };

    #[test]
    fn digests_of_two_algorithms_are_never_equal_whatever_their_bytes() {
        let [blake3, sha256] = [Algorithm::Blake3, Algorithm::Sha256].map(|it| Digest::of(it, [7; 32]));
        assert!(blake3 != sha256 && blake3 == Digest::from_bytes([7; 32]));
    }

    #[test]
    fn a_key_of_another_form_is_one_only_where_the_store_holds_such() {
        let key = b"sk_live_0123456789";
        let sha256 = KeyForms { external: false, sha256: true };
        assert!(
            Digest::of_presented(key, KeyForms::default()).is_none() && Digest::of_presented(key, sha256).is_none()
        );
        assert!(Digest::of_presented(key, ALL).is_some());
        assert!(Digest::sha256_of_presented(key, KeyForms { external: true, sha256: false }).is_none());
        assert!(Digest::sha256_of_presented(key, sha256).is_some());
        for no_key in [&b"fifteen_letters"[..], b"sixteen letters_", &[b'a'; 257], b"", "sixteen_létters_".as_bytes()]
        {
            assert!(Digest::of_presented(no_key, ALL).is_none() && Digest::sha256_of_presented(no_key, ALL).is_none());
        }
    }

    #[test]
    fn a_digest_is_read_in_the_forms_that_other_tools_write() {
        // printf %s sk_live_0123456789 | sha256sum, and the same bytes in base64.
        let hex = "79d11b86a8bc0dc92c5457b0e35b08cd6811e2cb696bf39671b69d162fa8048b";
        let digest = Digest::parse(Algorithm::Sha256, hex).unwrap();
        assert_eq!(digest.to_hex(), hex);
        assert_eq!(Digest::sha256_of_presented(b"sk_live_0123456789", ALL), Some(digest));
        assert_eq!(Digest::parse(Algorithm::Sha256, &hex.to_uppercase()), Some(digest));
        let padded = "edEbhqi8DcksVFew41sIzWgR4stpa/OWcbadFi+oBIs=";
        for text in [padded, &padded[..43], &padded.replace('+', "-").replace('/', "_")] {
            assert_eq!(Digest::parse(Algorithm::Sha256, text), Some(digest), "{text}");
        }
        for wrong in ["", "abc", &hex[1..], &format!("{hex}0"), &padded[1..], &hex.replace('8', "g"), &"é".repeat(32)]
        {
            assert_eq!(Digest::parse(Algorithm::Sha256, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_from_elsewhere_is_shown_by_its_last_characters_where_they_are_a_small_part_of_it() {
        let tail = |key: &str| ExternalKey::parse(key).map(|it| it.value.tail.as_str().to_owned());
        assert_eq!(tail(" sk_live_0123456789ABCDEF\n").unwrap(), "ABCDEF");
        assert_eq!(tail("sk_live_0123456").unwrap_err().to_string().matches("0123").count(), 0);
        assert_eq!(tail("sk_live_01234567").unwrap(), "******");
    }

    proptest! {
        #[test]
        fn every_minted_key_has_the_form_and_is_read_back_as_itself(random: [u8; 16]) {
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
        fn arbitrary_bytes_are_no_key_and_never_a_panic(bytes: Vec<u8>) {
            prop_assert!(Digest::of_presented(&bytes, KeyForms::default()).is_none());
        }

        #[test]
        fn a_key_with_one_character_changed_is_another_key_or_none(random: [u8; 16], at in 0usize..46, with: u8) {
            let secret = Secret::new(&prefix(), random);
            let mut bytes = secret.expose().as_bytes().to_vec();
            prop_assume!(bytes[at] != with);
            bytes[at] = with;
            prop_assert!(Digest::of_presented(&bytes, KeyForms::default()) != Some(secret.fingerprint().digest));
        }

        #[test]
        fn a_text_that_is_not_of_our_form_is_refused_without_being_repeated(text in "[!-~]{8,60}") {
            prop_assume!(!text.starts_with("confident_org_"));
            let sentence = Secret::parse(&prefix(), &text).unwrap_err().to_string();
            prop_assert!(!sentence.contains(&text));
        }
    }
}
