//! All the SQL of the contract.

use super::digest_index::{DigestIndex, Entry};
use super::migrations::VERSION;
use super::{audit, import, open_import, sizes};
use crate::domain::{
    AddressList, Algorithm, ApiKey, Checked, Description, Digest, Error, Event, EventFilter, Fingerprint, Forms,
    KeyCounts, KeyId, Link, Name, NewEvent, Organization, OrganizationId, Presented, Project, ProjectId, RateLimit,
    Result, Scope, Shadow, Tail, Timestamp,
};
use crate::store::standing::Standing;
use crate::store::validity::Stale;
use crate::store::{
    Counted, EventsSlice, FORMER_VALUES, Found, IdempotentRequest, NewApiKey, Reads, SizesSlice, Use, Writes,
};
use rusqlite::{Connection, Params, Row, params};
use std::ops::RangeInclusive;

/// An API key's columns, in the order that [`api_key`] reads them. The keys of an import that is under way are not there.
macro_rules! select_api_key {
    ($rest:literal) => {
        select_api_key!("", $rest)
    };
    ($join:literal, $rest:literal) => {
        concat!(
            "SELECT k.id, k.organization_id, k.project_id, k.name, k.digest, k.tail, k.shadow_digest, k.shadow_tail, \
             k.rotates_at, s.last_used_at, k.valid, k.created_at, k.expires_at, v.last_used_at, k.rate_limit, \
             k.rate_window_s, k.allowed_addresses, k.digest_algorithm \
             FROM api_keys k \
             LEFT JOIN api_key_value_uses v ON v.key_id = k.id AND v.is_shadow = 0 \
             LEFT JOIN api_key_value_uses s ON s.key_id = k.id AND s.is_shadow = 1 ",
            $join,
            "WHERE NOT EXISTS (SELECT 1 FROM imports o WHERE o.stage < 2 AND k.id BETWEEN o.first_id AND o.last_id) AND ",
            $rest
        )
    };
}

/// A transaction's view of the store.
pub(super) struct Rows<'a> {
    pub(super) connection: &'a Connection,
    pub(super) index: &'a DigestIndex,
    /// What earlier jobs of the same transaction minted.
    pub(super) minted: &'a [Entry],
    pub(super) effects: Effects,
}

/// What has to be made known once a transaction is committed.
#[derive(Default)]
pub(super) struct Effects {
    /// Keys that are to be found by their digest.
    pub(super) minted: Vec<Entry>,
    /// Prefixes of digests that older keys are to be found by.
    indexed: Vec<i64>,
    /// What must not be believed any more.
    pub(super) stale: Vec<Stale>,
    /// Keys whose validity changed: this goes to the ledger before the commit.
    pub(super) standings: Vec<Standing>,
    /// Whether the ledger is to know that the store has come this far.
    pub(super) marks_ledger: bool,
    /// Values that were good and never will be again: these go to the ledger, too.
    pub(super) ended: Vec<Digest>,
    /// Whether the ledger is to be compacted.
    pub(super) compacts_ledger: bool,
    /// What was imported.
    pub(super) forms: Forms,
    /// Whether more came than is listed here.
    pub(super) is_bulk: bool,
}

impl Effects {
    pub(super) fn extend(&mut self, more: Self) {
        self.forms = self.forms.or(more.forms);
        self.is_bulk |= more.is_bulk;
        self.minted.extend(more.minted);
        self.indexed.extend(more.indexed);
        self.stale.extend(more.stale);
        self.standings.extend(more.standings);
        self.marks_ledger |= more.marks_ledger;
        self.ended.extend(more.ended);
        self.compacts_ledger |= more.compacts_ledger;
    }

    /// Whether the ledger has to be written to before the commit.
    pub(super) fn are_in_ledger(&self) -> bool {
        self.marks_ledger || !self.standings.is_empty() || !self.ended.is_empty()
    }

    /// Prefixes of all digests that keys are to be found by, and were not before.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = i64> {
        self.minted.iter().map(|(prefix, _)| *prefix).chain(self.indexed.iter().copied())
    }
}

