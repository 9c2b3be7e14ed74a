//! HTTP server: routes, handlers and their shared state. Only this module uses actix-web.

mod api_keys;
mod audit_logs;
mod body;
mod body_constraints;
mod client;
mod connection;
mod console;
mod credential;
mod dev_clock;
mod endpoint;
mod endpoints;
mod envelope;
mod error;
mod examples;
mod field_types;
mod fields;
mod forward_auth;
mod headers;
mod health;
mod introspection;
mod json_types;
mod key_filter;
mod list;
mod metrics;
mod openapi;
mod openapi_parts;
mod organizations;
mod overview;
mod parameter_schemas;
mod projects;
mod reason;
mod refused_head;
mod request_bodies;
mod request_id;
mod request_log;
mod response;
mod server;
mod static_files;
mod unknown_names;
mod usage;
mod v1;
mod v2;
mod verify;
mod version;
mod whoami;

pub use dev_clock::DevClock;
pub use headers::CredentialHeader;
pub use metrics::{PATH as METRICS_PATH, serve as serve_metrics};
pub use request_id::RequestIds;
pub use request_log::RequestLog;
pub use server::Sockets;

use crate::domain::{AddressList, Moment, Result, Timestamp};
use crate::metrics::{Metrics, PANICKED, UNMATCHED};
use crate::service::Service;
use crate::tls::Certificate;
use actix_web::dev::{Server, Service as _, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::{App as ActixApp, Error, Resource, ResponseError as _, Route, guard, web};
use error::Failure;
use examples::Examples;
use futures_util::FutureExt as _;
use futures_util::future::Either;
use headers::X_REQUEST_ID;
use server::ServerSize;
use static_files::lead_to;
use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

/// State shared by all request handlers. The clocks and the random generator are passed in.
pub struct App {
    /// The use cases.
    pub service: Arc<Service>,
    /// Request counters.
    pub metrics: Arc<Metrics>,
    /// The wall clock.
    pub clock: fn() -> Timestamp,
    /// A monotonic clock that also advances while the process is stopped.
    pub uptime: fn() -> Duration,
    /// A monotonic clock for measuring durations.
    pub stopwatch: fn() -> Instant,
    /// The development clock's offset of both clocks, if enabled.
    pub dev_clock: Option<DevClock>,
    /// The random generator for secrets.
    pub random: fn() -> Result<[u8; 16]>,
    /// Maximum size of a request body, in bytes.
    pub body_limit: usize,
    /// Maximum time to receive a body.
    pub body_timeout: Duration,
    /// Whether versions that refuse unknown and repeated fields and parameters do so; otherwise these are
    /// ignored.
    pub refuses_unknown_names: bool,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Option<AddressList>,
    /// Whether the `X-Forwarded-For` of Unix-socket clients is trusted.
    pub trusts_unix_peers: bool,
    /// Logs only once that a trusted proxy sent an unreadable client address.
    pub unreadable_client: Once,
    /// Generates ids for requests without one.
    pub request_ids: RequestIds,
    /// The request log.
    pub request_log: RequestLog,
    /// Headers in which forward auth looks for a credential, in order.
    pub forwarded_credentials: Vec<CredentialHeader>,
}

impl App {
    fn since(&self, begun: Instant) -> Duration {
        (self.stopwatch)().saturating_duration_since(begun)
    }

    fn now(&self) -> Timestamp {
        let now = (self.clock)();
        self.dev_clock.as_ref().map_or(now, |dev_clock| dev_clock.shift(now))
    }

    fn moment(&self) -> Moment {
        let ahead = self.dev_clock.as_ref().map_or(Duration::ZERO, DevClock::ahead);
        Moment { time: self.now(), uptime: (self.uptime)() + ahead }
    }
}

/// Concurrent store reads besides lookups and pieces of lists.
const OTHER_READS: usize = 4;

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Worker threads; `None` for one per core.
    pub workers: Option<usize>,
    /// Connections in each of the store's reader pools.
    pub readers: usize,
    /// Maximum number of connections over all workers.
    pub max_connections: usize,
    /// How long an idle connection stays open.
    pub keep_alive: Duration,
    /// Maximum time to receive a request head.
    pub head_timeout: Duration,
    /// Maximum time for the client to accept any part of an answer.
    pub send_timeout: Duration,
    /// How long requests may continue after the server is told to stop.
    pub shutdown_timeout: Duration,
    /// The TLS certificate; clients over TCP must then use TLS.
    pub certificate: Option<Certificate>,
    /// Whether this server serves the metrics too.
    pub serves_metrics: bool,
    /// Whether it serves the console.
    pub serves_console: bool,
}

