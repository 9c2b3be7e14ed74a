//! Handlers for the audit log of the caller's organization: pages and exports.

use super::connection::ConnectionRequests;
use super::credential::Call;
use super::endpoint::Endpoint;
use super::envelope::{success, success_with_status};
use super::error::{Failure, HandlerResult};
use super::examples::Examples;
use super::json_types::{null, optional_time, time};
use super::list::{self, Cursor, DEFAULT_LIMIT, Page, PageRequest, limit, parameters, wrong_cursor, wrong_parameter};
use super::request_bodies::NewAuditLogExport;
use super::v2::V2;
use super::version::Version as _;
use super::{App, body, parameter_schemas};
use crate::audit_record::{AuditRecord, csv_head, csv_rows};
use crate::domain::{Action, Error, EventFilter, Timestamp};
use crate::service::{Audit, AuditExport, AuditExportState, Permitted};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;
use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use utoipa::ToSchema;

const PATH: &str = "/v2/organization/audit-logs";

/// The endpoints of the audit log.
pub(super) fn endpoints(examples: &Examples) -> Vec<Endpoint> {
    let one = format!("{PATH}/exports/{{exportId}}");
    let id = |name: &str| format!("v2{name}");
    let (log, export) = (AuditLogs::new(vec![AuditRecord::from(&examples.event())], None), examples.export());
    vec![
        Endpoint::get(PATH.to_owned(), list)
            .named(id("ListAuditLogs"), "Audit log", "List audit events, newest first")
            .explained(
                "A search ends after five seconds at most and returns what it has found: the list may be shorter than \
                 `limit`, and `nextCursor` continues the search. An organization may run four long searches at a time.",
            )
            .queried_by(parameter_schemas::event_filter())
            .answers(&log),
        Endpoint::post(format!("{PATH}/exports"), create_export)
            .named(id("CreateAuditLogExport"), "Audit log", "Begin an export of the audit log")
            .explained("Send both times or neither; both are inclusive. Poll the export until it is completed, then download it.")
            .takes::<NewAuditLogExport>(V2::RULES)
            .conflicts("An export that this key asked for is in progress; wait for it.")
            .accepts(&ShownExport::from(&export)),
        Endpoint::get(one.clone(), read_export)
            .named(id("ReadAuditLogExport"), "Audit log", "Get an export, for a day after its request")
            .answers(&ShownExport::from(&export)),
        Endpoint::get(format!("{one}/download"), download_export)
            .named(id("DownloadAuditLogExport"), "Audit log", "Download a completed export")
            .conflicts("The export is in progress; ask for it again.")
            .sends("application/gzip", "A CSV file with a header row, compressed with gzip."),
    ]
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuditLogs {
    audit_logs: Vec<AuditRecord>,
    /// Send it as `cursor` to get the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl AuditLogs {
    fn new(audit_logs: Vec<AuditRecord>, next_cursor: Option<String>) -> Self {
        Self { audit_logs, next_cursor }
    }
}

pub(super) async fn list(Call { caller, app, request, .. }: Call<Audit>) -> HandlerResult {
    let AuditLogQuery { filter, before, limit } = AuditLogQuery::parse(request.query_string())?;
    let (is_in_time, connection) = (app.service.search_time(), request.conn_data::<ConnectionRequests>().cloned());
    let has_gone = move || connection.as_ref().is_some_and(ConnectionRequests::have_ended);
    let goes_on = Rc::new(move || is_in_time() && !has_gone());
    let (service, reader) = (Arc::clone(&app.service), caller.clone());
    let part = PageRequest::new(limit, before);
    list::answer(
        "auditLogs",
        Some(part),
        || service.begin_stream(&caller),
        move |from, limit| {
            let (app, caller, filter) = (app.clone(), reader.clone(), filter.clone());
            let goes_on = Rc::clone(&goes_on);
            async move {
                let number = from.map(|EventNumber(number)| number);
                match app.service.events(&caller, filter, number, limit + 1, &*goes_on).await {
                    Ok(found) => {
                        let shown =
                            found.events.iter().map(|event| (EventNumber(event.link.number), AuditRecord::from(event)));
                        Ok(Page::new(shown, limit)?.cut_at(found.next.map(EventNumber)))
                    }
                    // The first part of the answer is already sent: end the page here.
                    Err(Error::TooManyAtOnce(_)) if from != before => {
                        Ok(Page::new(None::<(EventNumber, ())>, limit)?.cut_at(from))
                    }
                    Err(error) => Err(error.into()),
                }
            }
        },
    )
    .await
}

/// The number of an event as a cursor.
#[derive(Clone, Copy, PartialEq, Eq)]
struct EventNumber(i64);

impl Cursor for EventNumber {
    fn to_text(&self) -> String {
        self.0.to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| *number > 0).map(Self)
    }
}

/// The parameters of a list of events.
struct AuditLogQuery {
    filter: EventFilter,
    before: Option<EventNumber>,
    limit: u32,
}

