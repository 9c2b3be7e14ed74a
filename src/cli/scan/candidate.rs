//! A candidate: text that looks like a key.

use crate::domain::{Digest, Tail};

/// A text that looks like a key.
pub(super) struct Candidate {
    /// The line that it begins in, from 1.
    pub(super) line: u64,
    /// The byte of the line that it begins at, from 1.
    pub(super) column: u64,
    /// Its last six characters.
    pub(super) tail: Tail,
    /// The digests of the keys that it may be: where other characters stand right before a known prefix, with and without them.
    pub(super) digests: Vec<Digest>,
    /// The SHA-256 digests of the same, under which an import may have stored them.
    pub(super) imported: Vec<Digest>,
    /// Whether other systems have keys like this too, so that it counts only if the store knows it.
    pub(super) is_word: bool,
}
