//! Read-only view of a store for commands that show its contents.

use super::organization_sizes::{SLICE, SizeCount, largest};
use super::{EVENTS_PAGE, PROJECTS_PAGE, StoreOptions};
use crate::domain::{
    Action, ApiKey, Digest, Event, EventFilter, Hour, KeyCounts, KeyForms, KeyId, Link, Name, Organization,
    OrganizationId, OrganizationSize, Owner, Parent, Permissions, Project, ProjectId, Refusal, Result, Timestamp,
    UseCounts,
};
use crate::store::Counted;
use crate::store::file::{self, StoreSize, StoreView};
use std::ops::Range;
use std::path::PathBuf;

/// Maximum number of organizations per page of a list.
pub const ORGANIZATIONS_PAGE: u32 = 1000;

/// A read-only view of a store's file, with the keys' states at one time. A server may have it open. Blocks.
/// Every method fails with [`Error::Unavailable`](crate::domain::Error::Unavailable) if the file cannot be
/// read.
pub struct Overview {
    path: PathBuf,
    view: StoreView,
    pub(super) now: Timestamp,
}

/// Figures about a store.
#[derive(Debug)]
pub struct StoreSummary {
    /// Sizes of its files.
    pub size: StoreSize,
    /// Version of its schema.
    pub schema: u32,
    /// Number of organizations.
    pub organizations: u32,
    /// Number of keys by state.
    pub api_keys: KeyCounts,
    /// The largest organizations, largest first.
    pub largest: Vec<(OrganizationId, OrganizationSize)>,
    /// The newest event of the audit log.
    pub audit_head: Option<Link>,
    /// The newest change among the newest [`EVENTS_PAGE`] events; a failed authentication is not a change.
    pub last_change: Option<Event>,
}

/// The result of a key lookup.
#[derive(Debug)]
pub struct LookedUpKey {
    /// The key.
    pub key: ApiKey,
    /// Its organization.
    pub organization: Organization,
    /// Its project, if it belongs to one.
    pub project: Option<Project>,
    /// Whether the value is valid, apart from addresses and rate limit; otherwise the reason.
    pub outcome: std::result::Result<(), Refusal>,
}

impl LookedUpKey {
    /// Whether the value is valid and its key has the needed permissions; otherwise the reason.
    ///
    /// # Errors
    /// The reason for the refusal.
    pub fn outcome_for(&self, needed: &Permissions) -> std::result::Result<(), Refusal> {
        self.outcome?;
        if self.key.permissions.grant(needed) { Ok(()) } else { Err(Refusal::InsufficientPermissions) }
    }
}

impl Overview {
    /// Opens the store's file.
    ///
    /// # Errors
    /// As [`StoreView::open`].
    pub fn open(options: &StoreOptions, now: Timestamp) -> Result<Self> {
        let view = StoreView::open(&options.path, options.busy_timeout)?;
        Ok(Self { path: options.path.clone(), view, now })
    }

