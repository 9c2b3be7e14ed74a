//! Reading JSON request bodies, with an error sentence for every defect.

use super::App;
use super::error::Failure;
use super::fields::{Fields, Request};
use super::version::Version;
use crate::json;
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt as _;
use serde_json::{Map, Value};

/// Reads the body as `T`.
///
/// # Errors
/// As [`fields`], and 400 if it does not match the type.
pub(super) async fn read<V: Version, T: Request>(
    app: &App,
    request: &HttpRequest,
    payload: Payload,
) -> Result<T, Failure> {
    fields::<V, T>(app, request, payload).await?.read()
}

/// Reads the body's fields without checking them.
///
/// # Errors
/// 415 for another content type, 413 if it is too large, 408 if it takes too long, 400 if it is not a JSON
/// object.
pub(super) async fn fields<V: Version, T: Request>(
    app: &App,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Fields, Failure> {
    let must_be_json = || if is_json(request) { Ok(()) } else { Err(not_said_to_be_json()) };
    if !T::IS_OPTIONAL {
        must_be_json()?;
    }
    let bytes = collect(app.body_limit.max(T::BYTES), app, payload).await?;
    if T::IS_OPTIONAL && bytes.is_empty() {
        return Ok(Fields::new(Map::new(), None, refuses_unknown::<V>(app)));
    }
    must_be_json()?;
    parse(&bytes, refuses_unknown::<V>(app))
}

fn refuses_unknown<V: Version>(app: &App) -> bool {
    V::REFUSES_UNKNOWN_NAMES && app.refuses_unknown_names
}

fn parse(bytes: &[u8], refuses_unknown: bool) -> Result<Fields, Failure> {
    // Versions that ignore unknown names also ignore repeated names: the last one counts.
    let read =
        if refuses_unknown { json::read(bytes) } else { serde_json::from_slice(bytes).map(|value| (value, None)) };
    match read {
        Ok((Value::Object(values), duplicate)) => Ok(Fields::new(values, duplicate, refuses_unknown)),
        Ok(_) => Err(Failure::bad_request("The request body must be a JSON object.")),
        Err(e) => Err(Failure::bad_request(format!(
            "The request body is not valid JSON: see line {}, column {}.",
            e.line(),
            e.column()
        ))),
    }
}

fn not_said_to_be_json() -> Failure {
    let sentence = "The request body must be sent with Content-Type: application/json.";
    Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence)
}

fn is_json(request: &HttpRequest) -> bool {
    is_of_type(request, "application/json")
}

/// Whether the body is said to be of this type; parameters such as a character set do not matter.
pub(super) fn is_of_type(request: &HttpRequest, kind: &str) -> bool {
    let Some(value) = request.headers().get(CONTENT_TYPE) else { return false };
    let essence = value.as_bytes().split(|c| *c == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(kind.as_bytes())
}

/// Collects the body within the limits of size and time.
///
/// # Errors
/// 413 if it is too large, 408 if it takes too long, 400 if it is incomplete.
pub(super) async fn collect(limit: usize, app: &App, mut payload: Payload) -> Result<BytesMut, Failure> {
    let all = async {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Failure::bad_request("The request body is incomplete."))?;
            if bytes.len() + chunk.len() > limit {
                let sentence = format!("The request body is larger than {limit} bytes.");
                return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, sentence));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    let too_slow = |_| Failure::new(StatusCode::REQUEST_TIMEOUT, "The request body took too long to arrive.");
    tokio::time::timeout(app.body_timeout, all).await.map_err(too_slow)?
}
