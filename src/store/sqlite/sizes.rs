//! Counts the size of each organization, one slice of a table at a time: the store is never read in one long read.

use super::columns::organization_id_of;
use super::unpublished;
use crate::domain::{OrganizationSize, Result};
use crate::store::{Counted, SizesSlice};
use rusqlite::{Connection, params};

/// The keys of a slice, by organization.
const KEYS: &str = "\
SELECT organization_id, count(*), 0, max(id), NULL \
FROM (SELECT id, organization_id FROM api_keys WHERE id > ?1 AND id < ?3 ORDER BY id LIMIT ?2) GROUP BY organization_id";

/// The events of a slice, by organization; null stands for the whole store. SQLite reads the lengths from the row
/// headers and not the texts. A row's numbers take about 32 bytes, its hash the same.
const EVENTS: &str = "\
SELECT organization_id, count(*), sum(bytes), max(number), (SELECT min(number) FROM audit_events) FROM (\
SELECT number, organization_id, 64 + octet_length(change) + octet_length(actor_name) + octet_length(action) \
+ octet_length(resource) + coalesce(octet_length(client_address), 0) + coalesce(octet_length(user_agent), 0) \
+ coalesce(octet_length(request_id), 0) AS bytes \
FROM audit_events WHERE number > ?1 AND number < ?3 ORDER BY number LIMIT ?2) GROUP BY organization_id";

pub(super) fn slice(connection: &Connection, what: Counted, after: i64, limit: u32) -> Result<SizesSlice> {
    let mut slice = SizesSlice { sizes: Vec::new(), first: None, through: after, rows: 0 };
    let ranges = match what {
        Counted::Keys => unpublished::published_ranges(connection, after, i64::MAX)?,
        Counted::Events => vec![(after, i64::MAX)],
    };
    for range in ranges {
        add(connection, what, range, limit, &mut slice)?;
    }
    Ok(slice)
}

/// Adds rows of the range until the slice has `limit` rows.
fn add(connection: &Connection, what: Counted, range: (i64, i64), limit: u32, slice: &mut SizesSlice) -> Result<()> {
    let mut statement = connection.prepare_cached(match what {
        Counted::Keys => KEYS,
        Counted::Events => EVENTS,
    })?;
    let limit = u64::from(limit).saturating_sub(slice.rows).cast_signed();
    let mut rows = statement.query(params![range.0, limit, range.1])?;
    while let Some(row) = rows.next()? {
        let (count, bytes): (i64, i64) = (row.get(1)?, row.get(2)?);
        let [count, bytes] = [count, bytes].map(i64::unsigned_abs);
        slice.rows += count;
        slice.through = slice.through.max(row.get(3)?);
        slice.first = row.get(4)?;
        if let Some(organization) = organization_id_of(row, 0)? {
            let size = match what {
                Counted::Keys => OrganizationSize { api_keys: count, ..OrganizationSize::default() },
                Counted::Events => OrganizationSize { audit_events: count, audit_bytes: bytes, api_keys: 0 },
            };
            slice.sizes.push((organization, size));
        }
    }
    Ok(())
}