    /// Whether the store is older than its ledger of revocations: its valid keys may have been revoked.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn is_behind_ledger(&self) -> Result<bool> {
        self.view.is_behind_ledger()
    }

    /// Whether a server has the store open.
    pub fn has_server(&self) -> bool {
        self.view.has_server()
    }

    /// Counts all keys and events, in slices.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn summary(&self) -> Result<StoreSummary> {
        let size = file::size(&self.path)?;
        let largest = self.largest()?;
        self.view.read(|reads| {
            let events = reads.events(&EventFilter::default(), None, EVENTS_PAGE)?;
            Ok(StoreSummary {
                size,
                schema: file::SCHEMA_VERSION,
                organizations: reads.count_organizations()?,
                api_keys: reads.count_api_keys(None, u32::MAX, self.now)?.0,
                largest,
                audit_head: reads.audit_head()?,
                last_change: events.into_iter().find(|event| event.what.action != Action::AuthenticationFailed),
            })
        })
    }

    fn largest(&self) -> Result<Vec<(OrganizationId, OrganizationSize)>> {
        let (mut keys, mut events) = (SizeCount::default(), SizeCount::default());
        for (what, count) in [(Counted::Keys, &mut keys), (Counted::Events, &mut events)] {
            count.finish(|after| self.view.read(|reads| reads.sizes(what, after, SLICE)))?;
        }
        Ok(largest(&keys, &events))
    }

    /// The latest time in the store, which was in the past when it was written.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn latest_time(&self) -> Result<Option<Timestamp>> {
        self.view.read(|reads| reads.latest_time())
    }

    /// Up to [`ORGANIZATIONS_PAGE`] organizations in order of name, after `after`.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn organizations(&self, after: Option<&Organization>) -> Result<Vec<Organization>> {
        self.view.read(|reads| reads.organizations(after, ORGANIZATIONS_PAGE))
    }

    /// The organization with this id.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn organization(&self, id: OrganizationId) -> Result<Option<Organization>> {
        self.view.read(|reads| reads.organization(id))
    }

    /// Up to [`PROJECTS_PAGE`] projects in order of name, after `after`.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn projects(&self, organization: OrganizationId, after: Option<&Name>) -> Result<Vec<Project>> {
        self.view.read(|reads| reads.projects(organization, after, PROJECTS_PAGE))
    }

    /// The organization's project with this id.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn project(&self, organization: OrganizationId, id: ProjectId) -> Result<Option<Project>> {
        self.view.read(|reads| reads.project(organization, id))
    }

    /// The organization's project with this name.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn project_by_name(&self, organization: OrganizationId, name: &Name) -> Result<Option<Project>> {
        self.view.read(|reads| reads.project_by_name(organization, name))
    }

    /// Up to `limit` keys of the parent, or only those of this owner, newest first, below `before`.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn api_keys(
        &self,
        parent: Parent,
        owner: Option<&Owner>,
        before: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>> {
        let mut keys = self.view.read(|reads| reads.api_keys(parent, owner, before, limit))?;
        keys.iter_mut().for_each(|key| key.complete_due_rotation(self.now));
        Ok(keys)
    }

    /// The key with this number, of any organization.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn api_key(&self, id: KeyId) -> Result<Option<ApiKey>> {
        let key = self.view.read(|reads| reads.api_key_anywhere(id))?;
        Ok(key.map(|mut key| {
            key.complete_due_rotation(self.now);
            key
        }))
    }

    /// The uses of the organization's key, or of all its keys, by hour. Hours without uses are left out.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn usage(
        &self,
        organization: OrganizationId,
        key: Option<KeyId>,
        hours: Range<Hour>,
    ) -> Result<Vec<(Hour, UseCounts)>> {
        self.view.read(|reads| reads.usage(organization, key, hours))
    }

    /// The forms of keys that imports have added.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn forms(&self) -> Result<KeyForms> {
        self.view.read(|reads| reads.forms())
    }

    /// Looks up a credential, which may be any bytes.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn look_up_presented(&self, credential: &[u8]) -> Result<Option<LookedUpKey>> {
        let forms = self.forms()?;
        let Some(digest) = Digest::of_presented(credential, forms) else { return Ok(None) };
        if let Some(looked) = self.look_up(&digest)? {
            return Ok(Some(looked));
        }
        // An ended value belongs to no key, even if its SHA-256 digest was imported again.
        match Digest::sha256_of_presented(credential, forms) {
            Some(sha256) if !self.view.read(|reads| reads.has_ended(&digest))? => self.look_up(&sha256),
            _ => Ok(None),
        }
    }

    /// Looks up a digest of a current or former value. Does not count as a use.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn look_up(&self, digest: &Digest) -> Result<Option<LookedUpKey>> {
        let found = self.view.lookup(digest)?;
        Ok(found.map(|found| {
            let outcome = found.key.check(found.presented, self.now);
            let mut key = found.key;
            key.complete_due_rotation(self.now);
            LookedUpKey { key, organization: found.organization, project: found.project, outcome }
        }))
    }
}
