//! Request ids: the client's if it is safe to repeat, otherwise a new one.

use super::App;
use super::client::Client;
use super::headers::{CredentialHeader, X_REQUEST_ID, basic_passwords};
use crate::domain::{KeyId, Origin, has_full_key};
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderMap, HeaderValue, USER_AGENT};
use actix_web::{HttpMessage as _, HttpRequest};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Maximum length of an id.
const MAX: usize = 128;
/// Longer `User-Agent` headers are not stored.
const MAX_USER_AGENT: usize = 1024;
/// Maximum length of a key of any form, in bytes.
const MAX_KEY: usize = 256;
/// Substrings of keys with the default prefixes.
const KEY_MARKS: [&[u8]; 2] = [b"_org_", b"_proj_"];

/// Generates ids that are unique within a process, and almost certainly between processes.
#[derive(Debug)]
pub struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// A generator; the random bytes distinguish this process from others.
    pub fn new(random: [u8; 8]) -> Self {
        Self { process: u64::from_be_bytes(random), next: AtomicU64::new(1) }
    }

    fn make(&self) -> Option<HeaderValue> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        HeaderValue::try_from(format!("{:016x}-{number:x}", self.process)).ok()
    }
}

/// What is known of a request while it is being answered.
pub(super) struct Trace {
    /// Its id.
    id: HeaderValue,
    /// The authenticated key.
    pub(super) key: Cell<Option<KeyId>>,
}

/// Gives the request an id: its client's if it may be repeated.
pub(super) fn begin(app: &App, request: &ServiceRequest) -> HeaderValue {
    let brought =
        request.headers().get(X_REQUEST_ID).filter(|id| may_be_repeated(app, id.as_bytes(), request.headers()));
    let id = brought.cloned().or_else(|| app.request_ids.make()).unwrap_or(HeaderValue::from_static("-"));
    request.extensions_mut().insert(Trace { id: id.clone(), key: Cell::new(None) });
    id
}

/// Whether the id may appear in the answer, in the log and in audit events.
fn may_be_repeated(app: &App, id: &[u8], headers: &HeaderMap) -> bool {
    let mut credentials = CredentialHeader::ALL.into_iter().flat_map(|header| header.all(headers));
    (1..=MAX).contains(&id.len())
        && id.iter().all(u8::is_ascii_graphic)
        && !has_key_mark(app, id)
        && !credentials.any(|credential| has(id, credential))
        && !basic_passwords(headers).any(|password| has(id, &password))
}

/// Whether the text may contain a key in Keystead's form, or part of one with a known prefix.
fn has_key_mark(app: &App, text: &[u8]) -> bool {
    has_full_key(text)
        || KEY_MARKS.into_iter().any(|mark| has(text, mark))
        || app.service.key_prefixes().into_iter().any(|prefix| prefix.is_in(text))
}

fn has(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

/// Records the authenticated key.
pub(super) fn authenticated(request: &HttpRequest, key: KeyId) {
    if let Some(trace) = request.extensions().get::<Trace>() {
        trace.key.set(Some(key));
    }
}

/// The origin of a request, for audit events.
pub(super) fn origin(app: &App, request: &HttpRequest, credential: &[u8]) -> Origin {
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    // The request is not authenticated yet: a text that takes long to search is dropped.
    let user_agent = user_agent.filter(|text| {
        let text = text.as_bytes();
        let credential = if credential.len() <= MAX_KEY { credential } else { b"" };
        text.len() <= MAX_USER_AGENT && !has_key_mark(app, text) && !has(text, credential)
    });
    let extensions = request.extensions();
    let id = extensions.get::<Trace>().and_then(|trace| trace.id.to_str().ok());
    Client::of(app, request).origin(user_agent, id)
}
