//! Audit events as JSON and CSV: the shape of the API, of exports and of `keystead audit`.

use crate::domain::{Event, KeyId, OrganizationId, ProjectId};
use crate::spreadsheet::escape_formula;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// An audit event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEvent)]
pub struct AuditRecord {
    /// Increases by one per event.
    #[schema(minimum = 1)]
    pub number: i64,
    /// When it happened.
    #[schema(format = DateTime)]
    pub at: String,
    /// The action, such as `api_key.created`.
    pub action: String,
    /// The object, such as `api_key/12`.
    pub resource: String,
    /// Number of the acting key; null if no key acted.
    #[schema(required)]
    pub actor_key_id: Option<i64>,
    /// The acting key's name at that time; otherwise `operator` or `keystead`.
    pub actor_name: String,
    /// The organization; null for the whole store.
    #[schema(required)]
    pub organization_id: Option<String>,
    /// The project, if the event concerns one.
    #[schema(required)]
    pub project_id: Option<String>,
    /// The state before and after, without secrets.
    #[schema(value_type = Object)]
    pub change: Value,
    /// The client's IP address.
    #[schema(required)]
    pub client_address: Option<String>,
    /// The client's `User-Agent`.
    #[schema(required)]
    pub user_agent: Option<String>,
    /// The id of the request.
    #[schema(required)]
    pub request_id: Option<String>,
    /// BLAKE3 hash of the previous event's hash and this event.
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
            // A change that is not JSON was not written by Keystead; show it as it is.
            change: serde_json::from_str(&what.change).unwrap_or_else(|_| Value::String(what.change.clone())),
            client_address: what.origin.address.map(|address| address.to_string()),
            user_agent: what.origin.user_agent().map(str::to_owned),
            request_id: what.origin.request_id().map(str::to_owned),
            hash: link.hash.to_string(),
        }
    }
}

/// The CSV columns.
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

/// The header row of the CSV file (RFC 4180).
///
/// # Errors
/// None in practice: it writes to memory.
pub fn csv_head() -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    writer.into_inner().map_err(|e| e.into_error().into())
}

/// Events as CSV rows. A text that a spreadsheet would run as a formula gets a leading apostrophe.
///
/// # Errors
/// None in practice: it writes to memory.
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
