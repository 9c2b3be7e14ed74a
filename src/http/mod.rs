//! The HTTP surface. actix-web lives here alone.

mod api_keys;
mod audit_logs;
mod body;
mod client;
mod connection;
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
mod json_types;
mod list;
mod metrics;
mod openapi;
mod openapi_parts;
mod organizations;
mod parameter_schemas;
mod projects;
mod refused_head;
mod request_bodies;
mod request_id;
mod request_log;
mod response;
mod server;
mod unknown_names;
mod v1;
mod v2;
mod verify;
mod version;

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
use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

/// What request handlers stand on. Time and randomness come from outside.
pub struct App {
    /// The use cases.
    pub service: Arc<Service>,
    /// What requests are counted in.
    pub metrics: Arc<Metrics>,
    /// The machine's clock.
    pub clock: fn() -> Timestamp,
    /// The machine's clock that cannot be set, also while the process is stopped.
    pub uptime: fn() -> Duration,
    /// A clock that never goes back, for how long something takes.
    pub stopwatch: fn() -> Instant,
    /// How far both are moved, where they may be.
    pub dev_clock: Option<DevClock>,
    /// The source of secrets.
    pub random: fn() -> Result<[u8; 16]>,
    /// The largest request body, in bytes.
    pub body_limit: usize,
    /// How long a client may take to send a body.
    pub body_timeout: Duration,
    /// Whether fields and parameters that nobody asks for, or that come more than once, are refused, in the versions that do
    /// so.
    pub refuses_unknown_names: bool,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Option<AddressList>,
    /// Whether that of everybody who comes over a Unix socket is.
    pub trusts_unix_peers: bool,
    /// Whether it was logged that a trusted proxy named a client by what is no address.
    pub unreadable_client: Once,
    /// What requests are called that nobody gave a name.
    pub request_ids: RequestIds,
    /// What is logged of requests.
    pub request_log: RequestLog,
    /// Where forward auth looks for the client's credential, first come first served.
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

/// How many reads of the store there may be at once beside lookups and pieces of lists.
const OTHER_READS: usize = 4;

/// How the server is run.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Threads that answer requests; `None` for as many as there are cores.
    pub workers: Option<usize>,
    /// How many connections each pool of the store's readers has.
    pub readers: usize,
    /// Connections at once, at the most, over all workers.
    pub max_connections: usize,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long a client may take to send a request's head.
    pub head_timeout: Duration,
    /// How long a client may take to take any part of an answer.
    pub send_timeout: Duration,
    /// How long requests may go on after the server was told to stop.
    pub shutdown_timeout: Duration,
    /// What is shown to those who connect to an address, who then have to speak TLS.
    pub certificate: Option<Certificate>,
    /// Whether the metrics are served here, too.
    pub serves_metrics: bool,
}

/// The server on these sockets. It runs while it is awaited and until its handle stops it.
///
/// # Errors
/// Where the operating system refuses.
pub fn serve(app: Arc<App>, sockets: Sockets, options: &ServerOptions) -> std::io::Result<Server> {
    let (has_dev_clock, serves_metrics) = (app.dev_clock.is_some(), options.serves_metrics);
    let app = web::Data::from(app);
    let examples = Arc::new(Examples::new().map_err(std::io::Error::other)?);
    let description = web::Data::new(openapi::Description::default());
    let workers = match options.workers {
        Some(workers) => workers,
        None => std::thread::available_parallelism()?.get(),
    };
    let size = ServerSize {
        workers,
        // As many as can wait for the store at once: lookups, pieces of lists, slices of long reads and looks at the files.
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
                let answer = if connection::takes_head(request.head()) {
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

    /// Takes note of how it was answered. A handler that panics answers like any other failure; the connection and the
    /// process live on.
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
        Ok(answer)
    }
}

fn routes(config: &mut web::ServiceConfig, examples: &Examples, metrics: &Metrics) {
    forward_auth::routes(config, metrics);
    endpoint::register(config, endpoints::all(examples), metrics);
    openapi::routes(config, metrics);
    config.default_service(nothing());
}

/// What answers at a path where there is nothing.
fn nothing() -> Route {
    web::to(|| ready(Err::<String, _>(Failure::no_such_route())))
}

/// A path and what may be done to it; anything else is answered with 405 and what may. Requests are counted under the
/// path as it is given here.
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

/// GET, and HEAD with it: RFC 9110, section 9.1, wants both.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Method(Method::HEAD)))
}
