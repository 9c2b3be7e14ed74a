//! `keystead serve`: runs the server until it is told to stop.

use crate::cli::audit::head_signature::Signer;
use crate::cli::error::CommandError;
use crate::cli::keys::key_file::KeyFile;
use crate::cli::keys::secret_output;
use crate::cli::output;
use crate::cli::server::certificate_files::CertificateFiles;
use crate::cli::server::listeners::{BoundSockets, bind_tcp};
use crate::cli::server::startup_message::{StartupMessage, console_url};
use crate::cli::server::{background, open_file_limit, systemd};
use crate::cli::store::init::set_up;
use crate::cli::store::open::service_options;
use crate::cli::store::store_folder;
use crate::cli::system::clock_and_random;
use crate::cli::system::signals::{self, Hangup, Signals};
use crate::config::{Config, ListenAddress, MetricsListen, UnknownFields};
use crate::domain::{Name, Secret};
use crate::http;
use crate::metrics::Metrics;
use crate::service::{FirstKey, Service};
use clap::Args;
use futures_util::future::{join_all, try_join_all};
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

/// The file beside the store for the first key, if standard output is no terminal.
pub(in crate::cli) const FIRST_KEY_FILE: &str = "first-key";

#[derive(Args, Debug)]
pub(in crate::cli) struct ServeArguments {
    /// The address to listen on: ADDR:PORT or unix:PATH; can be repeated [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) listen: Vec<ListenAddress>,
}

pub(in crate::cli) async fn run(config: &Config) -> Result<(), CommandError> {
    signals::survive_file_size_limit()?;
    store_folder::require(&config.store.path)?;
    let handed = systemd::sockets()?;
    let metrics = Arc::new(Metrics::new(clock_and_random::now())?);
    let service = Arc::new(Service::open(&service_options(config)?, Arc::clone(&metrics))?);
    if service.announce_server()? {
        log::warn!(
            "another server has {} open: each change waits 200 milliseconds until it is in force in both, and each server counts \
            uses and invalid keys on its own",
            config.store.path.display()
        );
    }
    let outcome = serve(config, &service, metrics, handed).await;
    service.close().await;
    outcome.inspect(|()| log::info!("stopped; all data is in {}", config.store.path.display()))
}

async fn serve(
    config: &Config,
    service: &Arc<Service>,
    metrics: Arc<Metrics>,
    handed: Option<BoundSockets>,
) -> Result<(), CommandError> {
    let mut signals = Signals::listen()?;
    let hangup = Hangup::listen(config.tls.is_on() || !io::stdout().is_terminal())?;
    let signer = Signer::load(&config.audit.signing_key)?;
    let BoundSockets { addresses, tcp, unix, files: _files } = listen(config, handed)?;
    require_loopback_with_dev_clock(config, &addresses)?;
    let app = Arc::new(app(config, service, metrics)?);
    let certificate = certificate(config)?;
    let is_explicit = config.server.max_connections != Config::defaults()?.server.max_connections;
    let options = http_options(config, is_explicit, &addresses, certificate.as_ref());
    let mut servers = Vec::new();
    let metrics_address = match config.metrics.listen {
        MetricsListen::Off => None,
        MetricsListen::On(listen) if options.serves_metrics => Some(listen),
        MetricsListen::On(listen) => {
            let (address, socket) = bind_tcp(listen).map_err(|e| metrics_bind_error(listen, &e))?;
            servers.push(http::serve_metrics(Arc::clone(&app), socket, &options).map_err(server_start_error)?);
            Some(address)
        }
    };
    servers.push(http::serve(app, http::Sockets { tcp, unix }, &options).map_err(server_start_error)?);
    // After binding: a failed start does not use up the first key.
    let first_key = set_up_new_store(config, service, &addresses).await?;
    let metrics = metrics_address.map(|address| (ListenAddress::Tcp(address), http::METRICS_PATH));
    StartupMessage { config, addresses: &addresses, metrics, first_key: first_key.as_ref() }.print();
    systemd::ready();

    let handles: Vec<_> = servers.iter().map(|server| server.handle()).collect();
    let mut background_tasks = background::start(config, service, signer.clone());
    background_tasks.spawn(reload_on_change(certificate, hangup));
    let stopper = tokio::spawn(async move {
        let name = signals.next().await;
        log::info!("{name} received: finishing the requests in progress");
        systemd::stopping();
        tokio::select! {
            _ = join_all(handles.iter().map(|handle| handle.stop(true))) => {}
            name = signals.next() => {
                log::warn!("{name} received again: stopping at once");
                join_all(handles.iter().map(|handle| handle.stop(false))).await;
            }
        }
    });
    let outcome = try_join_all(servers).await.map(drop);
    let outcome = outcome.map_err(|e| CommandError::new(format!("The server ended: {e}.")));
    stopper.abort();
    drop(background_tasks);
    background::finish(service, signer.as_ref()).await;
    outcome
}

