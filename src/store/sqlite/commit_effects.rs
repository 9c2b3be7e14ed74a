//! What a transaction needs besides its rows: ledger lines before the commit, updates of memory after it.

use super::digest_index::Entry;
use crate::domain::{Digest, KeyForms};
use crate::store::key_record::KeyRecord;
use crate::store::revisions::Stale;

/// What a transaction needs besides its rows: ledger lines before the commit, updates of memory after it.
#[derive(Default)]
pub(super) struct CommitEffects {
    /// New keys for the digest index.
    pub(super) minted: Vec<Entry>,
    /// Digest prefixes of older keys for the negative filter.
    pub(super) indexed: Vec<i64>,
    /// Cached data to invalidate.
    pub(super) stale: Vec<Stale>,
    /// New ledger records of keys, written before the commit.
    pub(super) key_records: Vec<KeyRecord>,
    /// Whether the ledger must have this commit.
    pub(super) marks_ledger: bool,
    /// Ended values, written to the ledger before the commit.
    pub(super) ended: Vec<Digest>,
    /// Whether to compact the ledger.
    pub(super) compacts_ledger: bool,
    /// Forms of keys and digests that an import added.
    pub(super) forms: KeyForms,
}

impl CommitEffects {
    pub(super) fn extend(&mut self, more: Self) {
        self.forms = self.forms.or(more.forms);
        self.minted.extend(more.minted);
        self.indexed.extend(more.indexed);
        self.stale.extend(more.stale);
        self.key_records.extend(more.key_records);
        self.marks_ledger |= more.marks_ledger;
        self.ended.extend(more.ended);
        self.compacts_ledger |= more.compacts_ledger;
    }

    /// Whether the ledger must be appended to before the commit.
    pub(super) fn need_ledger(&self) -> bool {
        self.marks_ledger || !self.key_records.is_empty() || !self.ended.is_empty()
    }

    /// Digest prefixes of all values that are new in the store.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = i64> {
        self.minted.iter().map(|(prefix, _)| *prefix).chain(self.indexed.iter().copied())
    }
}
