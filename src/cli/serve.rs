//! `keystead serve`: answers requests until it is told to stop.

use super::init::set_up;
use super::signature::Signer;
use super::{Failed, ambient, chores, service_options};
use crate::config::{Config, MetricsListen};
use crate::domain::{AddressList, Name, Secret};
use crate::http;
use crate::metrics::Metrics;
use crate::service::{FirstKey, Service};
use clap::Args;
use futures_util::future::{join_all, try_join_all};
use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The file beside the store that a first key is handed over in where nobody looks on.
pub(super) const FIRST_KEY_FILE: &str = "first-key";

#[derive(Args, Debug)]
pub(super) struct Serve {
    /// Where to listen; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(super) listen: Option<SocketAddr>,
}

pub(super) async fn run(config: &Config) -> Result<(), Failed> {
    let metrics = Arc::new(Metrics::new(ambient::monotonic, ambient::now())?);
    let service = Arc::new(Service::open(&service_options(config)?, Arc::clone(&metrics))?);
    let outcome = serve(config, &service, metrics).await;
    service.close().await;
    log::info!("stopped; everything is in {}", config.store.path.display());
    outcome
}

async fn serve(config: &Config, service: &Arc<Service>, metrics: Arc<Metrics>) -> Result<(), Failed> {
    let mut signals = Signals::listen().map_err(|e| Failed::new(format!("Signals cannot be received: {e}.")))?;
    let signer = Signer::load(&config.audit.signing_key)?;
    let app = Arc::new(http::App {
        service: Arc::clone(service),
        metrics,
        clock: ambient::now,
        dev_clock: dev_clock(config)?,
        random: ambient::random,
        body_limit: config.server.body_limit_bytes,
        body_timeout: Duration::from_millis(config.server.body_timeout_ms),
        trusted_proxies: trusted_proxies(config)?,
        forwarded_credentials: forwarded_credentials(config)?,
    });
    let options = http_options(config);
    let (address, server) = http::bind(Arc::clone(&app), &options)
        .map_err(|e| Failed::new(format!("{} cannot be listened on: {e}.", config.server.listen)))?;
    let mut servers = vec![server];
    let metrics_address = match config.metrics.listen {
        MetricsListen::Off => None,
        MetricsListen::On(_) if options.serves_metrics => Some(address),
        MetricsListen::On(listen) => {
            let (address, server) = http::bind_metrics(app, listen, options.head_timeout, options.shutdown_timeout)
                .map_err(|e| metrics_in_the_way(listen, &e))?;
            servers.push(server);
            Some(address)
        }
    };
    // After binding: a first key is not spent on a start that fails.
    let first_key = hand_over_first_key(config, service).await?;
    announce(address, metrics_address, first_key.as_ref());

    let handles: Vec<_> = servers.iter().map(|server| server.handle()).collect();
    let chores = chores::start(config, service, signer.clone());
    let stopper = tokio::spawn(async move {
        let name = signals.next().await;
        log::info!("{name} received: finishing what is in flight");
        tokio::select! {
            _ = join_all(handles.iter().map(|handle| handle.stop(true))) => {}
            name = signals.next() => {
                log::warn!("{name} received again: stopping at once");
                join_all(handles.iter().map(|handle| handle.stop(false))).await;
            }
        }
    });
    let outcome = try_join_all(servers).await.map(drop);
    let outcome = outcome.map_err(|e| Failed::new(format!("The server ended: {e}.")));
    stopper.abort();
    drop(chores);
    chores::finish(service, signer.as_ref()).await;
    outcome
}

/// The clock that can be moved, where the configuration asks for it.
fn dev_clock(config: &Config) -> Result<Option<http::DevClock>, Failed> {
    expect_loopback_with_dev_clock(config)?;
    if !config.dev.clock {
        return Ok(None);
    }
    log::warn!("THE DEVELOPMENT CLOCK IS ON: anybody on this machine can move the time and so expire keys");
    Ok(Some(http::DevClock::default()))
}

fn expect_loopback_with_dev_clock(config: &Config) -> Result<(), Failed> {
    if config.dev.clock && !config.server.listen.ip().is_loopback() {
        let sentence = "The development clock (dev.clock) is refused unless the server listens on loopback.";
        return Err(Failed::new(sentence));
    }
    Ok(())
}

/// Whether a server would begin with these settings, as far as they say.
pub(super) fn check_settings(config: &Config) -> Result<(), Failed> {
    expect_loopback_with_dev_clock(config)?;
    trusted_proxies(config)?;
    forwarded_credentials(config).map(drop)
}

