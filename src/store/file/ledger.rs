//! What is told of the ledger of revocations beside the file.

/// How a ledger of revocations goes with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerComparison {
    /// Each has all that the other has.
    Same,
    /// There is no ledger.
    Missing,
    /// The ledger knows of changes that the store does not have: the store is an older copy, or lost its last commit.
    Ahead,
    /// The store has all that the ledger said, and more than can be read of it.
    Behind,
    /// Each has changes that the other does not have: the ledger was written for another copy of the store.
    Forked,
    /// The ledger is damaged, and the store may lack what it said; how it is damaged.
    Damaged(String),
}

/// What a ledger of revocations holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerSummary {
    /// Keys that it knows of.
    pub keys: usize,
    /// Lines that cannot be read.
    pub damaged: usize,
}
