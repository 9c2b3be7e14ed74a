//! Development clock: tests of Keystead's users move it forward to see expiry and grace periods end at once.
//!
//! For development only: anyone who reaches the server can move it. It is refused unless the server listens
//! on loopback only.

use super::envelope::success;
use super::error::Failure;
use super::field_types::{AnyJson, integer};
use super::fields::fields;
use super::headers::http_date;
use super::json_types::time;
use super::v2::V2;
use super::{App, body, get, resource};
use crate::domain::Timestamp;
use crate::metrics::Metrics;
use actix_web::http::header::{DATE, HeaderMap};
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Offset of both clocks, in milliseconds. It never decreases.
#[derive(Debug, Default)]
pub struct DevClock {
    ahead_ms: AtomicI64,
}

impl DevClock {
    /// The time with the offset.
    pub fn shift(&self, now: Timestamp) -> Timestamp {
        now.plus_ms(self.ahead_ms.load(Ordering::SeqCst)).unwrap_or(now)
    }

    /// The offset.
    pub(super) fn ahead(&self) -> Duration {
        Duration::from_millis(self.ahead_ms.load(Ordering::SeqCst).unsigned_abs())
    }
}

#[derive(Serialize)]
struct Clock {
    #[serde(serialize_with = "time")]
    now: Timestamp,
}

fields! {
    /// The body that moves the clock.
    pub(super) struct Advance {
        "advanceInMs" ms: Option<AnyJson>,
    }
    called "Advance", such as {};
}

pub(super) fn routes(config: &mut web::ServiceConfig, metrics: &Metrics) {
    config.service(resource("/dev/clock", "GET, HEAD, POST", [get().to(read), web::post().to(advance)], metrics));
}

/// Sets `Date` to the moved clock: clients compare it with the times in the answer.
pub(super) fn set_date(app: &App, headers: &mut HeaderMap) {
    if app.dev_clock.is_some()
        && let Ok(date) = http_date(app.now()).try_into()
    {
        headers.insert(DATE, date);
    }
}

async fn read(app: Data<App>) -> Result<HttpResponse, Failure> {
    success(Clock { now: app.now() })
}

/// Moves the clock forward by `advanceInMs`.
async fn advance(app: Data<App>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Failure> {
    let Some(clock) = &app.dev_clock else { return Err(Failure::no_such_route()) };
    let Advance { ms } = body::read::<V2, _>(&app, &request, payload).await?;
    let expected =
        || Failure::bad_request("The field \"advanceInMs\" must be a whole number from 0 on, within the year 9999.");
    let ms = ms.as_ref().and_then(|AnyJson(ms)| integer(ms)).ok_or_else(expected)?;
    if ms < 0 || app.now().plus_ms(ms).is_none() {
        return Err(expected());
    }
    clock.ahead_ms.fetch_add(ms, Ordering::SeqCst);
    success(Clock { now: app.now() })
}
