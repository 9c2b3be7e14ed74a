//! Opening the store for a command: to read it, or to change it, also beside a running server.

use crate::cli::error::CommandError;
use crate::cli::store::store_folder;
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::KeyPrefix;
use crate::metrics::Metrics;
use crate::service::{self, BruteForceLimit, ChangeLimit, Overview, Service, StoreOptions};
use std::sync::Arc;
use std::time::Duration;

/// The service on the store, beside whatever other processes do with it. To be closed before the end.
pub(in crate::cli) fn open_service(config: &Config) -> Result<Service, CommandError> {
    store_folder::require(&config.store.path)?;
    let metrics = Arc::new(Metrics::new(clock_and_random::now())?);
    Ok(Service::open(&service_options(config)?, metrics)?)
}

pub(in crate::cli) fn service_options(config: &Config) -> Result<service::ServiceOptions, CommandError> {
    Ok(service::ServiceOptions {
        store: StoreOptions {
            path: config.store.path.clone(),
            busy_timeout: Duration::from_millis(config.store.busy_timeout_ms),
            readers: config.store.readers,
            write_queue: config.store.write_queue,
            write_batch: config.store.write_batch,
            watch_interval: Duration::from_millis(config.store.watch_interval_ms),
            uptime: clock_and_random::uptime,
            stopwatch: clock_and_random::monotonic,
            opened_at: clock_and_random::now(),
        },
        organization_key_prefix: KeyPrefix::parse(&config.keys.organization_prefix)?,
        project_key_prefix: KeyPrefix::parse(&config.keys.project_prefix)?,
        cache_capacity: config.cache.capacity,
        brute_force: BruteForceLimit {
            burst: config.brute_force.burst,
            per_minute: config.brute_force.per_minute,
            addresses: config.brute_force.addresses,
            counts_loopback: config.brute_force.loopback,
        },
        change_limit: ChangeLimit { burst: config.changes.burst, per_minute: config.changes.per_minute },
    })
}

/// Makes a change; when this returns, it is in force everywhere, also at a server that is stopped just now: it believes
/// nothing any more that it read before.
pub(in crate::cli) async fn apply_change<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Service) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let service = open_service(config)?;
    let outcome = work(&service).await;
    if outcome.is_ok() {
        service.wait_for_other_processes().await;
    }
    service.close().await;
    outcome
}

/// Why a store that is older than its ledger cannot say which keys are good, and what to do.
pub(in crate::cli) fn behind_ledger_warning(has_server: bool) -> String {
    let what_to_do = if has_server {
        "the server that is running brings the store up to date with its next change, or when you restart it"
    } else {
        "start the server once, which brings the store up to date"
    };
    format!(
        "the store is older than its ledger of revocations (keystead.revoked), so keys that are good in it may have been revoked \
         since; {what_to_do}"
    )
}

/// Opens it. A warning says so where it is older than its ledger.
pub(in crate::cli) fn open_overview(config: &Config) -> Result<Overview, CommandError> {
    let overview = Overview::open(&service_options(config)?.store, clock_and_random::now())?;
    if overview.is_behind_ledger()? {
        log::warn!("{}", behind_ledger_warning(overview.has_server()));
    }
    Ok(overview)
}

/// The same for whoever is to say whether a key is good.
pub(in crate::cli) fn open_current_overview(config: &Config) -> Result<Overview, CommandError> {
    let overview = Overview::open(&service_options(config)?.store, clock_and_random::now())?;
    if overview.is_behind_ledger()? {
        let why = behind_ledger_warning(overview.has_server());
        return Err(CommandError::new(format!("It cannot be said which keys are good: {why}.")));
    }
    Ok(overview)
}