/// The application that answers requests.
fn app(config: &Config, service: &Arc<Service>, metrics: Arc<Metrics>) -> Result<http::App, CommandError> {
    let (trusted_proxies, trusts_unix_peers) = config.server.trusted_proxies()?;
    Ok(http::App {
        service: Arc::clone(service),
        metrics,
        clock: clock_and_random::now,
        uptime: clock_and_random::uptime,
        stopwatch: clock_and_random::monotonic,
        dev_clock: dev_clock(config),
        random: clock_and_random::random,
        body_limit: config.server.body_limit_bytes,
        body_timeout: Duration::from_millis(config.server.body_timeout_ms),
        trusted_proxies,
        trusts_unix_peers,
        refuses_unknown_names: config.server.unknown_fields == UnknownFields::Refuse,
        unreadable_client: Once::new(),
        request_ids: http::RequestIds::new(clock_and_random::random()?),
        request_log: http::RequestLog::new(config.log.requests),
        forwarded_credentials: forwarded_credentials(config)?,
    })
}

/// Reads the certificate of the settings.
fn certificate(config: &Config) -> Result<Option<CertificateFiles>, CommandError> {
    let files = CertificateFiles::read(&config.tls)?;
    if let Some(files) = files.as_ref().filter(|files| files.is_key_open()) {
        log::warn!("every user of this machine can read {}, the key of the certificate", files.key().display());
    }
    Ok(files)
}

/// Reloads the certificate when it changes, and handles SIGHUP. Never returns.
async fn reload_on_change(certificate: Option<CertificateFiles>, mut hangup: Hangup) {
    if let Some(certificate) = certificate {
        return certificate.watch(hangup).await;
    }
    loop {
        hangup.next().await;
    }
}

/// Uses the sockets that the service manager passed, or else binds the addresses of the settings.
fn listen(config: &Config, handed: Option<BoundSockets>) -> Result<BoundSockets, CommandError> {
    if let Some(handed) = handed {
        log::info!("using the sockets passed by the service manager instead of server.listen");
        return Ok(handed);
    }
    // The settings were checked, so they have a mode.
    BoundSockets::bind(config.server.listen.all(), config.server.socket_mode().unwrap_or_default())
}

fn server_start_error(error: io::Error) -> CommandError {
    CommandError::new(format!("The server cannot start: {error}."))
}

/// The development clock, if the settings enable it.
fn dev_clock(config: &Config) -> Option<http::DevClock> {
    config.dev.clock.then(|| {
        log::warn!("THE DEVELOPMENT CLOCK IS ON: anyone on this machine can move the time and so expire keys");
        http::DevClock::default()
    })
}

fn require_loopback_with_dev_clock(config: &Config, addresses: &[ListenAddress]) -> Result<(), CommandError> {
    if config.dev.clock && !addresses.iter().all(ListenAddress::is_local) {
        let sentence = "The development clock (dev.clock) is refused unless the server listens on loopback.";
        return Err(CommandError::new(sentence));
    }
    Ok(())
}

