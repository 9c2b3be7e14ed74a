//! Reads columns into the types of the domain.

use crate::domain::{Algorithm, Error, KeyId, Name, OrganizationId, Result, Role, Timestamp};
use rusqlite::Row;

pub(super) fn algorithm(row: &Row<'_>, column: usize) -> Result<Algorithm> {
    let number: i64 = row.get(column)?;
    stored_algorithm(number).ok_or_else(|| damaged("a digest's algorithm", number))
}

pub(super) fn name(row: &Row<'_>, column: usize) -> Result<Name> {
    Name::read(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

pub(super) fn key_id(row: &Row<'_>, column: usize) -> Result<KeyId> {
    let id: i64 = row.get(column)?;
    KeyId::new(id).ok_or_else(|| damaged("an API key's id", id))
}

/// For a column that may be null.
pub(super) fn organization_id_of(row: &Row<'_>, column: usize) -> Result<Option<OrganizationId>> {
    let id: Option<i64> = row.get(column)?;
    id.map(|id| OrganizationId::new(id).ok_or_else(|| damaged("an organization's id", id))).transpose()
}

pub(super) fn organization_id(row: &Row<'_>, column: usize) -> Result<OrganizationId> {
    let id: i64 = row.get(column)?;
    OrganizationId::new(id).ok_or_else(|| damaged("an organization's id", id))
}

pub(super) fn timestamp(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    let ms: i64 = row.get(column)?;
    Timestamp::from_unix_ms(ms).ok_or_else(|| damaged("a time", ms))
}

pub(super) fn optional_timestamp(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    let ms: Option<i64> = row.get(column)?;
    ms.map(|ms| Timestamp::from_unix_ms(ms).ok_or_else(|| damaged("a time", ms))).transpose()
}

pub(super) fn damaged(what: &str, value: i64) -> Error {
    Error::Internal(format!("the store has {what} that is not valid: {value}"))
}

/// The stored number of a role.
pub(super) fn stored_role(role: Role) -> i64 {
    match role {
        Role::None => 0,
        Role::Verifier => 1,
        Role::Auditor => 2,
        Role::Manager => 3,
        Role::Admin => 4,
    }
}

/// The role with this stored number.
pub(super) fn role(stored: i64) -> Result<Role> {
    let role = Role::ALL.into_iter().find(|role| stored_role(*role) == stored);
    role.ok_or_else(|| damaged("a role", stored))
}

/// The stored number of an algorithm.
pub(super) fn stored(algorithm: Algorithm) -> i64 {
    match algorithm {
        Algorithm::Blake3 => 0,
        Algorithm::Sha256 => 1,
    }
}

/// The algorithm with this stored number.
pub(super) fn stored_algorithm(stored: i64) -> Option<Algorithm> {
    match stored {
        0 => Some(Algorithm::Blake3),
        1 => Some(Algorithm::Sha256),
        _ => None,
    }
}
