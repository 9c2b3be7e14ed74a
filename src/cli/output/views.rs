//! The JSON objects of keys, projects and organizations, as `/v2` returns them plus their owner's ids, and the same as lines for
//! people.

use crate::cli::error::CommandError;
use crate::cli::output::terminal::Tone;
use crate::cli::output::{lines, one_line, print_json, print_lines};
use crate::domain::{ApiKey, KeyStateFilter, Organization, Parent, Project, Refusal, Timestamp, UseOutcome};
use serde::Serialize;

/// A key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct KeyView {
    id: i64,
    name: String,
    /// `active`, `deactivated` or `expired`.
    state: &'static str,
    valid: bool,
    #[serde(rename = "created_at")]
    created_at: String,
    expires_at: Option<String>,
    value: String,
    shadow_value: Option<String>,
    rotates_at: Option<String>,
    last_used: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<RotationView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<RateLimitView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_addresses: Option<Vec<String>>,
    organization_id: String,
    project_id: Option<String>,
    role: &'static str,
    permissions: Vec<String>,
    owner: Option<String>,
    metadata: serde_json::Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RotationView {
    value_last_used: Option<String>,
    shadow_value_last_used: Option<String>,
    is_safe_to_complete: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RateLimitView {
    limit: u32,
    window_in_seconds: u32,
}

impl KeyView {
    pub(in crate::cli) fn new(key: &ApiKey, now: Timestamp) -> Self {
        let ApiKey {
            id,
            parent: Parent { organization, project },
            name,
            value,
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
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let shadow = shadow.as_ref();
        Self {
            id: id.get(),
            name: name.as_str().to_owned(),
            state: key_state(key, now),
            valid: *valid,
            created_at: created_at.to_string(),
            expires_at: text(*expires_at),
            value: value.tail.to_string(),
            shadow_value: shadow.map(|shadow| shadow.fingerprint.tail.to_string()),
            rotates_at: text(shadow.map(|shadow| shadow.rotates_at)),
            last_used: text(key.last_used()),
            rotation: shadow.map(|shadow| RotationView {
                value_last_used: text(*value_last_used),
                shadow_value_last_used: text(shadow.last_used),
                is_safe_to_complete: key.is_safe_to_complete(now),
            }),
            rate_limit: rate_limit.map(|it| RateLimitView { limit: it.limit(), window_in_seconds: it.window_s() }),
            allowed_addresses: allowed_addresses.as_ref().map(|list| list.iter().collect()),
            organization_id: organization.to_string(),
            project_id: project.map(|id| id.to_string()),
            role: role.name(),
            permissions: permissions.iter().map(str::to_owned).collect(),
            owner: owner.as_ref().map(|owner| owner.as_str().to_owned()),
            metadata: serde_json::from_str(metadata.as_str()).unwrap_or_default(),
        }
    }

    /// Replaces the newest masked value by the full one, for the one time that it is shown.
    pub(in crate::cli) fn with_secret(mut self, secret: Option<&str>) -> Self {
        if let Some(secret) = secret {
            *self.shadow_value.as_mut().unwrap_or(&mut self.value) = secret.to_owned();
        }
        self
    }

    /// Names and values for people.
    pub(in crate::cli) fn describe(self) -> Vec<(&'static str, String)> {
        let Self {
            id,
            name,
            state,
            valid: _,
            created_at,
            expires_at,
            value,
            shadow_value,
            rotates_at,
            last_used,
            rotation,
            rate_limit,
            allowed_addresses,
            organization_id,
            project_id,
            role,
            permissions,
            owner,
            metadata,
        } = self;
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let limit = |it: RateLimitView| format!("{} uses in {} seconds", it.limit, it.window_in_seconds);
        let mut all = vec![
            ("number", id.to_string()),
            ("name", name),
            ("state", state.to_owned()),
            ("value", value),
            ("organization", organization_id),
            ("project", or_none(project_id)),
            ("role", role.to_owned()),
            ("permissions", or_none((!permissions.is_empty()).then(|| permissions.join(", ")))),
            ("owner", or_none(owner)),
            ("created", created_at),
            ("expires", expires_at.unwrap_or_else(|| "never".to_owned())),
            ("last used", last_used.unwrap_or_else(|| "never".to_owned())),
        ];
        if let Some(rotation) = rotation {
            let is_safe = if rotation.is_safe_to_complete { "yes" } else { "not yet" };
            all.extend([
                ("new value", or_none(shadow_value)),
                ("outgoing value ends", or_none(rotates_at)),
                ("outgoing value used", or_none(rotation.value_last_used)),
                ("new value used", or_none(rotation.shadow_value_last_used)),
                ("safe to complete", is_safe.to_owned()),
            ]);
        }
        all.extend(rate_limit.map(|it| ("limit", limit(it))));
        all.extend(allowed_addresses.map(|list| ("only from", list.join(", "))));
        if metadata.as_object().is_some_and(|object| !object.is_empty()) {
            all.push(("metadata", metadata.to_string()));
        }
        all
    }
}

/// The state of a key, as shown to people and programs.
pub(in crate::cli) fn key_state(key: &ApiKey, now: Timestamp) -> &'static str {
    let others = [KeyStateFilter::Deactivated, KeyStateFilter::Expired];
    others.into_iter().find(|state| state.matches(key, now)).unwrap_or(KeyStateFilter::Active).name()
}

/// The colour of a key's state.
pub(in crate::cli) fn tone(state: &str) -> Tone {
    match state {
        "active" => Tone::Good,
        "deactivated" => Tone::Off,
        _ => Tone::Bad,
    }
}

/// Prints one key.
pub(in crate::cli) fn show(key: KeyView, json: bool) -> Result<(), CommandError> {
    if json {
        return print_json(&key);
    }
    let tone = tone(key.state);
    print_lines(key.describe(), ("state", tone))
}

/// A key in a sentence.
pub(in crate::cli) fn describe(key: &ApiKey) -> String {
    format!("API key {} ({}, {})", key.id.get(), key.name.as_str(), key.value.tail)
}

/// The code that `/v2/verify` returns for this result.
pub(in crate::cli) fn code(outcome: &Result<(), Refusal>) -> &'static str {
    UseOutcome::of(outcome.err()).map_or("UNKNOWN", UseOutcome::code)
}

