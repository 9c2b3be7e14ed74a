//! The server's background tasks: uses of keys, the audit log, backups, the ledger and imports.

use crate::cli::audit::head_signature::{Signer, signed_head};
use crate::cli::server::clock_watch;
use crate::cli::store::backup;
use crate::cli::system::clock_and_random;
use crate::config::{self, Config};
use crate::domain::{Hour, Link, Timestamp};
use crate::service::Service;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often last-used times and usage are written. With the write itself this stays below a second. Each round writes
/// every key that was used since the last one, so fewer rounds cost less.
const USES_INTERVAL: Duration = Duration::from_millis(700);
/// How often failed authentications are recorded.
const FAILED_AUTHENTICATIONS_INTERVAL: Duration = Duration::from_secs(60);
/// How often the audit log and usage are pruned.
const PRUNE_INTERVAL: Duration = Duration::from_secs(3600);
/// How often the audit log's head is logged, besides at start and at stop.
const HEAD_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// How often the server checks whether a backup is due.
const BACKUP_CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// How often the ledger of revocations is compacted.
const LEDGER_COMPACT_INTERVAL: Duration = Duration::from_secs(3600);
/// How often the server looks for staged imports.
const IMPORT_CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// How long to wait after a failed look at imports: less than an import command waits for the server.
const IMPORT_RETRY_DELAY: Duration = Duration::from_secs(1);
/// The least time between two warnings about imports.
const IMPORT_WARNING_INTERVAL: Duration = Duration::from_secs(60);
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * 3_600_000;

/// Starts all tasks. They run until the returned set is dropped.
pub(in crate::cli) fn start(config: &Config, service: &Arc<Service>, signer: Option<Signer>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(flush_uses(Arc::clone(service)));
    tasks.spawn(record_failed_authentications(Arc::clone(service)));
    if config.audit.retention_days > 0 {
        tasks.spawn(prune(Arc::clone(service), config.audit.retention_days));
    }
    tasks.spawn(prune_usage(Arc::clone(service), config.usage.retention_days));
    if !config.backup.folder.as_os_str().is_empty() {
        tasks.spawn(back_up(Arc::clone(service), config.backup.clone()));
    }
    tasks.spawn(clock_watch::watch(Arc::clone(service)));
    tasks.spawn(compact_ledger(Arc::clone(service)));
    tasks.spawn(carry_imports(Arc::clone(service)));
    tasks.spawn(log_heads(Arc::clone(service), signer));
    tasks
}

/// Runs the last round at a stop: records the failed authentications, then logs the final head of the audit log.
pub(in crate::cli) async fn finish(service: &Service, signer: Option<&Signer>) {
    if let Err(error) = service.record_failed_authentications().await {
        log::warn!("the last minute's failed authentications could not be recorded: {error}");
    }
    log_head(service, signer).await;
}

/// Logs the audit log's head. A copy of the log elsewhere then proves that all earlier events existed by this time.
async fn log_head(service: &Service, signer: Option<&Signer>) {
    match service.audit_head().await {
        Ok(head) => log::info!("audit log head: {}", signed_head(head.unwrap_or(Link::START), signer)),
        Err(error) => log::warn!("the audit log's head could not be read: {error}"),
    }
}

async fn flush_uses(service: Arc<Service>) {
    loop {
        tokio::time::sleep(USES_INTERVAL).await;
        if let Err(error) = service.flush_uses().await {
            log::warn!("last-used times and usage could not be written and will be written later: {error}");
        }
    }
}

async fn record_failed_authentications(service: Arc<Service>) {
    loop {
        tokio::time::sleep(FAILED_AUTHENTICATIONS_INTERVAL).await;
        if let Err(error) = service.record_failed_authentications().await {
            log::warn!("a minute's failed authentications could not be recorded: {error}");
        }
    }
}

async fn prune(service: Arc<Service>, retention_days: u32) {
    loop {
        let now = clock_and_random::now();
        match service.prune_audit_log(days_before(now, retention_days), now).await {
            Ok(0) => {}
            Ok(count) => {
                log::info!("{count} events were older than {retention_days} days and were deleted from the audit log")
            }
            Err(error) => log::warn!("the audit log could not be pruned: {error}"),
        }
        tokio::time::sleep(PRUNE_INTERVAL).await;
    }
}

async fn prune_usage(service: Arc<Service>, retention_days: u32) {
    loop {
        let now = clock_and_random::now();
        // The hour in which the retention ends is kept; without a retention, nothing is.
        let before = Hour::of(days_before(now, retention_days)) + u32::from(retention_days == 0);
        match service.prune_usage(before).await {
            Ok(0) => {}
            Ok(count) => log::info!("{count} counts of usage were older than {retention_days} days and were deleted"),
            Err(error) => log::warn!("usage could not be pruned: {error}"),
        }
        tokio::time::sleep(PRUNE_INTERVAL).await;
    }
}

fn days_before(now: Timestamp, days: u32) -> Timestamp {
    Timestamp::from_unix_ms(now.unix_ms() - i64::from(days) * DAY_MS).unwrap_or_default()
}

async fn back_up(service: Arc<Service>, config::BackupSettings { folder, every_hours, keep }: config::BackupSettings) {
    loop {
        if let Err(error) = backup::make_due(&service, &folder, i64::from(every_hours) * HOUR_MS, keep).await {
            log::error!("no backup was made; next attempt in ten minutes: {error}");
            tokio::time::sleep(9 * BACKUP_CHECK_INTERVAL).await;
        }
        tokio::time::sleep(BACKUP_CHECK_INTERVAL).await;
    }
}

async fn compact_ledger(service: Arc<Service>) {
    loop {
        tokio::time::sleep(LEDGER_COMPACT_INTERVAL).await;
        if let Err(error) = service.compact_ledger().await {
            log::warn!("the ledger of revocations could not be compacted: {error}");
        }
    }
}

/// Stores the rows of staged imports. The import command's own process may be stopped while it locks the store; this one goes on.
async fn carry_imports(service: Arc<Service>) {
    let mut warned_at: Option<Instant> = None;
    loop {
        tokio::time::sleep(IMPORT_CHECK_INTERVAL).await;
        if let Err(error) = service.carry_imports().await {
            let now = clock_and_random::monotonic();
            if warned_at.is_none_or(|at| now.saturating_duration_since(at) >= IMPORT_WARNING_INTERVAL) {
                warned_at = Some(now);
                log::warn!("imports could not be found or stored; next attempt in a second: {error}");
            }
            tokio::time::sleep(IMPORT_RETRY_DELAY).await;
        }
    }
}

async fn log_heads(service: Arc<Service>, signer: Option<Signer>) {
    loop {
        log_head(&service, signer.as_ref()).await;
        tokio::time::sleep(HEAD_INTERVAL).await;
    }
}
