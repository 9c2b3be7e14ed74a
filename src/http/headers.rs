//! Keystead's own request and answer headers.

use crate::domain::{Quota, Timestamp};
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, HttpDate};
use data_encoding::BASE64;
use percent_encoding::percent_decode;
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

const CONFIDENT_API_KEY: HeaderName = HeaderName::from_static("confident_api_key");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The id of a request, in the request and in its answer.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A header that carries an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialHeader {
    /// `CONFIDENT_API_KEY: <key>`
    ConfidentApiKey,
    /// `Authorization: Bearer <key>`
    Authorization,
    /// `X-API-Key: <key>`
    XApiKey,
}

impl CredentialHeader {
    /// All of them, in the default order.
    pub const ALL: [Self; 3] = [Self::ConfidentApiKey, Self::Authorization, Self::XApiKey];

    /// Parses a header name in any case; `None` for any other header.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|header| header.name().as_str().eq_ignore_ascii_case(name))
    }

    /// The spelling for sentences.
    pub(super) fn written(self) -> &'static str {
        match self {
            Self::ConfidentApiKey => "CONFIDENT_API_KEY",
            Self::Authorization => "Authorization: Bearer",
            Self::XApiKey => "X-API-Key",
        }
    }

    fn name(self) -> HeaderName {
        match self {
            Self::ConfidentApiKey => CONFIDENT_API_KEY,
            Self::Authorization => AUTHORIZATION,
            Self::XApiKey => X_API_KEY,
        }
    }

    /// The credentials in this header, without empty ones.
    pub(super) fn all(self, headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
        let values = headers.get_all(self.name()).map(HeaderValue::as_bytes).filter_map(move |value| match self {
            // Credentials of other schemes are meant for others, such as a proxy on the way.
            Self::Authorization => bearer_token(value),
            Self::ConfidentApiKey | Self::XApiKey => Some(value),
        });
        values.filter(|credential| !credential.trim_ascii().is_empty())
    }
}

/// The remaining quota, as in draft-ietf-httpapi-ratelimit-headers-10; the policy's name contains the key's
/// number.
pub(super) fn quota_headers(quota: Quota) -> [(HeaderName, String); 2] {
    let Quota { key, rate_limit, remaining, reset_s } = quota;
    let policy = format!("\"key-{}\";q={};w={}", key.get(), rate_limit.limit(), rate_limit.window_s());
    [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, format!("\"key-{}\";r={remaining};t={reset_s}", key.get()))]
}

/// The time as in RFC 9110, section 5.6.7.
pub(super) fn http_date(time: Timestamp) -> String {
    let seconds = u64::try_from(time.unix_ms() / 1000).unwrap_or_default();
    HttpDate::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

/// Adds headers to the existing ones.
pub(super) fn append<const N: usize>(headers: &mut HeaderMap, more: [(HeaderName, String); N]) {
    for (name, text) in more {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(name, value);
        }
    }
}

/// The passwords in `Authorization: Basic` (RFC 7617), without empty ones. Clients encode them as in a form (RFC 6749,
/// section 2.3.1).
pub(super) fn basic_passwords(headers: &HeaderMap) -> impl Iterator<Item = Zeroizing<Vec<u8>>> {
    headers.get_all(AUTHORIZATION).filter_map(|value| basic_password(value.as_bytes()))
}

fn basic_password(value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut credentials = Zeroizing::new(BASE64.decode(after_scheme(value, b"basic ")?).ok()?);
    let colon = credentials.iter().position(|byte| *byte == b':')?;
    credentials.iter_mut().filter(|byte| **byte == b'+').for_each(|byte| *byte = b' ');
    let password = Zeroizing::new(percent_decode(&credentials[colon + 1..]).collect::<Vec<u8>>());
    (!password.trim_ascii().is_empty()).then_some(password)
}

/// The token of `Bearer <token>`.
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    after_scheme(value, b"bearer ")
}

/// What follows the scheme. Scheme names are case-insensitive (RFC 9110, section 11.1).
fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (begin, rest) = value.split_at_checked(scheme.len())?;
    begin.eq_ignore_ascii_case(scheme).then(|| rest.trim_ascii())
}
