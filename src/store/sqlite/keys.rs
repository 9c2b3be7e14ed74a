//! The SQL of keys.

use super::columns::{self, algorithm, damaged, key_id, name, optional_timestamp, organization_id, timestamp};
use super::ended_values::insert_ended;
use super::transaction::StoreTransaction;
use super::unpublished;
use crate::domain::{
    AddressList, Algorithm, ApiKey, Digest, Error, Fingerprint, KeyChange, KeyCounts, KeyId, Metadata, Owner, Parent,
    Permissions, ProjectId, RateLimit, Result, Role, Shadow, Tail, Timestamp,
};
use crate::store::NewApiKey;
use crate::store::key_diff::KeyDiff;
use rusqlite::{Connection, Row, named_params, params};

/// The columns of an API key: their names here and in SQL. [`api_key`] reads them by position, since reading by name
/// would cost a lookup a tenth of its time.
macro_rules! key_columns {
    ($use:ident) => {
        $use! {
            Id "k.id", Organization "k.organization_id", Project "k.project_id", Name "k.name", Digest "k.digest",
            Algorithm "k.digest_algorithm", Tail "k.tail", ShadowDigest "s.digest", ShadowTail "s.tail",
            RotatesAt "k.rotates_at", ShadowLastUsed "s.last_used_at", Valid "k.valid", CreatedAt "k.created_at",
            ExpiresAt "k.expires_at", ValueLastUsed "v.last_used_at", RateLimit "k.rate_limit",
            RateWindow "k.rate_window_s", AllowedAddresses "k.allowed_addresses", Role "k.role",
            Permissions "k.permissions", Owner "k.owner", Metadata "k.metadata"
        }
    };
}

macro_rules! declare {
    ($($name:ident $column:literal),+) => {
        /// The position of a column.
        enum Column {
            $($name),+
        }

        /// The number of columns.
        pub(super) const KEY_COLUMNS: usize = [$($column),+].len();
    };
}

/// The columns, separated by commas.
macro_rules! listed {
    ($first:ident $column:literal $(, $name:ident $more:literal)*) => {
        concat!($column $(, ", ", $more)*)
    };
}

key_columns!(declare);

/// Selects keys, without those of an unpublished import.
macro_rules! select_api_key {
    ($rest:literal) => {
        select_api_key!("", "", $rest)
    };
    ($join:literal, $rest:literal) => {
        select_api_key!("", $join, $rest)
    };
    ($more_columns:literal, $join:expr, $rest:literal) => {
        concat!(
            "SELECT ",
            key_columns!(listed),
            $more_columns,
            " FROM api_keys k \
             LEFT JOIN key_values v ON v.key_id = k.id AND v.kind = 0 \
             LEFT JOIN key_values s ON s.key_id = k.id AND s.kind = 1 ",
            $join,
            "WHERE NOT EXISTS (SELECT 1 FROM imports o WHERE o.stage < 2 AND k.id BETWEEN o.first_id AND o.last_id) AND ",
            $rest
        )
    };
}

pub(super) use {key_columns, listed, select_api_key};

/// The keys of an organization (?1) or project (?2) between two ids (?3, ?4), newest first. The index `api_keys_by_scope`
/// has them in this order.
const LIST: &str = select_api_key!(
    "k.organization_id = ?1 AND k.project_id IS ?2 AND k.id > ?3 AND k.id < ?4 ORDER BY k.id DESC LIMIT ?5"
);
/// The same for an owner (?6), from the index `api_keys_by_owner`.
const LIST_OF_OWNER: &str = select_api_key!(
    "k.organization_id = ?1 AND k.project_id IS ?2 AND k.owner = ?6 AND k.id > ?3 AND k.id < ?4 \
     ORDER BY k.id DESC LIMIT ?5"
);

