//! Whether everything in a file is where SQLite expects it.

use crate::domain::Result;
use rusqlite::Connection;

/// What SQLite puts before its complaints.
pub(super) const HEADING: &str = "*** in database main ***";

/// Where not everything in the file is where SQLite expects it, what is not.
pub(super) fn first_error(connection: &Connection) -> Result<Option<String>> {
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    let lines: Vec<&str> = found.lines().filter(|line| *line != HEADING).collect();
    Ok((found != "ok").then(|| lines.join("; ")))
}
