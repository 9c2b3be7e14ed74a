//! Checks whether a write-ahead log that a killed server left belongs to the file with the store's name.
//!
//! SQLite applies the log to whatever file has the name. An older copy with the newest log becomes a store with the
//! newest ledger mark and outdated keys. A backup is recognized by its header (`connect.rs`); this finds other copies,
//! by the ledger.

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

/// Whether there is a log that no running server writes. Call it before this process opens the store for writing, and
/// where it has announced nothing ([`StoreLock::is_server_announced`]).
pub(super) fn exists(store: &Path) -> bool {
    connect::exists_nonempty(&companion(store, "-wal")) && !StoreLock::is_server_announced(store)
}

/// Checks that keys which the ledger ended are not valid in a store that seems to have all commits of the ledger.
///
/// # Errors
/// [`Error::Unavailable`](crate::domain::Error::Unavailable), also where the store or the ledger cannot be read.
pub(super) fn expect_matching(connection: &Connection, ledger: &Ledger, store: &Path) -> Result<()> {
    for _ in 0..LOOKS {
        if find_revived_key(connection, ledger)?.is_none() {
            return Ok(());
        }
        // A command may be between its ledger append and its commit.
        std::thread::sleep(PAUSE);
    }
    let Some(id) = find_revived_key(connection, ledger)? else { return Ok(()) };
    let why = format!(
        "API key {} was revoked or deactivated, and is active in this file, so the file is an older copy",
        id.get()
    );
    Err(open_errors::log_of_another_file(store, why))
}

/// A key that is valid in the store and ended in the ledger, though the store has all of the ledger's commits.
fn find_revived_key(connection: &Connection, ledger: &Ledger) -> Result<Option<KeyId>> {
    if compare(connection, ledger)?.0 != LedgerComparison::Same {
        return Ok(None);
    }
    let mut found = None;
    let checked = ledger.for_each(|row, _| {
        let Record::Key(KeyRecord { id, created_at, state }) = row else { return Ok(()) };
        let is_dead = state.is_none_or(|state| !state.valid);
        // These columns exist in earlier schema versions, too.
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
