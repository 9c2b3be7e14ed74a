//! JSON responses, and the body of every failure.

use super::json_types::never;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use utoipa::ToSchema;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Answers concern credentials: no cache may store them, even masked.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The body of every failure.
#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
pub(super) struct FailureBody<'a> {
    #[schema(schema_with = never)]
    success: bool,
    /// A sentence that says what is wrong.
    error: &'a str,
    #[schema(schema_with = never)]
    deprecated: bool,
}

/// `{"success":false,"error":"…","deprecated":false}`.
pub(super) fn failure(status: StatusCode, error: &str) -> HttpResponse {
    json(status, &FailureBody::new(error)).unwrap_or_else(|_| HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR))
}

impl<'a> FailureBody<'a> {
    pub(super) fn new(error: &'a str) -> Self {
        Self { success: false, error, deprecated: false }
    }
}

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> serde_json::Result<HttpResponse> {
    let mut text = Vec::with_capacity(1024);
    serde_json::to_writer(&mut text, body)?;
    Ok(head(status).body(text))
}

/// The head of every JSON answer.
pub(super) fn head(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, JSON)).insert_header((CACHE_CONTROL, NO_STORE));
    response
}
