//! What Prometheus reads, and the listener of its own that it reads it from.

use super::error::Failure;
use super::server::{self, ServerSize, Sockets};
use super::{App, ServerOptions, get, nothing, resource};
use crate::metrics::{Metrics, Route};
use actix_web::dev::{Server, ServiceResponse};
use actix_web::http::KeepAlive;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App as ActixApp, HttpResponse};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// Where the metrics are.
pub const PATH: &str = "/metrics";
/// A few of those who watch, and somebody who looks.
const CONNECTIONS: usize = 64;

/// A server of the metrics and of nothing else, as [`super::serve`] gives one of what is served to all.
///
/// It needs one thread. A connection is not kept for the next scrape: so none is open when the server stops.
///
/// # Errors
/// Where the operating system refuses.
pub fn serve(app: Arc<App>, socket: TcpListener, options: &ServerOptions) -> std::io::Result<Server> {
    let app = Data::from(app);
    let make = move || {
        let routes = |config: &mut ServiceConfig| routes(config, &app.metrics);
        ActixApp::new().app_data(app.clone()).configure(routes).default_service(nothing())
    };
    let size =
        ServerSize { workers: 1, blocking_threads: 4, connections: CONNECTIONS, keep_alive: KeepAlive::Disabled };
    server::serve(make, Sockets { tcp: vec![socket], unix: Vec::new() }, &size, options)
}

pub(super) fn routes(config: &mut ServiceConfig, metrics: &Metrics) {
    config.service(resource(PATH, "GET, HEAD", [get().to(read)], metrics));
}

/// Counts a request under its route, whose handler must not have panicked.
pub(super) fn count<B>(answer: &ServiceResponse<B>, took: Duration) {
    let request = answer.request();
    if let Some(route) = request.app_data::<Route>() {
        route.answered(request.method().as_str(), answer.status().as_u16(), took);
    }
}

async fn read(app: Data<App>) -> Result<HttpResponse, Failure> {
    app.service.measure(app.now()).await;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, Metrics::CONTENT_TYPE)).body(app.metrics.text()?))
}
