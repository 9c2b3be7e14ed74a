//! The headers of requests and answers that are ours.

use crate::domain::Quota;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

const CONFIDENT_API_KEY: HeaderName = HeaderName::from_static("confident_api_key");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a request is called, in the request and in its answer.
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
    /// All there are, in their usual order.
    pub const ALL: [Self; 3] = [Self::ConfidentApiKey, Self::Authorization, Self::XApiKey];

    /// From its name, whatever its case; `None` where it is none of ours.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|header| header.name().as_str().eq_ignore_ascii_case(name))
    }

    /// As it is written in a sentence.
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

    /// The credentials in it; an empty one is none.
    pub(super) fn all(self, headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
        let values = headers.get_all(self.name()).map(HeaderValue::as_bytes).filter_map(move |value| match self {
            // Another scheme's credentials are meant for somebody else, such as a proxy on the way.
            Self::Authorization => bearer_token(value),
            Self::ConfidentApiKey | Self::XApiKey => Some(value),
        });
        values.filter(|credential| !credential.trim_ascii().is_empty())
    }
}

/// What is left of a key's limit, as draft-ietf-httpapi-ratelimit-headers-10 has it; the policy is named after the key.
pub(super) fn quota_headers(quota: Quota) -> [(HeaderName, String); 2] {
    let Quota { key, rate_limit, remaining, reset_s } = quota;
    let policy = format!("\"key-{}\";q={};w={}", key.get(), rate_limit.limit(), rate_limit.window_s());
    [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, format!("\"key-{}\";r={remaining};t={reset_s}", key.get()))]
}

/// Adds headers to those that there are.
pub(super) fn append<const N: usize>(headers: &mut HeaderMap, more: [(HeaderName, String); N]) {
    for (name, text) in more {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(name, value);
        }
    }
}

/// The token of `Bearer <token>`; schemes are case-insensitive (RFC 9110, section 11.1).
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}
