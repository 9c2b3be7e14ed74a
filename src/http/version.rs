//! What the versions of the wire contract share, and where they differ.

use super::fields::{Request, VersionRules};
use super::request_bodies::{ApiKeyChange, NewApiKey};
use crate::domain::{self, ApiKey, Fingerprint, KeyId, ProjectId, Secret, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// A version of the wire contract: its path, and the shapes of its answers.
pub(super) trait Version: 'static {
    /// The first segment of its paths, such as `v1`.
    const NAME: &'static str;
    /// Whether its keys expire and rotate.
    const HAS_ROTATION: bool;
    /// Whether it refuses fields and parameters that nobody asks for; else they are ignored.
    const REFUSES_UNKNOWN_NAMES: bool;
    /// The same for the description of requests.
    const RULES: VersionRules = VersionRules { version: Self::NAME, refuses_unknown: Self::REFUSES_UNKNOWN_NAMES };

    /// What makes a key.
    type NewApiKey: Request + Into<NewApiKey>;
    /// What changes a key.
    type ApiKeyChange: Request + Into<ApiKeyChange>;

    /// An organization as `data`.
    fn organization(organization: &domain::Organization) -> impl Serialize + ToSchema;
    /// A key as `data`.
    fn api_key(key: &ShownKey<'_>) -> impl Serialize + ToSchema;
    /// A key within a list or beside a project.
    fn api_key_item(key: &ShownKey<'_>) -> impl Serialize + ToSchema;
    /// A revoked key as `data`.
    fn deleted_api_key(id: KeyId) -> impl Serialize + ToSchema;
    /// A project as `data`.
    fn project(project: &domain::Project) -> impl Serialize + ToSchema;
    /// A removed project as `data`.
    fn deleted_project(id: ProjectId) -> impl Serialize + ToSchema;
}

/// A key, and what of its values is to be seen.
pub(super) struct ShownKey<'a> {
    pub(super) key: &'a ApiKey,
    /// The value, in full or masked.
    pub(super) value: String,
    /// The new value of a rotation, in full or masked.
    pub(super) shadow_value: Option<String>,
    /// Whether the grace of a rotation could end now without anybody noticing; `None` where that is not to be seen.
    pub(super) is_safe_to_complete: Option<bool>,
}

impl<'a> ShownKey<'a> {
    pub(super) fn masked(key: &'a ApiKey, now: Timestamp) -> Self {
        Self::new(key, None, now)
    }

    /// With the secret, where there is one, in the place of the value that it is.
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

    /// The same without how far a rotation has come.
    pub(super) fn without_progress(self) -> Self {
        Self { is_safe_to_complete: None, ..self }
    }
}
