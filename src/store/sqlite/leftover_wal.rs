//! A write-ahead log that a killed server left behind, and whether it belongs to the file that has the store's name.
//!
//! SQLite brings the log into whatever file is there. Of an older copy and the log comes a store that has the newest marks, and
//! keys as they were. A backup says in its header that it goes with no log, which `open.rs` checks; this is about other copies.

use super::ledger::{Ledger, Record};
use super::ledger_sync::{LOOKS, PAUSE, SyncError, compare};
use super::lock::Lock;
use super::{connect, open_errors};
use crate::domain::{Error, KeyId, Result};
use crate::store::file::companion::companion;
use crate::store::file::ledger::LedgerComparison;
use crate::store::key_record::KeyRecord;
use rusqlite::Connection;
use std::path::Path;

/// Whether there is a log that no running server writes. To be asked before this process opens the store to write, and where it
/// has announced nothing ([`Lock::is_announced`]).
pub(super) fn is_there(store: &Path) -> bool {
    connect::is_there(&companion(store, "-wal")) && !Lock::is_announced(store)
}

/// Makes sure that what the ledger calls dead is dead in a store that seems to have all that the ledger has.
///
/// # Errors
/// [`Error::Unavailable`](crate::domain::Error::Unavailable), also where the store or the ledger cannot be read.
pub(super) fn expect_fitting(connection: &Connection, ledger: &Ledger, store: &Path) -> Result<()> {
    for _ in 0..LOOKS {
        if good_and_dead(connection, ledger)?.is_none() {
            return Ok(());
        }
        // A command may be between the two commits.
        std::thread::sleep(PAUSE);
    }
    let Some(id) = good_and_dead(connection, ledger)? else { return Ok(()) };
    let why = format!("API key {} is dead, and good in this file, so it is an older copy", id.get());
    Err(open_errors::mixed(store, why))
}

/// A key that is good in a store that has all that the ledger has, and dead by that.
fn good_and_dead(connection: &Connection, ledger: &Ledger) -> Result<Option<KeyId>> {
    if compare(connection, ledger)?.0 != LedgerComparison::Same {
        return Ok(None);
    }
    let mut found = None;
    let checked = ledger.each(|row, _| {
        let Record::Key(KeyRecord { id, created_at, state }) = row else { return Ok(()) };
        let is_dead = state.is_none_or(|state| !state.valid);
        // The file may be of an earlier version, which has these columns, too.
        let sql = "SELECT 1 FROM api_keys WHERE id = ?1 AND valid AND created_at = ?2";
        let mut good = connection.prepare_cached(sql).map_err(Error::from)?;
        if is_dead && good.exists([id.get(), created_at.unix_ms()]).map_err(Error::from)? {
            found = Some(id);
        }
        Ok::<_, SyncError>(())
    });
    checked.map_err(|failed| failed.of(ledger))?;
    Ok(found)
}
