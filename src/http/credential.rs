//! From a request to an authenticated caller.

use super::App;
use super::error::Failure;
use crate::domain::{Error, Refusal, Timestamp};
use crate::service::Caller;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, HttpDate};
use actix_web::{HttpMessage as _, HttpRequest};
use std::time::{Duration, SystemTime};

const CONFIDENT_API_KEY: HeaderName = HeaderName::from_static("confident_api_key");
const SUNSET: HeaderName = HeaderName::from_static("sunset");
const X_API_KEY_WARNING: HeaderName = HeaderName::from_static("x-api-key-warning");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The caller, by the credential in `CONFIDENT_API_KEY`, `Authorization: Bearer` or `X-API-Key`.
///
/// # Errors
/// 401 without a good credential, 400 with two that differ.
async fn authenticate(app: &App, request: &HttpRequest, now: Timestamp) -> Result<Caller, Failure> {
    let credential = presented(request.headers())?.ok_or(Error::Unauthenticated(Refusal::Missing))?;
    let caller = app.service.authenticate(credential, now).await?;
    if let Some(at) = caller.sunset() {
        request.extensions_mut().insert(Sunset(at));
    }
    Ok(caller)
}

/// The caller, who must be able to manage its organization, and the time of the request.
///
/// # Errors
/// Those of [`authenticate`], and 403 for a project's key.
pub(super) async fn authenticate_manager(app: &App, request: &HttpRequest) -> Result<(Caller, Timestamp), Failure> {
    let now = app.now();
    let caller = authenticate(app, request, now).await?;
    caller.check_manages()?;
    Ok((caller, now))
}

/// Announces the end of an outgoing value on the answer to a request that was made with it: `Sunset` (RFC 8594) and
/// `X-Api-Key-Warning`.
pub(super) fn announce_sunset<B>(response: &mut ServiceResponse<B>) {
    let Some(Sunset(at)) = response.request().extensions().get().copied() else { return };
    let seconds = u64::try_from(at.unix_ms() / 1000).unwrap_or_default();
    let date = HttpDate::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    let warning = format!("This value of the API key is being replaced and stops working at {at}; use the new one.");
    for (name, text) in [(SUNSET, date), (X_API_KEY_WARNING, warning)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// When the value that a request was made with stops working.
#[derive(Clone, Copy)]
struct Sunset(Timestamp);

fn presented(headers: &HeaderMap) -> Result<Option<&[u8]>, Failure> {
    let plain = [CONFIDENT_API_KEY, X_API_KEY];
    let plain = plain.iter().flat_map(|name| headers.get_all(name)).map(|value| value.as_bytes());
    // Another scheme's credentials are meant for somebody else, such as a proxy on the way.
    let bearer = headers.get_all(AUTHORIZATION).filter_map(|value| bearer_token(value.as_bytes()));
    let mut found = None;
    for credential in plain.chain(bearer) {
        if found.is_some_and(|other| other != credential) {
            return Err(Failure::bad_request("The request carries two different API keys; send one."));
        }
        found = Some(credential);
    }
    Ok(found)
}

/// The token of `Bearer <token>`; schemes are case-insensitive (RFC 9110, section 11.1).
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}
