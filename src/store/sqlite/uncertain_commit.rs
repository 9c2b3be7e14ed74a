//! Undoes failed commits.
//!
//! SQLite forgets a commit that it could not write to disk, but does not erase it. If only the sync failed, the whole
//! commit is in the write-ahead log. It is not read there, unless the process ends before another commit overwrites it:
//! then the next start applies a commit that was reported as failed. The ledger lines of that commit would be replayed,
//! too. So both are undone before any caller is answered, first the log, then the ledger. If that fails, it is tried
//! again until it succeeds, and no other commit begins before.

use super::commit_effects::CommitEffects;
use super::ledger::{Ledger, Mark};
use super::ledger_sync::{self, SyncError};
use super::migrations::VERSION;
use crate::domain::{Error, Result};
use rusqlite::{Connection, ErrorCode};

/// What remains to be undone.
#[derive(Default)]
pub(super) struct UncertainCommit {
    /// Whether the write-ahead log may contain a failed commit.
    log: bool,
    /// Whether the ledger was appended to for it.
    ledger: bool,
}

impl UncertainCommit {
    pub(super) fn is_pending(&self) -> bool {
        self.log || self.ledger
    }

    /// Appends to the ledger within the connection's transaction, and notes it in the store.
    pub(super) fn append_to_ledger(
        &mut self,
        connection: &Connection,
        ledger: &mut Ledger,
        effects: &CommitEffects,
        commit: Mark,
    ) -> std::result::Result<(), SyncError> {
        self.ledger = true;
        ledger.append(&effects.key_records, &effects.ended, commit)?;
        Ok(ledger_sync::write_mark(connection, commit)?)
    }

    /// Records the outcome of the commit.
    pub(super) fn committed(&mut self, outcome: &rusqlite::Result<()>) {
        match outcome {
            Ok(()) => *self = Self::default(),
            // On a full disk the commit is incomplete, and an incomplete commit is never read.
            Err(error) => self.log = error.sqlite_error_code() != Some(ErrorCode::DiskFull),
        }
    }

    /// Undoes the failed commit for good.
    pub(super) fn undo(&mut self, connection: &Connection, ledger: &mut Ledger) -> Result<()> {
        if self.log {
            // Overwrites the beginning of the failed commit, without which the rest is invalid. Changes nothing else.
            connection.pragma_update(None, "user_version", VERSION)?;
            self.log = false;
        }
        if self.ledger {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            let undone = ledger.undo_append();
            connection.execute_batch("ROLLBACK")?;
            undone.map_err(|e| Error::unavailable("The disk failed.", e))?;
            self.ledger = false;
        }
        Ok(())
    }
}
