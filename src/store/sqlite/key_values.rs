//! The SQL of a key's values: their last uses, former values, and the digests that find the key.

use super::columns::{self, algorithm};
use super::transaction::StoreTransaction;
use crate::domain::{Digest, KeyId, Result};
use crate::store::{FORMER_VALUES, LastUse};
use rusqlite::params;

impl StoreTransaction<'_> {
    pub(super) fn store_last_used(&mut self, uses: &[LastUse]) -> Result<()> {
        let of_value = "INSERT INTO key_values (key_id, kind, number, last_used_at) \
                        SELECT id, 0, 0, ?2 FROM api_keys WHERE id = ?1 AND (rotates_at IS NULL OR ?3) \
                        ON CONFLICT (key_id, kind, number) \
                        DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at)";
        let of_new_value = "UPDATE key_values SET last_used_at = max(coalesce(last_used_at, 0), ?2) \
                            WHERE key_id = ?1 AND kind = 1 AND digest = ?3";
        for (id, digest, at) in uses {
            let (id, at) = (id.get(), at.unix_ms());
            // Most keys have one value. Of two, the digest shows which one was used; what that value was at the time
            // does not matter, since rotations begin and end.
            let is_noted = self.change(of_value, params![id, at, false])? > 0
                || self.change(of_new_value, params![id, at, digest.as_bytes()])? > 0;
            if !is_noted {
                self.change(of_value, params![id, at, true])?;
            }
        }
        Ok(())
    }

    /// A key's former values, oldest first.
    pub(super) fn former_values(&self, id: KeyId) -> Result<Vec<Digest>> {
        let sql = "SELECT digest, digest_algorithm FROM key_values WHERE key_id = ?1 AND kind = 2 ORDER BY number";
        self.all(sql, [id.get()], |row| Ok(Digest::of(algorithm(row, 1)?, row.get(0)?)))
    }

    /// Makes a value a former one; forgets the oldest of too many.
    pub(super) fn retire(&mut self, id: KeyId, digest: Digest) -> Result<()> {
        let former = self.former_values(id)?;
        if let Some(oldest) = former.first().filter(|_| former.len() >= FORMER_VALUES as usize) {
            let sql = "DELETE FROM key_values WHERE key_id = ?1 AND kind = 2 AND digest = ?2";
            self.change(sql, params![id.get(), oldest.as_bytes()])?;
            self.forget(id, *oldest)?;
        }
        self.change(
            "INSERT INTO key_values (key_id, kind, number, digest, digest_algorithm) \
             SELECT ?1, 2, coalesce(max(number), 0) + 1, ?2, ?3 FROM key_values WHERE key_id = ?1 AND kind = 2",
            params![id.get(), digest.as_bytes(), columns::stored(digest.algorithm())],
        )?;
        self.index_at_once(id, digest)
    }

    /// Indexes a digest at once, whatever is in memory.
    pub(super) fn index_at_once(&mut self, id: KeyId, digest: Digest) -> Result<()> {
        let entry = (digest.prefix(), id.get());
        self.change("INSERT OR IGNORE INTO digest_index (prefix, key_id) VALUES (?1, ?2)", entry)?;
        self.effects.indexed.push(digest.prefix());
        Ok(())
    }

    /// Removes a digest that no longer belongs to the key.
    pub(super) fn forget(&self, id: KeyId, digest: Digest) -> Result<()> {
        let entry = (digest.prefix(), id.get());
        self.change("DELETE FROM digest_index WHERE prefix = ?1 AND key_id = ?2", entry)?;
        Ok(())
    }
}
