//! Ended values: values that were valid and never become valid again.

use super::columns;
use crate::domain::{Digest, Result};
use rusqlite::{Connection, params};

/// Stores an ended value.
pub(super) fn insert_ended(connection: &Connection, digest: &Digest) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO ended_values (digest, algorithm) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![digest.as_bytes(), columns::stored(digest.algorithm())])?;
    Ok(())
}
