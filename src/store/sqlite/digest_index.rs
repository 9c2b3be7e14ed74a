//! Finding a key by its digest without paying a page a key.
//!
//! Digests are random, so an ordinary index over them dirties one page for every key that is minted, which costs a big
//! store most of its write speed. Here the newest keys are found in memory only; once there are enough of them
//! ([`RUN`]) they are brought into the `digest_index` table in sorted order, a slice with every commit, so that each
//! page of the table takes many keys at once and no commit has to wait for all of them.
//!
//! What holds at all times:
//! - every key up to `indexed_through` is in the table, every committed key after it up to `known` is in memory;
//! - a key leaves memory only after the commit that put it into the table, so whoever looks in memory first and only
//!   then begins to read the file misses none;
//! - keys that other processes minted are picked up by [`DigestIndex::catch_up`], before that;
//! - the digest that a rotation gives an older key goes into the table at once;
//! - an import puts all that waits from before, and all that it adds, into the table before its keys are there
//!   (running_import.rs), so that a million keys are never in memory;
//! - whatever goes into memory or into the table for the first time is among `CommitEffects::prefixes`, by which negative_filter.rs learns
//!   of it; or it came by an import, and negative_filter.rs begins anew;
//! - nothing is trusted: whoever finds a key here compares the whole digest, and what goes into the table is compared
//!   with the key as it is by then. So a digest that is nobody's any more needs no looking after in memory.
//!
//! Memory is bounded by two runs and a batch, some 2 MiB; after a crash as many rows are read again.

use super::unpublished;
use crate::domain::Digest;
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many keys make a run.
const RUN: usize = 32_768;

/// A digest's prefix and the key's number.
pub(super) type Entry = (i64, i64);

/// The part of the index that is in memory, shared by the writer and the readers.
#[derive(Default)]
pub(super) struct DigestIndex {
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// The newest key that is in memory or in the table.
    known: i64,
    /// Keys that wait for the next run.
    fresh: BTreeSet<Entry>,
    /// The run that is on its way into the table.
    run: BTreeSet<Entry>,
    /// What `indexed_through` becomes when the run has arrived.
    run_through: i64,
}

/// What one transaction put into the table.
#[derive(Default)]
pub(super) struct Merged(Vec<Entry>);

impl DigestIndex {
    /// The keys in memory whose digest begins like this.
    pub(super) fn in_memory(&self, prefix: i64) -> Vec<i64> {
        let memory = self.lock();
        let range: RangeInclusive<Entry> = (prefix, i64::MIN)..=(prefix, i64::MAX);
        memory.fresh.range(range.clone()).chain(memory.run.range(range)).map(|(_, id)| *id).collect()
    }

    /// The first prefix in memory that is not less than this one.
    pub(super) fn next_in_memory(&self, from: i64) -> Option<i64> {
        let memory = self.lock();
        let first = |entries: &BTreeSet<Entry>| entries.range((from, i64::MIN)..).next().map(|(prefix, _)| *prefix);
        first(&memory.fresh).into_iter().chain(first(&memory.run)).min()
    }

    /// Picks up keys that this process has not heard of. The connection must not be in a transaction that has minted keys
    /// itself: they may never come to be.
    pub(super) fn catch_up(&self, connection: &Connection) -> rusqlite::Result<()> {
        let newest: i64 =
            connection.prepare_cached("SELECT coalesce(max(id), 0) FROM api_keys")?.query_row([], |row| row.get(0))?;
        let known = self.lock().known;
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
        // Others may have been faster; what they know may be on its way into the table already.
        let known = memory.known;
        memory.fresh.extend(found.iter().filter(|(_, id)| *id > known));
        memory.known = known.max(newest);
        Ok(())
    }

    /// Puts up to `limit` keys of the current run into the table, inside the caller's transaction. Keys that are gone by
    /// then, or have another value, are passed over.
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

    /// Takes note of a commit: which keys it added, and what it brought into the table.
    pub(super) fn committed(&self, minted: &[Entry], merged: &Merged) {
        let mut memory = self.lock();
        memory.fresh.extend(minted);
        memory.known = minted.iter().map(|(_, id)| *id).fold(memory.known, i64::max);
        for entry in &merged.0 {
            memory.run.remove(entry);
        }
        if memory.fresh.len() >= RUN {
            memory.begin_run();
        }
    }

    /// Makes a run of whatever is in memory; says whether there is one.
    pub(super) fn begin_last_run(&self) -> bool {
        let mut memory = self.lock();
        memory.begin_run();
        !memory.run.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // A panic while it is held cannot leave it half-changed in a way that matters: see "nothing is trusted".
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn begin_run(&mut self) {
        if self.run.is_empty() {
            self.run = std::mem::take(&mut self.fresh);
            self.run_through = self.known;
        }
    }
}
