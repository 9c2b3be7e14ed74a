//! Request log: one line per request. Of the client's input it contains only the request id: no unknown path,
//! no query, no header, no body.

use super::App;
use super::client::Client;
use super::introspection;
use super::request_id::Trace;
use crate::metrics::{Route, known_method};
use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, StatusCode};
use log::Level;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failed requests per second that are logged at `info`; anyone can cause failures without limit.
const LOGGED_FAILURES: u32 = 100;
const SECOND: Duration = Duration::from_secs(1);

/// Settings and state of the request log.
#[derive(Debug, Default)]
pub struct RequestLog {
    is_on: bool,
    failures: Mutex<FailedRequests>,
}

/// Failed requests in the current second.
#[derive(Debug, Default)]
struct FailedRequests {
    begun: Option<Instant>,
    count: u32,
}

impl RequestLog {
    /// Turns the log on or off.
    pub fn new(is_on: bool) -> Self {
        Self { is_on, failures: Mutex::default() }
    }

    /// The log level: changes and failures matter more than answered reads, of which there may be many
    /// thousands a second.
    fn level(&self, method: &Method, template: &str, status: StatusCode, begun: Instant) -> Level {
        if status.is_client_error() || status.is_server_error() {
            return if self.counts_failure(begun) { Level::Info } else { Level::Debug };
        }
        let is_question = method.is_safe()
            || template.starts_with("/auth/")
            || template.contains("/verify")
            || template == introspection::PATH;
        if is_question { Level::Debug } else { Level::Info }
    }

    /// Counts a failure; returns whether it is among the first of this second. The number of further ones is
    /// logged in a later second.
    fn counts_failure(&self, now: Instant) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.begun.is_none_or(|begun| now.saturating_duration_since(begun) >= SECOND) {
            let more = failures.count.saturating_sub(LOGGED_FAILURES);
            *failures = FailedRequests { begun: Some(now), count: 0 };
            if more > 0 {
                log::info!("{more} more requests failed within one second; they are logged at debug level only");
            }
        }
        failures.count = failures.count.saturating_add(1);
        failures.count <= LOGGED_FAILURES
    }
}

/// Logs an answered request.
pub(super) fn answered<B: MessageBody>(
    app: &App,
    answer: &ServiceResponse<B>,
    id: &HeaderValue,
    begun: Instant,
    took: Duration,
) {
    if !app.request_log.is_on {
        return;
    }
    let request = answer.request();
    let Some(route) = request.app_data::<Route>() else { return };
    let level = app.request_log.level(request.method(), route.template(), answer.status(), begun);
    if !log::log_enabled!(level) {
        return;
    }
    let bytes = match answer.response().body().size() {
        BodySize::None => Some(0),
        BodySize::Sized(bytes) => Some(bytes),
        BodySize::Stream => None,
    };
    let line = LogLine {
        method: known_method(request.method().as_str()),
        path: route.template(),
        status: answer.status().as_u16(),
        bytes,
        address: Client::of(app, request).address,
        key: request.extensions().get::<Trace>().and_then(|trace| trace.key.get()).map(|key| key.get()),
        id: id.to_str().unwrap_or("-"),
    };
    line.write(level, took);
}

/// Logs a request whose handler panicked; its route and client are lost.
pub(super) fn panicked(app: &App, method: &Method, id: &HeaderValue, took: Duration) {
    if app.request_log.is_on {
        let (method, id) = (known_method(method.as_str()), id.to_str().unwrap_or("-"));
        let line = LogLine { method, path: "panicked", status: 500, bytes: None, address: None, key: None, id };
        line.write(Level::Info, took);
    }
}

struct LogLine<'a> {
    method: &'static str,
    path: &'a str,
    status: u16,
    /// `None` if the length is unknown when the answer begins.
    bytes: Option<u64>,
    address: Option<IpAddr>,
    key: Option<i64>,
    id: &'a str,
}

impl LogLine<'_> {
    fn write(&self, level: Level, duration: Duration) {
        let Self { method, path, status, bytes, address, key, id } = self;
        let ms = duration.as_secs_f64() * 1000.0;
        let address = address.map(|address| address.to_string());
        let shown = [bytes.map(|it| it.to_string()), address.clone(), key.map(|it| it.to_string())];
        let [bytes_shown, from, by] = shown.map(|it| it.unwrap_or_else(|| "-".to_owned()));
        log::log!(
            level,
            method = *method, path = *path, status = *status, duration_ms = ms, bytes = *bytes, address = address.as_deref(),
            key = *key, request_id = *id;
            "{method} {path} {status} in {ms:.3} ms, {bytes_shown} bytes, from {from}, key {by}, request {id}",
        );
    }
}
