//! What has to be made known once a transaction is committed.

use super::digest_index::Entry;
use crate::domain::{Digest, KeyForms};
use crate::store::key_record::KeyRecord;
use crate::store::revisions::Stale;

/// What has to be made known once a transaction is committed.
#[derive(Default)]
pub(super) struct CommitEffects {
    /// Keys that are to be found by their digest.
    pub(super) minted: Vec<Entry>,
    /// Prefixes of digests that older keys are to be found by.
    pub(super) indexed: Vec<i64>,
    /// What must not be believed any more.
    pub(super) stale: Vec<Stale>,
    /// Keys whose validity changed: this goes to the ledger before the commit.
    pub(super) key_records: Vec<KeyRecord>,
    /// Whether the ledger is to know that the store has come this far.
    pub(super) marks_ledger: bool,
    /// Values that were good and never will be again: these go to the ledger, too.
    pub(super) ended: Vec<Digest>,
    /// Whether the ledger is to be compacted.
    pub(super) compacts_ledger: bool,
    /// What was imported.
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

    /// Whether the ledger has to be written to before the commit.
    pub(super) fn are_in_ledger(&self) -> bool {
        self.marks_ledger || !self.key_records.is_empty() || !self.ended.is_empty()
    }

    /// Prefixes of all digests that keys are to be found by, and were not before.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = i64> {
        self.minted.iter().map(|(prefix, _)| *prefix).chain(self.indexed.iter().copied())
    }
}
