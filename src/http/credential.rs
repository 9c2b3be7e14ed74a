//! Authentication of requests: from the headers to a permitted caller.

use super::client::Client;
use super::error::Failure;
use super::headers::{CredentialHeader, append, basic_passwords, http_date, quota_headers};
use super::{App, request_id};
use crate::domain::{Error, KeyForms, KeyId, Origin, Permissions, ProjectId, Quota, Refusal, Target, Task, Timestamp};
use crate::metrics::Via;
use crate::service::{Caller, Permitted, Purpose};
use actix_web::dev::{self, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::web::{Data, Payload};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::LocalBoxFuture;

const SUNSET: HeaderName = HeaderName::from_static("sunset");
const X_API_KEY_WARNING: HeaderName = HeaderName::from_static("x-api-key-warning");

/// An authenticated request whose key may do this. Other requests never reach the handler.
/// They get 401 without a valid credential in `CONFIDENT_API_KEY`, `Authorization: Bearer` or `X-API-Key`;
/// 400 for two different credentials; 403 for an address that is not allowed or a role that is too low; 429 for an
/// exceeded rate limit or too many invalid keys from the address.
pub(super) struct Call<P> {
    pub(super) caller: Permitted<P>,
    pub(super) app: Data<App>,
    pub(super) request: HttpRequest,
    pub(super) payload: Payload,
}

impl<P: Purpose> FromRequest for Call<P> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (request, payload) = (request.clone(), Payload::from_request(request, payload));
        Box::pin(async move {
            let (app, payload) = (Data::<App>::extract(&request).await?, payload.await?);
            let credential = only_credential(&app, request.headers())?;
            let origin = match P::TASK {
                // A verification changes nothing, so no event needs the user agent and the request id.
                Task::Verify => Client::of(&app, &request).origin(None, None),
                _ => request_id::origin(&app, &request, credential),
            };
            let needed = Permissions::default();
            let caller = authenticate(&app, &request, credential, &needed, origin, Via::Authentication).await?;
            let caller = caller.require(target(&request)).map_err(Failure::from)?;
            Ok(Self { caller, app, request, payload })
        })
    }
}

/// What the path is about.
fn target(request: &HttpRequest) -> Target {
    let path = request.match_info();
    Target {
        project: path.get("projectId").and_then(ProjectId::parse),
        key: path.get("id").and_then(|id| id.parse().ok()).and_then(KeyId::new),
    }
}

/// Authenticates a proxy's client by the first credential in the configured order. Its key needs these permissions.
///
/// # Errors
/// As for a [`Call`], but further credentials are ignored: they belong to another service.
pub(super) async fn authenticate_forwarded(
    app: &App,
    request: &HttpRequest,
    needed: &Permissions,
) -> Result<Caller, Failure> {
    let [first, _] = presented(app, request.headers(), &app.forwarded_credentials);
    let first = first.ok_or_else(|| missing(&app.forwarded_credentials))?;
    let origin = Client::of(app, request).origin(None, None);
    authenticate(app, request, first, needed, origin, Via::ForwardAuth).await
}

/// Authenticates a client of OAuth 2.0, which may also send its key as the password of `Authorization: Basic`.
///
/// # Errors
/// As for a [`Call`].
pub(super) async fn authenticate_client(app: &App, request: &HttpRequest) -> Result<Caller, Failure> {
    let headers = request.headers();
    let [first, other] = presented(app, headers, &CredentialHeader::ALL);
    let passwords: Vec<_> = basic_passwords(headers).collect();
    // A password that is no key is meant for others, if there is a key.
    let passwords = passwords.iter().map(|password| password.as_slice());
    let passwords = passwords.filter(|password| first.is_none() || app.service.may_be_key(password));
    let mut credentials = first.into_iter().chain(other).chain(passwords);
    let credential = credentials.next().ok_or_else(|| {
        let sentence = "An API key is required: send it as the password of Authorization: Basic, or in the header \
                        Authorization: Bearer, CONFIDENT_API_KEY or X-API-Key.";
        Failure::from(Error::Unauthenticated(Refusal::Missing)).with_sentence(sentence.to_owned())
    })?;
    if credentials.any(|other| other != credential) {
        return Err(two_keys());
    }
    let origin = Client::of(app, request).origin(None, None);
    authenticate(app, request, credential, &Permissions::default(), origin, Via::Authentication).await
}

