//! The SQL of `ledger_mark`: the last ledger commit that the store has.

use super::error::unusable;
use crate::domain::Result;
use crate::store::sqlite::ledger::{Contents, Ledger, LedgerRead, Mark};
use rusqlite::{Connection, params};

/// The last ledger commit that the store noted; [`Mark::START`] where it has none, or is of an earlier version.
pub(in crate::store::sqlite) fn read_mark(connection: &Connection) -> Result<Mark> {
    let has_note = connection.prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = 'ledger_mark'")?.exists([])?;
    if !has_note {
        return Ok(Mark::START);
    }
    let mut statement = connection.prepare_cached("SELECT number, event, event_hash FROM ledger_mark WHERE id = 1")?;
    Ok(statement.query_row([], |row| Ok(Mark { commit: row.get(0)?, event: row.get(1)?, hash: row.get(2)? }))?)
}

/// Notes a ledger commit in the store.
pub(in crate::store::sqlite) fn write_mark(connection: &Connection, Mark { commit, event, hash }: Mark) -> Result<()> {
    let sql = "UPDATE ledger_mark SET number = ?1, event = ?2, event_hash = ?3 WHERE id = 1";
    connection.prepare_cached(sql)?.execute(params![commit, event, hash])?;
    Ok(())
}

/// Notes the ledger's last commit in a copy, after the ledger was replayed on it.
pub(in crate::store::sqlite) fn write_last_mark(connection: &Connection, ledger: &Ledger) -> Result<()> {
    match ledger.read_summary(Mark::START).map_err(|e| unusable(ledger, e))? {
        // The earlier format has no numbers; the next start converts it.
        LedgerRead::Contents(Contents { last, .. }) if last.commit > 0 => write_mark(connection, last),
        _ => Ok(()),
    }
}
