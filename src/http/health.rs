//! Liveness and readiness.

use super::App;
use super::endpoint::Endpoint;
use super::envelope::success;
use super::error::Failure;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok` or `ready`.
    status: &'static str,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::open("/healthz", alive)
            .named("isAlive".to_owned(), "Health", "Check that the process answers")
            .answers(&Health { status: "ok" }),
        Endpoint::open("/readyz", ready)
            .named("isReady".to_owned(), "Health", "Check that the store can be read and written")
            .may_be_unavailable()
            .answers(&Health { status: "ready" }),
    ]
}

/// 200 while the process answers.
async fn alive() -> Result<HttpResponse, Failure> {
    success(Health { status: "ok" })
}

/// 200 if the store can be read and written, tested by doing both; otherwise 503.
async fn ready(app: web::Data<App>) -> Result<HttpResponse, Failure> {
    app.service.check_ready().await?;
    success(Health { status: "ready" })
}