async fn authenticate(
    app: &App,
    request: &HttpRequest,
    credential: &[u8],
    needed: &Permissions,
    origin: Origin,
    via: Via,
) -> Result<Caller, Failure> {
    let caller =
        app.service.authenticate(credential, needed, origin, via, app.moment()).await.inspect_err(|error| {
            if let Error::Unauthenticated(Refusal::RateLimited(quota)) = error {
                request_id::authenticated(request, quota.key);
            }
        })?;
    request_id::authenticated(request, caller.key().id);
    if let (sunset, quota) = (caller.sunset(), caller.quota())
        && (sunset.is_some() || quota.is_some())
    {
        request.extensions_mut().insert(KeyHeaders { sunset, quota });
    }
    Ok(caller)
}

/// What the answer's headers say about the key.
#[derive(Clone, Copy)]
struct KeyHeaders {
    /// When the presented value stops working.
    sunset: Option<Timestamp>,
    /// The remaining quota.
    quota: Option<Quota>,
}

/// Adds `Sunset` (RFC 8594) and `X-Api-Key-Warning` if the request used the outgoing value of a rotation, and
/// the remaining quota if the key has a rate limit.
pub(super) fn add_key_headers<B>(response: &mut ServiceResponse<B>) {
    let Some(KeyHeaders { sunset, quota }) = response.request().extensions().get().copied() else { return };
    if let Some(quota) = quota {
        append(response.headers_mut(), quota_headers(quota));
    }
    let Some(at) = sunset else { return };
    let warning = format!("This value of the API key is being replaced and stops working at {at}; use the new one.");
    append(response.headers_mut(), [(SUNSET, http_date(at)), (X_API_KEY_WARNING, warning)]);
}

/// The request's credential; the same one may be in several headers.
fn only_credential<'a>(app: &App, headers: &'a HeaderMap) -> Result<&'a [u8], Failure> {
    let [first, other] = presented(app, headers, &CredentialHeader::ALL);
    if other.is_some() {
        return Err(two_keys());
    }
    first.ok_or_else(|| missing(&CredentialHeader::ALL))
}

fn two_keys() -> Failure {
    Failure::bad_request("The request carries two different API keys; send one.")
}

/// The refusal of a request without a credential, naming the headers that carry one.
fn missing(headers: &[CredentialHeader]) -> Failure {
    let names: Vec<&str> = headers.iter().map(|header| header.written()).collect();
    let names = match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    };
    let sentence = format!("An API key is required: send it in the header {names}.");
    Failure::from(Error::Unauthenticated(Refusal::Missing)).with_sentence(sentence)
}

/// The first credential in these headers, in order, and the first that differs from it. Empty headers are
/// skipped. A bearer token without the form of a key belongs to another service, such as the app behind a
/// gate: it counts only if there is no other credential, and is then refused. If the store holds external
/// keys, such a token may be one: it counts only if no other credential has the form of a key.
fn presented<'a>(app: &App, headers: &'a HeaderMap, order: &[CredentialHeader]) -> [Option<&'a [u8]>; 2] {
    let all = || order.iter().flat_map(|header| header.all(headers).map(move |credential| (*header, credential)));
    let mut some = all();
    let Some((_, only)) = some.next() else { return [None, None] };
    if some.next().is_none() {
        return [Some(only), None];
    }
    let is_ours = |credential: &[u8]| KeyForms::default().admit(credential);
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
