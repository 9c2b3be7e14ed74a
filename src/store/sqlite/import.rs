//! What imports have brought in, and which of their keys the store has already.

use super::staging::Staging;
use crate::domain::{Digest, KeyForms, Result};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, ToSql};

/// After how many rows somebody is told how far it has come.
const STEP: u64 = 1024;

/// What imports have ever brought in.
pub(super) fn forms(connection: &Connection) -> rusqlite::Result<KeyForms> {
    let mut statement = connection.prepare_cached("SELECT has_foreign, has_sha256 FROM imported_forms")?;
    statement.query_row([], |row| Ok(KeyForms { external: row.get(0)?, sha256: row.get(1)? }))
}

/// The staged rows whose value is known, by any digest that the store may know it by. `next_known` gives the first prefix
/// of a known digest that is not less than this one.
pub(super) fn known_already(
    staged: &Staging,
    has_sha256: bool,
    limit: usize,
    progress: &dyn Fn(u64),
    next_known: impl Fn(i64) -> Result<Option<i64>>,
    is_known: impl Fn(&Digest) -> Result<bool>,
) -> Result<Vec<u64>> {
    let (mut known, mut count) = (Vec::new(), 0_u64);
    // Both are in order: what lies between two known ones needs no look.
    let mut next = next_known(i64::MIN)?;
    if next.is_none() {
        return Ok(known);
    }
    staged.each_prefix(|place, prefix| {
        if next.is_some_and(|next| next < prefix) {
            next = next_known(prefix)?;
        }
        if next.is_none() {
            return Ok(false);
        }
        if next == Some(prefix) && is_known(&staged.digest(place)?)? {
            known.push(place);
        }
        count += 1;
        if count.is_multiple_of(STEP) {
            progress(count);
        }
        Ok(known.len() < limit)
    })?;
    if has_sha256 {
        staged.each_sha256(|place, digest| {
            if is_known(&digest)? {
                known.push(place);
            }
            Ok(known.len() < limit)
        })?;
    }
    known.sort_unstable();
    known.dedup();
    Ok(known)
}

/// Takes note of more that imports have brought in.
pub(super) fn add_forms(connection: &Connection, forms: KeyForms) -> Result<()> {
    connection
        .prepare("UPDATE imported_forms SET has_foreign = max(has_foreign, ?1), has_sha256 = max(has_sha256, ?2)")?
        .execute([forms.external, forms.sha256])?;
    Ok(())
}

/// Whether a row refers to something that is not there.
pub(super) fn is_missing(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

/// A column of one database as a parameter of another.
pub(super) struct Borrowed<'a>(pub(super) ValueRef<'a>);

impl ToSql for Borrowed<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(self.0))
    }
}
