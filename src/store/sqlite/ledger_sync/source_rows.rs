//! The store's rows from which the ledger is rebuilt.

use crate::domain::{ApiKey, Digest, Result};
use crate::store::sqlite::columns::algorithm;
use crate::store::sqlite::keys::{api_key, key_columns, listed, select_api_key};
use rusqlite::{Connection, Row};
use std::ops::RangeInclusive;

/// Calls `take` with each key that may have been restricted since its creation.
pub(super) fn each_narrowed(connection: &Connection, take: impl FnMut(ApiKey)) -> Result<()> {
    let sql = select_api_key!(
        "(NOT k.valid OR k.expires_at IS NOT NULL OR k.rate_limit IS NOT NULL OR k.allowed_addresses IS NOT NULL \
         OR k.role IS NOT NULL OR k.permissions IS NOT NULL \
         OR EXISTS (SELECT 1 FROM key_values o WHERE o.key_id = k.id AND o.kind > 0))"
    );
    each(connection, sql, api_key, take)
}

/// Calls `take` with each range of ids that keys had and no key has now. Excludes ids of an import in progress and
/// skipped ids, which keys of other copies may have.
pub(super) fn each_gap(connection: &Connection, take: impl FnMut(RangeInclusive<i64>)) -> Result<()> {
    let sql = "WITH taken (first, last) AS (SELECT id, id FROM api_keys \
               UNION ALL SELECT first_id, last_id FROM imports WHERE stage = 0 \
               UNION ALL SELECT first, last FROM skipped_numbers \
               UNION ALL SELECT seq + 1, seq + 1 FROM sqlite_sequence WHERE name = 'api_keys') \
               SELECT before + 1, first - 1 FROM (SELECT first, \
               max(last) OVER (ORDER BY first, last ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM taken) \
               WHERE first > before + 1 \
               UNION ALL SELECT 1, min(first) - 1 FROM taken HAVING min(first) > 1";
    each(connection, sql, |row| Ok(row.get(0)?..=row.get(1)?), take)
}

/// Calls `take` with each ended value.
pub(super) fn each_ended(connection: &Connection, take: impl FnMut(Digest)) -> Result<()> {
    let digest = |row: &Row<'_>| Ok(Digest::of(algorithm(row, 1)?, row.get(0)?));
    each(connection, "SELECT digest, algorithm FROM ended_values", digest, take)
}

fn each<T>(
    connection: &Connection,
    sql: &str,
    parse: impl Fn(&Row<'_>) -> Result<T>,
    mut take: impl FnMut(T),
) -> Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(parse(row)?);
    }
    Ok(())
}
