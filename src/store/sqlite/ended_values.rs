//! Values that were good and never will be again.

use super::columns;
use crate::domain::{Digest, Result};
use rusqlite::{Connection, params};

/// Keeps a value that was good and never will be again.
pub(super) fn insert_ended(connection: &Connection, digest: &Digest) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO ended_values (digest, algorithm) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![digest.as_bytes(), columns::stored(digest.algorithm())])?;
    Ok(())
}
