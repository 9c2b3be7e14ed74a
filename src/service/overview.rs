//! What a store holds, for whoever has its file: nothing is written, and a server may have it open.

use super::{API_KEYS_PAGE, PROJECTS_PAGE, StoreOptions};
use crate::domain::{
    ApiKey, Digest, KeyId, Name, Organization, OrganizationId, Project, ProjectId, Refusal, Result, Scope, Timestamp,
};
use crate::store::View;

/// How many organizations a page of a list has.
pub const ORGANIZATIONS_PAGE: u32 = 1000;

/// A store that is only looked at, at one time. Blocks. Every method fails with
/// [`Error::Unavailable`](crate::domain::Error::Unavailable) where the file cannot be read.
pub struct Overview {
    view: View,
    now: Timestamp,
}

/// A key, whose it is, and whether the value that it was looked for by is good.
#[derive(Debug)]
pub struct Looked {
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
        Ok(Self { view: View::open(&options.path, options.busy_timeout)?, now })
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

    /// Up to [`API_KEYS_PAGE`] of the scope's keys, newest first, starting below `before`.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn api_keys(&self, scope: Scope, before: Option<KeyId>) -> Result<Vec<ApiKey>> {
        let mut keys = self.view.read(|reads| reads.api_keys(scope, before, API_KEYS_PAGE))?;
        keys.iter_mut().for_each(|key| key.settle(self.now));
        Ok(keys)
    }

    /// The key of this number, whomever it belongs to.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn api_key(&self, id: KeyId) -> Result<Option<ApiKey>> {
        let key = self.view.read(|reads| reads.api_key_anywhere(id))?;
        Ok(key.map(|mut key| {
            key.settle(self.now);
            key
        }))
    }

    /// The key that has a value with this digest, or had one; `None` where nobody has. No use is recorded.
    ///
    /// # Errors
    /// See [`Overview`].
    pub fn look_up(&self, digest: &Digest) -> Result<Option<Looked>> {
        let found = self.view.read(|reads| reads.api_key_by_digest(digest))?;
        Ok(found.map(|found| {
            let outcome = found.key.check(found.presented, self.now);
            let mut key = found.key;
            key.settle(self.now);
            Looked { key, organization: found.organization, project: found.project, outcome }
        }))
    }
}
