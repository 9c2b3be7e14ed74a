//! Prometheus metrics. Only this module uses the Prometheus library.
//!
//! Every request is counted, so its counters are looked up in advance: counting is a few atomic additions
//! without a lock. Label values come from fixed lists, never from clients, except the ids of the largest
//! organizations.

mod organizations;
mod registrar;
mod route;

pub use route::{PANICKED, Route, UNMATCHED, known_method};

use crate::domain::{KeyCounts, OrganizationId, OrganizationSize, Refusal, Result, Timestamp};
use organizations::OrganizationMetrics;
use prometheus::{Histogram, IntCounter, IntGauge, IntGaugeVec, Registry, TextEncoder};
use registrar::{Registrar, internal, signed};
use route::RequestMetrics;
use std::time::Duration;

/// Seconds: from the sync of a fast disk to the longest wait for another process.
const COMMIT_BUCKETS: [f64; 14] =
    [250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Writes per transaction.
const BATCH_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Why a key was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// It authenticated a request to Keystead.
    Authentication,
    /// Another service asked.
    Verify,
    /// A proxy asked.
    ForwardAuth,
}

/// In the order of [`Via`].
const VIA: [&str; 3] = ["authentication", "verify", "forward_auth"];
/// Results, in the order of [`Metrics::verified`].
const CODE: [&str; 8] = [
    "VALID",
    "UNKNOWN",
    "DEACTIVATED",
    "EXPIRED",
    "ROTATED_OUT",
    "RATE_LIMITED",
    "ADDRESS_REFUSED",
    "INSUFFICIENT_PERMISSIONS",
];

/// The result of a cache lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupResult {
    /// The key is cached.
    Hit,
    /// The key is not cached: the store must be read.
    Miss,
    /// The negative filter excludes the key: it is not in the store.
    Unknown,
}

/// In the order of [`LookupResult`].
const LOOKUP: [&str; 3] = ["hit", "miss", "unknown"];

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    requests: RequestMetrics,
    verifications: [[IntCounter; CODE.len()]; VIA.len()],
    lookups: [IntCounter; LOOKUP.len()],
    queue_depth: IntGauge,
    commits: CommitMetrics,
    store_size_main: IntGauge,
    store_size_wal: IntGauge,
    api_keys: IntGaugeVec,
    organizations: OrganizationMetrics,
    audit_head: IntGauge,
    last_backup: IntGauge,
    resident_memory: IntGauge,
}

impl Metrics {
    /// Media type of [`Metrics::text`].
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Registers all metrics.
    ///
    /// # Errors
    /// [`crate::domain::Error::Internal`] if two metrics have the same name.
    pub fn new(started_at: Timestamp) -> Result<Self> {
        let registrar = Registrar(Registry::new());
        let verifications = registrar.counters(
            "keystead_verifications_total",
            "API keys verified, by source of the request and result.",
            &["via", "code"],
        )?;
        let lookups = registrar.counters(
            "keystead_cache_lookups_total",
            "Lookups of API keys in the cache: hit, miss (one read of the store), or unknown (the negative filter excludes the key).",
            &["result"],
        )?;
        let size = registrar.gauges("keystead_store_size_bytes", "Size of the store's files.", &["file"])?;
        Ok(Self {
            requests: RequestMetrics::new(&registrar)?,
            verifications: VIA.map(|via| CODE.map(|code| verifications.with_label_values(&[via, code]))),
            lookups: LOOKUP.map(|result| lookups.with_label_values(&[result])),
            queue_depth: registrar.gauge("keystead_store_queue_depth", "Writes waiting for the next transaction.")?,
            commits: CommitMetrics::new(&registrar)?,
            store_size_main: size.with_label_values(&["main"]),
            store_size_wal: size.with_label_values(&["wal"]),
            api_keys: registrar.gauges(
                "keystead_api_keys",
                "API keys by state; counted when scraped, at most once in 60 seconds.",
                &["state"],
            )?,
            organizations: OrganizationMetrics::new(&registrar)?,
            audit_head: registrar
                .gauge("keystead_audit_head_number", "Number of the newest audit event; it never decreases.")?,
            last_backup: registrar.gauge(
                "keystead_backup_last_success_timestamp_seconds",
                "Time of the newest backup known to this server, in seconds since the Unix epoch; 0 for none.",
            )?,
            resident_memory: registrar.gauge("process_resident_memory_bytes", "Resident memory size in bytes.")?,
            registry: registrar.begin(started_at)?,
        })
    }

