//! The shapes of version 1: `data` wraps what it holds, and keys neither expire nor rotate.

use super::envelope::{optional_time, time};
use super::version::{ShownKey, Version};
use crate::domain::{self, KeyId, ProjectId, Timestamp};
use serde::Serialize;

/// Version 1.
pub(super) struct V1;

impl Version for V1 {
    const NAME: &'static str = "v1";
    const HAS_ROTATION: bool = false;

    fn organization(organization: &domain::Organization) -> impl Serialize {
        OrganizationData { organization: Organization::from(organization) }
    }

    fn api_key(key: &ShownKey<'_>) -> impl Serialize {
        ApiKeyData { api_key: Self::api_key_item(key) }
    }

    fn api_key_item(shown: &ShownKey<'_>) -> impl Serialize {
        let key = shown.key;
        ApiKey {
            id: key.id.get(),
            valid: key.valid,
            value: &shown.value,
            created_at: key.created_at,
            name: key.name.as_str(),
            last_used: key.last_used(),
        }
    }

    fn deleted_api_key(id: KeyId) -> impl Serialize {
        Deleted { id: id.get(), deleted: true }
    }

    fn project(project: &domain::Project) -> impl Serialize {
        ProjectData { project: Project::from(project) }
    }

    fn deleted_project(id: ProjectId) -> impl Serialize {
        Deleted { id: id.to_string(), deleted: true }
    }
}

#[derive(Serialize)]
struct OrganizationData<'a> {
    organization: Organization<'a>,
}

/// An organization, the same in every version.
#[derive(Serialize)]
pub(super) struct Organization<'a> {
    id: String,
    name: &'a str,
    plan: &'static str,
    #[serde(serialize_with = "time")]
    created_at: Timestamp,
}

impl<'a> From<&'a domain::Organization> for Organization<'a> {
    fn from(organization: &'a domain::Organization) -> Self {
        Self {
            id: organization.id.to_string(),
            name: organization.name.as_str(),
            plan: "ENTERPRISE",
            created_at: organization.created_at,
        }
    }
}

#[derive(Serialize)]
struct ApiKeyData<T> {
    #[serde(rename = "apiKey")]
    api_key: T,
}

#[derive(Serialize)]
struct ApiKey<'a> {
    id: i64,
    valid: bool,
    value: &'a str,
    #[serde(serialize_with = "time")]
    created_at: Timestamp,
    name: &'a str,
    #[serde(rename = "lastUsed", serialize_with = "optional_time")]
    last_used: Option<Timestamp>,
}

#[derive(Serialize)]
struct ProjectData<'a> {
    project: Project<'a>,
}

/// A project, the same in every version.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Project<'a> {
    id: String,
    name: &'a str,
    description: Option<&'a str>,
    organization_id: String,
    #[serde(rename = "created_at", serialize_with = "time")]
    created_at: Timestamp,
    /// The hosted service's; here always null.
    governance_policy: Option<()>,
}

impl<'a> From<&'a domain::Project> for Project<'a> {
    fn from(project: &'a domain::Project) -> Self {
        Self {
            id: project.id.to_string(),
            name: project.name.as_str(),
            description: project.description.as_ref().map(domain::Description::as_str),
            organization_id: project.organization.to_string(),
            created_at: project.created_at,
            governance_policy: None,
        }
    }
}

#[derive(Serialize)]
struct Deleted<T> {
    id: T,
    deleted: bool,
}
