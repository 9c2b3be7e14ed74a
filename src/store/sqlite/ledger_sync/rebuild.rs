//! Rebuilds the ledger from the store.

use super::compare::has_commit;
use super::error::{SyncError, unusable};
use super::mark::read_mark;
use super::source_rows;
use crate::domain::Result;
use crate::store::key_record::KeyRecord;
use crate::store::sqlite::ledger::{Ledger, Mark, Record};
use crate::store::sqlite::{audit, keys};
use rusqlite::Connection;

/// Rebuilds the ledger from the store, and from its readable lines that the store cannot replace: lines about keys that
/// the store lacks, and later commits unless the store `has_all`. Returns the last commit.
pub(in crate::store::sqlite) fn rebuild(connection: &Connection, ledger: &mut Ledger, has_all: bool) -> Result<Mark> {
    let noted = read_mark(connection)?;
    let mut last = noted;
    let mut rows = Vec::new();
    let mut key_records = Vec::new();
    let read = ledger.for_each(|row, mark| {
        if mark.commit > last.commit {
            last = mark;
        }
        match row {
            Record::Key(record) => {
                let knows_better = record.state.is_some() && (has_all || has_commit(connection, noted, mark)?);
                let key = if knows_better { keys::key(connection, record.id)? } else { None };
                match key.filter(|key| key.created_at == record.created_at) {
                    Some(key) => key_records.push(KeyRecord::of(&key)),
                    None => rows.push((Record::Key(record), mark)),
                }
            }
            Record::Ended(_) => rows.push((row, mark)),
            Record::DeletedIds(_) | Record::Marker => {}
        }
        Ok::<_, SyncError>(())
    });
    read.map_err(|failed| failed.of(ledger))?;
    let head = audit::head(connection)?;
    if last != noted || noted == Mark::START {
        last = head.map_or(Mark::START, |head| Mark::of(last.commit + 1, head));
    }
    source_rows::each_narrowed(connection, |key| key_records.push(KeyRecord::of(&key)))?;
    key_records.sort_unstable_by_key(|record| record.id.get());
    key_records.dedup_by_key(|record| record.id.get());
    rows.extend(key_records.into_iter().map(|record| (Record::Key(record), last)));
    source_rows::each_gap(connection, |numbers| rows.push((Record::DeletedIds(numbers), last)))?;
    source_rows::each_ended(connection, |digest| rows.push((Record::Ended(digest), last)))?;
    ledger.replace(last, &rows).map_err(|e| unusable(ledger, e))?;
    Ok(last)
}
