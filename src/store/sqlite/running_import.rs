//! An import in progress. Its keys are stored in bounded transactions, are invisible until all of them are stored, and
//! become visible all at once when it is published.
//!
//! Its keys have an id range of their own, reserved at the beginning. Queries over keys skip the range
//! (`unpublished.rs`); queries for one key check it (`keys.rs`). The progress is in the table `imports`, so any process
//! can continue: the server, or, without one, the command. A process that is stopped or killed delays only its own
//! import.
//!
//! Invariants:
//! - Older keys that are not in the digest index are indexed first. Their ids are below the range, and newer keys get
//!   ids above it, so none are added meanwhile.
//! - Before a digest is indexed, it is searched among the existing keys and the ended values. A value that is created
//!   or imported later is refused where the index leads to a key of the import ([`holds`]). So no value exists twice.
//! - An import that failed, or whose process is gone, is only ever removed.

use super::columns;
use super::imported_forms;
use super::staging::{KEY_COLUMNS, Staging};
use crate::domain::{Digest, Error, Result};
use crate::store::file::contract::{ImportStage, ImportState};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, ToSql, params};

/// The stages as numbers. Below `PUBLISHED`, the keys are invisible.
const UNDER_WAY: i64 = 0;
const FAILED: i64 = 1;
const PUBLISHED: i64 = 2;
const REMOVED: i64 = 3;

/// The state of the last import.
pub(super) fn state(connection: &Connection) -> Result<Option<ImportState>> {
    let sql = "SELECT token, first_id, last_id, stored, indexed, stage, indexed_through \
               FROM imports, digest_index_state";
    let parse = |row: &Row<'_>| {
        Ok(ImportState {
            token: row.get(0)?,
            ids: [row.get(1)?, row.get(2)?],
            stored: row.get(3)?,
            indexed: row.get(4)?,
            stage: stage(row.get(5)?),
            waiting_through: row.get(6)?,
        })
    };
    Ok(connection.prepare_cached(sql)?.query_row([], parse).optional()?)
}

fn stage(number: i64) -> ImportStage {
    match number {
        UNDER_WAY => ImportStage::UnderWay,
        FAILED => ImportStage::Failed,
        PUBLISHED => ImportStage::Published,
        _ => ImportStage::Removed,
    }
}

fn set_stage(connection: &Connection, stage: i64) -> Result<()> {
    connection.prepare_cached("UPDATE imports SET stage = ?1")?.execute([stage])?;
    Ok(())
}

/// Whether an import in progress has a key with this digest, as far as it is indexed.
pub(super) fn holds(connection: &Connection, digest: &Digest) -> Result<bool> {
    let sql = "SELECT 1 FROM imports i JOIN digest_index d ON d.prefix = ?1 AND d.key_id BETWEEN i.first_id AND i.last_id \
               JOIN api_keys k ON k.id = d.key_id WHERE i.stage < 2 AND k.digest = ?2 AND k.digest_algorithm = ?3";
    let parameters = params![digest.prefix(), digest.as_bytes(), columns::stored(digest.algorithm())];
    Ok(connection.prepare_cached(sql)?.exists(parameters)?)
}

/// Begins an import. No other may be in progress.
pub(super) fn begin(connection: &Connection, staged: &Staging) -> Result<()> {
    let Some(order) = staged.order() else { return Err(Error::Internal("an import is not sealed".to_owned())) };
    let count = staged.count().cast_signed();
    connection.execute(
        "INSERT INTO sqlite_sequence (name, seq) SELECT 'api_keys', 0 \
         WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'api_keys')",
        [],
    )?;
    connection.execute(
        "INSERT OR REPLACE INTO imports (id, token, first_id, last_id, stored, stored_place, indexed, indexed_prefix, \
         indexed_place, stage) \
         SELECT 1, ?1, seq + 1, seq + ?2, 0, -1, 0, ?3, -1, 0 FROM sqlite_sequence WHERE name = 'api_keys'",
        params![order.token, count, i64::MIN],
    )?;
    connection.execute("UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name = 'api_keys'", [count])?;
    Ok(())
}

/// Advances the import by up to `limit` keys. `taken` tells whether one of these prefixes and ids belongs to a key
/// whose value another key has, or whose value has ended.
pub(super) fn advance(
    connection: &Connection,
    staged: &Staging,
    limit: u32,
    taken: impl Fn(&[(i64, i64)]) -> Result<bool>,
) -> Result<()> {
    let state = state(connection)?.filter(|state| state.is_for(staged) && state.stage == ImportStage::UnderWay);
    let Some(state) = state.filter(|state| !state.is_whole()) else { return Ok(()) };
    if index_waiting(connection, &state, limit)? {
        return Ok(());
    }
    if state.stored < state.count() {
        return store(connection, staged, &state, limit);
    }
    let after = connection
        .query_row("SELECT indexed_prefix, indexed_place FROM imports", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let sorted = staged.sorted(after, limit)?;
    let entries: Vec<_> = sorted.iter().map(|(prefix, _, number)| (*prefix, state.ids[0] + number)).collect();
    if taken(&entries)? {
        return set_stage(connection, FAILED);
    }
    put(connection, &entries)?;
    let Some((prefix, row_number, _)) = sorted.last() else { return set_stage(connection, FAILED) };
    let sql = "UPDATE imports SET indexed = indexed + ?1, indexed_prefix = ?2, indexed_place = ?3";
    let count = i64::try_from(sorted.len()).unwrap_or(i64::MAX);
    connection.prepare_cached(sql)?.execute([count, *prefix, *row_number])?;
    Ok(())
}

/// Indexes older keys that are only in the memory of some process, so that no process has to load the import's keys
/// into memory; returns whether there were any.
fn index_waiting(connection: &Connection, state: &ImportState, limit: u32) -> Result<bool> {
    let mut waiting =
        connection.prepare_cached("SELECT digest, id FROM api_keys WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3")?;
    let mut rows = waiting.query(params![state.waiting_through, state.ids[0], limit])?;
    let mut entries: Vec<(i64, i64)> = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push((Digest::from_bytes(row.get(0)?).prefix(), row.get(1)?));
    }
    let Some((_, last)) = entries.last().copied() else { return Ok(false) };
    entries.sort_unstable();
    put(connection, &entries)?;
    through(connection, last)?;
    Ok(true)
}

