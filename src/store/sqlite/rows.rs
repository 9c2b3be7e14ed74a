//! All the SQL of the contract.

use super::digest_index::{DigestIndex, Entry};
use crate::domain::{
    ApiKey, Digest, Error, KeyId, KeyName, Organization, OrganizationId, OrganizationName, Result, Tail, Timestamp,
};
use crate::store::{NewApiKey, Reads, Stale, Writes};
use rusqlite::{Connection, Params, Row, params};

/// An API key's columns, in the order that [`api_key`] reads them.
macro_rules! select_api_key {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, k.organization_id, k.name, k.tail, k.valid, k.created_at, u.last_used_at, k.digest ",
            "FROM api_keys k LEFT JOIN api_key_uses u ON u.key_id = k.id ",
            $rest
        )
    };
}

/// A transaction's view of the store.
pub(super) struct Rows<'a> {
    connection: &'a Connection,
    index: &'a DigestIndex,
    effects: Effects,
}

/// What has to be made known once a transaction is committed.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) minted: Vec<Entry>,
    pub(super) stale: Vec<Stale>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(connection: &'a Connection, index: &'a DigestIndex) -> Self {
        Self { connection, index, effects: Effects::default() }
    }

    pub(super) fn into_effects(self) -> Effects {
        self.effects
    }

    fn one<T>(&self, sql: &str, params: impl Params, parse: impl FnOnce(&Row<'_>) -> Result<T>) -> Result<Option<T>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?.map(parse).transpose()
    }

    fn all<T>(&self, sql: &str, params: impl Params, parse: impl Fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(parse(row)?);
        }
        Ok(found)
    }

    fn change(&self, sql: &str, params: impl Params) -> Result<usize> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }

    /// The key with this number if it has this digest.
    fn api_key_with(&self, id: i64, digest: &Digest) -> Result<Option<ApiKey>> {
        let found =
            self.one(select_api_key!("WHERE k.id = ?1"), [id], |row| Ok((api_key(row)?, stored_digest(row)?)))?;
        Ok(found.and_then(|(key, stored)| (stored == *digest).then_some(key)))
    }

    fn find_by_digest(&self, digest: &Digest) -> Result<Option<ApiKey>> {
        // Memory first, file second: a key that moves from one to the other in between is then seen in the file.
        for id in self.index.in_memory(digest.prefix()) {
            if let Some(key) = self.api_key_with(id, digest)? {
                return Ok(Some(key));
            }
        }
        let indexed = self.all(
            select_api_key!("JOIN digest_index i ON i.key_id = k.id WHERE i.prefix = ?1"),
            [digest.prefix()],
            |row| Ok((api_key(row)?, stored_digest(row)?)),
        )?;
        Ok(indexed.into_iter().find_map(|(key, stored)| (stored == *digest).then_some(key)))
    }
}

impl Reads for Rows<'_> {
    fn is_initialized(&self) -> Result<bool> {
        Ok(self.one("SELECT 1 FROM organizations LIMIT 1", [], |_| Ok(()))?.is_some())
    }

    fn organization(&self, id: OrganizationId) -> Result<Option<Organization>> {
        self.one("SELECT id, name, created_at FROM organizations WHERE id = ?1", [id.get()], organization)
    }

    fn api_key(&self, organization: OrganizationId, id: KeyId) -> Result<Option<ApiKey>> {
        let sql = select_api_key!("WHERE k.id = ?1 AND k.organization_id = ?2");
        self.one(sql, params![id.get(), organization.get()], api_key)
    }

    fn api_keys(&self, organization: OrganizationId, before: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>> {
        let sql = select_api_key!("WHERE k.organization_id = ?1 AND k.id < ?2 ORDER BY k.id DESC LIMIT ?3");
        self.all(sql, params![organization.get(), before.map_or(i64::MAX, KeyId::get), limit], api_key)
    }

    fn api_key_by_digest(&self, digest: &Digest) -> Result<Option<(ApiKey, Organization)>> {
        let Some(key) = self.find_by_digest(digest)? else { return Ok(None) };
        let organization = self
            .organization(key.organization)?
            .ok_or_else(|| Error::Internal(format!("API key {} has no organization", key.id.get())))?;
        Ok(Some((key, organization)))
    }
}

