//! Answers of version 1: `data` wraps the object; keys neither expire nor rotate.

use super::json_types::{always, null, optional_time, plan, time};
use super::request_bodies;
use super::version::{ShownKey, Version};
use crate::domain::{self, KeyId, ProjectId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// Version 1 of the API.
pub(super) struct V1;

impl Version for V1 {
    const NAME: &'static str = "v1";
    const HAS_ROTATION: bool = false;
    const HAS_REASONS: bool = false;
    const FILTERS_KEYS: bool = false;
    const REFUSES_UNKNOWN_NAMES: bool = false;

    type NewApiKey = request_bodies::NewV1ApiKey;
    type ApiKeyChange = request_bodies::V1ApiKeyChange;

    fn organization(organization: &domain::Organization) -> impl Serialize + ToSchema {
        OrganizationData { organization: Organization::from(organization) }
    }

    fn api_key(key: &ShownKey<'_>) -> impl Serialize + ToSchema {
        ApiKeyData { api_key: ApiKey::from(key) }
    }

    fn api_key_item(key: &ShownKey<'_>) -> impl Serialize + ToSchema {
        ApiKey::from(key)
    }

    fn deleted_api_key(id: KeyId) -> impl Serialize + ToSchema {
        DeletedApiKey { id: id.get(), deleted: true }
    }

    fn project(project: &domain::Project) -> impl Serialize + ToSchema {
        ProjectData { project: Project::from(project) }
    }

    fn deleted_project(id: ProjectId) -> impl Serialize + ToSchema {
        DeletedProject { id: id.to_string(), deleted: true }
    }
}

#[derive(Serialize, ToSchema)]
struct OrganizationData<'a> {
    organization: Organization<'a>,
}

/// An organization, the same in every version.
#[derive(Serialize, ToSchema)]
pub(super) struct Organization<'a> {
    /// Opaque.
    #[schema(pattern = "^org_[0-7][0-9a-f]{15}$")]
    id: String,
    /// The name of the organization.
    name: &'a str,
    /// The hosted service's plan; here always `ENTERPRISE`.
    #[schema(schema_with = plan)]
    plan: &'static str,
    /// When it was created.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime)]
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

#[derive(Serialize, ToSchema)]
struct ApiKeyData<'a> {
    #[serde(rename = "apiKey")]
    api_key: ApiKey<'a>,
}

/// An API key in version 1.
#[derive(Serialize, ToSchema)]
#[schema(as = V1ApiKey)]
struct ApiKey<'a> {
    /// Never reused, not even after a revocation.
    #[schema(minimum = 1)]
    id: i64,
    /// Whether the key is activated.
    valid: bool,
    /// In full in the answer that creates it; otherwise masked: 15 asterisks and the last six characters.
    #[schema(pattern = r"^(\*{15}[0-9a-f]{6}|[a-z0-9_]{1,31}_[0-9a-f]{32})$")]
    value: &'a str,
    /// When it was created.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The name of the key.
    name: &'a str,
    /// When it last authenticated a request; up to a second late.
    #[serde(rename = "lastUsed", serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    last_used: Option<Timestamp>,
    /// Keystead's extension of the published contract: the key's rate limit; omitted if it has none.
    #[serde(rename = "rateLimit", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = RateLimit, required = false)]
    rate_limit: Option<RateLimit>,
    /// Also an extension: the addresses and networks that the key may be used from; omitted if there is no
    /// restriction.
    #[serde(rename = "allowedAddresses", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>, required = false)]
    allowed_addresses: Option<Vec<String>>,
}

/// A rate limit, the same in every version.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateLimit {
    /// Uses per window.
    limit: u32,
    /// Length of a window, which starts with its first use.
    window_in_seconds: u32,
}

impl From<domain::RateLimit> for RateLimit {
    fn from(rate_limit: domain::RateLimit) -> Self {
        Self { limit: rate_limit.limit(), window_in_seconds: rate_limit.window_s() }
    }
}

impl<'a> From<&'a ShownKey<'_>> for ApiKey<'a> {
    fn from(shown: &'a ShownKey<'_>) -> Self {
        // Version 1 has no expiry and no rotation.
        let ShownKey { key, value, shadow_value: _, is_safe_to_complete: _ } = shown;
        let domain::ApiKey {
            id,
            parent: _,
            name,
            value: _,
            shadow: _,
            valid,
            created_at,
            expires_at: _,
            value_last_used: _,
            rate_limit,
            allowed_addresses,
            role: _,
            permissions: _,
            owner: _,
            metadata: _,
        } = key;
        Self {
            id: id.get(),
            valid: *valid,
            value,
            created_at: *created_at,
            name: name.as_str(),
            last_used: key.last_used(),
            rate_limit: rate_limit.map(RateLimit::from),
            allowed_addresses: allowed_addresses.as_ref().map(|list| list.iter().collect()),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct ProjectData<'a> {
    project: Project<'a>,
}

/// A project, the same in every version.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Project<'a> {
    /// Opaque.
    #[schema(pattern = "^proj_[0-7][0-9a-f]{15}$")]
    id: String,
    /// The name of the project, unique within the organization.
    name: &'a str,
    /// The description of the project.
    #[schema(required)]
    description: Option<&'a str>,
    /// The organization of the project.
    #[schema(pattern = "^org_[0-7][0-9a-f]{15}$")]
    organization_id: String,
    /// When it was created.
    #[serde(rename = "created_at", serialize_with = "time")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The hosted service's; here always null.
    #[schema(schema_with = null, required)]
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

#[derive(Serialize, ToSchema)]
struct DeletedApiKey {
    #[schema(minimum = 1)]
    id: i64,
    #[schema(schema_with = always)]
    deleted: bool,
}

#[derive(Serialize, ToSchema)]
struct DeletedProject {
    id: String,
    #[schema(schema_with = always)]
    deleted: bool,
}
