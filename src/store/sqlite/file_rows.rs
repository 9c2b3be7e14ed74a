//! The SQL of what only a store in a file does.

use super::digest_index::Entry;
use super::rows::{Rows, algorithm, damaged};
use super::staging::Staging;
use super::{import, open_import};
use crate::domain::{Algorithm, Digest, KeyId, Result};
use crate::store::Reads as _;
use crate::store::file::{FileReads, FileWrites, ImportState};
use rusqlite::params;

impl Rows<'_> {
    /// The first prefix of a digest of any key that is not less than this one.
    fn next_prefix(&self, from: i64) -> Result<Option<i64>> {
        let just_minted = self.minted.iter().chain(&self.effects.minted).map(|(prefix, _)| *prefix);
        let in_memory = just_minted.filter(|prefix| *prefix >= from).chain(self.index.next_in_memory(from)).min();
        let sql = "SELECT prefix FROM digest_index WHERE prefix >= ?1 ORDER BY prefix LIMIT 1";
        let in_table = self.one(sql, [from], |row| Ok(row.get(0)?))?;
        Ok(in_memory.into_iter().chain(in_table).min())
    }

    /// The digest of a key, also of an import that is under way.
    fn any_digest(&self, id: i64) -> Result<Digest> {
        let sql = "SELECT digest, digest_algorithm FROM api_keys WHERE id = ?1";
        let digest = self.one(sql, [id], |row| Ok(Digest::of(algorithm(row, 1)?, row.get(0)?)))?;
        digest.ok_or_else(|| damaged("no API key with this id", id))
    }

    /// The first prefix of a value that has ended that is not less than this one. Prefixes are in the order of numbers, digests
    /// in that of their bytes.
    fn next_ended(&self, from: i64) -> Result<Option<i64>> {
        let next = |from: i64, before: &[u8]| {
            let sql = "SELECT digest FROM ended_values WHERE digest >= ?1 AND digest < ?2 ORDER BY digest LIMIT 1";
            let parameters = params![from.to_be_bytes(), before];
            self.one(sql, parameters, |row| Ok(Digest::from_bytes(row.get(0)?).prefix()))
        };
        match next(from.min(-1), &[0xff; 33])?.filter(|_| from < 0) {
            None => next(from.max(0), &[0x80]),
            found => Ok(found),
        }
    }

    /// Whether the digest of one of these keys is such a one; `next` gives the first prefix of such a one that is not less than
    /// this one. The keys' prefixes are in order: what lies between two such ones needs no look.
    fn any_is(
        &self,
        entries: &[Entry],
        next: impl Fn(i64) -> Result<Option<i64>>,
        is_such: impl Fn(&Digest) -> Result<bool>,
    ) -> Result<bool> {
        let mut found = Some(i64::MIN);
        for (prefix, id) in entries {
            if found.is_some_and(|found| found < *prefix) {
                found = next(*prefix)?;
            }
            if found == Some(*prefix) && is_such(&self.any_digest(*id)?)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl FileReads for Rows<'_> {
    fn import_state(&self) -> Result<Option<ImportState>> {
        open_import::state(self.connection)
    }

    fn ended_already(&self, staged: &Staging, limit: usize) -> Result<Vec<u64>> {
        let sql = "SELECT 1 FROM ended_values WHERE algorithm = ?1 LIMIT 1";
        let has_sha256 = self.one(sql, [import::stored(Algorithm::Sha256)], |_| Ok(()))?.is_some();
        import::known_already(
            staged,
            has_sha256,
            limit,
            &|_| {},
            |from| self.next_ended(from),
            |digest| self.has_ended(digest),
        )
    }

    fn known_already(&self, staged: &Staging, limit: usize, progress: &dyn Fn(u64)) -> Result<Vec<u64>> {
        let has_sha256 = self.forms()?.sha256;
        import::known_already(
            staged,
            has_sha256,
            limit,
            progress,
            |from| self.next_prefix(from),
            |it| self.is_in_use(it),
        )
    }
}

impl FileWrites for Rows<'_> {
    fn begin_import(&mut self, staged: &Staging) -> Result<()> {
        open_import::begin(self.connection, staged)
    }

    fn carry_import(&mut self, staged: &Staging, limit: u32) -> Result<()> {
        let allows_ended = staged.order().is_some_and(|order| order.allows_ended);
        let taken = |entries: &[(i64, i64)]| {
            let is_known = self.any_is(entries, |from| self.next_prefix(from), |it| self.is_in_use(it))?;
            Ok(is_known
                || (!allows_ended && self.any_is(entries, |from| self.next_ended(from), |it| self.has_ended(it))?))
        };
        open_import::carry(self.connection, staged, limit, taken)
    }

    fn publish_import(&mut self, staged: &Staging) -> Result<[KeyId; 2]> {
        let [first, last] = open_import::publish(self.connection, staged)?;
        self.effects.forms = self.effects.forms.or(staged.forms());
        self.effects.is_bulk = true;
        let id = |id| KeyId::new(id).ok_or_else(|| damaged("an API key's id", id));
        Ok([id(first)?, id(last)?])
    }

    fn remove_import(&mut self, token: &[u8; 16], limit: u32) -> Result<bool> {
        open_import::remove(self.connection, token, limit)
    }

    fn compact_ledger(&mut self) {
        self.effects.compacts_ledger = true;
    }
}
