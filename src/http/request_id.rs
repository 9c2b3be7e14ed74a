//! What a request is called: by its client, or by us.

use super::App;
use super::client::Client;
use super::headers::{CredentialHeader, X_REQUEST_ID};
use crate::domain::{KeyId, Origin, has_full_key};
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderMap, HeaderValue, USER_AGENT};
use actix_web::{HttpMessage as _, HttpRequest};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most characters of an id.
const MAX: usize = 128;
/// The most bytes of a `User-Agent` of which anything is kept.
const MAX_USER_AGENT: usize = 1024;
/// The most bytes of a key of any form.
const MAX_KEY: usize = 256;
/// What keys of the usual form have in them.
const KEY_MARKS: [&[u8]; 2] = [b"_org_", b"_proj_"];

/// Where ids come from: no two requests of one process have the same, nor, most probably, of two.
#[derive(Debug)]
pub struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// Those of a process, told apart by random bytes from those of others.
    pub fn new(random: [u8; 8]) -> Self {
        Self { process: u64::from_be_bytes(random), next: AtomicU64::new(1) }
    }

    fn make(&self) -> Option<HeaderValue> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        HeaderValue::try_from(format!("{:016x}-{number:x}", self.process)).ok()
    }
}

/// What is known of a request while it is on its way.
pub(super) struct Trace {
    /// What it is called.
    id: HeaderValue,
    /// The key that it was made with, once that is found to be good.
    pub(super) key: Cell<Option<KeyId>>,
}

/// Gives the request a name, which goes with it; that which its client gave it where it may be repeated.
pub(super) fn begin(app: &App, request: &ServiceRequest) -> HeaderValue {
    let brought =
        request.headers().get(X_REQUEST_ID).filter(|id| may_be_repeated(app, id.as_bytes(), request.headers()));
    let id = brought.cloned().or_else(|| app.request_ids.make()).unwrap_or(HeaderValue::from_static("-"));
    request.extensions_mut().insert(Trace { id: id.clone(), key: Cell::new(None) });
    id
}

/// Whether an answer, a log and the record of what was done may have it.
fn may_be_repeated(app: &App, id: &[u8], headers: &HeaderMap) -> bool {
    let mut credentials = CredentialHeader::ALL.into_iter().flat_map(|header| header.all(headers));
    (1..=MAX).contains(&id.len())
        && id.iter().all(u8::is_ascii_graphic)
        && !has_key_mark(app, id)
        && !credentials.any(|credential| has(id, credential))
}

/// Whether somebody may have put a key of our form there, or a part of one with a usual prefix.
fn has_key_mark(app: &App, text: &[u8]) -> bool {
    has_full_key(text)
        || KEY_MARKS.into_iter().any(|mark| has(text, mark))
        || app.service.key_prefixes().into_iter().any(|prefix| prefix.is_in(text))
}

fn has(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

/// Takes note of whose request it is.
pub(super) fn authenticated(request: &HttpRequest, key: KeyId) {
    if let Some(trace) = request.extensions().get::<Trace>() {
        trace.key.set(Some(key));
    }
}

/// Where a change comes from, for the record of what was done.
pub(super) fn origin(app: &App, request: &HttpRequest, credential: &[u8]) -> Origin {
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    // Nobody has authenticated yet: what takes long to search, nobody needs to keep.
    let user_agent = user_agent.filter(|text| {
        let text = text.as_bytes();
        let credential = if credential.len() <= MAX_KEY { credential } else { b"" };
        text.len() <= MAX_USER_AGENT && !has_key_mark(app, text) && !has(text, credential)
    });
    let extensions = request.extensions();
    let id = extensions.get::<Trace>().and_then(|trace| trace.id.to_str().ok());
    Client::of(app, request).origin(user_agent, id)
}
