//! Finds keys and ended values by digest.

use super::columns::{self, algorithm, damaged};
use super::digest_index::Entry;
use super::ended_values::insert_ended;
use super::keys::{api_key, key_columns, listed, select_api_key};
use super::transaction::StoreTransaction;
use crate::domain::{Digest, Result};
use rusqlite::params;

impl StoreTransaction<'_> {
    /// Whether a key has this digest as a current value. Call it where no other writer is active, or first in a
    /// transaction: otherwise a key that moves from memory to the table may be missed.
    pub(super) fn is_in_use(&self, digest: &Digest) -> Result<bool> {
        // Memory is searched first: a key that moves to the file in between is then found in the file.
        let just_minted = self.minted.iter().chain(&self.effects.minted);
        let just_minted = just_minted.filter(|(prefix, _)| *prefix == digest.prefix()).map(|(_, id)| *id);
        for id in self.index.in_memory(digest.prefix()).into_iter().chain(just_minted) {
            let key = self.one(select_api_key!("k.id = ?1"), [id], api_key)?;
            if key.is_some_and(|key| key.presented(digest).is_some()) {
                return Ok(true);
            }
        }
        let sql = select_api_key!("JOIN digest_index i ON i.key_id = k.id ", "i.prefix = ?1");
        Ok(self.all(sql, [digest.prefix()], api_key)?.iter().any(|key| key.presented(digest).is_some()))
    }

    /// The first digest prefix of any key that is not less than `from`.
    pub(super) fn next_prefix(&self, from: i64) -> Result<Option<i64>> {
        let just_minted = self.minted.iter().chain(&self.effects.minted).map(|(prefix, _)| *prefix);
        let in_memory = just_minted.filter(|prefix| *prefix >= from).chain(self.index.next_in_memory(from)).min();
        let sql = "SELECT prefix FROM digest_index WHERE prefix >= ?1 ORDER BY prefix LIMIT 1";
        let in_table = self.one(sql, [from], |row| Ok(row.get(0)?))?;
        Ok(in_memory.into_iter().chain(in_table).min())
    }

    /// The digest of a key, including keys of an unfinished import.
    fn any_digest(&self, id: i64) -> Result<Digest> {
        let sql = "SELECT digest, digest_algorithm FROM api_keys WHERE id = ?1";
        let digest = self.one(sql, [id], |row| Ok(Digest::of(algorithm(row, 1)?, row.get(0)?)))?;
        digest.ok_or_else(|| damaged("no API key with this id", id))
    }

    /// The first prefix of an ended value that is not less than `from`. Prefixes are sorted as signed numbers, digests
    /// as bytes.
    pub(super) fn next_ended(&self, from: i64) -> Result<Option<i64>> {
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

    /// Whether a digest of these keys matches. `next` returns the first prefix of a matching digest that is not less
    /// than its argument. The keys are sorted by prefix, so those between two matching prefixes need no query.
    pub(super) fn any_is(
        &self,
        entries: &[Entry],
        next: impl Fn(i64) -> Result<Option<i64>>,
        matches: impl Fn(&Digest) -> Result<bool>,
    ) -> Result<bool> {
        let mut found = Some(i64::MIN);
        for (prefix, id) in entries {
            if found.is_some_and(|found| found < *prefix) {
                found = next(*prefix)?;
            }
            if found == Some(*prefix) && matches(&self.any_digest(*id)?)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn is_ended(&self, digest: &Digest) -> Result<bool> {
        let sql = "SELECT 1 FROM ended_values WHERE digest = ?1 AND algorithm = ?2";
        let parameters = params![digest.as_bytes(), columns::stored(digest.algorithm())];
        Ok(self.one(sql, parameters, |_| Ok(()))?.is_some())
    }

    /// Stores an ended value from the ledger, unless a key of this store has the value.
    pub(super) fn end_value(&mut self, digest: &Digest) -> Result<()> {
        if self.is_in_use(digest)? { Ok(()) } else { insert_ended(self.connection, digest) }
    }
}
