//! From a request to an authenticated caller.

use super::App;
use super::error::Failure;
use crate::domain::{Error, Refusal};
use crate::service::Caller;
use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};

const CONFIDENT_API_KEY: HeaderName = HeaderName::from_static("confident_api_key");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The caller, by the credential in `CONFIDENT_API_KEY`, `Authorization: Bearer` or `X-API-Key`.
///
/// # Errors
/// 401 without a good credential, 400 with two that differ.
pub(super) async fn authenticate(app: &App, request: &HttpRequest) -> Result<Caller, Failure> {
    let credential = presented(request.headers())?.ok_or(Error::Unauthenticated(Refusal::Missing))?;
    Ok(app.service.authenticate(credential, (app.now)()).await?)
}

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