impl AuditLogQuery {
    /// Parses a query. Unknown parameters were refused before, or are ignored by configuration.
    fn parse(query: &str) -> Result<Self, Failure> {
        let mut page = Self { filter: EventFilter::default(), before: None, limit: DEFAULT_LIMIT };
        for (name, value) in parameters(query)? {
            let at =
                || Timestamp::parse(&value).ok_or_else(|| wrong_parameter(&name, "a time as in RFC 3339, or a date"));
            match name.as_str() {
                "startTime" => page.filter.from = Some(at()?),
                "endTime" => page.filter.to = Some(at()?),
                "actor" => page.filter.actor = Some(value),
                "resource" => page.filter.resource = Some(value),
                "searchTerm" => page.filter.text = Some(value),
                "action" => {
                    let action = Action::parse(&value);
                    page.filter.action =
                        Some(action.ok_or_else(|| wrong_parameter(&name, "the name of an action"))?.name().to_owned());
                }
                "limit" => page.limit = limit(&value)?,
                "cursor" => page.before = Some(EventNumber::parse(&value).ok_or_else(wrong_cursor)?),
                _ => {}
            }
        }
        Ok(page)
    }
}

/// An export of the audit log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditLogExport)]
pub(super) struct ShownExport {
    /// Opaque.
    id: String,
    /// Always null: an export covers the whole organization.
    #[schema(required, schema_with = null)]
    project_id: Option<()>,
    organization_id: String,
    /// Number of the key that requested the export.
    user_id: String,
    status: Status,
    #[schema(pattern = "^AUDIT_LOGS$")]
    export_type: &'static str,
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    start_time: Option<Timestamp>,
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    end_time: Option<Timestamp>,
    /// Number of events; null until the export is completed.
    #[schema(required)]
    row_count: Option<u64>,
    #[schema(required)]
    error_message: Option<String>,
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    completed_at: Option<Timestamp>,
}

/// State of an export.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = AuditLogExportStatus)]
enum Status {
    InProgress,
    Completed,
    Errored,
}

impl From<&AuditExport> for ShownExport {
    fn from(export: &AuditExport) -> Self {
        let (status, row_count, error_message, completed_at) = match &export.state {
            AuditExportState::InProgress => (Status::InProgress, None, None, None),
            AuditExportState::Completed { rows, at } => (Status::Completed, Some(*rows), None, Some(*at)),
            AuditExportState::Errored { sentence, at } => (Status::Errored, None, Some(sentence.clone()), Some(*at)),
        };
        Self {
            id: export.id.clone(),
            project_id: None,
            organization_id: export.organization.to_string(),
            user_id: export.caller.get().to_string(),
            status,
            export_type: "AUDIT_LOGS",
            start_time: export.filter.from,
            end_time: export.filter.to,
            row_count,
            error_message,
            created_at: export.created_at,
            completed_at,
        }
    }
}

pub(super) async fn create_export(Call { caller, app, request, payload }: Call<Audit>) -> HandlerResult {
    let filter = body::read::<V2, NewAuditLogExport>(&app, &request, payload).await?.filter()?;
    let export = app.service.begin_audit_export(&caller, filter, (app.random)()?).await?;
    let answer = success_with_status(StatusCode::ACCEPTED, ShownExport::from(&export));
    actix_web::rt::spawn(async move { app.service.finish_audit_export(export, || app.now()).await });
    answer
}

pub(super) async fn read_export(Call { caller, app, request, .. }: Call<Audit>) -> HandlerResult {
    success(ShownExport::from(&app.service.audit_export(&caller, export_id(&request))?))
}

pub(super) async fn download_export(Call { caller, app, request, .. }: Call<Audit>) -> HandlerResult {
    let export = app.service.audit_export(&caller, export_id(&request))?;
    match &export.state {
        AuditExportState::Completed { .. } => {}
        AuditExportState::InProgress => {
            return Err(Error::Conflict("The export is in progress; ask for it again.".to_owned()).into());
        }
        AuditExportState::Errored { sentence, .. } => return Err(Error::Conflict(sentence.clone()).into()),
    }
    let slot = app.service.begin_stream(&caller)?;
    let disposition = format!("attachment; filename=\"{}.csv.gz\"", export.id);
    let head = zip(&csv_head().map_err(unwritten)?)?;
    let pages = stream::unfold(Some((app, caller, export, None, slot)), |state| async move {
        let (app, caller, export, before, slot) = state?;
        match piece(&app, &caller, &export, before).await {
            Ok((bytes, next)) => Some((Ok(bytes), next.map(|next| (app, caller, export, Some(next), slot)))),
            Err(failure) => Some((Err(failure), None)),
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/gzip"))
        .insert_header((CONTENT_DISPOSITION, disposition))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(stream::once(async { Ok::<_, Failure>(head) }).chain(pages).boxed_local()))
}

/// A piece of the file, and where the next one starts.
async fn piece(
    app: &App,
    caller: &Permitted<Audit>,
    export: &AuditExport,
    before: Option<i64>,
) -> Result<(Bytes, Option<i64>), Failure> {
    let found = app.service.audit_export_events(caller, export, before).await?;
    Ok((zip(&csv_rows(&found.events).map_err(unwritten)?)?, found.next))
}

/// A complete gzip member; a gzip file may have several (RFC 1952, section 2.2).
fn zip(bytes: &[u8]) -> Result<Bytes, Failure> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let zipped = encoder.write_all(bytes).and_then(|()| encoder.finish());
    Ok(zipped.map_err(|e| Error::Internal(format!("an export could not be compressed: {e}")))?.into())
}

fn unwritten(error: csv::Error) -> Failure {
    Error::Internal(format!("an export could not be written: {error}")).into()
}

fn export_id(request: &HttpRequest) -> &str {
    request.match_info().get("exportId").unwrap_or_default()
}