impl<'a> Rows<'a> {
    pub(super) fn new(connection: &'a Connection, index: &'a DigestIndex, minted: &'a [Entry]) -> Self {
        Self { connection, index, minted, effects: Effects::default() }
    }

    pub(super) fn into_effects(self) -> Effects {
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

    fn find_by_digest(&self, digest: &Digest) -> Result<Option<(ApiKey, Presented)>> {
        // Memory first, file second: a key that moves from one to the other in between is then seen in the file.
        let just_minted = self.minted.iter().chain(&self.effects.minted);
        let just_minted = just_minted.filter(|(prefix, _)| *prefix == digest.prefix()).map(|(_, id)| *id);
        for id in self.index.in_memory(digest.prefix()).into_iter().chain(just_minted) {
            let key = self.one(select_api_key!("k.id = ?1"), [id], api_key)?;
            if let Some(found) = key.and_then(|key| key.presented(digest).map(|presented| (key, presented))) {
                return Ok(Some(found));
            }
        }
        let indexed = self.all(
            select_api_key!("JOIN digest_index i ON i.key_id = k.id ", "i.prefix = ?1"),
            [digest.prefix()],
            api_key,
        )?;
        let mut former = None;
        for key in indexed {
            match key.presented(digest) {
                Some(presented) => return Ok(Some((key, presented))),
                None if self.former_values(key.id)?.contains(digest) => former = Some((key, Presented::Former)),
                None => {}
            }
        }
        Ok(former)
    }

    /// Whether a key has this digest among its values now.
    pub(super) fn is_in_use(&self, digest: &Digest) -> Result<bool> {
        Ok(self.find_by_digest(digest)?.is_some_and(|(_, presented)| presented != Presented::Former))
    }

    /// A key's former values, oldest first.
    fn former_values(&self, id: KeyId) -> Result<Vec<Digest>> {
        let sql = "SELECT digest, digest_algorithm FROM former_values WHERE key_id = ?1 ORDER BY number";
        self.all(sql, [id.get()], |row| Ok(Digest::of(algorithm(row, 1)?, row.get(0)?)))
    }

    /// A value becomes a former one; the oldest of too many is nobody's any more.
    fn retire(&mut self, id: KeyId, digest: Digest) -> Result<()> {
        let former = self.former_values(id)?;
        if let Some(oldest) = former.first().filter(|_| former.len() >= FORMER_VALUES as usize) {
            let sql = "DELETE FROM former_values WHERE key_id = ?1 AND digest = ?2";
            self.change(sql, params![id.get(), oldest.as_bytes()])?;
            self.forget(id, *oldest)?;
        }
        self.change(
            "INSERT INTO former_values (key_id, number, digest, digest_algorithm) \
             SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3 FROM former_values WHERE key_id = ?1",
            params![id.get(), digest.as_bytes(), import::stored(digest.algorithm())],
        )?;
        self.index_at_once(id, digest)
    }

    /// A value that was good will never be good again.
    fn end(&mut self, digest: Digest) -> Result<()> {
        insert_ended(self.connection, &digest)?;
        self.effects.ended.push(digest);
        Ok(())
    }

    /// Takes over from the ledger that a value has ended. That a key has it counts for more.
    pub(super) fn end_value(&mut self, digest: &Digest) -> Result<()> {
        match self.find_by_digest(digest)? {
            None | Some((_, Presented::Former)) => insert_ended(self.connection, digest),
            Some(_) => Ok(()),
        }
    }

    /// Makes a key found by a digest from now on, whatever the index in memory knows.
    fn index_at_once(&mut self, id: KeyId, digest: Digest) -> Result<()> {
        let entry = (digest.prefix(), id.get());
        self.change("INSERT OR IGNORE INTO digest_index (prefix, key_id) VALUES (?1, ?2)", entry)?;
        self.effects.indexed.push(digest.prefix());
        Ok(())
    }

    /// A digest is nobody's any more.
    fn forget(&self, id: KeyId, digest: Digest) -> Result<()> {
        let entry = (digest.prefix(), id.get());
        self.change("DELETE FROM digest_index WHERE prefix = ?1 AND key_id = ?2", entry)?;
        Ok(())
    }
}

/// How many keys there are.
pub(super) fn count(connection: &Connection) -> Result<u64> {
    let count: i64 = connection.query_row("SELECT count(*) FROM api_keys", [], |row| row.get(0))?;
    // A backup may have an older schema.
    let has_imports = connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'imports'")?.exists([])?;
    let hidden: i64 = match has_imports {
        false => 0,
        true => {
            let sql = "SELECT count(*) FROM imports o JOIN api_keys k ON k.id BETWEEN o.first_id AND o.last_id WHERE o.stage < 2";
            connection.query_row(sql, [], |row| row.get(0))?
        }
    };
    Ok((count - hidden).unsigned_abs())
}

fn insert_ended(connection: &Connection, digest: &Digest) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO ended_values (digest, algorithm) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![digest.as_bytes(), import::stored(digest.algorithm())])?;
    Ok(())
}