impl Writes for Rows<'_> {
    fn insert_organization(&mut self, organization: &Organization) -> Result<()> {
        self.change(
            "INSERT INTO organizations (id, name, created_at) VALUES (?1, ?2, ?3)",
            params![organization.id.get(), organization.name.as_str(), organization.created_at.unix_ms()],
        )?;
        Ok(())
    }

    fn rename_organization(&mut self, id: OrganizationId, name: &OrganizationName) -> Result<bool> {
        let changed =
            self.change("UPDATE organizations SET name = ?2 WHERE id = ?1", params![id.get(), name.as_str()])?;
        self.effects.stale.extend((changed > 0).then_some(Stale::Everything));
        Ok(changed > 0)
    }

    fn insert_api_key(&mut self, key: NewApiKey) -> Result<ApiKey> {
        self.change(
            "INSERT INTO api_keys (organization_id, digest, tail, name, valid, created_at) VALUES (?1, ?2, ?3, ?4, 1, ?5)",
            params![
                key.organization.get(),
                key.digest.as_bytes(),
                key.tail.as_str(),
                key.name.as_str(),
                key.created_at.unix_ms(),
            ],
        )?;
        let id = self.connection.last_insert_rowid();
        self.effects.minted.push((key.digest.prefix(), id));
        Ok(ApiKey {
            id: KeyId::new(id).ok_or_else(|| damaged("an API key's id", id))?,
            organization: key.organization,
            name: key.name,
            tail: key.tail,
            valid: true,
            created_at: key.created_at,
            last_used: None,
        })
    }

    fn set_api_key_valid(&mut self, organization: OrganizationId, id: KeyId, valid: bool) -> Result<bool> {
        let digest = self.one(
            "UPDATE api_keys SET valid = ?3 WHERE id = ?1 AND organization_id = ?2 RETURNING digest",
            params![id.get(), organization.get(), valid],
            |row| Ok(Digest::from_bytes(row.get(0)?)),
        )?;
        self.effects.stale.extend(digest.map(Stale::Key));
        Ok(digest.is_some())
    }

    fn delete_api_key(&mut self, organization: OrganizationId, id: KeyId) -> Result<bool> {
        let digest = self.one(
            "DELETE FROM api_keys WHERE id = ?1 AND organization_id = ?2 RETURNING digest",
            params![id.get(), organization.get()],
            |row| Ok(Digest::from_bytes(row.get(0)?)),
        )?;
        let Some(digest) = digest else { return Ok(false) };
        self.change("DELETE FROM api_key_uses WHERE key_id = ?1", [id.get()])?;
        self.change("DELETE FROM digest_index WHERE prefix = ?1 AND key_id = ?2", params![digest.prefix(), id.get()])?;
        self.effects.stale.push(Stale::Key(digest));
        Ok(true)
    }

    fn record_uses(&mut self, uses: &[(KeyId, Timestamp)]) -> Result<()> {
        for (id, at) in uses {
            self.change(
                "INSERT INTO api_key_uses (key_id, last_used_at) SELECT id, ?2 FROM api_keys WHERE id = ?1 \
                 ON CONFLICT (key_id) DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at)",
                params![id.get(), at.unix_ms()],
            )?;
        }
        Ok(())
    }
}

fn organization(row: &Row<'_>) -> Result<Organization> {
    let id: i64 = row.get(0)?;
    Ok(Organization {
        id: OrganizationId::new(id).ok_or_else(|| damaged("an organization's id", id))?,
        name: OrganizationName::parse(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?,
        created_at: timestamp(row, 2)?,
    })
}

fn api_key(row: &Row<'_>) -> Result<ApiKey> {
    let (id, organization): (i64, i64) = (row.get(0)?, row.get(1)?);
    let last_used: Option<i64> = row.get(6)?;
    Ok(ApiKey {
        id: KeyId::new(id).ok_or_else(|| damaged("an API key's id", id))?,
        organization: OrganizationId::new(organization).ok_or_else(|| damaged("an organization's id", organization))?,
        name: KeyName::parse(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?,
        tail: Tail::parse(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)?,
        valid: row.get(4)?,
        created_at: timestamp(row, 5)?,
        last_used: last_used.map(|_| timestamp(row, 6)).transpose()?,
    })
}

fn stored_digest(row: &Row<'_>) -> Result<Digest> {
    Ok(Digest::from_bytes(row.get(7)?))
}

fn timestamp(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    let ms: i64 = row.get(column)?;
    Timestamp::from_unix_ms(ms).ok_or_else(|| damaged("a time", ms))
}

fn damaged(what: &str, value: i64) -> Error {
    Error::Internal(format!("the store holds {what} that cannot be: {value}"))
}
