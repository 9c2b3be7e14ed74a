//! Answers of version 2: `data` is the object itself; keys expire and rotate.

use super::json_types::{metadata, optional_time, permissions, role, time};
use super::request_bodies;
use super::v1::{Organization, Project, RateLimit};
use super::version::{ShownKey, Version};
use crate::domain::{self, KeyId, Metadata, Owner, Permissions, ProjectId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// Version 2 of the API.
pub(super) struct V2;

impl Version for V2 {
    const NAME: &'static str = "v2";
    const HAS_ROTATION: bool = true;
    const HAS_REASONS: bool = true;
    const FILTERS_KEYS: bool = true;
    const REFUSES_UNKNOWN_NAMES: bool = true;

    type NewApiKey = request_bodies::NewApiKey;
    type ApiKeyChange = request_bodies::ApiKeyChange;

    fn organization(organization: &domain::Organization) -> impl Serialize + ToSchema {
        Organization::from(organization)
    }

    fn api_key(key: &ShownKey<'_>) -> impl Serialize + ToSchema {
        Self::api_key_item(key)
    }

    fn api_key_item(shown: &ShownKey<'_>) -> impl Serialize + ToSchema {
        // The parent is in the path.
        let ShownKey { key, value, shadow_value, is_safe_to_complete } = shown;
        let domain::ApiKey {
            id,
            parent: _,
            name,
            value: _,
            shadow,
            valid,
            created_at,
            expires_at,
            value_last_used,
            rate_limit,
            allowed_addresses,
            role,
            permissions,
            owner,
            metadata,
        } = key;
        let shadow = shadow.as_ref();
        ApiKey {
            id: id.get(),
            name: name.as_str(),
            valid: *valid,
            created_at: *created_at,
            expires_at: *expires_at,
            value,
            shadow_value: shadow_value.as_deref(),
            rotates_at: shadow.map(|shadow| shadow.rotates_at),
            last_used: key.last_used(),
            rotation: shadow.zip(*is_safe_to_complete).map(|(shadow, is_safe_to_complete)| Rotation {
                value_last_used: *value_last_used,
                shadow_value_last_used: shadow.last_used,
                is_safe_to_complete,
            }),
            rate_limit: rate_limit.map(RateLimit::from),
            allowed_addresses: allowed_addresses.as_ref().map(|list| list.iter().collect()),
            role: role.name(),
            permissions,
            owner: owner.as_ref().map(Owner::as_str),
            metadata,
        }
    }

    fn deleted_api_key(id: KeyId) -> impl Serialize + ToSchema {
        DeletedApiKey { id: id.get() }
    }

    fn project(project: &domain::Project) -> impl Serialize + ToSchema {
        Project::from(project)
    }

    fn deleted_project(id: ProjectId) -> impl Serialize + ToSchema {
        DeletedProject { id: id.to_string() }
    }
}

/// An API key in version 2.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = V2ApiKey)]
struct ApiKey<'a> {
    /// Never reused, not even after a revocation.
    #[schema(minimum = 1)]
    id: i64,
    /// The name of the key.
    name: &'a str,
    /// Whether the key is activated.
    valid: bool,
    /// When it was created.
    #[serde(rename = "created_at", serialize_with = "time")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it expires: it is refused from then on; null for no expiry.
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    expires_at: Option<Timestamp>,
    /// The current value; during a rotation the outgoing one. In full in the answer that creates it;
    /// otherwise masked: 15 asterisks and the last six characters.
    #[schema(pattern = r"^(\*{15}[0-9a-f]{6}|[a-z0-9_]{1,31}_[0-9a-f]{32})$")]
    value: &'a str,
    /// The new value during the grace period of a rotation; in full or masked like `value`.
    #[schema(required, pattern = r"^(\*{15}[0-9a-f]{6}|[a-z0-9_]{1,31}_[0-9a-f]{32})$")]
    shadow_value: Option<&'a str>,
    /// When the new value replaces the outgoing one: at the end of the grace period, or when the key expires
    /// if that is earlier.
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    rotates_at: Option<Timestamp>,
    /// When any of its values last authenticated a request; up to a second late.
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    last_used: Option<Timestamp>,
    /// Keystead's extension of the published contract: the use of both values during a rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Rotation, required = false)]
    rotation: Option<Rotation>,
    /// Keystead's extension of the published contract: the key's rate limit; omitted if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = RateLimit, required = false)]
    rate_limit: Option<RateLimit>,
    /// Also an extension: the addresses and networks that the key may be used from; omitted if there is no
    /// restriction.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>, required = false)]
    allowed_addresses: Option<Vec<String>>,
    /// Keystead's extension of the published contract: what the key may do in Keystead.
    #[schema(schema_with = role)]
    role: &'static str,
    /// Also an extension: what the key may do elsewhere.
    #[serde(serialize_with = "permissions")]
    #[schema(value_type = Vec<String>)]
    permissions: &'a Permissions,
    /// Also an extension: whose key it is.
    #[schema(required)]
    owner: Option<&'a str>,
    /// Also an extension: notes about the key.
    #[serde(serialize_with = "metadata")]
    #[schema(value_type = Object)]
    metadata: &'a Metadata,
}

/// A rotation during its grace period.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Rotation {
    /// When the outgoing value last authenticated a request.
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    value_last_used: Option<Timestamp>,
    /// When the new value last authenticated a request.
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    shadow_value_last_used: Option<Timestamp>,
    /// Whether no client would notice the completion of the rotation: the new value has been used, and the
    /// outgoing one not within the last hour.
    is_safe_to_complete: bool,
}

#[derive(Serialize, ToSchema)]
struct DeletedApiKey {
    #[schema(minimum = 1)]
    id: i64,
}

#[derive(Serialize, ToSchema)]
struct DeletedProject {
    id: String,
}
