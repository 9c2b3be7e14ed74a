//! Is it alive, is it ready?

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
            .named("isAlive".to_owned(), "Health", "Tells that the process answers")
            .answers(&Health { status: "ok" }),
        Endpoint::open("/readyz", ready)
            .named("isReady".to_owned(), "Health", "Tells whether the store can be read and written")
            .may_be_unavailable()
            .answers(&Health { status: "ready" }),
    ]
}

/// The process answers.
async fn alive() -> Result<HttpResponse, Failure> {
    success(Health { status: "ok" })
}

/// The store can be read and written: both are tried. 503 otherwise.
async fn ready(app: web::Data<App>) -> Result<HttpResponse, Failure> {
    app.service.check_ready().await?;
    success(Health { status: "ready" })
}
