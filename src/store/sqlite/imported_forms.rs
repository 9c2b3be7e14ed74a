//! The SQL of `imported_forms`: the forms of keys and digests that imports have ever added.

use crate::domain::{KeyForms, Result};
use rusqlite::Connection;

/// The forms that imports have ever added.
pub(super) fn forms(connection: &Connection) -> rusqlite::Result<KeyForms> {
    let mut statement = connection.prepare_cached("SELECT has_foreign, has_sha256 FROM imported_forms")?;
    statement.query_row([], |row| Ok(KeyForms { external: row.get(0)?, sha256: row.get(1)? }))
}

/// Adds forms; none is ever removed.
pub(super) fn add(connection: &Connection, forms: KeyForms) -> Result<()> {
    connection
        .prepare("UPDATE imported_forms SET has_foreign = max(has_foreign, ?1), has_sha256 = max(has_sha256, ?2)")?
        .execute([forms.external, forms.sha256])?;
    Ok(())
}
