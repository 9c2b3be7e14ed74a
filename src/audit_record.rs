//! How events of the audit log are written where they leave the program: over HTTP, as lines of JSON, as CSV.

use crate::domain::{Event, KeyId, OrganizationId, ProjectId};
use crate::spreadsheet::escape_formula;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// An event of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEvent)]
pub struct AuditRecord {
    /// Counts up by one.
    #[schema(minimum = 1)]
    pub number: i64,
    /// When it was done.
    #[schema(format = DateTime)]
    pub at: String,
    /// What was done, such as `api_key.created`.
    pub action: String,
    /// To what, such as `api_key/12`.
    pub resource: String,
    /// The key that it was done with; null where there was none.
    #[schema(required)]
    pub actor_key_id: Option<i64>,
    /// That key's name at the time; `operator` or `keystead` without one.
    pub actor_name: String,
    /// Whom it concerns; null for the whole store.
    #[schema(required)]
    pub organization_id: Option<String>,
    /// The project that it concerns.
    #[schema(required)]
    pub project_id: Option<String>,
    /// What was before and what is after, without secrets.
    #[schema(value_type = Object)]
    pub change: Value,
    /// Where the request came from.
    #[schema(required)]
    pub client_address: Option<String>,
    /// What the client calls itself.
    #[schema(required)]
    pub user_agent: Option<String>,
    /// What the client calls the request.
    #[schema(required)]
    pub request_id: Option<String>,
    /// BLAKE3 of the predecessor's hash and this event.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub hash: String,
}

impl From<&Event> for AuditRecord {
    fn from(Event { link, what }: &Event) -> Self {
        Self {
            number: link.number,
            at: what.at.to_string(),
            action: what.action.name().to_owned(),
            resource: what.resource.clone(),
            actor_key_id: what.actor.key().map(KeyId::get),
            actor_name: what.actor.name().to_owned(),
            organization_id: what.organization.as_ref().map(OrganizationId::to_string),
            project_id: what.project.as_ref().map(ProjectId::to_string),
            // What is no JSON was not written by us; it is shown as it is.
            change: serde_json::from_str(&what.change).unwrap_or_else(|_| Value::String(what.change.clone())),
            client_address: what.origin.address.map(|address| address.to_string()),
            user_agent: what.origin.user_agent().map(str::to_owned),
            request_id: what.origin.request_id().map(str::to_owned),
            hash: link.hash.to_string(),
        }
    }
}

/// The columns of [`csv_rows`].
const COLUMNS: [&str; 13] = [
    "number",
    "at",
    "action",
    "resource",
    "actorKeyId",
    "actorName",
    "organizationId",
    "projectId",
    "change",
    "clientAddress",
    "userAgent",
    "requestId",
    "hash",
];

/// The head of a CSV file (RFC 4180).
///
/// # Errors
/// Never on memory.
pub fn csv_head() -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    writer.into_inner().map_err(|e| e.into_error().into())
}

/// Events as lines of a CSV file. A text that a spreadsheet would take for a formula has an apostrophe before it.
///
/// # Errors
/// Never on memory.
pub fn csv_rows<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for event in events {
        let record = AuditRecord::from(event);
        let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
        let fields = [
            number(Some(record.number)),
            record.at,
            record.action,
            record.resource,
            number(record.actor_key_id),
            record.actor_name,
            record.organization_id.unwrap_or_default(),
            record.project_id.unwrap_or_default(),
            event.what.change.clone(),
            record.client_address.unwrap_or_default(),
            record.user_agent.unwrap_or_default(),
            record.request_id.unwrap_or_default(),
            record.hash,
        ];
        writer.write_record(fields.map(escape_formula))?;
    }
    writer.into_inner().map_err(|e| e.into_error().into())
}
