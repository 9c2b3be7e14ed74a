//! Hides the keys of an import that is not published.

use rusqlite::{Connection, OptionalExtension as _};

/// Ids between the two, both excluded.
type Range = (i64, i64);

/// The ids between these two without those of an unpublished import: one range, or two.
pub(super) fn published_ranges(connection: &Connection, after: i64, before: i64) -> rusqlite::Result<Vec<Range>> {
    let mut statement = connection.prepare_cached("SELECT first_id, last_id FROM imports WHERE stage < 2")?;
    let unpublished: Option<Range> = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let ranges = match unpublished {
        Some((first, last)) => vec![(after, before.min(first)), (after.max(last), before)],
        None => vec![(after, before)],
    };
    Ok(ranges.into_iter().filter(|(after, before)| after < before).collect())
}