/// The key with this number. Those of an import that is under way are not there.
pub(super) fn key(connection: &Connection, id: KeyId) -> Result<Option<ApiKey>> {
    let mut statement = connection.prepare_cached(select_api_key!("k.id = ?1"))?;
    let mut rows = statement.query([id.get()])?;
    rows.next()?.map(api_key).transpose()
}

/// Hands over every key that may have been narrowed since it was minted.
pub(super) fn each_narrowed(connection: &Connection, take: impl FnMut(ApiKey)) -> Result<()> {
    let sql = select_api_key!(
        "(NOT k.valid OR k.rotates_at IS NOT NULL OR k.expires_at IS NOT NULL OR k.rate_limit IS NOT NULL \
         OR k.allowed_addresses IS NOT NULL OR EXISTS (SELECT 1 FROM former_values f WHERE f.key_id = k.id))"
    );
    each(connection, sql, api_key, take)
}

/// Hands over all numbers that this store gave to keys and that are no key's any more. Those of an import that is under way will
/// be keys', and those that were skipped may be in other copies of the store.
pub(super) fn each_gap(connection: &Connection, take: impl FnMut(RangeInclusive<i64>)) -> Result<()> {
    let sql = "WITH taken (first, last) AS (SELECT id, id FROM api_keys \
               UNION ALL SELECT first_id, last_id FROM imports WHERE stage = 0 \
               UNION ALL SELECT first, last FROM skipped_numbers \
               UNION ALL SELECT seq + 1, seq + 1 FROM sqlite_sequence WHERE name = 'api_keys') \
               SELECT before + 1, first - 1 FROM (SELECT first, \
               max(last) OVER (ORDER BY first, last ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM taken) \
               WHERE first > before + 1 \
               UNION ALL SELECT 1, min(first) - 1 FROM taken HAVING min(first) > 1";
    each(connection, sql, |row| Ok(row.get(0)?..=row.get(1)?), take)
}

/// Hands over every value that was good and never will be again.
pub(super) fn each_ended(connection: &Connection, take: impl FnMut(Digest)) -> Result<()> {
    let digest = |row: &Row<'_>| Ok(Digest::of(algorithm(row, 1)?, row.get(0)?));
    each(connection, "SELECT digest, algorithm FROM ended_values", digest, take)
}

fn each<T>(
    connection: &Connection,
    sql: &str,
    parse: impl Fn(&Row<'_>) -> Result<T>,
    mut take: impl FnMut(T),
) -> Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(parse(row)?);
    }
    Ok(())
}

/// The digests of all of a key's values.
fn digests(key: &ApiKey) -> impl Iterator<Item = Digest> + '_ {
    std::iter::once(key.value.digest).chain(key.shadow.as_ref().map(|shadow| shadow.fingerprint.digest))
}

