//! The SQL of organizations and projects.

use super::columns::{damaged, name, organization_id, timestamp};
use super::transaction::StoreTransaction;
use crate::domain::{Description, Name, Organization, OrganizationId, Project, ProjectId, Result};
use rusqlite::{Row, named_params, params};

/// An organization's columns, in the order that [`organization`] reads them.
macro_rules! select_organization {
    ($rest:literal) => {
        concat!("SELECT id, name, created_at FROM organizations WHERE ", $rest)
    };
}

/// A project's columns, in the order that [`project`] reads them.
macro_rules! select_project {
    ($rest:literal) => {
        concat!("SELECT id, organization_id, name, description, created_at FROM projects WHERE ", $rest)
    };
}

impl StoreTransaction<'_> {
    pub(super) fn find_organization(&self, id: OrganizationId) -> Result<Option<Organization>> {
        self.one(select_organization!("id = ?1"), [id.get()], organization)
    }

    pub(super) fn list_organizations(&self, after: Option<&Organization>, limit: u32) -> Result<Vec<Organization>> {
        // There are few organizations, so no index sorts them. No name is empty, so all of them come after the empty
        // name.
        let (name, id) = after.map_or(("", 0), |after| (after.name.as_str(), after.id.get()));
        let sql = select_organization!("(name, id) > (?1, ?2) ORDER BY name, id LIMIT ?3");
        self.all(sql, params![name, id, limit], organization)
    }

    pub(super) fn store_organization(&self, organization: &Organization) -> Result<()> {
        let Organization { id, name, created_at } = organization;
        self.change(
            "INSERT INTO organizations (id, name, created_at) VALUES (:id, :name, :created_at)",
            named_params! {":id": id.get(), ":name": name.as_str(), ":created_at": created_at.unix_ms()},
        )?;
        Ok(())
    }

    /// Returns whether the organization exists.
    pub(super) fn set_organization_name(&self, id: OrganizationId, name: &Name) -> Result<bool> {
        let sql = "UPDATE organizations SET name = ?2 WHERE id = ?1";
        Ok(self.change(sql, params![id.get(), name.as_str()])? > 0)
    }

    pub(super) fn find_project(&self, organization: OrganizationId, id: ProjectId) -> Result<Option<Project>> {
        self.one(select_project!("id = ?1 AND organization_id = ?2"), [id.get(), organization.get()], project)
    }

    pub(super) fn find_project_by_name(&self, organization: OrganizationId, name: &Name) -> Result<Option<Project>> {
        let sql = select_project!("organization_id = ?1 AND name = ?2");
        self.one(sql, params![organization.get(), name.as_str()], project)
    }

    pub(super) fn list_projects(
        &self,
        organization: OrganizationId,
        after: Option<&Name>,
        limit: u32,
    ) -> Result<Vec<Project>> {
        let sql = select_project!("organization_id = ?1 AND name > ?2 ORDER BY name LIMIT ?3");
        self.all(sql, params![organization.get(), after.map_or("", Name::as_str), limit], project)
    }

    pub(super) fn store_project(&self, project: &Project) -> Result<()> {
        let Project { id, organization, name, description, created_at } = project;
        self.change(
            "INSERT INTO projects (id, organization_id, name, description, created_at) \
             VALUES (:id, :organization, :name, :description, :created_at)",
            named_params! {
                ":id": id.get(),
                ":organization": organization.get(),
                ":name": name.as_str(),
                ":description": description.as_ref().map(Description::as_str),
                ":created_at": created_at.unix_ms(),
            },
        )?;
        Ok(())
    }

    pub(super) fn store_project_change(&self, project: &Project) -> Result<()> {
        let Project { id, organization: _, name, description, created_at: _ } = project;
        self.change(
            "UPDATE projects SET name = :name, description = :description WHERE id = :id",
            named_params! {
                ":id": id.get(),
                ":name": name.as_str(),
                ":description": description.as_ref().map(Description::as_str),
            },
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