/// An organization.
#[derive(Serialize)]
pub(in crate::cli) struct OrganizationView {
    id: String,
    name: String,
    created_at: String,
}

impl From<&Organization> for OrganizationView {
    fn from(it: &Organization) -> Self {
        Self { id: it.id.to_string(), name: it.name.as_str().to_owned(), created_at: it.created_at.to_string() }
    }
}

impl OrganizationView {
    pub(in crate::cli) fn describe(self) -> String {
        lines(vec![("id", self.id), ("name", self.name), ("created", self.created_at)])
    }
}

/// A project.
#[derive(Serialize)]
pub(in crate::cli) struct ProjectView {
    id: String,
    name: String,
    description: Option<String>,
    created_at: String,
    #[serde(rename = "organizationId")]
    organization_id: String,
}

impl From<&Project> for ProjectView {
    fn from(it: &Project) -> Self {
        Self {
            id: it.id.to_string(),
            name: it.name.as_str().to_owned(),
            description: it.description.as_ref().map(|text| text.as_str().to_owned()),
            created_at: it.created_at.to_string(),
            organization_id: it.organization.to_string(),
        }
    }
}

impl ProjectView {
    pub(in crate::cli) fn describe(self) -> String {
        lines(vec![
            ("id", self.id),
            ("name", self.name),
            ("description", self.description.map_or_else(|| "-".to_owned(), |text| one_line(&text))),
            ("organization", self.organization_id),
            ("created", self.created_at),
        ])
    }
}