    /// The counters of a route.
    pub fn route(&self, template: &str) -> Route {
        self.requests.route(template)
    }

    /// Counts a verification and its result.
    pub fn verified(&self, via: Via, refusal: Option<Refusal>) {
        let code = match refusal {
            None => 0,
            Some(Refusal::Missing | Refusal::Unknown) => 1,
            Some(Refusal::Deactivated) => 2,
            Some(Refusal::Expired) => 3,
            Some(Refusal::RotatedOut) => 4,
            Some(Refusal::RateLimited(_)) => 5,
            Some(Refusal::AddressRefused) => 6,
            Some(Refusal::InsufficientPermissions) => 7,
        };
        self.verifications[via as usize][code].inc();
    }

    /// Counts a cache lookup.
    pub fn looked_up(&self, lookup: LookupResult) {
        self.lookups[lookup as usize].inc();
    }

    /// Counts a write that was queued.
    pub fn queued(&self) {
        self.queue_depth.inc();
    }

    /// Counts writes that left the queue.
    pub fn dequeued(&self, writes: usize) {
        self.queue_depth.sub(signed(writes as u64));
    }

    /// Counts a successful transaction with its writes and its duration.
    pub fn committed(&self, writes: usize, took: Duration) {
        self.commits.ok.inc();
        self.commits.batch_size.observe(writes as f64);
        self.commits.duration.observe(took.as_secs_f64());
    }

    /// Counts a failed transaction.
    pub fn commit_failed(&self) {
        self.commits.failed.inc();
    }

    /// Sets the sizes of the store's files, in bytes.
    pub fn set_store_size(&self, main: u64, wal: u64) {
        self.store_size_main.set(signed(main));
        self.store_size_wal.set(signed(wal));
    }

    /// Sets the numbers of keys by state; `None` removes them because they are unknown.
    pub fn set_api_keys(&self, counts: Option<KeyCounts>) {
        let Some(KeyCounts { active, deactivated, expired }) = counts else { return self.api_keys.reset() };
        for (state, count) in [("active", active), ("deactivated", deactivated), ("expired", expired)] {
            self.api_keys.with_label_values(&[state]).set(count.into());
        }
    }

    /// Sets the sizes of the largest organizations and removes all others.
    pub fn set_organizations(&self, largest: &[(OrganizationId, OrganizationSize)]) {
        self.organizations.set(largest);
    }

    /// Sets the number of the newest audit event; 0 if there is none.
    pub fn set_audit_head(&self, number: i64) {
        self.audit_head.set(number);
    }

    /// Sets the time of the newest known backup.
    pub fn set_last_backup(&self, at: Timestamp) {
        self.last_backup.set(at.unix_ms() / 1000);
    }

    /// All metrics in Prometheus's text format.
    ///
    /// # Errors
    /// [`crate::domain::Error::Internal`] if the library cannot write them.
    pub fn text(&self) -> Result<String> {
        self.resident_memory.set(signed(resident_memory().unwrap_or_default()));
        TextEncoder::new().encode_to_string(&self.registry.gather()).map_err(internal)
    }
}

/// Metrics of the writer's transactions.
struct CommitMetrics {
    ok: IntCounter,
    failed: IntCounter,
    batch_size: Histogram,
    duration: Histogram,
}

impl CommitMetrics {
    fn new(registrar: &Registrar) -> Result<Self> {
        let outcomes = registrar.counters(
            "keystead_store_commits_total",
            "Finished transactions by outcome; a failed one changed nothing, and all its writes were refused.",
            &["outcome"],
        )?;
        Ok(Self {
            ok: outcomes.with_label_values(&["ok"]),
            failed: outcomes.with_label_values(&["failed"]),
            batch_size: registrar.histogram("keystead_store_batch_size", "Writes per transaction.", &BATCH_BUCKETS)?,
            duration: registrar.histogram(
                "keystead_store_commit_duration_seconds",
                "Time from the start of a transaction until it is on disk.",
                &COMMIT_BUCKETS,
            )?,
        })
    }
}

/// From Linux's `/proc`, in bytes; `None` elsewhere.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}