/// Checks everything that a start of the server would check, as far as the settings allow.
pub(in crate::cli) fn check_settings(config: &Config) -> Result<(), CommandError> {
    require_loopback_with_dev_clock(config, config.server.listen.all())?;
    CertificateFiles::read(&config.tls)?;
    forwarded_credentials(config).map(drop)
}

fn forwarded_credentials(config: &Config) -> Result<Vec<http::CredentialHeader>, CommandError> {
    let parse = |name: &String| {
        http::CredentialHeader::parse(name).ok_or_else(|| {
            CommandError::new(format!(
                "The setting forward_auth.credential_headers is wrong. {name} is not one of CONFIDENT_API_KEY, Authorization \
                and X-API-Key."
            ))
        })
    };
    let headers: Vec<_> = config.forward_auth.credential_headers.iter().map(parse).collect::<Result<_, _>>()?;
    if headers.is_empty() {
        return Err(CommandError::new("The setting forward_auth.credential_headers must name at least one header."));
    }
    Ok(headers)
}

/// The options of the HTTP server, with as many connections as the limit of open files allows. `is_explicit`: whether
/// that number is not the default.
fn http_options(
    config: &Config,
    is_explicit: bool,
    addresses: &[ListenAddress],
    files: Option<&CertificateFiles>,
) -> http::ServerOptions {
    let server = &config.server;
    http::ServerOptions {
        workers: Some(server.workers).filter(|workers| *workers > 0),
        readers: config.store.readers as usize,
        max_connections: open_file_limit::raise(server.max_connections, is_explicit),
        keep_alive: Duration::from_millis(server.keep_alive_ms),
        head_timeout: Duration::from_millis(server.head_timeout_ms),
        send_timeout: Duration::from_millis(server.send_timeout_ms),
        shutdown_timeout: Duration::from_secs(server.shutdown_timeout_s),
        certificate: files.map(|files| files.certificate().clone()),
        serves_metrics: match config.metrics.listen {
            MetricsListen::On(address) => addresses.contains(&ListenAddress::Tcp(address)),
            MetricsListen::Off => false,
        },
        serves_console: config.console.enabled,
    }
}

fn metrics_bind_error(listen: SocketAddr, error: &io::Error) -> CommandError {
    CommandError::new(format!(
        "Cannot listen on {listen} for the metrics (metrics.listen): {error}. Set metrics.listen or \
         KEYSTEAD_METRICS_LISTEN to another address, or to \"off\"."
    ))
}

/// Sets up a new store. Returns the first key if it is to be shown at a terminal; otherwise it goes to a file.
async fn set_up_new_store(
    config: &Config,
    service: &Service,
    addresses: &[ListenAddress],
) -> Result<Option<Secret>, CommandError> {
    if service.is_initialized().await? {
        return Ok(None);
    }
    let first = FirstKey {
        organization: Name::parse(&config.setup.organization)?,
        organization_random: clock_and_random::random()?,
        name: Name::parse(&config.setup.key_name)?,
        secret: Secret::new(service.organization_key_prefix(), clock_and_random::random()?),
    };
    let file = (!io::stdout().is_terminal()).then(|| first_key_file(&config.store.path));
    let key_file = file.as_ref().map(|path| KeyFile::create(path, &first.secret)).transpose()?;
    set_up(service, &first, key_file).await?;
    let (store, organization) = (config.store.path.display(), &config.setup.organization);
    match file {
        Some(file) => {
            let file = file.display();
            let console = console_url(config, addresses);
            let console = console.map(|url| format!(". The console at {url} takes it")).unwrap_or_default();
            log::info!(
                "{store} is new and was set up for {organization}; its first key is in {file}: keep it in a safe place and delete the file. It {}{console}",
                secret_output::MANAGES_ORGANIZATION
            );
            Ok(None)
        }
        None => {
            if !output::is_seen_with_log() {
                log::info!("{store} is new and was set up for {organization}");
            }
            Ok(Some(first.secret))
        }
    }
}

fn first_key_file(store: &Path) -> PathBuf {
    store.with_file_name(FIRST_KEY_FILE)
}
