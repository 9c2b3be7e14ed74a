//! From a request to an authenticated caller.

use super::client::Client;
use super::error::Failure;
use super::{App, request_id};
use crate::domain::{Error, Forms, Origin, Quota, Refusal, Role, Timestamp};
use crate::metrics::Via;
use crate::service::{Caller, Permitted, Purpose};
use actix_web::dev::{Payload, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, HttpDate};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::LocalBoxFuture;
use std::time::{Duration, SystemTime};

const CONFIDENT_API_KEY: HeaderName = HeaderName::from_static("confident_api_key");
const SUNSET: HeaderName = HeaderName::from_static("sunset");
const X_API_KEY_WARNING: HeaderName = HeaderName::from_static("x-api-key-warning");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

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
    fn written(self) -> &'static str {
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

/// A handler that has a permitted caller among its arguments is called for such a caller only, who is told by the credential in
/// `CONFIDENT_API_KEY`, `Authorization: Bearer` or `X-API-Key`. Else the answer is 401 without a good credential, 400 with two
/// that differ, 403 or 429 where the key may not be used from there or so often, 429 where too many wrong ones came from there,
/// and 403 where the key has not the role.
impl<P: Purpose> FromRequest for Permitted<P> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let app = Data::<App>::extract(&request).await?;
            let credential = only_credential(&app, request.headers())?;
            let origin = match P::ROLE {
                Role::Manager => request_id::origin(&app, &request, credential),
                // Asking changes nothing: nobody records where it came from but the address.
                Role::Verifier => Client::of(&app, &request).origin(None, None),
            };
            let caller = authenticate(&app, &request, credential, origin, Via::Authentication).await?;
            Ok(caller.require().map_err(Failure::from)?)
        })
    }
}

/// The client of a proxy that asks about it, by the first credential in the configured order.
///
/// # Errors
/// Those of a [`Permitted`] caller, but for two credentials that differ: the others are somebody else's.
pub(super) async fn authenticate_forwarded(app: &App, request: &HttpRequest) -> Result<Caller, Failure> {
    let [first, _] = presented(app, request.headers(), &app.forwarded_credentials);
    let first = first.ok_or_else(|| missing(&app.forwarded_credentials))?;
    let origin = Client::of(app, request).origin(None, None);
    authenticate(app, request, first, origin, Via::ForwardAuth).await
}

async fn authenticate(
    app: &App,
    request: &HttpRequest,
    credential: &[u8],
    origin: Origin,
    via: Via,
) -> Result<Caller, Failure> {
    let caller = app.service.authenticate(credential, origin, via, app.moment()).await?;
    request_id::authenticated(request, caller.key().id);
    if let (sunset, quota) = (caller.sunset(), caller.quota())
        && (sunset.is_some() || quota.is_some())
    {
        request.extensions_mut().insert(Announcement { sunset, quota });
    }
    Ok(caller)
}

/// What the answer to an authenticated request says about the key.
#[derive(Clone, Copy)]
struct Announcement {
    /// When the value that the request was made with stops working.
    sunset: Option<Timestamp>,
    /// What is left of the key's limit.
    quota: Option<Quota>,
}

/// Announces the end of an outgoing value on the answer to a request that was made with it, with `Sunset` (RFC 8594) and
/// `X-Api-Key-Warning`, and what is left of a key's limit.
pub(super) fn announce<B>(response: &mut ServiceResponse<B>) {
    let Some(Announcement { sunset, quota }) = response.request().extensions().get().copied() else { return };
    if let Some(quota) = quota {
        append(response.headers_mut(), quota_headers(quota));
    }
    let Some(at) = sunset else { return };
    let seconds = u64::try_from(at.unix_ms() / 1000).unwrap_or_default();
    let date = HttpDate::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    let warning = format!("This value of the API key is being replaced and stops working at {at}; use the new one.");
    append(response.headers_mut(), [(SUNSET, date), (X_API_KEY_WARNING, warning)]);
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

/// The credential of a request that has one, be it in several headers.
fn only_credential<'a>(app: &App, headers: &'a HeaderMap) -> Result<&'a [u8], Failure> {
    let [first, other] = presented(app, headers, &CredentialHeader::ALL);
    if other.is_some() {
        return Err(Failure::bad_request("The request carries two different API keys; send one."));
    }
    first.ok_or_else(|| missing(&CredentialHeader::ALL))
}

/// The refusal of a request without a credential, with the headers that take one.
fn missing(headers: &[CredentialHeader]) -> Failure {
    let names: Vec<&str> = headers.iter().map(|header| header.written()).collect();
    let names = match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    };
    let sentence = format!("An API key is required: send it in the header {names}.");
    Failure::from(Error::Unauthenticated(Refusal::Missing)).with_sentence(sentence)
}

/// The first credential in these headers, in this order, and the first that differs from it. An empty header has none. A bearer token that has not the form of a key
/// is another service's, such as the app's own behind a gate: it counts only where there is nothing else, and is then
/// refused. Where imports brought keys of other forms, such a token has the form of one of those: it counts only where
/// no other credential has the form of a key.
fn presented<'a>(app: &App, headers: &'a HeaderMap, order: &[CredentialHeader]) -> [Option<&'a [u8]>; 2] {
    let all = || order.iter().flat_map(|header| header.all(headers).map(move |credential| (*header, credential)));
    let mut some = all();
    let Some((_, only)) = some.next() else { return [None, None] };
    if some.next().is_none() {
        return [Some(only), None];
    }
    let is_ours = |credential: &[u8]| Forms::default().admit(credential);
    let has_key = all().any(|(header, credential)| match header {
        CredentialHeader::Authorization => is_ours(credential),
        CredentialHeader::ConfidentApiKey | CredentialHeader::XApiKey => app.service.may_be_key(credential),
    });
    let counts = |(header, credential): &(CredentialHeader, &[u8])| match header {
        CredentialHeader::Authorization if has_key => is_ours(credential),
        CredentialHeader::Authorization => app.service.may_be_key(credential),
        CredentialHeader::ConfidentApiKey | CredentialHeader::XApiKey => true,
    };
    let mut keys = all().filter(counts).map(|(_, credential)| credential);
    let Some(first) = keys.next() else { return [Some(only), None] };
    [Some(first), keys.find(|other| *other != first)]
}

/// The token of `Bearer <token>`; schemes are case-insensitive (RFC 9110, section 11.1).
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}
