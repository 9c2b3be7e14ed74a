//! Is it alive, is it ready?

use super::envelope::success;
use super::error::Failure;
use super::{App, get, resource};
use actix_web::{HttpResponse, web};
use serde::Serialize;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/healthz", "GET, HEAD", [get().to(alive)])).service(resource(
        "/readyz",
        "GET, HEAD",
        [get().to(ready)],
    ));
}

/// The process answers.
async fn alive() -> Result<HttpResponse, Failure> {
    success(Health { status: "ok" })
}

/// The store can be read and the writer accepts work; 503 otherwise.
async fn ready(app: web::Data<App>) -> Result<HttpResponse, Failure> {
    app.service.check_ready().await?;
    success(Health { status: "ready" })
}
