//! Finds keys by their digests without writing one page for each key.
//!
//! Digests are random, so an ordinary index dirties one page for each new key, which costs a large store most of its
//! write speed. Here the newest keys are found in memory only. Once there are enough of them ([`RUN`]), they go to the
//! `digest_index` table in sorted order, a slice with each commit: each page then takes many keys, and no commit waits
//! for all of them.
//!
//! Invariants:
//! - Every key up to `indexed_through` is in the table; every committed key after it, up to `newest`, is in memory.
//! - A key leaves memory only after the commit that wrote it to the table. A lookup that searches memory first and
//!   begins to read the file after that misses none.
//! - [`DigestIndex::catch_up`] loads other processes' new keys before that.
//! - The digest that a rotation gives an older key goes to the table at once.
//! - An import writes all older waiting keys and all its own keys to the table before its keys are visible
//!   (`running_import.rs`). So a million keys are never in memory.
//! - Every new digest in memory or in the table is among `CommitEffects::prefixes`, from which the negative filter
//!   learns it; or it comes from an import, which invalidates the filter.
//! - Nothing is trusted: a lookup compares the whole digest, and a digest is compared with its key before it goes to
//!   the table. So outdated digests in memory are harmless.
//!
//! Memory is bounded by two runs and a batch, about 2 MiB. After a crash as many rows are read again.

use super::unpublished;
use crate::domain::Digest;
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of keys in a run.
const RUN: usize = 32_768;

/// A digest's prefix and the key's id.
pub(super) type Entry = (i64, i64);

/// The part of the index in memory, shared by the writer and the readers.
#[derive(Default)]
pub(super) struct DigestIndex {
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// The newest key in memory or in the table.
    newest: i64,
    /// Keys that wait for the next run.
    fresh: BTreeSet<Entry>,
    /// The run that is being written to the table.
    run: BTreeSet<Entry>,
    /// The value of `indexed_through` after the run.
    run_through: i64,
}

/// What one transaction wrote to the table.
#[derive(Default)]
pub(super) struct Merged(Vec<Entry>);

impl DigestIndex {
    /// The keys in memory whose digests have this prefix.
    pub(super) fn in_memory(&self, prefix: i64) -> Vec<i64> {
        let memory = self.lock();
        let range: RangeInclusive<Entry> = (prefix, i64::MIN)..=(prefix, i64::MAX);
        memory.fresh.range(range.clone()).chain(memory.run.range(range)).map(|(_, id)| *id).collect()
    }

    /// The first prefix in memory that is not less than `from`.
    pub(super) fn next_in_memory(&self, from: i64) -> Option<i64> {
        let memory = self.lock();
        let first = |entries: &BTreeSet<Entry>| entries.range((from, i64::MIN)..).next().map(|(prefix, _)| *prefix);
        first(&memory.fresh).into_iter().chain(first(&memory.run)).min()
    }

    /// Loads keys that other processes created. The connection must not be in a transaction that has created keys: they
    /// might be rolled back.
    pub(super) fn catch_up(&self, connection: &Connection) -> rusqlite::Result<()> {
        let newest: i64 =
            connection.prepare_cached("SELECT coalesce(max(id), 0) FROM api_keys")?.query_row([], |row| row.get(0))?;
        let known = self.lock().newest;
        if newest <= known {
            return Ok(());
        }
        let indexed_through: i64 = connection
            .prepare_cached("SELECT indexed_through FROM digest_index_state")?
            .query_row([], |row| row.get(0))?;
        let sql = "SELECT id, digest FROM api_keys WHERE id > ?1 AND id < ?2 ORDER BY id";
        let mut statement = connection.prepare_cached(sql)?;
        let mut found = Vec::new();
        for range in unpublished::published_ranges(connection, known.max(indexed_through), i64::MAX)? {
            let mut rows = statement.query(range)?;
            while let Some(row) = rows.next()? {
                found.push((Digest::from_bytes(row.get(1)?).prefix(), row.get(0)?));
            }
        }
        let mut memory = self.lock();
        // Another thread may have been faster; its keys may be on their way to the table already.
        let known = memory.newest;
        memory.fresh.extend(found.iter().filter(|(_, id)| *id > known));
        memory.newest = known.max(newest);
        Ok(())
    }

    /// Writes up to `limit` keys of the current run to the table, in the caller's transaction. Skips keys that are gone
    /// or have another value by now.
    pub(super) fn merge(&self, connection: &Connection, limit: usize) -> rusqlite::Result<Merged> {
        let (entries, is_last, run_through) = {
            let memory = self.lock();
            let entries: Vec<Entry> = memory.run.iter().take(limit).copied().collect();
            (entries, memory.run.len() <= limit, memory.run_through)
        };
        if entries.is_empty() {
            return Ok(Merged::default());
        }
        let mut insert = connection.prepare_cached(
            "INSERT OR IGNORE INTO digest_index (prefix, key_id) \
             SELECT ?1, id FROM api_keys WHERE id = ?2 AND substr(digest, 1, 8) = ?3",
        )?;
        for (prefix, id) in &entries {
            insert.execute(params![prefix, id, prefix.to_be_bytes()])?;
        }
        if is_last {
            connection
                .prepare_cached("UPDATE digest_index_state SET indexed_through = max(indexed_through, ?1)")?
                .execute([run_through])?;
        }
        Ok(Merged(entries))
    }

    /// Records a commit: its new keys, and what it wrote to the table.
    pub(super) fn committed(&self, minted: &[Entry], merged: &Merged) {
        let mut memory = self.lock();
        memory.fresh.extend(minted);
        memory.newest = minted.iter().map(|(_, id)| *id).fold(memory.newest, i64::max);
        for entry in &merged.0 {
            memory.run.remove(entry);
        }
        if memory.fresh.len() >= RUN {
            memory.begin_run();
        }
    }

    /// Makes a run of everything in memory; returns whether there is one.
    pub(super) fn begin_last_run(&self) -> bool {
        let mut memory = self.lock();
        memory.begin_run();
        !memory.run.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // A panic while it is held does no harm: see "Nothing is trusted".
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn begin_run(&mut self) {
        if self.run.is_empty() {
            self.run = std::mem::take(&mut self.fresh);
            self.run_through = self.newest;
        }
    }
}
