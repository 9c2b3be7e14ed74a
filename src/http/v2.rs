//! The shapes of version 2: `data` is the object itself, and keys expire and rotate.

use super::envelope::{optional_time, time};
use super::v1::{Organization, Project};
use super::version::{ShownKey, Version};
use crate::domain::{self, KeyId, ProjectId, Timestamp};
use serde::Serialize;

/// Version 2.
pub(super) struct V2;

impl Version for V2 {
    const NAME: &'static str = "v2";
    const HAS_ROTATION: bool = true;

    fn organization(organization: &domain::Organization) -> impl Serialize {
        Organization::from(organization)
    }

    fn api_key(key: &ShownKey<'_>) -> impl Serialize {
        Self::api_key_item(key)
    }

    fn api_key_item(shown: &ShownKey<'_>) -> impl Serialize {
        let key = shown.key;
        ApiKey {
            id: key.id.get(),
            name: key.name.as_str(),
            valid: key.valid,
            created_at: key.created_at,
            expires_at: key.expires_at,
            value: &shown.value,
            shadow_value: shown.shadow_value.as_deref(),
            rotates_at: key.shadow.as_ref().map(|shadow| shadow.rotates_at),
            last_used: key.last_used(),
            rotation: key.shadow.as_ref().map(|shadow| Rotation {
                value_last_used: key.value_last_used,
                shadow_value_last_used: shadow.last_used,
                is_safe_to_complete: shown.is_safe_to_complete.unwrap_or_default(),
            }),
        }
    }

    fn deleted_api_key(id: KeyId) -> impl Serialize {
        Deleted { id: id.get() }
    }

    fn project(project: &domain::Project) -> impl Serialize {
        Project::from(project)
    }

    fn deleted_project(id: ProjectId) -> impl Serialize {
        Deleted { id: id.to_string() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiKey<'a> {
    id: i64,
    name: &'a str,
    valid: bool,
    #[serde(rename = "created_at", serialize_with = "time")]
    created_at: Timestamp,
    #[serde(serialize_with = "optional_time")]
    expires_at: Option<Timestamp>,
    value: &'a str,
    shadow_value: Option<&'a str>,
    #[serde(serialize_with = "optional_time")]
    rotates_at: Option<Timestamp>,
    #[serde(serialize_with = "optional_time")]
    last_used: Option<Timestamp>,
    /// Ours, beyond the published contract: who still uses the outgoing value?
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<Rotation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rotation {
    #[serde(serialize_with = "optional_time")]
    value_last_used: Option<Timestamp>,
    #[serde(serialize_with = "optional_time")]
    shadow_value_last_used: Option<Timestamp>,
    is_safe_to_complete: bool,
}

#[derive(Serialize)]
struct Deleted<T> {
    id: T,
}
