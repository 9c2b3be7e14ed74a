//! The ceiling of an import: a loop that inserts rows that are there already, and reads, checks and reports nothing.

use crate::harness::stores;
use rusqlite::{Connection, params};
use std::io;

/// Rows that share a commit.
const BATCH: usize = 10_000;

/// Inserts keys into a store that is there, in the pragmas of its own writer.
pub(super) fn run(file: &str, keys: usize, is_indexed: bool) -> io::Result<()> {
    insert(file, keys, is_indexed).map_err(io::Error::other)
}

fn insert(file: &str, keys: usize, is_indexed: bool) -> rusqlite::Result<()> {
    let connection = Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384; PRAGMA foreign_keys = ON;",
    )?;
    let mut insert = connection.prepare(
        "INSERT INTO api_keys (organization_id, project_id, digest, digest_algorithm, tail, name, valid, created_at, \
         expires_at, rate_limit, rate_window_s, allowed_addresses) \
         VALUES (?1, NULL, ?2, 0, ?3, ?4, 1, ?5, NULL, NULL, NULL, NULL)",
    )?;
    let mut index = connection.prepare("INSERT INTO digest_index (prefix, key_id) VALUES (?1, ?2)")?;
    let organization = stores::organization().get();
    for begin in (0..keys).step_by(BATCH) {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut entries = Vec::with_capacity(BATCH);
        for number in begin..keys.min(begin + BATCH) {
            let digest = blake3::hash(&number.to_le_bytes());
            insert.execute(params![
                organization,
                digest.as_bytes(),
                "a1b2c3",
                stores::KEY_NAME,
                stores::CREATED_AT_MS
            ])?;
            let prefix = digest.as_bytes().first_chunk().map_or(0, |prefix| i64::from_be_bytes(*prefix));
            entries.push((prefix, connection.last_insert_rowid()));
        }
        if is_indexed {
            entries.sort_unstable();
            for entry in entries {
                index.execute(entry)?;
            }
        }
        connection.execute_batch("COMMIT")?;
    }
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
