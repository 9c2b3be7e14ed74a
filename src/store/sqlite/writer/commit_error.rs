//! Why a batch was not committed: one sentence for the callers and a detail for the log.

use crate::domain::Error;
use crate::store::sqlite::error_conversion::{DISK_FULL, disk_full_detail};
use crate::store::sqlite::ledger_sync::SyncError;
use rusqlite::ErrorCode;
use std::io;
use std::path::Path;

pub(super) const BUSY: &str = "The store has more to write than it can take; try again.";
pub(super) const FAILED: &str = "The store could not be written; nothing was changed.";
const BEHIND_LEDGER: &str = "The store had to be brought up to date first; nothing was changed. Try again.";
const NOT_IN_PLACE: &str = "The store's file was moved, removed or replaced; nothing was changed. Its operator must put the right \
                            file back and restart the server.";
const UNCERTAIN: &str = "The store could not be written, and the failed write could not be undone yet; check whether the change \
                         was made.";

/// Whether the write that failed with this error may still take effect.
pub(in crate::store) fn has_uncertain_outcome(error: &Error) -> bool {
    matches!(error, Error::Unavailable { sentence: UNCERTAIN, .. })
}

pub(super) struct CommitError {
    /// For each caller of the batch.
    sentence: &'static str,
    /// For the log.
    pub(super) detail: String,
    /// Whether the ledger has commits that the store lacks; they must be replayed before the next commit.
    pub(super) is_behind_ledger: bool,
}

impl CommitError {
    pub(super) fn not_in_place(detail: String) -> Self {
        Self { sentence: NOT_IN_PLACE, detail, is_behind_ledger: false }
    }

    /// The same error where the failed commit could not be undone.
    pub(super) fn uncertain(self) -> Self {
        Self { sentence: UNCERTAIN, ..self }
    }

    /// The error for a caller. For a full disk, the operator learns which disk.
    pub(super) fn at(&self, path: &Path) -> Error {
        let detail = self.detail.replacen("The store's disk", &format!("The disk of {}", path.display()), 1);
        Error::unavailable(self.sentence, detail)
    }
}

impl From<rusqlite::Error> for CommitError {
    fn from(error: rusqlite::Error) -> Self {
        let sentence = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => BUSY,
            Some(ErrorCode::DiskFull) => {
                return Self { sentence: DISK_FULL, detail: disk_full_detail(&error), is_behind_ledger: false };
            }
            _ => FAILED,
        };
        Self { sentence, detail: error.to_string(), is_behind_ledger: false }
    }
}

impl From<SyncError> for CommitError {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Store(error) => error.into(),
            SyncError::LedgerAhead => {
                let detail = "the ledger of revocations has changes that the store lacks".to_owned();
                Self { sentence: BEHIND_LEDGER, detail, is_behind_ledger: true }
            }
            SyncError::Ledger(error) => {
                let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
                let (sentence, advice) =
                    if is_full { (DISK_FULL, ". Free some space, then try again.") } else { (FAILED, "") };
                let detail = format!("the ledger of revocations cannot be written: {error}{advice}");
                Self { sentence, detail, is_behind_ledger: false }
            }
        }
    }
}

impl From<Error> for CommitError {
    fn from(error: Error) -> Self {
        Self {
            sentence: FAILED,
            detail: error.detail().map_or_else(|| error.to_string(), str::to_owned),
            is_behind_ledger: false,
        }
    }
}
