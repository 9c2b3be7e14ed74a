//! Digests: the hashes by which keys are stored and found.

use super::KeyForms;
use super::key_format::is_external_key;
use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding as _};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The hash function of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The digest of every key, except imported keys that have only a SHA-256 digest and were not used yet.
    Blake3,
    /// The digest that an imported key may have.
    Sha256,
}

impl Algorithm {
    /// Parses a name such as `sha256` or `SHA-256`; `None` for any other name.
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "blake3" => Some(Self::Blake3),
            "sha256" | "sha-256" => Some(Self::Sha256),
            _ => None,
        }
    }

    /// The name in exports and imports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
        }
    }
}

/// The hash of a full key. With the [`Tail`](super::Tail) it is all that is stored of the key. Comparison
/// takes constant time. Digests of different algorithms are never equal.
///
/// A fast unsalted hash is enough: a key has 128 random bits, so it cannot be guessed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    algorithm: Algorithm,
    /// The bytes of either algorithm: this type compares in constant time.
    bytes: blake3::Hash,
}

impl Digest {
    /// The BLAKE3 digest of a presented credential; `None` if the credential has none of the forms that the
    /// store holds.
    pub fn of_presented(credential: &[u8], forms: KeyForms) -> Option<Self> {
        forms.admit(credential).then(|| Self::blake3(credential))
    }

    /// The SHA-256 digest of a presented credential, for keys that are not found by BLAKE3; `None` if the
    /// store has no such keys or the credential cannot be a key.
    pub fn sha256_of_presented(credential: &[u8], forms: KeyForms) -> Option<Self> {
        (forms.sha256 && is_external_key(credential)).then(|| Self::sha256(credential))
    }

    pub(super) fn blake3(credential: &[u8]) -> Self {
        Self { algorithm: Algorithm::Blake3, bytes: blake3::hash(credential) }
    }

    pub(super) fn sha256(credential: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, Sha256::digest(credential).into())
    }

    /// Parses a BLAKE3 digest of 64 lower-case hexadecimal digits, the output of `b3sum`.
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_lower = text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        let bytes = blake3::Hash::from_hex(text).ok().filter(|_| is_lower)?;
        Some(Self { algorithm: Algorithm::Blake3, bytes })
    }

    /// Parses 32 bytes as other tools write them: 64 hexadecimal digits, or base64 in either alphabet, with
    /// or without padding.
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

    /// A BLAKE3 digest from its bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self::of(Algorithm::Blake3, bytes)
    }

    /// A digest from its bytes.
    pub fn of(algorithm: Algorithm, bytes: [u8; 32]) -> Self {
        Self { algorithm, bytes: blake3::Hash::from_bytes(bytes) }
    }

    /// The hash function.
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

    /// The first eight bytes as an integer: a short index key. Two digests may share it.
    pub fn prefix(&self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = *self.as_bytes();
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// The bytes are uniformly distributed, so eight of them are a good hash.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ALL: KeyForms = KeyForms { external: true, sha256: true };

    #[test]
    fn digests_of_different_algorithms_are_never_equal() {
        let [blake3, sha256] = [Algorithm::Blake3, Algorithm::Sha256].map(|it| Digest::of(it, [7; 32]));
        assert!(blake3 != sha256 && blake3 == Digest::from_bytes([7; 32]));
    }

    #[test]
    fn an_external_key_has_a_digest_only_if_the_store_holds_external_keys() {
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
    fn a_digest_is_parsed_from_hexadecimal_and_both_base64_alphabets() {
        // From: printf %s sk_live_0123456789 | sha256sum, and the same bytes in base64.
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
}
