//! The shape that every answer has.

use super::error::Failure;
use super::schemas::never;
use crate::domain::{Error, Timestamp};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Answers are about credentials: no cache on the way may keep one, not even a masked one.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

#[derive(Serialize)]
struct Success<T> {
    success: bool,
    data: T,
}

#[derive(Serialize)]
struct NoticedSuccess<'a, T> {
    success: bool,
    data: T,
    notice: &'a str,
}

/// What every failure is answered with.
#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
pub(super) struct Refusal<'a> {
    #[schema(schema_with = never)]
    success: bool,
    /// One sentence that says what was wrong.
    error: &'a str,
    #[schema(schema_with = never)]
    deprecated: bool,
}

/// `{"success":true,"data":…}` with status 200.
pub(super) fn success(data: impl Serialize) -> Result<HttpResponse, Failure> {
    success_with_status(StatusCode::OK, data)
}

/// The same with another status.
pub(super) fn success_with_status(status: StatusCode, data: impl Serialize) -> Result<HttpResponse, Failure> {
    json(status, &Success { success: true, data })
        .map_err(|e| Error::Internal(format!("an answer could not be written: {e}")).into())
}

/// The same with a sentence about it.
pub(super) fn success_with_notice(data: impl Serialize, notice: &str) -> Result<HttpResponse, Failure> {
    json(StatusCode::OK, &NoticedSuccess { success: true, data, notice })
        .map_err(|e| Error::Internal(format!("an answer could not be written: {e}")).into())
}

/// `{"success":false,"error":"…","deprecated":false}`.
pub(super) fn failure(status: StatusCode, error: &str) -> HttpResponse {
    json(status, &Refusal::new(error)).unwrap_or_else(|_| HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR))
}

impl<'a> Refusal<'a> {
    pub(super) fn new(error: &'a str) -> Self {
        Self { success: false, error, deprecated: false }
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> serde_json::Result<HttpResponse> {
    let mut text = Vec::with_capacity(1024);
    serde_json::to_writer(&mut text, body)?;
    Ok(head(status).body(text))
}

/// The beginning of any JSON answer.
pub(super) fn head(status: StatusCode) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, JSON)).insert_header((CACHE_CONTROL, NO_STORE));
    response
}

/// A time as the wire has it: RFC 3339, UTC, milliseconds.
pub(super) fn time<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(at.text().as_str())
}

/// A time as the wire has it, or null.
pub(super) fn optional_time<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => time(at, serializer),
        None => serializer.serialize_none(),
    }
}
