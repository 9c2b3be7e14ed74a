//! What the ledger of revocations is made anew from.

use crate::domain::{ApiKey, Digest, Result};
use crate::store::sqlite::columns::algorithm;
use crate::store::sqlite::keys::{api_key, key_columns, listed, select_api_key};
use rusqlite::{Connection, Row};
use std::ops::RangeInclusive;

/// Hands over every key that may have been narrowed since it was minted.
pub(super) fn each_narrowed(connection: &Connection, take: impl FnMut(ApiKey)) -> Result<()> {
    let sql = select_api_key!(
        "(NOT k.valid OR k.expires_at IS NOT NULL OR k.rate_limit IS NOT NULL OR k.allowed_addresses IS NOT NULL \
         OR EXISTS (SELECT 1 FROM key_values o WHERE o.key_id = k.id AND o.kind > 0))"
    );
    each(connection, sql, api_key, take)
}

/// Hands over all numbers that this store gave to keys and that are no key's any more. Those of an import that is under way will
/// be keys', and those that were skipped may be in other copies of the store.
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

/// Hands over every value that was good and never will be again.
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
