//! Read-only view of a store for imports and exports.

use super::import::TakenRows;
use super::{API_KEYS_PAGE, PROJECTS_PAGE, StoreOptions};
use crate::domain::{
    ApiKey, KeyCounts, Name, Organization, OrganizationId, Parent, Project, ProjectId, Result, Timestamp,
};
use crate::store::Reads;
use crate::store::file::{Staging, StoreView};

/// Organizations per read.
const ORGANIZATIONS_PAGE: u32 = 1000;

/// A read-only view of a store's file. A server may have it open. Blocks. Every method fails with
/// [`Error::Unavailable`](crate::domain::Error::Unavailable) if the file cannot be read.
pub struct ImportExportView(StoreView);

/// An exported object.
pub enum ExportItem<'a> {
    /// An organization.
    Organization(&'a Organization),
    /// A project.
    Project(&'a Organization, &'a Project),
    /// A key of an organization or a project.
    Key(&'a Organization, Option<&'a Project>, &'a ApiKey),
}

impl ImportExportView {
    /// Opens the store's file.
    ///
    /// # Errors
    /// As [`StoreView::open`].
    pub fn open(options: &StoreOptions) -> Result<Self> {
        StoreView::open(&options.path, options.busy_timeout).map(Self)
    }

    /// Whether the store is older than its ledger of revocations: its valid keys may have been revoked.
    ///
    /// # Errors
    /// See [`ImportExportView`].
    pub fn is_behind_ledger(&self) -> Result<bool> {
        self.0.is_behind_ledger()
    }

    /// Whether a server has the store open.
    pub fn has_server(&self) -> bool {
        self.0.has_server()
    }

    /// The organization with this id.
    ///
    /// # Errors
    /// See [`ImportExportView`].
    pub fn organization(&self, id: OrganizationId) -> Result<Option<Organization>> {
        self.0.read(|reads| reads.organization(id))
    }

    /// The first two organizations with this name, or the first two of all.
    ///
    /// # Errors
    /// See [`ImportExportView`].
    pub fn organizations_called(&self, name: Option<&Name>) -> Result<Vec<Organization>> {
        self.0.read(|reads| {
            let mut found = Vec::new();
            each_organization(reads, |organization| {
                if found.len() < 2 && name.is_none_or(|name| organization.name == *name) {
                    found.push(organization.clone());
                }
                Ok::<_, crate::domain::Error>(())
            })?;
            Ok(found)
        })
    }

    /// The organization's project with this id.
    ///
    /// # Errors
    /// See [`ImportExportView`].
    pub fn project(&self, organization: OrganizationId, id: ProjectId) -> Result<Option<Project>> {
        self.0.read(|reads| reads.project(organization, id))
    }

    /// The organization's project with this name.
    ///
    /// # Errors
    /// See [`ImportExportView`].
    pub fn project_called(&self, organization: OrganizationId, name: &Name) -> Result<Option<Project>> {
        self.0.read(|reads| reads.project_by_name(organization, name))
    }

    /// The staged rows whose value is taken, up to `limit` of each kind. Ended values are left out if they
    /// are allowed.
    ///
    /// # Errors
    /// See [`ImportExportView`].
    pub fn taken(
        &self,
        staged: &Staging,
        allows_ended: bool,
        limit: usize,
        progress: &dyn Fn(u64),
    ) -> Result<TakenRows> {
        self.0.read(|reads| TakenRows::of(reads, staged, allows_ended, limit, progress))
    }

    /// Number of keys.
    ///
    /// # Errors
    /// See [`ImportExportView`].
    pub fn count_keys(&self, now: Timestamp) -> Result<u64> {
        let (KeyCounts { active, deactivated, expired }, _) =
            self.0.read(|reads| reads.count_api_keys(None, u32::MAX, now))?;
        Ok([active, deactivated, expired].into_iter().map(u64::from).sum())
    }

    /// Passes all objects of one snapshot to `take`, with the keys' states at `now`: each organization, its
    /// keys (newest first), then each project with its keys.
    ///
    /// # Errors
    /// See [`ImportExportView`], and the errors of `take`.
    pub fn export<E: From<crate::domain::Error>>(
        &self,
        now: Timestamp,
        mut take: impl FnMut(ExportItem<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let mut outcome = Ok(());
        self.0.read(|reads| {
            outcome = each_organization(reads, |organization| {
                take(ExportItem::Organization(organization))?;
                each_key(reads, organization, None, now, &mut take)?;
                let mut after: Option<Project> = None;
                loop {
                    let projects = reads.projects(organization.id, after.as_ref().map(|it| &it.name), PROJECTS_PAGE)?;
                    for project in &projects {
                        take(ExportItem::Project(organization, project))?;
                        each_key(reads, organization, Some(project), now, &mut take)?;
                    }
                    let Some(last) = projects.into_iter().next_back() else { return Ok(()) };
                    after = Some(last);
                }
            });
            Ok(())
        })?;
        outcome
    }
}

fn each_organization<E: From<crate::domain::Error>>(
    reads: &dyn Reads,
    mut take: impl FnMut(&Organization) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let mut after: Option<Organization> = None;
    loop {
        let organizations = reads.organizations(after.as_ref(), ORGANIZATIONS_PAGE)?;
        organizations.iter().try_for_each(&mut take)?;
        let Some(last) = organizations.into_iter().next_back() else { return Ok(()) };
        after = Some(last);
    }
}

fn each_key<E: From<crate::domain::Error>>(
    reads: &dyn Reads,
    organization: &Organization,
    project: Option<&Project>,
    now: Timestamp,
    mut take: impl FnMut(ExportItem<'_>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let parent = Parent { organization: organization.id, project: project.map(|project| project.id) };
    let mut before = None;
    loop {
        let mut keys = reads.api_keys(parent, None, before, API_KEYS_PAGE)?;
        let Some(last) = keys.last() else { return Ok(()) };
        before = Some(last.id);
        for key in &mut keys {
            key.complete_due_rotation(now);
            take(ExportItem::Key(organization, project, key))?;
        }
    }
}
