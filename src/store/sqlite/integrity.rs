//! SQLite's integrity check.

use crate::domain::Result;
use rusqlite::Connection;

/// The heading of SQLite's error list.
pub(super) const HEADING: &str = "*** in database main ***";

/// The first error of the integrity check; `None` for a sound file.
pub(super) fn first_error(connection: &Connection) -> Result<Option<String>> {
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    let lines: Vec<&str> = found.lines().filter(|line| *line != HEADING).collect();
    Ok((found != "ok").then(|| lines.join("; ")))
}
