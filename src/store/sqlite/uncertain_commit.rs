//! What a commit that failed leaves behind.
//!
//! SQLite forgets a commit that it could not bring to the disk, but does not wipe it out: where only the sync failed, all
//! of it lies in the write-ahead log. Nobody reads it there, unless the process ends before another commit is written over
//! it: then the next start finds a commit that somebody was told had failed. And what the ledger was told before that
//! commit would be done anew. So both are taken back, first the log and then the ledger, before anybody is answered; where
//! that fails, too, it is tried again until it is done, and no other commit begins before.

use super::commit_effects::CommitEffects;
use super::ledger::{Ledger, Mark};
use super::ledger_sync::{self, SyncError};
use super::migrations::VERSION;
use crate::domain::{Error, Result};
use rusqlite::{Connection, ErrorCode};

/// What is to be taken back.
#[derive(Default)]
pub(super) struct UncertainCommit {
    /// Whether the write-ahead log may hold a commit that failed.
    log: bool,
    /// Whether the ledger was appended to for it.
    ledger: bool,
}

impl UncertainCommit {
    pub(super) fn is_pending(&self) -> bool {
        self.log || self.ledger
    }

    /// Writes to the ledger, in the transaction of the connection, and has the store note it.
    pub(super) fn append(
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

    /// Takes note of how the commit went.
    pub(super) fn committed(&mut self, outcome: &rusqlite::Result<()>) {
        match outcome {
            Ok(()) => *self = Self::default(),
            // No room for a part of the commit: what is not whole is never read.
            Err(error) => self.log = error.sqlite_error_code() != Some(ErrorCode::DiskFull),
        }
    }

    /// Makes sure that what failed never comes to be.
    pub(super) fn take_back(&mut self, connection: &Connection, ledger: &mut Ledger) -> Result<()> {
        if self.log {
            // Written over the failed commit's beginning, without which the rest of it counts for nothing. It changes nothing.
            connection.pragma_update(None, "user_version", VERSION)?;
            self.log = false;
        }
        if self.ledger {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            let taken_back = ledger.take_back();
            connection.execute_batch("ROLLBACK")?;
            taken_back.map_err(|e| Error::unavailable("The disk does not answer as it should.", e))?;
            self.ledger = false;
        }
        Ok(())
    }
}
