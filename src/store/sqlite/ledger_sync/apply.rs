//! Replays the ledger: does in the store what the ledger records and the store lacks.

use super::compare::has_commit;
use super::error::{SyncError, unusable};
use super::mark::{read_mark, write_mark};
use crate::domain::{Digest, KeyId, Link, Result, Timestamp};
use crate::store::Writes as _;
use crate::store::file::ledger::LedgerComparison;
use crate::store::key_record::KeyRecord;
use crate::store::replay::{Replay, replay};
use crate::store::sqlite::digest_index::DigestIndex;
use crate::store::sqlite::ledger::{Ledger, Mark, Record};
use crate::store::sqlite::transaction::StoreTransaction;
use crate::store::sqlite::{audit, columns, keys};
use rusqlite::{Connection, Transaction};
use std::io;
use std::ops::RangeInclusive;

/// Does in the store what the ledger says.
pub(super) fn catch_up(
    transaction: &Transaction<'_>,
    index: &DigestIndex,
    ledger: &mut Ledger,
    now: Timestamp,
) -> Result<()> {
    let applied = apply(transaction, index, ledger, &LedgerComparison::Ahead, now)?;
    log::warn!(
        "the store is older than {}: it is an older copy, or its last commits are lost; keys that were brought to how they \
         stood last: {}",
        ledger.path().display(),
        applied.changed
    );
    let last = last_to_append_to(ledger).map_err(|e| unusable(ledger, e))?;
    let commit = Mark::of(last.commit + 1, audit::head(transaction)?.unwrap_or(Link::START));
    // Where the commit fails, these stay: they say nothing new, and whoever opens the store next does this again.
    let written = ledger.append(&applied.key_records, &applied.ended, commit);
    written.map_err(|e| unusable(ledger, e))?;
    write_mark(transaction, commit)
}

/// The last commit of a ledger that can be written to; it is made so where it has the earlier form.
fn last_to_append_to(ledger: &mut Ledger) -> io::Result<Mark> {
    if let Some(last) = ledger.last()? {
        return Ok(last);
    }
    ledger.renew()?;
    Ok(ledger.last()?.unwrap_or_default())
}

/// What a ledger changed in a store.
#[derive(Default)]
pub(in crate::store::sqlite) struct Applied {
    /// The highest number of a key that it knows of.
    highest: i64,
    /// How many keys it changed.
    pub(in crate::store::sqlite) changed: usize,
    /// What counted: what the store does with these keys later is later than this.
    key_records: Vec<KeyRecord>,
    /// Values that ended with it.
    ended: Vec<Digest>,
}

/// A ledger that is being applied to a store.
struct Application<'a> {
    connection: &'a Connection,
    rows: StoreTransaction<'a>,
    /// The last commit that the store has.
    noted: Mark,
    is_forked: bool,
    now: Timestamp,
    applied: Applied,
}

/// Does what the ledger says and the store has not come to know since, in the caller's transaction.
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
    let done = ledger.each(|row, mark| {
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
            // Which of two copies is the later one, nobody knows. A revocation is final and does no harm.
            if self.is_forked {
                let (is_off, key) = (!state.valid, keys::key(self.connection, record.id)?);
                let key = key.filter(|key| is_off && key.valid && key.created_at == record.created_at);
                let Some(mut key) = key else { return Ok(()) };
                key.valid = false;
                record = KeyRecord::of(&key);
            } else if has_commit(self.connection, self.noted, mark)? {
                return Ok(());
            }
        }
        let has_changed = self.bring_to(&record)?;
        self.applied.changed += usize::from(has_changed);
        // Also where nothing was to be changed: what this store does with the key later must count as later than the line.
        if has_changed || record.state.is_some() {
            self.applied.key_records.push(record);
        }
        Ok(())
    }

    /// Brings a key to how it stands by the ledger; says whether that changed anything. A key that the store does not know is
    /// none of its business: the store is from before the key was minted, or from after it was revoked.
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

/// No key that comes later may have the number of one that there was, whatever became of the store that gave it out.
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
