//! Storing what was staged, and what is known of imports.

use super::staging::Staging;
use crate::domain::{Algorithm, Digest, Error, Forms, Result};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, ToSql, params};

/// After how many rows somebody is told how far it has come.
const STEP: u64 = 1024;

/// What imports have ever brought in.
pub(super) fn forms(connection: &Connection) -> rusqlite::Result<Forms> {
    let mut statement = connection.prepare_cached("SELECT has_foreign, has_sha256 FROM imported_forms")?;
    statement.query_row([], |row| Ok(Forms { foreign: row.get(0)?, sha256: row.get(1)? }))
}

/// The number that stands for the algorithm.
pub(super) fn stored(algorithm: Algorithm) -> i64 {
    match algorithm {
        Algorithm::Blake3 => 0,
        Algorithm::Sha256 => 1,
    }
}

/// The algorithm that the number stands for.
pub(super) fn algorithm(stored: i64) -> Option<Algorithm> {
    match stored {
        0 => Some(Algorithm::Blake3),
        1 => Some(Algorithm::Sha256),
        _ => None,
    }
}

/// The staged rows whose value is known, by any digest that the store may know it by. `next_known` gives the first prefix
/// of a known digest that is not less than this one.
pub(super) fn known_already(
    staged: &Staging,
    has_sha256: bool,
    limit: usize,
    progress: &dyn Fn(u64),
    next_known: impl Fn(i64) -> Result<Option<i64>>,
    is_known: impl Fn(&Digest) -> Result<bool>,
) -> Result<Vec<u64>> {
    let (mut known, mut count) = (Vec::new(), 0_u64);
    // Both are in order: what lies between two known ones needs no look.
    let mut next = Some(i64::MIN);
    staged.each_prefix(|place, prefix| {
        if next.is_some_and(|next| next < prefix) {
            next = next_known(prefix)?;
        }
        if next == Some(prefix) && is_known(&staged.digest(place)?)? {
            known.push(place);
        }
        count += 1;
        if count.is_multiple_of(STEP) {
            progress(count);
        }
        Ok(known.len() < limit)
    })?;
    if has_sha256 {
        staged.each_sha256(|place, digest| {
            if is_known(&digest)? {
                known.push(place);
            }
            Ok(known.len() < limit)
        })?;
    }
    known.sort_unstable();
    known.dedup();
    Ok(known)
}

/// Stores all of it and puts it into the digest index, in the caller's transaction; gives the first and the last number.
pub(super) fn insert(connection: &Connection, staged: &Staging, progress: &dyn Fn(u64)) -> Result<Option<(i64, i64)>> {
    if staged.count() == 0 {
        return Ok(None);
    }
    let (mut places, mut ids) = (Places::default(), None);
    let mut insert = connection.prepare(
        "INSERT INTO api_keys (organization_id, project_id, digest, digest_algorithm, tail, name, valid, created_at, \
         expires_at, rate_limit, rate_window_s, allowed_addresses) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    let mut statement = staged.connection().prepare(
        "SELECT organization_id, project_id, digest, digest_algorithm, tail, name, valid, created_at, expires_at, \
         rate_limit, rate_window_s, allowed_addresses, place FROM staged ORDER BY place",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for column in 0..12 {
            insert.raw_bind_parameter(column + 1, Borrowed(row.get_ref(column)?))?;
        }
        insert.raw_execute().map_err(|e| missing(&e).unwrap_or_else(|| e.into()))?;
        let id = connection.last_insert_rowid();
        let (first, _) = *ids.get_or_insert((id, id));
        ids = Some((first, id));
        places.push(row.get(12)?);
        let count = (id - first + 1).unsigned_abs();
        if count.is_multiple_of(STEP) {
            progress(count);
        }
    }
    let Some((first, last)) = ids else { return Ok(None) };
    index(connection, staged, &places, first, last)?;
    let Forms { foreign, sha256 } = staged.forms();
    connection
        .prepare("UPDATE imported_forms SET has_foreign = max(has_foreign, ?1), has_sha256 = max(has_sha256, ?2)")?
        .execute([foreign, sha256])?;
    Ok(Some((first, last)))
}

/// Puts the new keys into the digest index, and before them the older ones that are in some process's memory only, so that
/// no process has to take any of them into its memory.
fn index(connection: &Connection, staged: &Staging, places: &Places, first: i64, last: i64) -> Result<()> {
    let mut insert = connection.prepare("INSERT OR IGNORE INTO digest_index (prefix, key_id) VALUES (?1, ?2)")?;
    let mut waiting = connection.prepare(
        "SELECT digest, id FROM api_keys \
         WHERE id > (SELECT indexed_through FROM digest_index_state) AND id < ?1 ORDER BY digest",
    )?;
    let mut rows = waiting.query([first])?;
    while let Some(row) = rows.next()? {
        insert.execute(params![Digest::from_bytes(row.get(0)?).prefix(), row.get::<_, i64>(1)?])?;
    }
    staged.each_prefix(|place, prefix| {
        insert.execute([prefix, first + places.rank(place)])?;
        Ok(true)
    })?;
    connection.prepare("UPDATE digest_index_state SET indexed_through = ?1")?.execute([last])?;
    Ok(())
}

/// What it means that a row refers to something that is not there.
fn missing(error: &rusqlite::Error) -> Option<Error> {
    let is_violation = error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation);
    let sentence = "An organization or a project of the import was removed meanwhile; nothing was imported.";
    is_violation.then(|| Error::Conflict(sentence.to_owned()))
}

/// Which places there are, as runs without a gap: there are as many as rows that were left out.
#[derive(Default)]
struct Places {
    /// The first place of each run, and how many places there are before it.
    runs: Vec<(i64, i64)>,
    next: i64,
    count: i64,
}

impl Places {
    fn push(&mut self, place: i64) {
        if self.runs.is_empty() || place != self.next {
            self.runs.push((place, self.count));
        }
        (self.next, self.count) = (place + 1, self.count + 1);
    }

    /// How many places there are before this one, which is one of them.
    fn rank(&self, place: u64) -> i64 {
        let place = place.cast_signed();
        let run = self.runs.partition_point(|(first, _)| *first <= place);
        let (first, before) = run.checked_sub(1).map_or((place, 0), |run| self.runs[run]);
        before + place - first
    }
}

/// A column of one database as a parameter of another.
struct Borrowed<'a>(ValueRef<'a>);

impl ToSql for Borrowed<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(self.0))
    }
}
