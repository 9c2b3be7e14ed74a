//! What is reported about the ledger of revocations.

/// How the store and its ledger of revocations compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerComparison {
    /// Each has all commits of the other.
    Same,
    /// The ledger does not exist.
    Missing,
    /// The ledger has changes that the store lacks: the store is an older copy, or lost its last commit.
    Ahead,
    /// The store has all that the ledger records, and more than can be read of the ledger.
    Behind,
    /// Each has changes that the other lacks: the ledger was written for another copy of the store.
    Forked,
    /// The ledger is damaged, and the store may lack what it recorded. Describes the damage.
    Damaged(String),
}

/// What a ledger contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerSummary {
    /// Keys that it has a record of.
    pub keys: usize,
    /// Lines that cannot be read.
    pub damaged: usize,
}
