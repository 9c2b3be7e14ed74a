//! Implements the queries of the store's contract.

use super::columns::{key_id, optional_timestamp, timestamp};
use super::transaction::StoreTransaction;
use super::{audit, imported_forms, keys, sizes};
use crate::domain::{
    ApiKey, ChainCheck, Digest, Event, EventFilter, Hour, KeyCounts, KeyForms, KeyId, Link, Name, Organization,
    OrganizationId, Owner, Parent, Project, ProjectId, Result, Timestamp, UseCounts,
};
use crate::store::{Counted, EventsSlice, IdempotentRequest, KeysPlace, KeysSlice, Reads, SizesSlice, UsesSlice};
use rusqlite::params;
use std::ops::Range;

impl Reads for StoreTransaction<'_> {
    fn is_initialized(&self) -> Result<bool> {
        Ok(self.one("SELECT 1 FROM organizations LIMIT 1", [], |_| Ok(()))?.is_some())
    }

    fn organization(&self, id: OrganizationId) -> Result<Option<Organization>> {
        self.find_organization(id)
    }

    fn organizations(&self, after: Option<&Organization>, limit: u32) -> Result<Vec<Organization>> {
        self.list_organizations(after, limit)
    }

    fn count_organizations(&self) -> Result<u32> {
        Ok(self.one("SELECT count(*) FROM organizations", [], |row| Ok(row.get(0)?))?.unwrap_or_default())
    }

    fn project(&self, organization: OrganizationId, id: ProjectId) -> Result<Option<Project>> {
        self.find_project(organization, id)
    }

    fn project_by_name(&self, organization: OrganizationId, name: &Name) -> Result<Option<Project>> {
        self.find_project_by_name(organization, name)
    }

    fn projects(&self, organization: OrganizationId, after: Option<&Name>, limit: u32) -> Result<Vec<Project>> {
        self.list_projects(organization, after, limit)
    }

    fn api_key(&self, parent: Parent, id: KeyId) -> Result<Option<ApiKey>> {
        self.key_of_parent(parent, id)
    }

    fn api_key_anywhere(&self, id: KeyId) -> Result<Option<ApiKey>> {
        keys::key(self.connection, id)
    }

    fn api_keys(
        &self,
        parent: Parent,
        owner: Option<&Owner>,
        before: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>> {
        self.list_keys(parent, owner, before, limit)
    }

    fn keys_of_organization(&self, organization: OrganizationId, from: KeysPlace, limit: u32) -> Result<KeysSlice> {
        self.slice_of_organization(organization, from, limit)
    }

    fn has_ended(&self, digest: &Digest) -> Result<bool> {
        self.is_ended(digest)
    }

    fn forms(&self) -> Result<KeyForms> {
        Ok(imported_forms::forms(self.connection)?)
    }

    fn count_api_keys(&self, after: Option<KeyId>, limit: u32, now: Timestamp) -> Result<(KeyCounts, Option<KeyId>)> {
        self.count_keys(after, limit, now)
    }

    fn sizes(&self, what: Counted, after: i64, limit: u32) -> Result<SizesSlice> {
        sizes::slice(self.connection, what, after, limit)
    }

    fn latest_time(&self) -> Result<Option<Timestamp>> {
        let sql = "SELECT max(at) FROM (SELECT * FROM (SELECT at FROM audit_events ORDER BY number DESC LIMIT 1000) \
                   UNION ALL SELECT max(last_used_at) FROM key_values)";
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

    fn check_chain(&self, after: Option<Link>, limit: u32) -> Result<ChainCheck> {
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

    fn usage(
        &self,
        organization: OrganizationId,
        key: Option<KeyId>,
        hours: Range<Hour>,
    ) -> Result<Vec<(Hour, UseCounts)>> {
        self.uses(organization, key, hours)
    }

    fn usage_by_key(
        &self,
        organization: OrganizationId,
        hours: Range<Hour>,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<UsesSlice> {
        self.uses_by_key(organization, hours, after, limit)
    }
}
