//! A write-ahead log that a killed server left behind, and whether it belongs to the file that has the store's name.
//!
//! SQLite brings the log into whatever file is there. Of an older copy and the log comes a store that has the newest marks, and
//! keys as they were. A backup says in its header that it goes with no log, which `open.rs` checks; this is about other copies.

use super::ledger::{Ledger, Record};
use super::ledger_sync::{LOOKS, PAUSE, SyncError, compare};
use super::lock::StoreLock;
use super::{connect, open_errors};
use crate::domain::{Error, KeyId, Result};
use crate::store::file::companion::companion;
use crate::store::file::ledger::LedgerComparison;
use crate::store::key_record::KeyRecord;
use rusqlite::Connection;
use std::path::Path;

/// Whether there is a log that no running server writes. To be asked before this process opens the store to write, and where it
/// has announced nothing ([`StoreLock::is_server_announced`]).
pub(super) fn exists(store: &Path) -> bool {
    connect::exists_nonempty(&companion(store, "-wal")) && !StoreLock::is_server_announced(store)
}

/// Makes sure that what the ledger calls dead is dead in a store that seems to have all that the ledger has.
///
/// # Errors
/// [`Error::Unavailable`](crate::domain::Error::Unavailable), also where the store or the ledger cannot be read.
pub(super) fn expect_matching(connection: &Connection, ledger: &Ledger, store: &Path) -> Result<()> {
    for _ in 0..LOOKS {
        if find_revived_key(connection, ledger)?.is_none() {
            return Ok(());
        }
        // A command may be between the two commits.
        std::thread::sleep(PAUSE);
    }
    let Some(id) = find_revived_key(connection, ledger)? else { return Ok(()) };
    let why = format_args!("API key {} is dead, and good in this file, so it is an older copy", id.get());
    Err(open_errors::log_of_another_file(store, why))
}

/// A key that is good in a store that has all that the ledger has, and dead by that.
fn find_revived_key(connection: &Connection, ledger: &Ledger) -> Result<Option<KeyId>> {
    if compare(connection, ledger)?.0 != LedgerComparison::Same {
        return Ok(None);
    }
    let mut found = None;
    let checked = ledger.for_each(|row, _| {
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
