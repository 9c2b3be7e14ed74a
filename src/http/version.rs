//! Versions of the API: what they share and where they differ.

use super::fields::{Request, VersionRules};
use super::request_bodies::{ApiKeyChange, NewApiKey};
use crate::domain::{self, ApiKey, Fingerprint, KeyId, ProjectId, Secret, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// A version of the API: its path and the shapes of its answers.
pub(super) trait Version: 'static {
    /// First segment of its paths, such as `v1`.
    const NAME: &'static str;
    /// Whether its keys expire and rotate.
    const HAS_ROTATION: bool;
    /// Whether changes take a reason.
    const HAS_REASONS: bool;
    /// Whether its lists of keys can be filtered.
    const FILTERS_KEYS: bool;
    /// Whether unknown fields and parameters are refused; otherwise they are ignored.
    const REFUSES_UNKNOWN_NAMES: bool;
    /// The rules for its request fields.
    const RULES: VersionRules = VersionRules { version: Self::NAME, refuses_unknown: Self::REFUSES_UNKNOWN_NAMES };

    /// The body that creates a key.
    type NewApiKey: Request + Into<NewApiKey>;
    /// The body that changes a key.
    type ApiKeyChange: Request + Into<ApiKeyChange>;

    /// `data` of an organization.
    fn organization(organization: &domain::Organization) -> impl Serialize + ToSchema;
    /// `data` of a key.
    fn api_key(key: &ShownKey<'_>) -> impl Serialize + ToSchema;
    /// A key in a list or beside a project.
    fn api_key_item(key: &ShownKey<'_>) -> impl Serialize + ToSchema;
    /// `data` of a revoked key.
    fn deleted_api_key(id: KeyId) -> impl Serialize + ToSchema;
    /// `data` of a project.
    fn project(project: &domain::Project) -> impl Serialize + ToSchema;
    /// `data` of a deleted project.
    fn deleted_project(id: ProjectId) -> impl Serialize + ToSchema;
}

/// A key with its values as shown.
pub(super) struct ShownKey<'a> {
    pub(super) key: &'a ApiKey,
    /// The value, in full or masked.
    pub(super) value: String,
    /// The new value of a rotation, in full or masked.
    pub(super) shadow_value: Option<String>,
    /// Whether completing the rotation is safe; `None` to hide it.
    pub(super) is_safe_to_complete: Option<bool>,
}

impl<'a> ShownKey<'a> {
    pub(super) fn masked(key: &'a ApiKey, now: Timestamp) -> Self {
        Self::new(key, None, now)
    }

    /// Shows the value of this secret in full, the others masked.
    pub(super) fn new(key: &'a ApiKey, secret: Option<&Secret>, now: Timestamp) -> Self {
        let full = |fingerprint: &Fingerprint| {
            secret.filter(|secret| secret.fingerprint() == *fingerprint).map(|secret| secret.expose().to_owned())
        };
        let show = |fingerprint: &Fingerprint| full(fingerprint).unwrap_or_else(|| fingerprint.tail.to_string());
        Self {
            key,
            value: show(&key.value),
            shadow_value: key.shadow.as_ref().map(|shadow| show(&shadow.fingerprint)),
            is_safe_to_complete: Some(key.is_safe_to_complete(now)),
        }
    }

    /// The same without the progress of a rotation.
    pub(super) fn without_progress(self) -> Self {
        Self { is_safe_to_complete: None, ..self }
    }
}
