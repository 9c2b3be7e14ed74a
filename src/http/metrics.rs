//! The metrics endpoint and its own listener.

use super::error::Failure;
use super::server::{self, ServerSize, Sockets};
use super::{App, ServerOptions, get, not_found, resource};
use crate::metrics::{Metrics, Route};
use actix_web::dev::{Server, ServiceResponse};
use actix_web::http::KeepAlive;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App as ActixApp, HttpResponse};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// The metrics path.
pub const PATH: &str = "/metrics";
/// Maximum number of connections: a few scrapers and a person.
const CONNECTIONS: usize = 64;

/// Creates a server for the metrics only, like [`super::serve`].
///
/// It has one thread. Connections are not kept alive, so none is open when the server stops.
///
/// # Errors
/// If the operating system refuses a socket or a thread.
pub fn serve(app: Arc<App>, socket: TcpListener, options: &ServerOptions) -> std::io::Result<Server> {
    let app = Data::from(app);
    let make = move || {
        let routes = |config: &mut ServiceConfig| routes(config, &app.metrics);
        ActixApp::new().app_data(app.clone()).configure(routes).default_service(not_found())
    };
    let size =
        ServerSize { workers: 1, blocking_threads: 4, connections: CONNECTIONS, keep_alive: KeepAlive::Disabled };
    server::serve(make, Sockets { tcp: vec![socket], unix: Vec::new() }, &size, options)
}

pub(super) fn routes(config: &mut ServiceConfig, metrics: &Metrics) {
    config.service(resource(PATH, "GET, HEAD", [get().to(read)], metrics));
}

/// Counts a request under its route. Not for handlers that panicked.
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
