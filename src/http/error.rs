//! Failed requests: status, sentence and headers.

use super::headers::{X_REQUEST_ID, quota_headers};
use super::response;
use crate::domain::{Error, Quota, Refusal};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use std::borrow::Cow;
use std::fmt;

/// The result of a handler.
pub(super) type HandlerResult = Result<HttpResponse, Failure>;

const EXPIRY_NEEDED: &str = "The key has expired: set \"expiresInDays\" to its new lifetime, or to null for no expiry.";
const IDEMPOTENCY_KEY_REUSED: &str = "This Idempotency-Key was used for a different request; use a new one.";

/// A failed request: its status, its sentence, and the headers of that status.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    sentence: Cow<'static, str>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { status, sentence: sentence.into(), headers: Vec::new() }
    }

    /// The same with one more header.
    pub(super) fn with(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        self.headers.extend(value.try_into().ok().map(|value| (name, value)));
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The same with another status, for proxies that understand only a few.
    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same with another sentence.
    pub(super) fn with_sentence(self, sentence: String) -> Self {
        Self { sentence: sentence.into(), ..self }
    }

    /// The same without `Retry-After`.
    pub(super) fn without_retry_after(mut self) -> Self {
        self.headers.retain(|(name, _)| *name != RETRY_AFTER);
        self
    }

    pub(super) fn bad_request(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    pub(super) fn no_such_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing at this path.")
    }

    pub(super) fn wrong_method(allow: &str) -> Self {
        let sentence = format!("This path does not support this method; it supports {allow}.");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, sentence).with(ALLOW, allow)
    }

    pub(super) fn head_too_large() -> Self {
        let sentence = "The request's head has too many bytes or too many headers.";
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, sentence)
    }

    fn rate_limited(self, quota: Quota) -> Self {
        let failure = self.with(RETRY_AFTER, quota.reset_s.to_string());
        quota_headers(quota).into_iter().fold(failure, |failure, (name, value)| failure.with(name, value))
    }

    /// The panic hook has logged the panic.
    pub(super) fn panicked(request_id: HeaderValue) -> Self {
        Self::from(Error::Internal("a handler panicked".to_owned())).with(X_REQUEST_ID, request_id)
    }
}

/// The only mapping from errors to statuses. Details for the operator are logged here.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Invalid(_) | Error::ExpiryNeeded => StatusCode::BAD_REQUEST,
            Error::Unauthenticated(Refusal::RateLimited(_))
            | Error::TooManyInvalidKeys { .. }
            | Error::TooManyAtOnce(_)
            | Error::TooManyChanges { .. } => StatusCode::TOO_MANY_REQUESTS,
            Error::Forbidden(_)
            | Error::Unauthenticated(Refusal::AddressRefused | Refusal::InsufficientPermissions) => {
                StatusCode::FORBIDDEN
            }
            Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Error::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Conflict(_) | Error::ValueEnded => StatusCode::CONFLICT,
            Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if let Some(detail) = error.detail() {
            log::error!("answered with {}: {detail}", status.as_u16());
        }
        let failure = match &error {
            Error::ExpiryNeeded => Self::new(status, EXPIRY_NEEDED),
            Error::IdempotencyKeyReused => Self::new(status, IDEMPOTENCY_KEY_REUSED),
            error => Self::new(status, error.to_string()),
        };
        match error {
            // RFC 6750, section 3.1: an error code only if a credential was presented.
            Error::Unauthenticated(Refusal::Missing) => failure.with(WWW_AUTHENTICATE, r#"Bearer realm="keystead""#),
            Error::Unauthenticated(Refusal::RateLimited(quota)) => failure.rate_limited(quota),
            Error::Unauthenticated(refusal) if refusal.is_of_credential() => {
                failure.with(WWW_AUTHENTICATE, r#"Bearer realm="keystead", error="invalid_token""#)
            }
            Error::TooManyInvalidKeys { retry_after_s } | Error::TooManyChanges { retry_after_s } => {
                failure.with(RETRY_AFTER, retry_after_s.to_string())
            }
            Error::Unavailable { .. } | Error::TooManyAtOnce(_) => failure.with(RETRY_AFTER, "1"),
            _ => failure,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = response::failure(self.status, &self.sentence);
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}
