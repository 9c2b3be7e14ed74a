//! Implements what only a store in a file has.

use super::columns::{self, damaged};
use super::staging::Staging;
use super::transaction::StoreTransaction;
use super::{import_duplicates, running_import};
use crate::domain::{Algorithm, KeyId, Result};
use crate::store::Reads as _;
use crate::store::file::contract::{FileReads, FileWrites, ImportState};
use crate::store::revisions::Stale;

impl FileReads for StoreTransaction<'_> {
    fn import_state(&self) -> Result<Option<ImportState>> {
        running_import::state(self.connection)
    }

    fn already_ended(&self, staged: &Staging, limit: usize) -> Result<Vec<u64>> {
        let sql = "SELECT 1 FROM ended_values WHERE algorithm = ?1 LIMIT 1";
        let has_sha256 = self.one(sql, [columns::stored(Algorithm::Sha256)], |_| Ok(()))?.is_some();
        import_duplicates::already_known(
            staged,
            has_sha256,
            limit,
            &|_| {},
            |from| self.next_ended(from),
            |digest| self.has_ended(digest),
        )
    }

    fn already_stored(&self, staged: &Staging, limit: usize, progress: &dyn Fn(u64)) -> Result<Vec<u64>> {
        let has_sha256 = self.forms()?.sha256;
        import_duplicates::already_known(
            staged,
            has_sha256,
            limit,
            progress,
            |from| self.next_prefix(from),
            |it| self.is_in_use(it),
        )
    }
}

impl FileWrites for StoreTransaction<'_> {
    fn begin_import(&mut self, staged: &Staging) -> Result<()> {
        running_import::begin(self.connection, staged)
    }

    fn advance_import(&mut self, staged: &Staging, limit: u32) -> Result<()> {
        let allows_ended = staged.order().is_some_and(|order| order.allows_ended);
        let taken = |entries: &[(i64, i64)]| {
            let is_known = self.any_is(entries, |from| self.next_prefix(from), |it| self.is_in_use(it))?;
            Ok(is_known
                || (!allows_ended && self.any_is(entries, |from| self.next_ended(from), |it| self.has_ended(it))?))
        };
        running_import::advance(self.connection, staged, limit, taken)
    }

    fn publish_import(&mut self, staged: &Staging) -> Result<[KeyId; 2]> {
        let [first, last] = running_import::publish(self.connection, staged)?;
        self.effects.forms = self.effects.forms.or(staged.forms());
        self.effects.stale.push(Stale::NegativeFilter);
        let id = |id| KeyId::new(id).ok_or_else(|| damaged("an API key's id", id));
        Ok([id(first)?, id(last)?])
    }

    fn remove_import(&mut self, token: &[u8; 16], limit: u32) -> Result<bool> {
        running_import::remove(self.connection, token, limit)
    }

    fn compact_ledger(&mut self) {
        self.effects.compacts_ledger = true;
    }
}