impl Reads for Rows<'_> {
    fn is_initialized(&self) -> Result<bool> {
        Ok(self.one("SELECT 1 FROM organizations LIMIT 1", [], |_| Ok(()))?.is_some())
    }

    fn organization(&self, id: OrganizationId) -> Result<Option<Organization>> {
        self.one("SELECT id, name, created_at FROM organizations WHERE id = ?1", [id.get()], organization)
    }

    fn organizations(&self, after: Option<&Organization>, limit: u32) -> Result<Vec<Organization>> {
        // There are few: no index keeps them in order. No name is empty, so all of them come after that.
        let sql =
            "SELECT id, name, created_at FROM organizations WHERE (name, id) > (?1, ?2) ORDER BY name, id LIMIT ?3";
        let (name, id) = after.map_or(("", 0), |after| (after.name.as_str(), after.id.get()));
        self.all(sql, params![name, id, limit], organization)
    }

    fn count_organizations(&self) -> Result<u32> {
        Ok(self.one("SELECT count(*) FROM organizations", [], |row| Ok(row.get(0)?))?.unwrap_or_default())
    }

    fn project(&self, organization: OrganizationId, id: ProjectId) -> Result<Option<Project>> {
        let sql = "SELECT id, organization_id, name, description, created_at FROM projects WHERE id = ?1 AND organization_id = ?2";
        self.one(sql, [id.get(), organization.get()], project)
    }

    fn project_by_name(&self, organization: OrganizationId, name: &Name) -> Result<Option<Project>> {
        let sql = "SELECT id, organization_id, name, description, created_at FROM projects WHERE organization_id = ?1 AND name = ?2";
        self.one(sql, params![organization.get(), name.as_str()], project)
    }

    fn projects(&self, organization: OrganizationId, after: Option<&Name>, limit: u32) -> Result<Vec<Project>> {
        let sql = "SELECT id, organization_id, name, description, created_at FROM projects \
                   WHERE organization_id = ?1 AND name > ?2 ORDER BY name LIMIT ?3";
        self.all(sql, params![organization.get(), after.map_or("", Name::as_str), limit], project)
    }

    fn api_key(&self, scope: Scope, id: KeyId) -> Result<Option<ApiKey>> {
        let sql = select_api_key!("k.id = ?1 AND k.organization_id = ?2 AND k.project_id IS ?3");
        self.one(sql, params![id.get(), scope.organization.get(), scope.project.map(ProjectId::get)], api_key)
    }

    fn api_key_anywhere(&self, id: KeyId) -> Result<Option<ApiKey>> {
        key(self.connection, id)
    }

    fn api_keys(&self, scope: Scope, before: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>> {
        let sql = select_api_key!(
            "k.organization_id = ?1 AND k.project_id IS ?2 AND k.id > ?3 AND k.id < ?4 ORDER BY k.id DESC LIMIT ?5"
        );
        let (organization, project) = (scope.organization.get(), scope.project.map(ProjectId::get));
        let mut keys = Vec::new();
        let ranges = open_import::visible_ranges(self.connection, 0, before.map_or(i64::MAX, KeyId::get))?;
        for (after, before) in ranges.into_iter().rev() {
            let left = u64::from(limit).cast_signed() - keys.len() as i64;
            keys.extend(self.all(sql, params![organization, project, after, before, left], api_key)?);
        }
        Ok(keys)
    }

    fn api_key_by_digest(&self, digest: &Digest) -> Result<Option<Found>> {
        let Some((key, presented)) = self.find_by_digest(digest)? else { return Ok(None) };
        let incomplete = |what| Error::Internal(format!("API key {} has no {what}", key.id.get()));
        let Scope { organization: id, project } = key.scope;
        let organization = self.organization(id)?.ok_or_else(|| incomplete("organization"))?;
        let project = match project {
            None => None,
            Some(project) => Some(self.project(id, project)?.ok_or_else(|| incomplete("project"))?),
        };
        Ok(Some(Found { key, presented, organization, project }))
    }

    fn is_taken(&self, digest: &Digest) -> Result<bool> {
        Ok(self.is_in_use(digest)? || open_import::holds(self.connection, digest)?)
    }

    fn has_ended(&self, digest: &Digest) -> Result<bool> {
        let sql = "SELECT 1 FROM ended_values WHERE digest = ?1 AND algorithm = ?2";
        let parameters = params![digest.as_bytes(), import::stored(digest.algorithm())];
        Ok(self.one(sql, parameters, |_| Ok(()))?.is_some())
    }

    fn forms(&self) -> Result<Forms> {
        Ok(import::forms(self.connection)?)
    }

    fn count_api_keys(&self, after: Option<KeyId>, limit: u32, now: Timestamp) -> Result<(KeyCounts, Option<KeyId>)> {
        let sql = "SELECT count(*), count(*) FILTER (WHERE NOT valid), \
                   count(*) FILTER (WHERE valid AND expires_at <= ?1), max(id) \
                   FROM (SELECT id, valid, expires_at FROM api_keys WHERE id > ?2 AND id < ?3 ORDER BY id LIMIT ?4)";
        let (mut counts, mut last, mut left) = (KeyCounts::default(), None, limit);
        for (after, before) in open_import::visible_ranges(self.connection, after.map_or(0, KeyId::get), i64::MAX)? {
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

    fn sizes(&self, what: Counted, after: i64, limit: u32) -> Result<SizesSlice> {
        sizes::slice(self.connection, what, after, limit)
    }

    fn latest_time(&self) -> Result<Option<Timestamp>> {
        let sql = "SELECT max(at) FROM (SELECT * FROM (SELECT at FROM audit_events ORDER BY number DESC LIMIT 1000) \
                   UNION ALL SELECT max(last_used_at) FROM api_key_value_uses)";
        Ok(self.one(sql, [], |row| optional_timestamp(row, 0))?.flatten())
    }

    fn audit_head(&self) -> Result<Option<Link>> {
        audit::head(self.connection)
    }

    fn events(&self, filter: &EventFilter, before: Option<i64>, limit: u32) -> Result<Vec<Event>> {
        audit::events(self.connection, filter, before, limit)
    }

    fn events_within(
        &self,
        filter: &EventFilter,
        before: Option<i64>,
        limit: u32,
        within: u32,
    ) -> Result<EventsSlice<Vec<Event>>> {
        audit::events_within(self.connection, filter, before, limit, within)
    }

    fn count_events_within(&self, filter: &EventFilter, before: i64, within: u32) -> Result<EventsSlice<u64>> {
        audit::count_within(self.connection, filter, before, within)
    }

    fn audit_start(&self) -> Result<Link> {
        audit::start(self.connection)
    }

    fn check_chain(&self, after: Option<Link>, limit: u32) -> Result<Checked> {
        audit::check(self.connection, after, limit)
    }

    fn idempotent_request(&self, caller: KeyId, name: &str) -> Result<Option<IdempotentRequest>> {
        let sql = "SELECT request_digest, api_key_id, created_at FROM idempotent_requests WHERE caller_key_id = ?1 AND name = ?2";
        self.one(sql, params![caller.get(), name], |row| {
            Ok(IdempotentRequest {
                caller,
                name: name.to_owned(),
                digest: row.get(0)?,
                api_key: key_id(row, 1)?,
                created_at: timestamp(row, 2)?,
            })
        })
    }
}

impl Writes for Rows<'_> {
    fn insert_organization(&mut self, organization: &Organization) -> Result<()> {
        self.change(
            "INSERT INTO organizations (id, name, created_at) VALUES (?1, ?2, ?3)",
            params![organization.id.get(), organization.name.as_str(), organization.created_at.unix_ms()],
        )?;
        self.effects.marks_ledger = true;
        Ok(())
    }

    fn rename_organization(&mut self, id: OrganizationId, name: &Name) -> Result<bool> {
        let changed =
            self.change("UPDATE organizations SET name = ?2 WHERE id = ?1", params![id.get(), name.as_str()])?;
        self.effects.stale.extend((changed > 0).then_some(Stale::Everything));
        Ok(changed > 0)
    }

    fn insert_project(&mut self, project: &Project) -> Result<()> {
        self.change(
            "INSERT INTO projects (id, organization_id, name, description, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                project.id.get(),
                project.organization.get(),
                project.name.as_str(),
                project.description.as_ref().map(Description::as_str),
                project.created_at.unix_ms(),
            ],
        )?;
        Ok(())
    }

    fn update_project(&mut self, project: &Project) -> Result<()> {
        self.change(
            "UPDATE projects SET name = ?2, description = ?3 WHERE id = ?1",
            params![project.id.get(), project.name.as_str(), project.description.as_ref().map(Description::as_str)],
        )?;
        self.effects.stale.push(Stale::Everything);
        Ok(())
    }

    fn delete_project(&mut self, project: &Project) -> Result<usize> {
        let mut count = 0;
        let scope = Scope { organization: project.organization, project: Some(project.id) };
        loop {
            let keys = self.api_keys(scope, None, 1000)?;
            if keys.is_empty() {
                break;
            }
            keys.iter().try_for_each(|key| self.delete_api_key(key))?;
            count += keys.len();
        }
        open_import::remove_project(self.connection, project.organization.get(), project.id.get())?;
        self.change("DELETE FROM projects WHERE id = ?1", [project.id.get()])?;
        Ok(count)
    }

    fn insert_api_key(&mut self, key: NewApiKey) -> Result<ApiKey> {
        self.change(
            "INSERT INTO api_keys (organization_id, project_id, digest, tail, name, valid, created_at, expires_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7)",
            params![
                key.scope.organization.get(),
                key.scope.project.map(ProjectId::get),
                key.value.digest.as_bytes(),
                key.value.tail.as_str(),
                key.name.as_str(),
                key.created_at.unix_ms(),
                key.expires_at.map(Timestamp::unix_ms),
            ],
        )?;
        let id = self.connection.last_insert_rowid();
        self.effects.minted.push((key.value.digest.prefix(), id));
        Ok(ApiKey {
            id: KeyId::new(id).ok_or_else(|| damaged("an API key's id", id))?,
            scope: key.scope,
            name: key.name,
            value: key.value,
            shadow: None,
            valid: true,
            created_at: key.created_at,
            expires_at: key.expires_at,
            value_last_used: None,
            rate_limit: None,
            allowed_addresses: None,
        })
    }

    fn rehash_api_key(&mut self, id: KeyId, from: &Digest, to: &Digest) -> Result<bool> {
        let changed = self.change(
            "UPDATE api_keys SET digest = ?4, digest_algorithm = ?5 \
             WHERE id = ?1 AND digest = ?2 AND digest_algorithm = ?3 \
             AND NOT EXISTS (SELECT 1 FROM ended_values WHERE digest = ?4 AND algorithm = ?5)",
            params![
                id.get(),
                from.as_bytes(),
                import::stored(from.algorithm()),
                to.as_bytes(),
                import::stored(to.algorithm())
            ],
        )?;
        if changed > 0 {
            self.forget(id, *from)?;
            self.index_at_once(id, *to)?;
            // The key is known by another digest from now on: nobody may bring in its value by this one.
            self.end(*from)?;
            self.effects.stale.extend([*from, *to].map(Stale::Key));
            // What the ledger may say of the key names the digest that it had.
            self.effects.standings.extend(self.api_key_anywhere(id)?.as_ref().map(Standing::of));
        }
        Ok(changed > 0)
    }

    fn update_api_key(&mut self, before: &ApiKey, after: &ApiKey) -> Result<()> {
        let shadow = after.shadow.as_ref();
        self.change(
            "UPDATE api_keys SET name = ?2, digest = ?3, tail = ?4, shadow_digest = ?5, shadow_tail = ?6, \
             rotates_at = ?7, valid = ?8, expires_at = ?9, rate_limit = ?10, rate_window_s = ?11, \
             allowed_addresses = ?12, digest_algorithm = ?13 WHERE id = ?1",
            params![
                after.id.get(),
                after.name.as_str(),
                after.value.digest.as_bytes(),
                after.value.tail.as_str(),
                shadow.map(|shadow| shadow.fingerprint.digest.as_bytes()),
                shadow.map(|shadow| shadow.fingerprint.tail.as_str()),
                shadow.map(|shadow| shadow.rotates_at.unix_ms()),
                after.valid,
                after.expires_at.map(Timestamp::unix_ms),
                after.rate_limit.map(RateLimit::limit),
                after.rate_limit.map(RateLimit::window_s),
                after.allowed_addresses.as_ref().map(AddressList::to_string),
                import::stored(after.value.digest.algorithm()),
            ],
        )?;
        let new_value = |key: &ApiKey| key.shadow.as_ref().map(|shadow| shadow.fingerprint);
        if before.shadow.is_some() && new_value(before) != new_value(after) {
            // The former new value is the value now, or gone; either way its uses are the key's.
            let uses = after.value_last_used.map(|at| (after.id, after.value.digest, at));
            self.record_uses(uses.as_slice())?;
            self.change("DELETE FROM api_key_value_uses WHERE key_id = ?1 AND is_shadow = 1", [after.id.get()])?;
        }
        for gone in digests(before).filter(|old| digests(after).all(|new| new != *old)) {
            self.retire(after.id, gone)?;
            self.end(gone)?;
        }
        for new in digests(after).filter(|new| digests(before).all(|old| old != *new)) {
            self.index_at_once(after.id, new)?;
        }
        self.effects.stale.extend(digests(before).map(Stale::Key));
        let standing = Standing::of(after);
        self.effects.standings.extend((standing != Standing::of(before)).then_some(standing));
        Ok(())
    }

    fn delete_api_key(&mut self, key: &ApiKey) -> Result<()> {
        self.change("DELETE FROM api_keys WHERE id = ?1", [key.id.get()])?;
        self.change("DELETE FROM api_key_value_uses WHERE key_id = ?1", [key.id.get()])?;
        for digest in self.former_values(key.id)?.into_iter().chain(digests(key)) {
            self.forget(key.id, digest)?;
        }
        digests(key).try_for_each(|digest| self.end(digest))?;
        self.change("DELETE FROM former_values WHERE key_id = ?1", [key.id.get()])?;
        self.effects.stale.extend(digests(key).map(Stale::Key));
        self.effects.standings.push(Standing::revoked(key));
        Ok(())
    }

    fn record_uses(&mut self, uses: &[Use]) -> Result<()> {
        for (id, digest, at) in uses {
            // By the digest, not by what the value was when it was used: rotations end and begin.
            self.change(
                "INSERT INTO api_key_value_uses (key_id, is_shadow, last_used_at) \
                 SELECT id, shadow_digest IS ?2, ?3 FROM api_keys WHERE id = ?1 \
                 ON CONFLICT (key_id, is_shadow) DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at)",
                params![id.get(), digest.as_bytes(), at.unix_ms()],
            )?;
        }
        Ok(())
    }

    fn insert_idempotent_request(&mut self, request: &IdempotentRequest) -> Result<()> {
        self.change(
            "INSERT OR REPLACE INTO idempotent_requests (caller_key_id, name, request_digest, api_key_id, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                request.caller.get(),
                request.name,
                request.digest,
                request.api_key.get(),
                request.created_at.unix_ms()
            ],
        )?;
        Ok(())
    }

    fn append_event(&mut self, event: &NewEvent) -> Result<()> {
        audit::append(self.connection, event)
    }

    fn prune_events(&mut self, until: Timestamp, limit: u32) -> Result<Option<(Link, usize)>> {
        audit::prune(self.connection, until, limit)
    }

    fn touch(&mut self) -> Result<()> {
        // SQLite does not look whether it is the same.
        Ok(self.connection.pragma_update(None, "user_version", VERSION)?)
    }

    fn forget_idempotent_requests(&mut self, before: Timestamp, limit: u32) -> Result<()> {
        self.change(
            "DELETE FROM idempotent_requests WHERE (caller_key_id, name) IN (SELECT caller_key_id, name \
             FROM idempotent_requests WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)",
            params![before.unix_ms(), limit],
        )?;
        Ok(())
    }
}

