//! A transaction on the store. `reads.rs`, `writes.rs` and `file_contract.rs` implement the contract on it; the SQL is
//! in one file for each kind of object.

use super::commit_effects::CommitEffects;
use super::digest_index::{DigestIndex, Entry};
use crate::domain::Result;
use rusqlite::{Connection, Params, Row};

/// A transaction on the store.
pub(super) struct StoreTransaction<'a> {
    pub(super) connection: &'a Connection,
    pub(super) index: &'a DigestIndex,
    /// New keys of earlier jobs in the same transaction.
    pub(super) minted: &'a [Entry],
    pub(super) effects: CommitEffects,
}

impl<'a> StoreTransaction<'a> {
    pub(super) fn new(connection: &'a Connection, index: &'a DigestIndex, minted: &'a [Entry]) -> Self {
        Self { connection, index, minted, effects: CommitEffects::default() }
    }

    pub(super) fn into_effects(self) -> CommitEffects {
        self.effects
    }

    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        parse: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?.map(parse).transpose()
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        parse: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(parse(row)?);
        }
        Ok(found)
    }

    pub(super) fn change(&self, sql: &str, params: impl Params) -> Result<usize> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }
}
