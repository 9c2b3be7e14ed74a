//! Replays the ledger: does in the store what the ledger records and the store lacks.

use super::compare::has_commit;
use super::error::{SyncError, unusable};
use super::mark::{read_mark, write_mark};
use crate::domain::{Digest, KeyId, Link, Result, Timestamp};
use crate::store::Writes as _;
use crate::store::file::ledger::LedgerComparison;
use crate::store::key_record::KeyRecord;
use crate::store::replay::{Replay, narrowed, replay};
use crate::store::sqlite::digest_index::DigestIndex;
use crate::store::sqlite::ledger::{Ledger, Mark, Record};
use crate::store::sqlite::transaction::StoreTransaction;
use crate::store::sqlite::{audit, columns, keys};
use rusqlite::{Connection, Transaction};
use std::io;
use std::ops::RangeInclusive;

/// Replays the ledger on an older store, and notes that in both.
pub(super) fn catch_up(
    transaction: &Transaction<'_>,
    index: &DigestIndex,
    ledger: &mut Ledger,
    now: Timestamp,
) -> Result<()> {
    let applied = apply(transaction, index, ledger, &LedgerComparison::Ahead, now)?;
    log::warn!(
        "the store is older than {}: it is an older copy, or its last commits are lost; keys that were set to their last \
         recorded state: {}",
        ledger.path().display(),
        applied.changed
    );
    let last = last_to_append_to(ledger).map_err(|e| unusable(ledger, e))?;
    let commit = Mark::of(last.commit + 1, audit::head(transaction)?.unwrap_or(Link::START));
    // If the commit fails, these lines stay: they say nothing new, and the next start replays them again.
    let written = ledger.append(&applied.key_records, &applied.ended, commit);
    written.map_err(|e| unusable(ledger, e))?;
    write_mark(transaction, commit)
}

/// The last commit of the ledger, which is converted first if it has the earlier format.
fn last_to_append_to(ledger: &mut Ledger) -> io::Result<Mark> {
    if let Some(last) = ledger.last_commit()? {
        return Ok(last);
    }
    ledger.repair()?;
    Ok(ledger.last_commit()?.unwrap_or_default())
}

/// What a replay changed in the store.
#[derive(Default)]
pub(in crate::store::sqlite) struct Applied {
    /// The highest key id in the ledger.
    highest: i64,
    /// The number of changed keys.
    pub(in crate::store::sqlite) changed: usize,
    /// Records to append again, so that later changes of these keys count as later.
    key_records: Vec<KeyRecord>,
    /// Values that ended.
    ended: Vec<Digest>,
}

/// A replay in progress.
struct Application<'a> {
    connection: &'a Connection,
    rows: StoreTransaction<'a>,
    /// The last commit that the store noted.
    noted: Mark,
    is_forked: bool,
    now: Timestamp,
    applied: Applied,
}

/// Replays what the ledger records and the store lacks, in the caller's transaction.
pub(in crate::store::sqlite) fn apply(
    transaction: &Transaction<'_>,
    index: &DigestIndex,
    ledger: &Ledger,
    comparison: &LedgerComparison,
    now: Timestamp,
) -> Result<Applied> {
    let mut application = Application {
        connection: transaction,
        rows: StoreTransaction::new(transaction, index, &[]),
        noted: read_mark(transaction)?,
        is_forked: *comparison == LedgerComparison::Forked,
        now,
        applied: Applied::default(),
    };
    let done = ledger.for_each(|row, mark| {
        let done = match row {
            Record::Key(record) => application.key(record, mark),
            Record::DeletedIds(numbers) => application.gone(&numbers),
            Record::Ended(digest) => application.rows.end_value(&digest),
            Record::Marker => Ok(()),
        };
        done.map_err(SyncError::Store)
    });
    done.map_err(|failed| failed.of(ledger))?;
    let Application { rows, mut applied, .. } = application;
    applied.ended = rows.into_effects().ended;
    raise_numbers(transaction, applied.highest)?;
    Ok(applied)
}

impl Application<'_> {
    fn key(&mut self, mut record: KeyRecord, mark: Mark) -> Result<()> {
        self.applied.highest = self.applied.highest.max(record.id.get());
        if let Some(state) = &record.state {
            // Which of the two copies is later is unknown. A revocation is final and always applies.
            if self.is_forked {
                let key = keys::key(self.connection, record.id)?.filter(|key| key.created_at == record.created_at);
                let Some(key) = key else { return Ok(()) };
                let narrowed = narrowed(&key, state);
                if narrowed == key {
                    return Ok(());
                }
                record = KeyRecord::of(&narrowed);
            } else if has_commit(self.connection, self.noted, mark)? {
                return Ok(());
            }
        }
        let has_changed = self.bring_to(&record)?;
        self.applied.changed += usize::from(has_changed);
        // Also where nothing changed: later changes of the key must count as later than this line.
        if has_changed || record.state.is_some() {
            self.applied.key_records.push(record);
        }
        Ok(())
    }

    /// Applies the ledger's record to a key; returns whether the key changed. Keys that the store does not have are
    /// skipped: the store is from before their creation or after their revocation.
    fn bring_to(&mut self, record: &KeyRecord) -> Result<bool> {
        let Some(key) = keys::key(self.connection, record.id)? else { return Ok(false) };
        let Some(Replay { after, event }) = replay(&key, record, self.now)? else { return Ok(false) };
        match &after {
            None => self.rows.delete_api_key(&key)?,
            Some(after) => self.rows.update_api_key(&key, after)?,
        }
        self.rows.append_event(&event)?;
        Ok(true)
    }

    fn gone(&mut self, numbers: &RangeInclusive<i64>) -> Result<()> {
        self.applied.highest = self.applied.highest.max(*numbers.end());
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, created_at FROM api_keys WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?;
        let found = statement.query_map([numbers.start(), numbers.end()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (id, created_at) in found.collect::<rusqlite::Result<Vec<(i64, i64)>>>()? {
            let id = KeyId::new(id).ok_or_else(|| columns::damaged("an API key's id", id))?;
            let created_at =
                Timestamp::from_unix_ms(created_at).ok_or_else(|| columns::damaged("a time", created_at))?;
            let record = KeyRecord { id, created_at, state: None };
            if self.bring_to(&record)? {
                self.applied.changed += 1;
                self.applied.key_records.push(record);
            }
        }
        Ok(())
    }
}

/// Raises the next key id above `highest`, so that no id of any copy of the store is given out again.
pub(in crate::store::sqlite) fn raise_numbers(connection: &Connection, highest: i64) -> Result<()> {
    connection.execute(
        "INSERT INTO sqlite_sequence (name, seq) SELECT 'api_keys', 0 \
         WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'api_keys')",
        [],
    )?;
    connection.execute(
        "INSERT INTO skipped_numbers (first, last) SELECT seq + 1, ?1 FROM sqlite_sequence WHERE name = 'api_keys' AND seq < ?1",
        [highest],
    )?;
    connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'api_keys'", [highest])?;
    Ok(())
}