fn organization(row: &Row<'_>) -> Result<Organization> {
    Ok(Organization { id: organization_id(row, 0)?, name: name(row, 1)?, created_at: timestamp(row, 2)? })
}

fn project(row: &Row<'_>) -> Result<Project> {
    let id: i64 = row.get(0)?;
    let description: Option<String> = row.get(3)?;
    Ok(Project {
        id: ProjectId::new(id).ok_or_else(|| damaged("a project's id", id))?,
        organization: organization_id(row, 1)?,
        name: name(row, 2)?,
        description: description.as_deref().map(Description::stored).transpose()?,
        created_at: timestamp(row, 4)?,
    })
}

fn api_key(row: &Row<'_>) -> Result<ApiKey> {
    let project: Option<i64> = row.get(2)?;
    let rotates_at = optional_timestamp(row, 8)?;
    let shadow = |rotates_at| {
        // Whatever the outgoing value is known by, the new one was made here.
        let fingerprint = fingerprint(row, 6, Algorithm::Blake3)?;
        Ok::<_, Error>(Shadow { fingerprint, rotates_at, last_used: optional_timestamp(row, 9)? })
    };
    Ok(ApiKey {
        id: key_id(row, 0)?,
        scope: Scope {
            organization: organization_id(row, 1)?,
            project: project.map(|id| ProjectId::new(id).ok_or_else(|| damaged("a project's id", id))).transpose()?,
        },
        name: name(row, 3)?,
        value: fingerprint(row, 4, algorithm(row, 17)?)?,
        shadow: rotates_at.map(shadow).transpose()?,
        valid: row.get(10)?,
        created_at: timestamp(row, 11)?,
        expires_at: optional_timestamp(row, 12)?,
        value_last_used: optional_timestamp(row, 13)?,
        rate_limit: rate_limit(row)?,
        allowed_addresses: allowed_addresses(row)?,
    })
}

