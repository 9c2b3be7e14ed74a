//! Every use case. One function is one transaction; the time and random bytes are arguments.

mod attempts;
mod audit;
mod authentication;
mod authority;
mod backup;
mod buckets;
mod changes;
mod content;
mod exports;
mod failures;
mod idempotency;
mod import;
mod keys;
mod measurement;
mod newest_keys;
mod organizations;
mod overview;
mod projects;
mod readiness;
mod setup;
mod shares;
mod sizes;
mod usage;
mod uses;
mod verification;
mod windows;

pub use crate::domain::KeyChange;
pub use crate::store::NewApiKey;
pub use crate::store::file::{
    Agreement, Backup, Checkup, ImportedApiKey, LedgerSummary, Options as StoreOptions, Progress, Restored, SCHEMA,
    Size, Staging, UNFINISHED, remove_unfinished, size,
};
pub use attempts::AttemptLimit;
pub use audit::{AuditLog, EVENTS_PAGE};
pub use authentication::Caller;
pub use authority::{Authority, Manage, Permitted, Purpose, Verify};
pub use backup::{Restoration, restore, stamp};
pub use changes::ChangeLimit;
pub use content::{Content, Exported};
pub use exports::{Export, ExportState, FoundEvents};
pub use idempotency::{Idempotency, Issued};
pub use import::{Import, ImportProgress, NOTHING_IMPORTED, Outcome, Taken, Writer};
pub use keys::{API_KEYS_PAGE, Keys, NewKey, Rotation, Value};
pub use overview::{Facts, Looked, ORGANIZATIONS_PAGE, Overview};
pub use projects::{NewProject, PROJECTS_PAGE, ProjectChange};
pub use setup::FirstKey;
pub use shares::Share;
pub use verification::{Asked, Question, Subject, Verdict};

use crate::domain::{Error, KeyId, KeyPrefix, OrganizationId, Parent, Result};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::file::StoreFile;
use attempts::Attempts;
use authentication::Identities;
use changes::Changes;
use exports::Exports;
use failures::Failures;
use measurement::{KeyCount, Sizes};
use readiness::Readiness;
use shares::Shares;
use std::sync::Arc;
use std::time::Instant;
use uses::Uses;

/// How many searches and counts of the audit log each organization may have under way.
const LONG_READS_EACH: usize = 4;
/// How many whole lists and downloads each key may have under way.
const STREAMS_EACH: usize = 32;

/// How the service is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// How the store is opened.
    pub store: StoreOptions,
    /// What newly minted organization keys begin with.
    pub organization_key_prefix: KeyPrefix,
    /// What newly minted project keys begin with.
    pub project_key_prefix: KeyPrefix,
    /// How many keys are remembered between requests, at the most.
    pub cache_capacity: usize,
    /// How many wrong keys an address may send.
    pub attempts: AttemptLimit,
    /// How many changes an organization may make.
    pub changes: ChangeLimit,
}

/// The running service.
pub struct Service {
    store: Store,
    /// What only a store in a file does.
    file: StoreFile,
    identities: Identities,
    uses: Uses,
    attempts: Attempts,
    changes: Changes,
    key_count: KeyCount,
    sizes: Sizes,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    stopwatch: fn() -> Instant,
    exports: Exports,
    failures: Failures,
    /// Reads of much of the store, by organization.
    long_reads: Shares<OrganizationId>,
    /// Answers that are read while they are sent, by key.
    streams: Shares<KeyId>,
    organization_key_prefix: KeyPrefix,
    project_key_prefix: KeyPrefix,
}

impl Service {
    /// Opens the store and everything that stands on it. What is done is counted in `metrics`.
    ///
    /// # Errors
    /// As [`StoreFile::open`].
    pub fn open(options: &Options, metrics: Arc<Metrics>) -> Result<Self> {
        let file = StoreFile::open(&options.store, Arc::clone(&metrics))?;
        Ok(Self {
            store: file.store(),
            file,
            identities: Identities::new(options.cache_capacity),
            uses: Uses::new(options.cache_capacity),
            attempts: Attempts::new(options.attempts),
            changes: Changes::new(options.changes),
            key_count: KeyCount::default(),
            sizes: Sizes::default(),
            readiness: Readiness::default(),
            metrics,
            stopwatch: options.store.stopwatch,
            exports: Exports::default(),
            failures: Failures::default(),
            long_reads: Shares::new(LONG_READS_EACH),
            streams: Shares::new(STREAMS_EACH),
            organization_key_prefix: options.organization_key_prefix.clone(),
            project_key_prefix: options.project_key_prefix.clone(),
        })
    }

    /// Lets the caller begin an answer that is read while it is sent; it lasts as long as the share.
    ///
    /// # Errors
    /// [`Error::TooManyAtOnce`].
    pub fn begin_stream(&self, caller: &Caller) -> Result<Share> {
        self.streams.take(caller.key().id).ok_or(Error::TooManyAtOnce(
            "This API key has too many lists and downloads under way; wait until one of them has ended.",
        ))
    }

    /// What newly minted organization keys begin with.
    pub fn organization_key_prefix(&self) -> &KeyPrefix {
        &self.organization_key_prefix
    }

    /// What newly minted keys begin with.
    pub fn key_prefixes(&self) -> [&KeyPrefix; 2] {
        [&self.organization_key_prefix, &self.project_key_prefix]
    }

    fn key_prefix(&self, parent: Parent) -> &KeyPrefix {
        if parent.project.is_some() { &self.project_key_prefix } else { &self.organization_key_prefix }
    }

    /// Tells other processes that this one is a server; says whether there is another one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the operating system gives no lock.
    pub fn announce_server(&self) -> Result<bool> {
        self.file.announce_server()?;
        Ok(self.file.has_server())
    }

    /// Waits until no process that has the store open believes what it read before now.
    pub async fn wait_for_others(&self) {
        self.store.wait_for_others().await;
    }

    /// Brings what is only in memory to disk and closes the store. Nothing may be asked of it after.
    pub async fn close(&self) {
        // Whoever was writing last-used times may have been stopped half-way.
        self.uses.give_back();
        if let Err(error) = self.flush_last_used().await {
            log::error!("the last second's last-used times were not written: {error} {:?}", error.detail());
        }
        self.store.close();
    }
}
