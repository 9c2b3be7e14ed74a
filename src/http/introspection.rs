//! Introspection (RFC 7662): a service with an OAuth 2.0 library asks whether a presented key is valid. A twin of
//! verification in another protocol: its errors have the form of RFC 6749, section 5.2.

use super::credential::authenticate_client;
use super::envelope::bare;
use super::error::Failure;
use super::{App, body, resource};
use crate::domain::{Permissions, Target, Timestamp};
use crate::metrics::Metrics;
use crate::service::{IdentifiedKey, PresentedKey, VerificationRequest, Verify};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::web::{self, Data, Payload, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;
use std::fmt;
use zeroize::Zeroizing;

/// The path. RFC 7662 leaves it to the server.
pub(super) const PATH: &str = "/oauth2/introspect";
const FORM: &str = "application/x-www-form-urlencoded";
const TOKEN: &str = "token";
const BASIC: HeaderValue = HeaderValue::from_static(r#"Basic realm="keystead""#);
const ROLE_TOO_LOW: &str = r#"Bearer realm="keystead", error="insufficient_scope""#;

pub(super) fn routes(config: &mut ServiceConfig, metrics: &Metrics) {
    config.service(resource(PATH, "POST", [web::post().to(introspect)], metrics));
}

/// The answer about a valid key. Times are in seconds.
#[derive(Serialize)]
struct Active<'a> {
    active: bool,
    /// The permissions. A scope is never empty (RFC 6749, section 3.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    /// The number of the key.
    client_id: String,
    /// The owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    iat: i64,
}

/// The answer about every other token says nothing else (RFC 7662, section 2.2).
#[derive(Serialize)]
struct Inactive {
    active: bool,
}

async fn introspect(app: Data<App>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, OAuthError> {
    let caller = authenticate_client(&app, &request).await?;
    let caller = caller.require::<Verify>(Target::default());
    let caller = caller.map_err(|error| Failure::from(error).with(WWW_AUTHENTICATE, ROLE_TOO_LOW))?;
    let token = read_token(&app, &request, payload).await?;
    // Without the client's address, a key with allowed addresses is refused.
    let (address, needed) = (None, Permissions::default());
    let question = VerificationRequest { presented: PresentedKey::Value(token.as_bytes()), address, needed };
    let verdict = app.service.verify(&caller, question).await.map_err(Failure::from)?;
    Ok(match &verdict.identified {
        Some(identified) if verdict.outcome.is_ok() => bare(&Active::from(identified))?,
        _ => bare(&Inactive { active: false })?,
    })
}

impl<'a> From<&'a IdentifiedKey> for Active<'a> {
    fn from(IdentifiedKey { key, sunset, .. }: &'a IdentifiedKey) -> Self {
        let seconds = |time: Timestamp| time.unix_ms().div_euclid(1000);
        Self {
            active: true,
            scope: (!key.permissions.is_empty()).then(|| key.permissions.as_str()),
            client_id: key.id.get().to_string(),
            sub: key.owner.as_ref().map(|owner| owner.as_str()),
            token_type: "Bearer",
            exp: key.expires_at.into_iter().chain(*sunset).min().map(seconds),
            iat: seconds(key.created_at),
        }
    }
}

/// The parameter `token`. Others are ignored, such as `token_type_hint`. An empty parameter counts as omitted, and none
/// may be repeated (RFC 6749, section 3.2).
///
/// # Errors
/// 415 for another content type, 413 if the body is too large, 408 if it takes too long, 400 without one token.
async fn read_token(app: &App, request: &HttpRequest, payload: Payload) -> Result<Zeroizing<String>, Failure> {
    if !body::is_of_type(request, FORM) {
        let sentence = format!("The request body must be sent with Content-Type: {FORM}.");
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence));
    }
    let bytes = body::collect(app.body_limit, app, payload).await?;
    let form = String::from_utf8_lossy(&bytes);
    let malformed = |_| Failure::bad_request("The request body is not a form.");
    let Query(parameters) = Query::<Vec<(String, String)>>::from_query(&form).map_err(malformed)?;
    let mut tokens = parameters.into_iter().filter(|(name, _)| name == TOKEN).map(|(_, value)| Zeroizing::new(value));
    match (tokens.next(), tokens.next()) {
        (Some(_), Some(_)) => Err(Failure::bad_request("The parameter token comes more than once.")),
        (Some(token), None) if !token.is_empty() => Ok(token),
        _ => Err(Failure::bad_request("The parameter token is required in the request body.")),
    }
}

/// A failure in the form of RFC 6749, section 5.2.
#[derive(Debug)]
struct OAuthError(Failure);

#[derive(Serialize)]
struct OAuthErrorBody {
    error: &'static str,
    error_description: String,
}

impl From<Failure> for OAuthError {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for OAuthError {
    fn status_code(&self) -> StatusCode {
        self.0.status()
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let error = match status {
            StatusCode::UNAUTHORIZED => "invalid_client",
            StatusCode::FORBIDDEN => "unauthorized_client",
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request",
        };
        let mut response = self.0.error_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().append(WWW_AUTHENTICATE, BASIC);
        }
        let body = OAuthErrorBody { error, error_description: self.0.to_string() };
        match serde_json::to_vec(&body) {
            Ok(text) => response.set_body(text).map_into_boxed_body(),
            Err(_) => response,
        }
    }
}