fn trusted_proxies(config: &Config) -> Result<Option<AddressList>, Failed> {
    let proxies = &config.server.trusted_proxies;
    let list = (!proxies.is_empty()).then(|| AddressList::parse(proxies.iter().map(String::as_str)));
    Ok(list.transpose()?)
}

fn forwarded_credentials(config: &Config) -> Result<Vec<http::CredentialHeader>, Failed> {
    let parse = |name: &String| {
        http::CredentialHeader::parse(name).ok_or_else(|| {
            Failed::new(format!(
                "The setting forward_auth.credential_headers is wrong. {name} is none of CONFIDENT_API_KEY, Authorization \
                 and X-API-Key."
            ))
        })
    };
    let headers: Vec<_> = config.forward_auth.credential_headers.iter().map(parse).collect::<Result<_, _>>()?;
    if headers.is_empty() {
        return Err(Failed::new("The setting forward_auth.credential_headers must name at least one header."));
    }
    Ok(headers)
}

fn http_options(config: &Config) -> http::Options {
    let server = &config.server;
    http::Options {
        listen: server.listen,
        workers: Some(server.workers).filter(|workers| *workers > 0),
        readers: config.store.readers as usize,
        max_connections: server.max_connections,
        keep_alive: Duration::from_millis(server.keep_alive_ms),
        head_timeout: Duration::from_millis(server.head_timeout_ms),
        shutdown_timeout: Duration::from_secs(server.shutdown_timeout_s),
        // Two listeners that ask for any free port do not ask for the same.
        serves_metrics: server.listen.port() != 0 && config.metrics.listen == MetricsListen::On(server.listen),
    }
}

fn metrics_in_the_way(listen: SocketAddr, error: &io::Error) -> Failed {
    Failed::new(format!(
        "{listen} cannot be listened on for the metrics (metrics.listen): {error}. Set metrics.listen or \
         KEYSTEAD_METRICS_LISTEN to another address, or to \"off\"."
    ))
}

/// Sets up a store that is new. Gives the key where it is to be shown: at a terminal; elsewhere it goes to a file.
async fn hand_over_first_key(config: &Config, service: &Service) -> Result<Option<Secret>, Failed> {
    if service.is_initialized().await? {
        return Ok(None);
    }
    let first = FirstKey {
        organization: Name::parse(&config.setup.organization)?,
        organization_random: ambient::random()?,
        name: Name::parse(&config.setup.key_name)?,
        secret: Secret::new(service.organization_key_prefix(), ambient::random()?),
    };
    let file = (!io::stdout().is_terminal()).then(|| first_key_file(&config.store.path));
    set_up(service, &first, file.as_deref()).await?;
    log::info!("{} is new and was set up for {}", config.store.path.display(), config.setup.organization);
    match file {
        Some(file) => {
            log::info!("its first key is in {}; keep it safe and remove the file", file.display());
            Ok(None)
        }
        None => Ok(Some(first.secret)),
    }
}

fn first_key_file(store: &Path) -> PathBuf {
    store.with_file_name(FIRST_KEY_FILE)
}

/// Says where the server and its metrics really are, and shows the first key. A closed standard output is no reason not
/// to serve.
fn announce(address: SocketAddr, metrics: Option<SocketAddr>, first_key: Option<&Secret>) {
    let mut places = format!("Keystead is listening on http://{address}\n");
    log::info!("listening on http://{address}");
    if let Some(metrics) = metrics {
        let url = format!("http://{metrics}{}", http::METRICS_PATH);
        log::info!("metrics are at {url}");
        places += &format!("Metrics are at {url}\n");
    }
    let mut out = io::stdout().lock();
    // At once: whoever reads only the first line may be gone before the second.
    let mut said = out.write_all(places.as_bytes());
    if let Some(secret) = first_key {
        let key = secret.expose();
        said = said.and_then(|()| {
            writeln!(
                out,
                "\nThis store is new. Its first key, shown this once:\n\n    {key}\n\nMint another one with it:\n\n    \
                 curl -X POST http://{address}/v1/organization/api-keys \\\n      -H \"CONFIDENT_API_KEY: {key}\" \\\n      \
                 -H \"Content-Type: application/json\" \\\n      -d '{{\"name\": \"CI/CD key\"}}'\n"
            )
        });
    }
    if let Err(error) = said.and_then(|()| out.flush()) {
        log::warn!("standard output takes nothing: {error}");
    }
}

/// The signals that ask for an end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
