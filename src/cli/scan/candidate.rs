//! What a search finds.

use crate::domain::{Digest, Tail};

/// Something that looks like a key.
pub(super) struct Candidate {
    /// In which line it begins, from 1.
    pub(super) line: u64,
    /// At which byte of it, from 1.
    pub(super) column: u64,
    /// Its last six characters.
    pub(super) tail: Tail,
    /// What it could be: where other characters stand right before a known prefix, with and without them.
    pub(super) digests: Vec<Digest>,
    /// The same, by which an import may have brought them.
    pub(super) imported: Vec<Digest>,
    /// Whether it is like keys of many makers, so that it is a key only where the store knows it.
    pub(super) is_word: bool,
}