/// Stores up to `limit` rows.
fn store(connection: &Connection, staged: &Staging, state: &ImportState, limit: u32) -> Result<()> {
    let columns = KEY_COLUMNS.map(|(name, _)| name).join(", ");
    let sql = format!("INSERT INTO api_keys (id, {columns}) VALUES (?{})", ", ?".repeat(KEY_COLUMNS.len()));
    let mut insert = connection.prepare_cached(&sql)?;
    let mut row_number: i64 = connection.query_row("SELECT stored_place FROM imports", [], |row| row.get(0))?;
    let sql = format!("SELECT place, {columns} FROM staged WHERE place > ?1 ORDER BY place LIMIT ?2");
    let mut statement = staged.connection().prepare_cached(&sql)?;
    let mut rows = statement.query(params![row_number, limit])?;
    let mut stored = state.stored;
    while let Some(row) = rows.next()? {
        insert.raw_bind_parameter(1, state.ids[0] + stored)?;
        for column in 1..=KEY_COLUMNS.len() {
            insert.raw_bind_parameter(column + 1, Borrowed(row.get_ref(column)?))?;
        }
        match insert.raw_execute() {
            Err(error) if is_missing(&error) => return set_stage(connection, FAILED),
            done => done?,
        };
        row_number = row.get(0)?;
        stored += 1;
    }
    connection.prepare_cached("UPDATE imports SET stored = ?1, stored_place = ?2")?.execute([stored, row_number])?;
    Ok(())
}

fn put(connection: &Connection, entries: &[(i64, i64)]) -> Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT OR IGNORE INTO digest_index (prefix, key_id) VALUES (?1, ?2)")?;
    entries.iter().try_for_each(|entry| insert.execute(*entry).map(|_| ()))?;
    Ok(())
}

fn through(connection: &Connection, id: i64) -> Result<()> {
    let sql = "UPDATE digest_index_state SET indexed_through = max(indexed_through, ?1)";
    connection.prepare_cached(sql)?.execute([id])?;
    Ok(())
}

/// Publishes the import; returns its first and last id.
pub(super) fn publish(connection: &Connection, staged: &Staging) -> Result<[i64; 2]> {
    let state = state(connection)?.filter(|state| state.is_for(staged) && state.stage == ImportStage::UnderWay);
    let state =
        state.filter(ImportState::is_whole).ok_or_else(|| Error::Internal("an import is not complete".to_owned()))?;
    through(connection, state.ids[1])?;
    imported_forms::add(connection, staged.forms())?;
    set_stage(connection, PUBLISHED)?;
    Ok(state.ids)
}

/// Removes up to `limit` keys of an unfinished import; returns whether all of them are gone.
pub(super) fn remove(connection: &Connection, token: &[u8; 16], limit: u32) -> Result<bool> {
    let state = state(connection)?.filter(|state| state.token == *token && state.is_unpublished());
    let Some(state) = state else { return Ok(true) };
    set_stage(connection, FAILED)?;
    let keys = keys(connection, "id BETWEEN ?1 AND ?2", state.ids, limit)?;
    delete(connection, &keys)?;
    if keys.is_empty() {
        set_stage(connection, REMOVED)?;
    }
    Ok(keys.is_empty())
}

/// Removes the import's keys of a project that is being deleted: the import fails.
pub(super) fn remove_project(connection: &Connection, organization: i64, project: i64) -> Result<()> {
    loop {
        let keys = keys(connection, "organization_id = ?1 AND project_id = ?2", [organization, project], 1000)?;
        if keys.is_empty() {
            return Ok(());
        }
        delete(connection, &keys)?;
        set_stage(connection, FAILED)?;
    }
}

/// Ids and digest prefixes.
fn keys(connection: &Connection, which: &str, parameters: [i64; 2], limit: u32) -> Result<Vec<(i64, i64)>> {
    let sql = format!("SELECT digest, id FROM api_keys WHERE {which} ORDER BY id LIMIT {limit}");
    let mut statement = connection.prepare_cached(&sql)?;
    let entry = |row: &Row<'_>| Ok((Digest::from_bytes(row.get(0)?).prefix(), row.get(1)?));
    let keys = statement.query_map(parameters, entry)?.collect::<rusqlite::Result<_>>();
    Ok(keys?)
}

fn delete(connection: &Connection, keys: &[(i64, i64)]) -> Result<()> {
    let mut entry = connection.prepare_cached("DELETE FROM digest_index WHERE prefix = ?1 AND key_id = ?2")?;
    let mut key = connection.prepare_cached("DELETE FROM api_keys WHERE id = ?1")?;
    for (prefix, id) in keys {
        entry.execute([prefix, id])?;
        key.execute([id])?;
    }
    Ok(())
}

/// Whether a foreign key is violated: the project or organization is gone.
fn is_missing(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

/// Passes a column of one database to a statement of another without a copy.
struct Borrowed<'a>(ValueRef<'a>);

impl ToSql for Borrowed<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}
