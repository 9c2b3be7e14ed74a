//! Errors of the ledger and of its comparison with the store.

use crate::domain::Error;
use crate::store::sqlite::ledger::Ledger;
use std::io;

/// Why the store and the ledger could not be brought together.
#[derive(Debug)]
pub(in crate::store::sqlite) enum SyncError {
    Store(Error),
    Ledger(io::Error),
    /// The ledger knows of changes that the store does not have.
    Ahead,
}

impl SyncError {
    pub(in crate::store::sqlite) fn of(self, ledger: &Ledger) -> Error {
        match self {
            Self::Store(error) => error,
            Self::Ledger(error) => unusable(ledger, error),
            Self::Ahead => unusable(ledger, "it knows of changes that the store does not have"),
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

/// A store that is new beside a ledger that is not would be set up as if there had been nothing.
pub(super) fn emptied(ledger: &Ledger) -> Error {
    Error::unavailable(
        "The store cannot be opened.",
        format_args!(
            "The store is empty, but {} was written for one that was not: its write-ahead log was removed, or another file put in \
             its place. Put the log or a backup back (keystead restore). To begin with an empty store, move that ledger away",
            ledger.path().display()
        ),
    )
}

pub(in crate::store::sqlite) fn unusable(ledger: &Ledger, why: impl std::fmt::Display) -> Error {
    Error::unavailable(
        "The store cannot be opened.",
        format_args!(
            "{} cannot be used: {why}. It keeps revoked keys dead when an older backup is restored. Put a copy of it back that is \
             whole. If there is none, and this store is not an older copy, move the file away: a new one is made from the store",
            ledger.path().display()
        ),
    )
}
