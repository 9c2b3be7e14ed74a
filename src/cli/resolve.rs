//! Finds the organization, project or key that the arguments name.

use crate::cli::error::CommandError;
use crate::cli::store::open::open_overview;
use crate::config::Config;
use crate::domain::{ApiKey, KeyId, Name, Organization, OrganizationId, Project, ProjectId};
use crate::service::Overview;
use clap::Args;

/// How many organizations an error message lists at most.
const MAX_LISTED: usize = 10;

#[derive(Args, Debug)]
pub(in crate::cli) struct InOrganization {
    /// The organization, by id or name [default: the only one]
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Option<String>,
}

impl InOrganization {
    pub(in crate::cli) fn find(&self, overview: &Overview) -> Result<Organization, CommandError> {
        match &self.organization {
            Some(text) => organization(overview, text),
            None => only_organization(overview),
        }
    }
}

#[derive(Args, Debug)]
pub(in crate::cli) struct InProject {
    #[command(flatten)]
    organization: InOrganization,
    /// The project, by id or name
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
}

impl InProject {
    pub(in crate::cli) fn find(&self, overview: &Overview) -> Result<(Organization, Option<Project>), CommandError> {
        let organization = self.organization.find(overview)?;
        let project = self.project.as_ref().map(|text| project(overview, organization.id, text)).transpose()?;
        Ok((organization, project))
    }
}

#[derive(Args, Debug)]
pub(in crate::cli) struct KeyNumber {
    /// The key's number, as shown by keystead keys list
    #[arg(value_name = "NUMBER", value_parser = parse_key_id)]
    pub(in crate::cli) id: KeyId,
}

/// Finds an organization by id or name.
pub(in crate::cli) fn organization(overview: &Overview, text: &str) -> Result<Organization, CommandError> {
    if let Some(id) = OrganizationId::parse(text)
        && let Some(organization) = overview.organization(id)?
    {
        return Ok(organization);
    }
    let mut found = Vec::new();
    each_organization(overview, |it| {
        found.extend((it.name.as_str() == text).then_some(it));
        Ok(true)
    })?;
    match found.as_slice() {
        [] => Err(CommandError::new(format!(
            "There is no organization {text} in this store; keystead organizations list shows all of them."
        ))),
        [one] => Ok(one.clone()),
        several => Err(CommandError::new(format!(
            "Several organizations have the name {text}; give the id of one: {}.",
            list(several)
        ))),
    }
}

fn only_organization(overview: &Overview) -> Result<Organization, CommandError> {
    let found = overview.organizations(None)?;
    match found.as_slice() {
        [] => Err(CommandError::new("The store has no organization yet; create one with keystead init.")),
        [one] => Ok(one.clone()),
        several => Err(CommandError::new(format!(
            "There are several organizations; choose one with --organization: {}.",
            list(several)
        ))),
    }
}

fn list(organizations: &[Organization]) -> String {
    let named: Vec<String> =
        organizations.iter().take(MAX_LISTED).map(|it| format!("{} ({})", it.id, it.name.as_str())).collect();
    let more = if organizations.len() > MAX_LISTED { ", and more" } else { "" };
    named.join(", ") + more
}

/// Calls `take` with each organization, by name, until it returns `false`.
pub(in crate::cli) fn each_organization(
    overview: &Overview,
    mut take: impl FnMut(Organization) -> Result<bool, CommandError>,
) -> Result<(), CommandError> {
    let mut after: Option<Organization> = None;
    loop {
        let page = overview.organizations(after.as_ref())?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        for organization in page {
            if !take(organization)? {
                return Ok(());
            }
        }
    }
}

/// Finds a project by id or name.
pub(in crate::cli) fn project(
    overview: &Overview,
    organization: OrganizationId,
    text: &str,
) -> Result<Project, CommandError> {
    let by_id = ProjectId::parse(text).map(|id| overview.project(organization, id)).transpose()?.flatten();
    let found = match (by_id, Name::stored(text)) {
        (None, Ok(name)) => overview.project_by_name(organization, &name)?,
        (by_id, _) => by_id,
    };
    found.ok_or_else(|| {
        CommandError::new(format!(
            "There is no project {text} in this organization; keystead projects list shows all of them."
        ))
    })
}

/// Calls `take` with each project of the organization, by name, until it returns `false`.
pub(in crate::cli) fn each_project(
    overview: &Overview,
    organization: OrganizationId,
    mut take: impl FnMut(Project) -> Result<bool, CommandError>,
) -> Result<(), CommandError> {
    let mut after: Option<Name> = None;
    loop {
        let page = overview.projects(organization, after.as_ref())?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.name.clone());
        for project in page {
            if !take(project)? {
                return Ok(());
            }
        }
    }
}

/// Finds a key by its number.
pub(in crate::cli) fn api_key(config: &Config, id: KeyId) -> Result<ApiKey, CommandError> {
    open_overview(config)?.api_key(id)?.ok_or_else(|| {
        CommandError::new(format!(
            "There is no API key {}: it was never created, or it is revoked. keystead keys list shows all keys.",
            id.get()
        ))
    })
}

pub(in crate::cli) fn parse_key_id(text: &str) -> Result<KeyId, &'static str> {
    let id = text.parse().ok().and_then(KeyId::new);
    id.ok_or("it must be a key's number, as shown by keystead keys list; never pass a full key as an argument")
}
