//! The SQL of usage: counts by hour, key and outcome. Rows with key 0 are the organization's totals.
//!
//! The hour comes first in the primary key: all changes are in the rows of the present hour, which lie together, and
//! pruning removes the rows at the beginning. A query therefore looks up each hour on its own.

use super::columns::{damaged, key_id};
use super::transaction::StoreTransaction;
use crate::domain::{CountedUses, Hour, KeyId, OrganizationId, Result, UseCounts, UseOutcome};
use crate::store::UsesSlice;
use rusqlite::{Row, params, params_from_iter};
use std::collections::BTreeMap;
use std::ops::Range;

/// Stands for all keys of the organization.
const ALL_KEYS: i64 = 0;

/// Rows that one statement adds. A statement for each row would take nearly twice the time.
const ADDED: usize = 50;

const OF_KEY: &str = "SELECT outcome, count FROM usage WHERE hour = ?1 AND organization_id = ?2 AND key_id = ?3";

const BY_KEY: &str = "\
SELECT key_id, sum(count) FROM usage WHERE hour = ?1 AND organization_id = ?2 AND key_id > ?3 \
GROUP BY key_id ORDER BY key_id LIMIT ?4";

const PRUNE: &str = "\
DELETE FROM usage WHERE (hour, organization_id, key_id, outcome) IN (\
SELECT hour, organization_id, key_id, outcome FROM usage WHERE hour < ?1 \
ORDER BY hour, organization_id, key_id, outcome LIMIT ?2)";

impl StoreTransaction<'_> {
    pub(super) fn store_uses(&self, uses: &[CountedUses]) -> Result<()> {
        let mut totals = BTreeMap::new();
        for CountedUses { hour, organization, outcome, count, .. } in uses {
            *totals.entry((*hour, *organization, *outcome)).or_default() += count;
        }
        let of_keys = uses.iter().map(|it| row(it.hour, it.organization, it.key.get(), it.outcome, it.count));
        let of_organizations = totals
            .into_iter()
            .map(|((hour, organization, outcome), count)| row(hour, organization, ALL_KEYS, outcome, count));
        let rows: Vec<[i64; 5]> = of_keys.chain(of_organizations).collect();
        // Two statements, so that they stay prepared.
        let (whole, rest) = (rows.chunks_exact(ADDED), rows.chunks_exact(ADDED).remainder());
        for rows in whole.chain(rest.chunks(1)) {
            self.change(&add(rows.len()), params_from_iter(rows.iter().flatten()))?;
        }
        Ok(())
    }

    /// The hours that have counts, each with those of the key or of all keys.
    pub(super) fn uses(
        &self,
        organization: OrganizationId,
        key: Option<KeyId>,
        hours: Range<Hour>,
    ) -> Result<Vec<(Hour, UseCounts)>> {
        let key = key.map_or(ALL_KEYS, KeyId::get);
        let mut statement = self.connection.prepare_cached(OF_KEY)?;
        let mut found = Vec::new();
        let mut hour = self.first_counted_hour(hours.start, hours.end)?;
        while hour < hours.end {
            let mut counts = UseCounts::default();
            let mut rows = statement.query(params![hour.number(), organization.get(), key])?;
            while let Some(row) = rows.next()? {
                counts += UseCounts::of(outcome(row, 0)?, count(row, 1)?);
            }
            if counts != UseCounts::default() {
                found.push((hour, counts));
            }
            hour = hour + 1;
        }
        Ok(found)
    }

    /// How often each key of the organization was used in each hour, up to `limit` keys, from the first hour on, in it
    /// after the key `after`.
    pub(super) fn uses_by_key(
        &self,
        organization: OrganizationId,
        hours: Range<Hour>,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<UsesSlice> {
        let mut uses: Vec<(KeyId, u64)> = Vec::new();
        let mut hour = self.first_counted_hour(hours.start, hours.end)?;
        let mut after = after.filter(|_| hour == hours.start);
        while hour < hours.end {
            let left = u64::from(limit).saturating_sub(uses.len() as u64).cast_signed();
            let key = after.take().map_or(ALL_KEYS, KeyId::get);
            let more = self.all(BY_KEY, params![hour.number(), organization.get(), key, left], |row| {
                Ok((key_id(row, 0)?, count(row, 1)?))
            })?;
            uses.extend(more);
            if uses.len() >= limit as usize {
                let last = uses.last().map(|(key, _)| *key);
                return Ok(UsesSlice { uses, next: Some((hour, last)) });
            }
            hour = hour + 1;
        }
        Ok(UsesSlice { uses, next: None })
    }

    /// The first hour with any counts from `start` on, or `end` if there is none before it.
    fn first_counted_hour(&self, start: Hour, end: Hour) -> Result<Hour> {
        let first = self.one("SELECT min(hour) FROM usage WHERE hour >= ?1", [start.number()], |row| {
            let hour: Option<u32> = row.get(0)?;
            Ok(hour.map(Hour::new))
        })?;
        Ok(first.flatten().unwrap_or(end).min(end))
    }

    /// Deletes counts of the oldest hours; returns how many rows.
    pub(super) fn remove_uses(&self, before: Hour, limit: u32) -> Result<usize> {
        self.change(PRUNE, params![before.number(), limit])
    }
}

/// The values of a row. No count reaches the limit of the column.
fn row(hour: Hour, organization: OrganizationId, key: i64, outcome: UseOutcome, count: u64) -> [i64; 5] {
    [hour.number().into(), organization.get(), key, outcome.number().into(), count.cast_signed()]
}

/// The statement that adds so many rows to the counts.
fn add(rows: usize) -> String {
    format!(
        "INSERT INTO usage (hour, organization_id, key_id, outcome, count) VALUES {} \
         ON CONFLICT (hour, organization_id, key_id, outcome) DO UPDATE SET count = count + excluded.count",
        vec!["(?, ?, ?, ?, ?)"; rows].join(", ")
    )
}

fn outcome(row: &Row<'_>, column: usize) -> Result<UseOutcome> {
    let number: i64 = row.get(column)?;
    let outcome = u8::try_from(number).ok().and_then(UseOutcome::new);
    outcome.ok_or_else(|| damaged("an outcome of a use", number))
}

fn count(row: &Row<'_>, column: usize) -> Result<u64> {
    let count: i64 = row.get(column)?;
    u64::try_from(count).map_err(|_| damaged("a count of uses", count))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::sqlite::migrations;
    use rusqlite::Connection;

    /// How SQLite carries out the statement.
    fn plan(connection: &Connection, sql: &str) -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let parameters = rusqlite::params_from_iter(std::iter::repeat_n(1, statement.parameter_count()));
        let steps = statement.query_map(parameters, |row| row.get::<_, String>(3)).unwrap();
        steps.map(|step| step.unwrap()).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn no_statement_reads_the_whole_table_or_sorts() {
        let connection = Connection::open_in_memory().unwrap();
        migrations::migrate(&connection, 0).unwrap();
        for sql in [OF_KEY, BY_KEY, PRUNE, "SELECT min(hour) FROM usage WHERE hour >= ?1"] {
            let plan = plan(&connection, sql);
            assert!(plan.contains("USING PRIMARY KEY"), "{sql}: {plan}");
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        }
    }
}
