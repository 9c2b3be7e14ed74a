//! Use cases of projects.

use super::Service;
use super::audit::describe_project;
use super::authority::{Administer, Authority, Read};
use super::change_limit::ChangeKind;
use crate::domain::{
    Action, ApiKey, Description, Error, KeyChange, Name, OrganizationId, Parent, Project, ProjectId, Result, Secret,
};
use crate::store::{NewApiKey, Reads};

/// Maximum number of projects per page of a list.
pub const PROJECTS_PAGE: u32 = 1000;
/// Name of a project's first key.
const FIRST_KEY: &str = "Default key";

/// A project to create.
#[derive(Debug)]
pub struct NewProject {
    /// Random bytes for its id.
    pub random: [u8; 16],
    /// Its name.
    pub name: Name,
    /// Its description.
    pub description: Option<Description>,
    /// Random bytes for its first key.
    pub key_random: [u8; 16],
}

/// Changes to a project; `None` leaves a field as it is.
#[derive(Debug)]
pub struct ProjectChange {
    /// The new name.
    pub name: Option<Name>,
    /// The new description; the inner `None` removes it.
    pub description: Option<Option<Description>>,
}

impl Service {
    /// Creates a project with its first key in one transaction.
    ///
    /// # Errors
    /// [`Error::TooManyChanges`], [`Error::Conflict`] if the organization has a project with this name.
    pub async fn create_project(
        &self,
        authority: Authority<Administer>,
        new: NewProject,
    ) -> Result<(Project, ApiKey, Secret)> {
        self.count_change(&authority, ChangeKind::Other)?;
        let project = Project {
            id: ProjectId::from_random(new.random),
            organization: authority.organization(),
            name: new.name,
            description: new.description,
            created_at: authority.now(),
        };
        let parent = Parent { organization: project.organization, project: Some(project.id) };
        let secret = Secret::new(self.key_prefix(parent), new.key_random);
        let key = NewApiKey {
            parent,
            value: secret.fingerprint(),
            name: Name::parse(FIRST_KEY)?,
            created_at: authority.now(),
            expires_at: None,
            change: KeyChange::default(),
        };
        self.write_by(authority, move |writes, authority| {
            expect_free(writes, &project)?;
            writes.insert_project(&project)?;
            let created = [None, Some(describe_project(&project))];
            writes.append_event(&authority.clone().on_project(Action::ProjectCreated, project.id, created)?)?;
            let key = writes.insert_api_key(key)?;
            writes.append_event(&authority.on_key(Action::KeyCreated, &key, [None, Some(&key)])?)?;
            Ok((project, key, secret))
        })
        .await
    }

    /// Up to `limit` projects in order of name, after `after`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn projects(&self, authority: &Authority<Read>, after: Option<Name>, limit: u32) -> Result<Vec<Project>> {
        let organization = authority.organization();
        self.store.read(move |reads| reads.projects(organization, after.as_ref(), limit)).await
    }

    /// One project.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for another organization's project.
    pub async fn project(&self, authority: &Authority<Read>, id: ProjectId) -> Result<Project> {
        let organization = authority.organization();
        self.store.read(move |reads| find(reads, organization, id)).await
    }

    /// Changes a project's name, description or both.
    ///
    /// # Errors
    /// [`Error::TooManyChanges`], [`Error::NotFound`], [`Error::Conflict`] if another project has the name.
    pub async fn update_project(
        &self,
        authority: Authority<Administer>,
        id: ProjectId,
        change: ProjectChange,
    ) -> Result<Project> {
        self.count_change(&authority, ChangeKind::Other)?;
        let organization = authority.organization();
        self.write_by(authority, move |writes, authority| {
            let before = find(writes, organization, id)?;
            let mut project = before.clone();
            project.name = change.name.unwrap_or(project.name);
            project.description = change.description.unwrap_or(project.description);
            expect_free(writes, &project)?;
            if project != before {
                writes.update_project(&project)?;
                let change = [&before, &project].map(|project| Some(describe_project(project)));
                writes.append_event(&authority.on_project(Action::ProjectUpdated, id, change)?)?;
            }
            Ok(project)
        })
        .await
    }

    /// Deletes a project with its keys permanently; they are refused from the answer on. The change limit does
    /// not apply: deletions are bounded by projects.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for another organization's project.
    pub async fn delete_project(&self, authority: Authority<Administer>, id: ProjectId) -> Result<()> {
        let organization = authority.organization();
        self.write_by(authority, move |writes, authority| {
            let project = find(writes, organization, id)?;
            let keys = writes.delete_project(&project)?;
            let mut gone = describe_project(&project);
            gone["apiKeys"] = keys.into();
            writes.append_event(&authority.on_project(Action::ProjectDeleted, id, [Some(gone), None])?)
        })
        .await
    }
}

fn find<R: Reads + ?Sized>(reads: &R, organization: OrganizationId, id: ProjectId) -> Result<Project> {
    reads.project(organization, id)?.ok_or(Error::NotFound("project"))
}

/// Checks that no other project of the organization has this name.
fn expect_free<R: Reads + ?Sized>(reads: &R, project: &Project) -> Result<()> {
    match reads.project_by_name(project.organization, &project.name)? {
        Some(other) if other.id != project.id => {
            Err(Error::Conflict("The organization has a project of this name already.".to_owned()))
        }
        _ => Ok(()),
    }
}
