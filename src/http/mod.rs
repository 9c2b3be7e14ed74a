//! The HTTP surface. actix-web lives here alone.

mod api_keys;
mod audit_logs;
mod body;
mod client;
mod credential;
mod dev_clock;
mod endpoint;
mod envelope;
mod error;
mod forward_auth;
mod health;
mod list;
mod metrics;
mod openapi;
mod organizations;
mod projects;
mod request_id;
mod request_log;
mod samples;
mod schemas;
mod v1;
mod v2;
mod verify;
mod version;

pub use credential::CredentialHeader;
pub use dev_clock::DevClock;
pub use metrics::{PATH as METRICS_PATH, serve as serve_metrics};
pub use request_id::RequestIds;
pub use request_log::RequestLog;

use crate::domain::{AddressList, Result, Timestamp};
use crate::metrics::{Metrics, PANICKED, UNMATCHED};
use crate::service::Service;
use crate::tls::Certificate;
use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::{App as ActixApp, HttpServer, Resource, Route, guard, web};
use endpoint::Endpoint;
use error::Failure;
use futures_util::FutureExt as _;
use request_id::X_REQUEST_ID;
use samples::Samples;
use std::future::ready;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What request handlers stand on. Time and randomness come from outside.
pub struct App {
    /// The use cases.
    pub service: Arc<Service>,
    /// What requests are counted in.
    pub metrics: Arc<Metrics>,
    /// The machine's clock.
    pub clock: fn() -> Timestamp,
    /// How far it is moved, where it may be.
    pub dev_clock: Option<DevClock>,
    /// The source of secrets.
    pub random: fn() -> Result<[u8; 16]>,
    /// The largest request body, in bytes.
    pub body_limit: usize,
    /// How long a client may take to send a body.
    pub body_timeout: Duration,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Option<AddressList>,
    /// Whether that of everybody who comes over a Unix socket is.
    pub trusts_unix_peers: bool,
    /// What requests are called that nobody gave a name.
    pub request_ids: RequestIds,
    /// What is logged of requests.
    pub request_log: RequestLog,
    /// Where forward auth looks for the client's credential, first come first served.
    pub forwarded_credentials: Vec<CredentialHeader>,
}

impl App {
    fn now(&self) -> Timestamp {
        let now = (self.clock)();
        self.dev_clock.as_ref().map_or(now, |dev_clock| dev_clock.shift(now))
    }
}

/// How the server is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that answer requests; `None` for as many as there are cores.
    pub workers: Option<usize>,
    /// Threads of each of them that wait for the store: more than it has readers would only wait for one another.
    pub readers: usize,
    /// Connections at once, at the most, over all workers.
    pub max_connections: usize,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long a client may take to send a request's head.
    pub head_timeout: Duration,
    /// How long requests may go on after the server was told to stop.
    pub shutdown_timeout: Duration,
    /// What is shown to those who connect to an address, who then have to speak TLS.
    pub certificate: Option<Certificate>,
    /// Whether the metrics are served here, too.
    pub serves_metrics: bool,
}

/// What the server accepts connections from.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Those with addresses.
    pub tcp: Vec<TcpListener>,
    /// Those in the file system.
    pub unix: Vec<UnixListener>,
}

/// The server on these sockets. It runs while it is awaited and until its handle stops it.
///
/// # Errors
/// Where the operating system refuses.
pub fn serve(app: Arc<App>, sockets: Sockets, options: &Options) -> std::io::Result<Server> {
    let (has_dev_clock, serves_metrics) = (app.dev_clock.is_some(), options.serves_metrics);
    let app = web::Data::from(app);
    let samples = Arc::new(Samples::new().map_err(std::io::Error::other)?);
    let description = web::Data::new(openapi::Description::default());
    let workers = match options.workers {
        Some(workers) => workers,
        None => std::thread::available_parallelism()?.get(),
    };
    let mut server = HttpServer::new(move || {
        let (watch, panicked) = (Arc::clone(&app.metrics), Rc::new(app.metrics.route(PANICKED)));
        let watched = app.clone();
        ActixApp::new()
            .app_data(app.clone())
            .app_data(app.metrics.route(UNMATCHED))
            // A handler that panics answers like any other failure; the connection and the process live on.
            .wrap_fn(move |request, next| {
                let (begun, method, id) =
                    (watch.now(), request.method().clone(), request_id::begin(&watched, &request));
                let (app, panicked) = (watched.clone(), Rc::clone(&panicked));
                let answer = AssertUnwindSafe(actix_web::dev::Service::call(next, request)).catch_unwind();
                async move {
                    let Ok(answer) = answer.await else {
                        panicked.answered(method.as_str(), 500, begun);
                        request_log::panicked(&app, &method, &id, begun);
                        return Err(Failure::panicked(id).into());
                    };
                    let mut answer = answer?;
                    credential::announce(&mut answer);
                    metrics::count(&answer, begun);
                    request_log::answered(&app, &answer, &id, begun);
                    answer.headers_mut().insert(X_REQUEST_ID, id);
                    Ok(answer)
                }
            })
            .app_data(description.clone())
            .configure(|config| routes(config, &samples, &app.metrics))
            .configure(|config| {
                if has_dev_clock {
                    dev_clock::routes(config, &app.metrics)
                }
                if serves_metrics {
                    metrics::routes(config, &app.metrics)
                }
            })
    })
    .workers(workers)
    .worker_max_blocking_threads(options.readers)
    .max_connections(options.max_connections.div_ceil(workers))
    .keep_alive(options.keep_alive)
    .client_request_timeout(options.head_timeout)
    .shutdown_timeout(options.shutdown_timeout.as_secs())
    .tcp_nodelay(true)
    // A handshake is part of a head: it may take as long, and there may be as many as connections.
    .tls_handshake_timeout(options.head_timeout)
    .max_connection_rate(options.max_connections.div_ceil(workers))
    .disable_signals();
    for socket in sockets.tcp {
        server = match &options.certificate {
            Some(certificate) => server.listen_rustls_0_23(socket, certificate.server()?)?,
            None => server.listen(socket)?,
        };
    }
    for socket in sockets.unix {
        server = server.listen_uds(socket)?;
    }
    Ok(server.run())
}

/// All that the server does, as it is described.
fn endpoints(samples: &Samples) -> Vec<Endpoint> {
    let versions = version::endpoints::<v1::V1>(samples).into_iter().chain(version::endpoints::<v2::V2>(samples));
    versions.chain(audit_logs::endpoints(samples)).chain(health::endpoints()).collect()
}

fn routes(config: &mut web::ServiceConfig, samples: &Samples, metrics: &Metrics) {
    forward_auth::routes(config, metrics);
    endpoint::register(config, endpoints(samples), metrics);
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
