//! Errors of the ledger and of its comparison with the store.

use crate::domain::Error;
use crate::store::sqlite::ledger::Ledger;
use std::io;

/// Why store and ledger could not be synchronized.
#[derive(Debug)]
pub(in crate::store::sqlite) enum SyncError {
    Store(Error),
    Ledger(io::Error),
    /// The ledger has changes that the store lacks.
    LedgerAhead,
}

impl SyncError {
    pub(in crate::store::sqlite) fn of(self, ledger: &Ledger) -> Error {
        match self {
            Self::Store(error) => error,
            Self::Ledger(error) => unusable(ledger, error),
            Self::LedgerAhead => unusable(ledger, "it has changes that the store lacks"),
        }
    }
}

impl From<io::Error> for SyncError {
    fn from(error: io::Error) -> Self {
        Self::Ledger(error)
    }
}

impl From<Error> for SyncError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// A new store beside an old ledger: it would look as if nothing had ever been stored.
pub(super) fn emptied(ledger: &Ledger) -> Error {
    Error::unavailable(
        "The store cannot be opened.",
        format_args!(
            "The store is missing or empty, but its ledger {} exists, so a store was lost. Put the store's file back, together with \
             its -wal file if it had one, or restore a backup (keystead restore). To begin with an empty store, move the ledger away.",
            ledger.path().display()
        ),
    )
}

pub(in crate::store::sqlite) fn unusable(ledger: &Ledger, why: impl std::fmt::Display) -> Error {
    Error::unavailable(
        "The store cannot be opened.",
        format_args!(
            "{} cannot be used: {why}. It keeps keys revoked when an older backup is restored. Put an undamaged copy of it \
             back. If there is none, and this store is not an older copy, move the file away: a new one is made from the store.",
            ledger.path().display()
        ),
    )
}
