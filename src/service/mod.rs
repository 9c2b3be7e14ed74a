//! Use cases. One function is one transaction; times and random bytes are arguments.

mod audit;
mod audit_export;
mod authentication;
mod authority;
mod backup;
mod brute_force;
mod change_limit;
mod concurrency_limit;
mod failed_authentications;
mod idempotency;
mod import;
mod import_export_view;
mod keys;
mod last_used;
mod last_used_buffer;
mod newest_keys;
mod organization_overview;
mod organization_sizes;
mod organizations;
mod overview;
mod projects;
mod rate_limit;
mod readiness;
mod setup;
mod store_gauges;
mod token_buckets;
mod usage;
mod usage_buffer;
mod use_counter;
mod verification;

pub use crate::domain::KeyChange;
pub use crate::store::NewApiKey;
pub use crate::store::file::{
    BackupSummary, Checkup, CopyProgress, ImportedApiKey, LedgerComparison, LedgerSummary, PARTIAL_SUFFIX,
    RestoreOutcome, SCHEMA_VERSION, Staging, StoreOptions, StoreSize, remove_partial_backup, size,
};
pub use audit::{AuditLog, EVENTS_PAGE};
pub use audit_export::{AuditExport, AuditExportState, FoundEvents};
pub use authentication::Caller;
pub use authority::{
    Administer, Audit, Authority, ManageKeys, Permitted, Purpose, Read, ReadKey, ReadOrganization, ReadSelf, Verify,
};
pub use backup::{Restoration, file_name_time, restore};
pub use brute_force::BruteForceLimit;
pub use change_limit::ChangeLimit;
pub use concurrency_limit::Slot;
pub use idempotency::{Idempotency, IssuedKey};
pub use import::{Import, ImportOutcome, ImportProgress, ImportWriter, NOTHING_IMPORTED, TakenRows};
pub use import_export_view::{ExportItem, ImportExportView};
pub use keys::{API_KEYS_PAGE, FoundKeys, KEYS_PASSED_OVER, KeyManager, NewKey, NewValue, RotationRequest};
pub use organization_overview::{OrganizationOverview, OverviewAnswer, OverviewTurn};
pub use overview::{LookedUpKey, ORGANIZATIONS_PAGE, Overview, StoreSummary};
pub use projects::{NewProject, PROJECTS_PAGE, ProjectChange};
pub use setup::FirstKey;
pub use usage::{UsagePart, UsagePeriod, UsageStep, UsedKey};
pub use verification::{IdentifiedKey, PresentedKey, Verdict, VerificationRequest};

use crate::domain::{Error, KeyId, KeyPrefix, OrganizationId, Parent, Result};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::file::StoreFile;
use audit_export::AuditExports;
use authentication::KeyCache;
use brute_force::BruteForceGuard;
use change_limit::ChangeLimiter;
use concurrency_limit::ConcurrencyLimit;
use failed_authentications::FailedAuthentications;
use futures_util::future::join;
use last_used_buffer::LastUsedBuffer;
use organization_overview::OverviewCache;
use readiness::Readiness;
use std::sync::Arc;
use std::time::Instant;
use store_gauges::{KeyCountCache, OrganizationSizeCache};
use usage_buffer::UsageBuffer;

/// Concurrent searches and counts of the audit log, long reads of usage and counts of all keys, per organization.
const LONG_READS_EACH: usize = 4;
/// Concurrent streamed lists and downloads per key.
const STREAMS_EACH: usize = 32;

/// Settings of the service.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// Settings of the store.
    pub store: StoreOptions,
    /// Prefix of new organization keys.
    pub organization_key_prefix: KeyPrefix,
    /// Prefix of new project keys.
    pub project_key_prefix: KeyPrefix,
    /// Maximum number of cached keys.
    pub cache_capacity: usize,
    /// Limit of invalid keys per client address.
    pub brute_force: BruteForceLimit,
    /// Limit of changes per organization.
    pub change_limit: ChangeLimit,
    /// Whether uses of keys are counted.
    pub counts_usage: bool,
}