impl StoreTransaction<'_> {
    pub(super) fn key_of_parent(&self, parent: Parent, id: KeyId) -> Result<Option<ApiKey>> {
        let sql = select_api_key!("k.id = ?1 AND k.organization_id = ?2 AND k.project_id IS ?3");
        self.one(sql, params![id.get(), parent.organization.get(), parent.project.map(ProjectId::get)], api_key)
    }

    pub(super) fn list_keys(
        &self,
        parent: Parent,
        owner: Option<&Owner>,
        before: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>> {
        let (organization, project) = (parent.organization.get(), parent.project.map(ProjectId::get));
        let mut keys = Vec::new();
        let ranges = unpublished::published_ranges(self.connection, 0, before.map_or(i64::MAX, KeyId::get))?;
        for (after, before) in ranges.into_iter().rev() {
            let left = u64::from(limit).cast_signed() - keys.len() as i64;
            keys.extend(match owner.map(Owner::as_str) {
                None => self.all(LIST, params![organization, project, after, before, left], api_key)?,
                Some(owner) => {
                    let parameters = params![organization, project, after, before, left, owner];
                    self.all(LIST_OF_OWNER, parameters, api_key)?
                }
            });
        }
        Ok(keys)
    }

    /// Counts the next `limit` keys after `after`; also returns the last one, if there may be more.
    pub(super) fn count_keys(
        &self,
        after: Option<KeyId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<(KeyCounts, Option<KeyId>)> {
        let sql = "SELECT count(*), count(*) FILTER (WHERE NOT valid), \
                   count(*) FILTER (WHERE valid AND expires_at <= ?1), max(id) \
                   FROM (SELECT id, valid, expires_at FROM api_keys WHERE id > ?2 AND id < ?3 ORDER BY id LIMIT ?4)";
        let (mut counts, mut last, mut left) = (KeyCounts::default(), None, limit);
        for (after, before) in unpublished::published_ranges(self.connection, after.map_or(0, KeyId::get), i64::MAX)? {
            self.one(sql, (now.unix_ms(), after, before, left), |row| {
                let (all, deactivated, expired): (u32, u32, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
                counts.active += all - deactivated - expired;
                counts.deactivated += deactivated;
                counts.expired += expired;
                last = row.get::<_, Option<i64>>(3)?.or(last);
                left -= all;
                Ok(())
            })?;
        }
        Ok((counts, last.and_then(KeyId::new).filter(|_| left == 0)))
    }

    pub(super) fn store_key(&mut self, key: NewApiKey) -> Result<ApiKey> {
        let NewApiKey { parent, value: Fingerprint { digest, tail }, name, created_at, expires_at, change } = &key;
        let KeyChange { name: _, valid, rate_limit, allowed_addresses, role, permissions, owner, metadata } = change;
        let rate_limit = rate_limit.flatten();
        self.change(
            "INSERT INTO api_keys (organization_id, project_id, digest, tail, name, valid, created_at, expires_at, \
             rate_limit, rate_window_s, allowed_addresses, role, permissions, owner, metadata) \
             VALUES (:organization, :project, :digest, :tail, :name, :valid, :created_at, :expires_at, \
             :rate_limit, :rate_window_s, :allowed_addresses, :role, :permissions, :owner, :metadata)",
            named_params! {
                ":organization": parent.organization.get(),
                ":project": parent.project.map(ProjectId::get),
                ":digest": digest.as_bytes(),
                ":tail": tail.as_str(),
                ":name": name.as_str(),
                ":valid": valid.unwrap_or(true),
                ":created_at": created_at.unix_ms(),
                ":expires_at": expires_at.map(Timestamp::unix_ms),
                ":rate_limit": rate_limit.map(RateLimit::limit),
                ":rate_window_s": rate_limit.map(RateLimit::window_s),
                ":allowed_addresses": allowed_addresses.as_ref().and_then(Option::as_ref).map(AddressList::to_string),
                ":role": role.filter(|role| *role != Role::default_for(*parent)).map(columns::stored_role),
                ":permissions": permissions.as_ref().filter(|it| !it.is_empty()).map(Permissions::as_str),
                ":owner": owner.as_ref().and_then(Option::as_ref).map(Owner::as_str),
                ":metadata": metadata.as_ref().filter(|it| !it.is_empty()).map(Metadata::as_str),
            },
        )?;
        let id = self.connection.last_insert_rowid();
        let number = KeyId::new(id).ok_or_else(|| damaged("an API key's id", id))?;
        let NewApiKey { parent, value, name, created_at, expires_at, change } = key;
        let mut key = ApiKey::minted(number, parent, name, value, created_at, expires_at);
        change.apply(&mut key);
        // A new key is found in memory.
        let gained = KeyDiff::between(None, Some(&key)).gained;
        self.effects.minted.extend(gained.iter().map(|digest| (digest.prefix(), id)));
        Ok(key)
    }

    pub(super) fn store_key_change(&mut self, before: &ApiKey, after: &ApiKey) -> Result<()> {
        let ApiKey {
            id,
            parent: _,
            name,
            value: Fingerprint { digest, tail },
            shadow,
            valid,
            created_at: _,
            expires_at,
            value_last_used,
            rate_limit,
            allowed_addresses,
            role,
            permissions,
            owner,
            metadata,
        } = after;
        // Null stays where a role or permissions never changed: then nothing was ever withdrawn.
        let changed_role = (*role != before.role).then(|| columns::stored_role(*role));
        let changed_permissions = (*permissions != before.permissions).then(|| permissions.as_str());
        self.change(
            "UPDATE api_keys SET name = :name, digest = :digest, digest_algorithm = :algorithm, tail = :tail, \
             rotates_at = :rotates_at, valid = :valid, expires_at = :expires_at, rate_limit = :rate_limit, \
             rate_window_s = :rate_window_s, allowed_addresses = :allowed_addresses, role = coalesce(:role, role), \
             permissions = coalesce(:permissions, permissions), owner = :owner, metadata = :metadata WHERE id = :id",
            named_params! {
                ":id": id.get(),
                ":name": name.as_str(),
                ":digest": digest.as_bytes(),
                ":tail": tail.as_str(),
                ":rotates_at": shadow.as_ref().map(|shadow| shadow.rotates_at.unix_ms()),
                ":valid": valid,
                ":expires_at": expires_at.map(Timestamp::unix_ms),
                ":rate_limit": rate_limit.map(RateLimit::limit),
                ":rate_window_s": rate_limit.map(RateLimit::window_s),
                ":allowed_addresses": allowed_addresses.as_ref().map(AddressList::to_string),
                ":algorithm": columns::stored(digest.algorithm()),
                ":role": changed_role,
                ":permissions": changed_permissions,
                ":owner": owner.as_ref().map(Owner::as_str),
                ":metadata": Some(metadata).filter(|it| !it.is_empty()).map(Metadata::as_str),
            },
        )?;
        let diff = KeyDiff::between(Some(before), Some(after));
        if diff.joins_uses {
            self.change("DELETE FROM key_values WHERE key_id = ?1 AND kind = 1", [id.get()])?;
            let uses = value_last_used.map(|at| (*id, *digest, at));
            self.store_last_used(uses.as_slice())?;
        }
        if let Some(Fingerprint { digest, tail }) = shadow.as_ref().map(|shadow| shadow.fingerprint) {
            self.change(
                "INSERT INTO key_values (key_id, kind, number, digest, tail) VALUES (?1, 1, 0, ?2, ?3) \
                 ON CONFLICT DO NOTHING",
                params![id.get(), digest.as_bytes(), tail.as_str()],
            )?;
        }
        self.carry_out(*id, diff)
    }

    /// Returns whether the key had the expected value.
    pub(super) fn store_rehashed_key(&mut self, id: KeyId, from: &Digest, to: &Digest) -> Result<bool> {
        let before = key(self.connection, id)?.filter(|key| key.value.digest == *from);
        let Some(before) = before else { return Ok(false) };
        if self.is_ended(to)? {
            return Ok(false);
        }
        let mut after = before.clone();
        after.value.digest = *to;
        self.change(
            "UPDATE api_keys SET digest = ?2, digest_algorithm = ?3 WHERE id = ?1",
            params![id.get(), to.as_bytes(), columns::stored(to.algorithm())],
        )?;
        self.carry_out(id, KeyDiff::rehashed(&before, &after))?;
        Ok(true)
    }

    pub(super) fn remove_key(&mut self, key: &ApiKey) -> Result<()> {
        self.change("DELETE FROM api_keys WHERE id = ?1", [key.id.get()])?;
        for digest in self.former_values(key.id)? {
            self.forget(key.id, digest)?;
        }
        self.change("DELETE FROM key_values WHERE key_id = ?1", [key.id.get()])?;
        self.carry_out(key.id, KeyDiff::between(Some(key), None))
    }

    /// Carries out the consequences of a change of a key.
    fn carry_out(&mut self, id: KeyId, diff: KeyDiff) -> Result<()> {
        let KeyDiff { gained, retired, dropped, ended, joins_uses: _, stale, record } = diff;
        retired.into_iter().try_for_each(|digest| self.retire(id, digest))?;
        dropped.into_iter().try_for_each(|digest| self.forget(id, digest))?;
        gained.into_iter().try_for_each(|digest| self.index_at_once(id, digest))?;
        ended.iter().try_for_each(|digest| insert_ended(self.connection, digest))?;
        self.effects.ended.extend(ended);
        self.effects.stale.extend(stale);
        self.effects.key_records.extend(record);
        Ok(())
    }
}

/// The number of keys.
pub(super) fn count(connection: &Connection) -> Result<u64> {
    let count: i64 = connection.query_row("SELECT count(*) FROM api_keys", [], |row| row.get(0))?;
    // A backup may have an older schema.
    let has_imports = connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'imports'")?.exists([])?;
    let unpublished: i64 = match has_imports {
        false => 0,
        true => {
            let sql = "SELECT count(*) FROM imports o JOIN api_keys k ON k.id BETWEEN o.first_id AND o.last_id WHERE o.stage < 2";
            connection.query_row(sql, [], |row| row.get(0))?
        }
    };
    Ok((count - unpublished).unsigned_abs())
}

/// The key with this id, unless it belongs to an unpublished import.
pub(super) fn key(connection: &Connection, id: KeyId) -> Result<Option<ApiKey>> {
    let mut statement = connection.prepare_cached(select_api_key!("k.id = ?1"))?;
    let mut rows = statement.query([id.get()])?;
    rows.next()?.map(api_key).transpose()
}

/// Reads columns in the order of [`key_columns`].
pub(super) fn api_key(row: &Row<'_>) -> Result<ApiKey> {
    let project: Option<i64> = row.get(Column::Project as usize)?;
    let parent = Parent {
        organization: organization_id(row, Column::Organization as usize)?,
        project: project.map(|id| ProjectId::new(id).ok_or_else(|| damaged("a project's id", id))).transpose()?,
    };
    let role: Option<i64> = row.get(Column::Role as usize)?;
    let shadow = |rotates_at| {
        // Rotations always create BLAKE3 digests.
        let fingerprint = fingerprint(row, Column::ShadowDigest, Algorithm::Blake3, Column::ShadowTail)?;
        let last_used = optional_timestamp(row, Column::ShadowLastUsed as usize)?;
        Ok::<_, Error>(Shadow { fingerprint, rotates_at, last_used })
    };
    Ok(ApiKey {
        id: key_id(row, Column::Id as usize)?,
        parent,
        name: name(row, Column::Name as usize)?,
        value: fingerprint(row, Column::Digest, algorithm(row, Column::Algorithm as usize)?, Column::Tail)?,
        shadow: optional_timestamp(row, Column::RotatesAt as usize)?.map(shadow).transpose()?,
        valid: row.get(Column::Valid as usize)?,
        created_at: timestamp(row, Column::CreatedAt as usize)?,
        expires_at: optional_timestamp(row, Column::ExpiresAt as usize)?,
        value_last_used: optional_timestamp(row, Column::ValueLastUsed as usize)?,
        rate_limit: rate_limit(row)?,
        allowed_addresses: allowed_addresses(row)?,
        role: role.map(columns::role).transpose()?.unwrap_or(Role::default_for(parent)),
        permissions: text(row, Column::Permissions)?.map(Permissions::stored).unwrap_or_default(),
        owner: text(row, Column::Owner)?.map(Owner::stored),
        metadata: text(row, Column::Metadata)?.map(Metadata::stored).unwrap_or_default(),
    })
}

fn text<'row>(row: &'row Row<'_>, column: Column) -> Result<Option<&'row str>> {
    Ok(row.get_ref(column as usize)?.as_str_or_null().map_err(rusqlite::Error::from)?)
}

fn rate_limit(row: &Row<'_>) -> Result<Option<RateLimit>> {
    let Some(limit) = row.get::<_, Option<u32>>(Column::RateLimit as usize)? else { return Ok(None) };
    let rate_limit = RateLimit::new(limit, row.get(Column::RateWindow as usize)?);
    rate_limit.map(Some).ok_or_else(|| damaged("a rate limit", limit.into()))
}

fn allowed_addresses(row: &Row<'_>) -> Result<Option<AddressList>> {
    text(row, Column::AllowedAddresses)?.map(|text| AddressList::parse(text.split(','))).transpose()
}

fn fingerprint(row: &Row<'_>, digest: Column, algorithm: Algorithm, tail: Column) -> Result<Fingerprint> {
    let tail = row.get_ref(tail as usize)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Fingerprint { digest: Digest::of(algorithm, row.get(digest as usize)?), tail: Tail::external(tail)? })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lists_walk_their_index_newest_first_and_sort_nothing() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../../../schema.sql")).unwrap();
        for (sql, index) in [
            (LIST, "api_keys_by_scope (organization_id=? AND project_id=? AND rowid>? AND rowid<?)"),
            (
                LIST_OF_OWNER,
                "api_keys_by_owner (organization_id=? AND project_id=? AND owner=? AND rowid>? AND rowid<?)",
            ),
        ] {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let parameters: Vec<Option<i64>> = vec![None; statement.parameter_count()];
            let steps = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get(3)).unwrap();
            let plan: Vec<String> = steps.collect::<rusqlite::Result<_>>().unwrap();
            assert_eq!(plan[0], format!("SEARCH k USING INDEX {index}"), "{plan:#?}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:#?}");
        }
    }
}
