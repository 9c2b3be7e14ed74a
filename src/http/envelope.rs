//! The JSON envelope of successful answers.

use super::error::Failure;
use super::response::json;
use crate::domain::Error;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;

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

/// `{"success":true,"data":…}` with status 200.
pub(super) fn success(data: impl Serialize) -> Result<HttpResponse, Failure> {
    success_with_status(StatusCode::OK, data)
}

/// The same with another status.
pub(super) fn success_with_status(status: StatusCode, data: impl Serialize) -> Result<HttpResponse, Failure> {
    written(json(status, &Success { success: true, data }))
}

/// The same with a `notice`.
pub(super) fn success_with_notice(data: impl Serialize, notice: &str) -> Result<HttpResponse, Failure> {
    written(json(StatusCode::OK, &NoticedSuccess { success: true, data, notice }))
}

/// The data alone with status 200, for protocols that have no envelope.
pub(super) fn bare(data: &impl Serialize) -> Result<HttpResponse, Failure> {
    written(json(StatusCode::OK, data))
}

fn written(response: serde_json::Result<HttpResponse>) -> Result<HttpResponse, Failure> {
    response.map_err(|e| Error::Internal(format!("an answer could not be written: {e}")).into())
}