/// All use cases over one open store.
pub struct Service {
    store: Store,
    /// Operations that only a store in a file has.
    file: StoreFile,
    key_cache: KeyCache,
    last_used_buffer: LastUsedBuffer,
    usage_buffer: UsageBuffer,
    brute_force: BruteForceGuard,
    change_limiter: ChangeLimiter,
    key_count: KeyCountCache,
    organization_sizes: OrganizationSizeCache,
    overviews: OverviewCache,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    stopwatch: fn() -> Instant,
    audit_exports: AuditExports,
    failed_authentications: FailedAuthentications,
    /// Searches and counts of the audit log, long reads of usage and counts of all keys, by organization.
    long_reads: ConcurrencyLimit<OrganizationId>,
    /// Streamed lists and downloads, by key.
    streams: ConcurrencyLimit<KeyId>,
    organization_key_prefix: KeyPrefix,
    project_key_prefix: KeyPrefix,
}

impl Service {
    /// Opens the store and starts the service, which counts in `metrics`.
    ///
    /// # Errors
    /// As [`StoreFile::open`].
    pub fn open(options: &ServiceOptions, metrics: Arc<Metrics>) -> Result<Self> {
        let file = StoreFile::open(&options.store, Arc::clone(&metrics))?;
        Ok(Self {
            store: file.store(),
            file,
            key_cache: KeyCache::new(options.cache_capacity),
            last_used_buffer: LastUsedBuffer::new(options.cache_capacity),
            usage_buffer: UsageBuffer::new(options.counts_usage, options.cache_capacity),
            brute_force: BruteForceGuard::new(options.brute_force),
            change_limiter: ChangeLimiter::new(options.change_limit),
            key_count: KeyCountCache::default(),
            organization_sizes: OrganizationSizeCache::default(),
            overviews: OverviewCache::default(),
            readiness: Readiness::default(),
            metrics,
            stopwatch: options.store.stopwatch,
            audit_exports: AuditExports::default(),
            failed_authentications: FailedAuthentications::default(),
            long_reads: ConcurrencyLimit::new(LONG_READS_EACH),
            streams: ConcurrencyLimit::new(STREAMS_EACH),
            organization_key_prefix: options.organization_key_prefix.clone(),
            project_key_prefix: options.project_key_prefix.clone(),
        })
    }

    /// Reserves one of the caller's slots for a streamed answer. Dropping the slot frees it.
    ///
    /// # Errors
    /// [`Error::TooManyAtOnce`] if all of them are in use.
    pub fn begin_stream(&self, caller: &Caller) -> Result<Slot> {
        self.streams.take(caller.key().id).ok_or(Error::TooManyAtOnce(
            "This API key has too many lists and downloads in progress; wait until one of them ends.",
        ))
    }

    /// Prefix of new organization keys.
    pub fn organization_key_prefix(&self) -> &KeyPrefix {
        &self.organization_key_prefix
    }

    /// Prefixes of new organization keys and project keys.
    pub fn key_prefixes(&self) -> [&KeyPrefix; 2] {
        [&self.organization_key_prefix, &self.project_key_prefix]
    }

    fn key_prefix(&self, parent: Parent) -> &KeyPrefix {
        if parent.project.is_some() { &self.project_key_prefix } else { &self.organization_key_prefix }
    }

    /// Registers this process as a server; returns whether another server has the store open.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the operating system refuses the lock.
    pub fn announce_server(&self) -> Result<bool> {
        self.file.announce_server()?;
        Ok(self.file.has_server())
    }

    /// Waits until no process with the store open trusts anything that it read before this call.
    pub async fn wait_for_other_processes(&self) {
        self.store.wait_for_other_processes().await;
    }

    /// Writes pending last-used times and usage, in one commit if there are few.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; both are kept for the next attempt.
    pub async fn flush_uses(&self) -> Result<()> {
        let (times, counts) = join(self.flush_last_used(), self.flush_usage()).await;
        times.and(counts)
    }

    /// Writes pending last-used times and usage and closes the store, which must not be used afterwards.
    pub async fn close(&self) {
        // The background task that wrote last-used times may have been stopped half-way.
        self.last_used_buffer.give_back();
        if let Err(error) = self.flush_uses().await {
            log::error!("the uses of the last second were not written: {}", error.in_full());
        }
        self.store.close();
    }
}
