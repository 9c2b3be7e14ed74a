//! What a store holds, for whoever has its file: nothing is written, and a server may have it open.

use super::organization_sizes::{SLICE, SizeCount, largest};
use super::{EVENTS_PAGE, PROJECTS_PAGE, StoreOptions};
use crate::domain::{
    Action, ApiKey, Digest, Event, EventFilter, KeyCounts, KeyForms, KeyId, Link, Name, Organization, OrganizationId,
    OrganizationSize, Parent, Project, ProjectId, Refusal, Result, Timestamp,
};
use crate::store::Counted;
use crate::store::file::{self, Size, View};
use std::path::PathBuf;

/// How many organizations a page of a list has.
pub const ORGANIZATIONS_PAGE: u32 = 1000;

/// A store that is only looked at, at one time. Blocks. Every method fails with
/// [`Error::Unavailable`](crate::domain::Error::Unavailable) where the file cannot be read.
pub struct Overview {
    path: PathBuf,
    view: View,
    now: Timestamp,
}

/// What there is.
#[derive(Debug)]
pub struct StoreSummary {
    /// What the store takes on disk.
    pub size: Size,
    /// The version of its schema.
    pub schema: u32,
    /// How many organizations it has.
    pub organizations: u32,
    /// How many keys it has.
    pub api_keys: KeyCounts,
    /// The organizations that take the most, largest first.
    pub largest: Vec<(OrganizationId, OrganizationSize)>,
    /// The newest event of the audit log.
    pub audit_head: Option<Link>,
    /// The newest event that changed anything, where it is one of the newest [`EVENTS_PAGE`]: failed authentications do not.
    pub last_change: Option<Event>,
}

/// A key, whose it is, and whether the value that it was looked for by is good.
#[derive(Debug)]
pub struct LookedUpKey {
    /// The key.
    pub key: ApiKey,
    /// Its organization.
    pub organization: Organization,
    /// Its project, where it belongs to one.
    pub project: Option<Project>,
    /// The reason why the value is refused, wherever it is used from and however often.
    pub outcome: std::result::Result<(), Refusal>,
}

impl Overview {
    /// Opens the store's file.
    ///
    /// # Errors
    /// As [`View::open`].
    pub fn open(options: &StoreOptions, now: Timestamp) -> Result<Self> {
        let view = View::open(&options.path, options.busy_timeout)?;
        Ok(Self { path: options.path.clone(), view, now })
    }

    /// Whether the store is older than its ledger of revocations, so that keys that are good in it may have been revoked.
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

    /// What there is. Looks at every key and every event, a slice at a time.
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
                schema: file::SCHEMA,
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

    /// The latest time that the store knows of: it was past when it was written.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn latest_time(&self) -> Result<Option<Timestamp>> {
        self.view.read(|reads| reads.latest_time())
    }

    /// Up to [`ORGANIZATIONS_PAGE`] organizations by name, starting after `after`.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn organizations(&self, after: Option<&Organization>) -> Result<Vec<Organization>> {
        self.view.read(|reads| reads.organizations(after, ORGANIZATIONS_PAGE))
    }

    /// The organization; `None` where there is none.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn organization(&self, id: OrganizationId) -> Result<Option<Organization>> {
        self.view.read(|reads| reads.organization(id))
    }

    /// Up to [`PROJECTS_PAGE`] projects by name, starting after `after`.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn projects(&self, organization: OrganizationId, after: Option<&Name>) -> Result<Vec<Project>> {
        self.view.read(|reads| reads.projects(organization, after, PROJECTS_PAGE))
    }

    /// The organization's project; `None` where it has none such.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn project(&self, organization: OrganizationId, id: ProjectId) -> Result<Option<Project>> {
        self.view.read(|reads| reads.project(organization, id))
    }

    /// The organization's project of this name.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn project_by_name(&self, organization: OrganizationId, name: &Name) -> Result<Option<Project>> {
        self.view.read(|reads| reads.project_by_name(organization, name))
    }

    /// Up to `limit` of the parent's keys, newest first, starting below `before`.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn api_keys(&self, parent: Parent, before: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>> {
        let mut keys = self.view.read(|reads| reads.api_keys(parent, before, limit))?;
        keys.iter_mut().for_each(|key| key.complete_due_rotation(self.now));
        Ok(keys)
    }

    /// The key of this number, whomever it belongs to.
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

    /// What imports have ever brought in.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn forms(&self) -> Result<KeyForms> {
        self.view.read(|reads| reads.forms())
    }

    /// The key that this credential, which is not of any assumed form, is a value of.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn look_up_presented(&self, credential: &[u8]) -> Result<Option<LookedUpKey>> {
        let forms = self.forms()?;
        let Some(digest) = Digest::of_presented(credential, forms) else { return Ok(None) };
        if let Some(looked) = self.look_up(&digest)? {
            return Ok(Some(looked));
        }
        // A value that ended is nobody's, by whichever digest it came back.
        match Digest::sha256_of_presented(credential, forms) {
            Some(sha256) if !self.view.read(|reads| reads.has_ended(&digest))? => self.look_up(&sha256),
            _ => Ok(None),
        }
    }

    /// The key that has a value with this digest, or had one; `None` where nobody has. No use is recorded.
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
