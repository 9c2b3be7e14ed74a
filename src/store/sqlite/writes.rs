//! Implements the changes of the store's contract.

use super::migrations::VERSION;
use super::transaction::StoreTransaction;
use super::{audit, running_import};
use crate::domain::{
    ApiKey, CountedUses, Digest, Hour, KeyId, Link, Name, NewEvent, Organization, OrganizationId, Parent, Project,
    Result, Timestamp,
};
use crate::store::revisions::Stale;
use crate::store::{IdempotentRequest, LastUse, NewApiKey, Reads, Writes};
use rusqlite::params;

impl Writes for StoreTransaction<'_> {
    fn insert_organization(&mut self, organization: &Organization) -> Result<()> {
        self.store_organization(organization)?;
        self.effects.marks_ledger = true;
        Ok(())
    }

    fn rename_organization(&mut self, id: OrganizationId, name: &Name) -> Result<bool> {
        let is_there = self.set_organization_name(id, name)?;
        self.effects.stale.extend(is_there.then_some(Stale::AllKeys));
        Ok(is_there)
    }

    fn insert_project(&mut self, project: &Project) -> Result<()> {
        self.store_project(project)
    }

    fn update_project(&mut self, project: &Project) -> Result<()> {
        self.store_project_change(project)?;
        self.effects.stale.push(Stale::AllKeys);
        Ok(())
    }

    fn delete_project(&mut self, project: &Project) -> Result<usize> {
        let mut count = 0;
        let parent = Parent { organization: project.organization, project: Some(project.id) };
        loop {
            let keys = self.api_keys(parent, None, None, 1000)?;
            if keys.is_empty() {
                break;
            }
            keys.iter().try_for_each(|key| self.delete_api_key(key))?;
            count += keys.len();
        }
        running_import::remove_project(self.connection, project.organization.get(), project.id.get())?;
        self.change("DELETE FROM projects WHERE id = ?1", [project.id.get()])?;
        Ok(count)
    }

    fn is_taken(&self, digest: &Digest) -> Result<bool> {
        Ok(self.is_in_use(digest)? || running_import::holds(self.connection, digest)?)
    }

    fn insert_api_key(&mut self, key: NewApiKey) -> Result<ApiKey> {
        self.store_key(key)
    }

    fn rehash_api_key(&mut self, id: KeyId, from: &Digest, to: &Digest) -> Result<bool> {
        self.store_rehashed_key(id, from, to)
    }

    fn update_api_key(&mut self, before: &ApiKey, after: &ApiKey) -> Result<()> {
        self.store_key_change(before, after)
    }

    fn delete_api_key(&mut self, key: &ApiKey) -> Result<()> {
        self.remove_key(key)
    }

    fn record_last_used(&mut self, uses: &[LastUse]) -> Result<()> {
        self.store_last_used(uses)
    }

    fn add_usage(&mut self, uses: &[CountedUses]) -> Result<()> {
        self.store_uses(uses)
    }

    fn prune_usage(&mut self, before: Hour, limit: u32) -> Result<usize> {
        self.remove_uses(before, limit)
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
        // SQLite writes it even though it is unchanged.
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