/// Creates the server on these sockets. It runs while it is awaited, until its handle stops it.
///
/// # Errors
/// If the operating system refuses a socket or a thread.
pub fn serve(app: Arc<App>, sockets: Sockets, options: &ServerOptions) -> std::io::Result<Server> {
    let (has_dev_clock, serves_metrics) = (app.dev_clock.is_some(), options.serves_metrics);
    let serves_console = options.serves_console;
    let app = web::Data::from(app);
    let examples = Arc::new(Examples::new().map_err(std::io::Error::other)?);
    let description = web::Data::new(openapi::OpenApiDocument::default());
    let workers = match options.workers {
        Some(workers) => workers,
        None => std::thread::available_parallelism()?.get(),
    };
    let size = ServerSize {
        workers,
        // One thread for each read that can wait for the store: lookups, pieces of lists, slices of long
        // reads and file sizes.
        blocking_threads: 2 * options.readers + OTHER_READS,
        connections: options.max_connections,
        keep_alive: options.keep_alive.into(),
    };
    let make = move || {
        let (watch, panicked) = (app.clone(), Rc::new(app.metrics.route(PANICKED)));
        ActixApp::new()
            .app_data(app.clone())
            .app_data(app.metrics.route(UNMATCHED))
            .wrap_fn(move |request, next| {
                let begun = RequestInProgress::new(&watch, &request);
                let answer = if connection::is_head_within_limits(request.head()) {
                    Either::Left(next.call(request))
                } else {
                    let failure = forward_auth::head_too_large(request.path());
                    Either::Right(ready(Ok(request.into_response(failure.error_response()))))
                };
                begun.answered(watch.clone(), Rc::clone(&panicked), answer)
            })
            .app_data(description.clone())
            .configure(|config| routes(config, &examples, &app.metrics))
            .configure(|config| {
                let start = if serves_console { console::CONSOLE } else { openapi::VIEWER };
                config.service(resource("/", "GET, HEAD", [lead_to(start)], &app.metrics));
                if serves_console {
                    console::routes(config, &app.metrics)
                }
                if has_dev_clock {
                    dev_clock::routes(config, &app.metrics)
                }
                if serves_metrics {
                    metrics::routes(config, &app.metrics)
                }
            })
    };
    server::serve(make, sockets, &size, options)
}

/// A request that is being answered.
struct RequestInProgress {
    at: Instant,
    method: Method,
    id: HeaderValue,
}

impl RequestInProgress {
    fn new(app: &App, request: &ServiceRequest) -> Self {
        Self { at: (app.stopwatch)(), method: request.method().clone(), id: request_id::begin(app, request) }
    }

    /// Logs and counts the answer. A panicking handler is answered like any failure; the connection and the
    /// process continue.
    async fn answered(
        self,
        app: web::Data<App>,
        panicked: Rc<crate::metrics::Route>,
        answer: impl Future<Output = std::result::Result<ServiceResponse, Error>>,
    ) -> std::result::Result<ServiceResponse, Error> {
        let Self { at, method, id } = self;
        let Ok(answer) = AssertUnwindSafe(answer).catch_unwind().await else {
            panicked.answered(method.as_str(), 500, app.since(at));
            request_log::panicked(&app, &method, &id, app.since(at));
            return Err(Failure::panicked(id).into());
        };
        let mut answer = answer?;
        credential::add_key_headers(&mut answer);
        let took = app.since(at);
        metrics::count(&answer, took);
        request_log::answered(&app, &answer, &id, at, took);
        answer.headers_mut().insert(X_REQUEST_ID, id);
        dev_clock::set_date(&app, answer.headers_mut());
        Ok(answer)
    }
}

fn routes(config: &mut web::ServiceConfig, examples: &Examples, metrics: &Metrics) {
    forward_auth::routes(config, metrics);
    introspection::routes(config, metrics);
    endpoint::register(config, endpoints::all(examples), metrics);
    openapi::routes(config, metrics);
    config.default_service(not_found());
}

/// Answers paths that do not exist.
fn not_found() -> Route {
    web::to(|| ready(Err::<String, _>(Failure::no_such_route())))
}

/// A path with its methods; other methods get 405 with `Allow`. Requests are counted under the path template.
fn resource(
    path: &str,
    allow: impl Into<String>,
    routes: impl IntoIterator<Item = Route>,
    metrics: &Metrics,
) -> Resource {
    let allow = allow.into();
    let refuse = move || ready(Err::<String, _>(Failure::wrong_method(&allow)));
    let resource = web::resource(path).app_data(metrics.route(path));
    routes.into_iter().fold(resource, Resource::route).default_service(web::to(refuse))
}

/// GET, and HEAD with it, as RFC 9110, section 9.1, requires.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Method(Method::HEAD)))
}
