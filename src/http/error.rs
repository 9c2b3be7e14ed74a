//! What a client reads when something was not done.

use super::envelope;
use crate::domain::{Error, Refusal};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use std::borrow::Cow;
use std::fmt;

/// A failed request: its status, one sentence, and a header that the status calls for.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    sentence: Cow<'static, str>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { status, sentence: sentence.into(), header: None }
    }

    fn with(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, HeaderValue::from_static(value))), ..self }
    }

    pub(super) fn bad_request(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    pub(super) fn no_such_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing at this path.")
    }

    pub(super) fn wrong_method(allow: &str) -> Self {
        let sentence = format!("This path does not take this method; it takes {allow}.");
        let header = HeaderValue::from_str(allow).ok().map(|allow| (ALLOW, allow));
        Self { header, ..Self::new(StatusCode::METHOD_NOT_ALLOWED, sentence) }
    }

    /// What panicked is in the log, by way of the panic hook.
    pub(super) fn panicked() -> Self {
        Error::Internal("a handler panicked".to_owned()).into()
    }
}

/// The one place where an error becomes a status. What only the operator should see goes to the log here.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Invalid(_) => StatusCode::BAD_REQUEST,
            Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Error::Forbidden(_) => StatusCode::FORBIDDEN,
            Error::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Conflict(_) => StatusCode::CONFLICT,
            Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if let Some(detail) = error.detail() {
            log::error!("answered with {}: {detail}", status.as_u16());
        }
        let failure = Self::new(status, error.to_string());
        match error {
            // RFC 6750, section 3.1: the error code only where a credential was presented.
            Error::Unauthenticated(Refusal::Missing) => failure.with(WWW_AUTHENTICATE, r#"Bearer realm="keystead""#),
            Error::Unauthenticated(_) => {
                failure.with(WWW_AUTHENTICATE, r#"Bearer realm="keystead", error="invalid_token""#)
            }
            Error::Unavailable { .. } => failure.with(RETRY_AFTER, "1"),
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
        let mut response = envelope::failure(self.status, &self.sentence);
        if let Some((name, value)) = self.header.clone() {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