fn rate_limit(row: &Row<'_>) -> Result<Option<RateLimit>> {
    let Some(limit) = row.get::<_, Option<u32>>(14)? else { return Ok(None) };
    let rate_limit = RateLimit::new(limit, row.get(15)?);
    rate_limit.map(Some).ok_or_else(|| damaged("a rate limit", limit.into()))
}

fn allowed_addresses(row: &Row<'_>) -> Result<Option<AddressList>> {
    let text = row.get_ref(16)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    text.map(|text| AddressList::parse(text.split(','))).transpose()
}

/// A digest, and the tail in the column after it.
fn fingerprint(row: &Row<'_>, column: usize, algorithm: Algorithm) -> Result<Fingerprint> {
    let tail = row.get_ref(column + 1)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Fingerprint { digest: Digest::of(algorithm, row.get(column)?), tail: Tail::foreign(tail)? })
}

pub(super) fn algorithm(row: &Row<'_>, column: usize) -> Result<Algorithm> {
    let number: i64 = row.get(column)?;
    import::algorithm(number).ok_or_else(|| damaged("a digest's algorithm", number))
}

fn name(row: &Row<'_>, column: usize) -> Result<Name> {
    Name::read(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

fn key_id(row: &Row<'_>, column: usize) -> Result<KeyId> {
    let id: i64 = row.get(column)?;
    KeyId::new(id).ok_or_else(|| damaged("an API key's id", id))
}

/// Where an organization may be missing.
pub(super) fn organization_id_of(row: &Row<'_>, column: usize) -> Result<Option<OrganizationId>> {
    let id: Option<i64> = row.get(column)?;
    id.map(|id| OrganizationId::new(id).ok_or_else(|| damaged("an organization's id", id))).transpose()
}

fn organization_id(row: &Row<'_>, column: usize) -> Result<OrganizationId> {
    let id: i64 = row.get(column)?;
    OrganizationId::new(id).ok_or_else(|| damaged("an organization's id", id))
}

pub(super) fn timestamp(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    let ms: i64 = row.get(column)?;
    Timestamp::from_unix_ms(ms).ok_or_else(|| damaged("a time", ms))
}

fn optional_timestamp(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    let ms: Option<i64> = row.get(column)?;
    ms.map(|ms| Timestamp::from_unix_ms(ms).ok_or_else(|| damaged("a time", ms))).transpose()
}

pub(super) fn damaged(what: &str, value: i64) -> Error {
    Error::Internal(format!("the store holds {what} that cannot be: {value}"))
}
