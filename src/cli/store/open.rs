//! Opens the store for a command, to read or to change it, also beside a running server.

use crate::cli::error::CommandError;
use crate::cli::store::store_folder;
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::KeyPrefix;
use crate::metrics::Metrics;
use crate::service::{self, BruteForceLimit, ChangeLimit, Overview, Service, StoreOptions};
use std::sync::Arc;
use std::time::Duration;

/// Opens the service on the store, beside other processes. The caller must close it.
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
        counts_usage: config.usage.retention_days > 0,
    })
}

/// Makes a change. When this returns, the change is in force in every process, also in a server that is stopped at the moment: its
/// cache is no longer valid by then.
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

/// Why a store that is older than its ledger cannot tell which keys are valid, and what to do.
pub(in crate::cli) fn behind_ledger_warning(has_server: bool) -> String {
    let what_to_do = if has_server {
        "the running server updates the store with its next change, or when you restart it"
    } else {
        "start the server once to update the store"
    };
    format!(
        "the store is older than its ledger of revocations (keystead.revoked), so keys that look valid may have been revoked \
        since; {what_to_do}"
    )
}

/// Opens the store for reading. Logs a warning if it is older than its ledger.
pub(in crate::cli) fn open_overview(config: &Config) -> Result<Overview, CommandError> {
    let overview = Overview::open(&service_options(config)?.store, clock_and_random::now())?;
    if overview.is_behind_ledger()? {
        log::warn!("{}", behind_ledger_warning(overview.has_server()));
    }
    Ok(overview)
}

/// Opens the store for reading. Fails if it is older than its ledger, since it cannot tell then which keys are valid.
pub(in crate::cli) fn open_current_overview(config: &Config) -> Result<Overview, CommandError> {
    let overview = Overview::open(&service_options(config)?.store, clock_and_random::now())?;
    if overview.is_behind_ledger()? {
        let why = behind_ledger_warning(overview.has_server());
        return Err(CommandError::new(format!("Whether keys are valid cannot be checked: {why}.")));
    }
    Ok(overview)
}
