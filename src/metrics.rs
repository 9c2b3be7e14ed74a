//! What is counted and measured, in Prometheus's terms. This is the one file that names its library.
//!
//! Counting is on the way of every request: what a request adds to is looked up beforehand, and adding is a few atomic
//! additions without a lock. Labels take their values from fixed lists, never from what a client sends, but for the ids of the largest organizations.

use crate::domain::{Error, KeyCounts, OrganizationId, OrganizationSize, Refusal, Result, Timestamp};
use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use std::cell::{OnceCell, RefCell};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Seconds: from what a request takes that is answered from memory to what no client waits for.
const REQUEST_BUCKETS: [f64; 14] =
    [50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1.0];
/// Seconds: from a fast disk's sync to the longest wait for another process.
const COMMIT_BUCKETS: [f64; 14] =
    [250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Jobs.
const BATCH_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Methods that are told apart.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
/// What all other methods are counted under.
const OTHER: &str = "other";
/// The route of requests to a path where nothing is.
pub const UNMATCHED: &str = "unmatched";
/// The route of requests whose handler panicked: which one it was is lost with it.
pub const PANICKED: &str = "panicked";

/// The method, where it is one that is told apart: a client can send anything as one.
pub fn known_method(method: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == method).unwrap_or(OTHER)
}

/// How a key came to be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// It came with a request to Keystead itself.
    Authentication,
    /// Another service asked about it.
    Verify,
    /// A proxy asked about it.
    ForwardAuth,
}

/// In the order of [`Via`].
const VIA: [&str; 3] = ["authentication", "verify", "forward_auth"];
/// What came of it, in the order that [`Metrics::verified`] knows.
const CODE: [&str; 7] =
    ["VALID", "UNKNOWN", "DEACTIVATED", "EXPIRED", "ROTATED_OUT", "RATE_LIMITED", "ADDRESS_REFUSED"];

/// What came of looking a key up in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It is remembered.
    Hit,
    /// It is not: the store has to be read.
    Miss,
    /// It is surely not in the store, either.
    Unknown,
}

/// In the order of [`Lookup`].
const LOOKUP: [&str; 3] = ["hit", "miss", "unknown"];

/// Everything that is counted and measured.
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
    /// What [`Metrics::text`] gives is of this media type.
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// # Errors
    /// [`Error::Internal`] where two metrics were given one name.
    pub fn new(started_at: Timestamp) -> Result<Self> {
        let registrar = Registrar(Registry::new());
        let verifications = registrar.counters(
            "keystead_verifications_total",
            "API keys verified, by who wanted to know and by what came of it.",
            &["via", "code"],
        )?;
        let lookups = registrar.counters(
            "keystead_cache_lookups_total",
            "API keys looked up in memory; a miss is one read of the store, and unknown is surely not there.",
            &["result"],
        )?;
        let size = registrar.gauges("keystead_store_size_bytes", "Size of the store's files.", &["file"])?;
        Ok(Self {
            requests: RequestMetrics::new(&registrar)?,
            verifications: VIA.map(|via| CODE.map(|code| verifications.with_label_values(&[via, code]))),
            lookups: LOOKUP.map(|result| lookups.with_label_values(&[result])),
            queue_depth: registrar.gauge("keystead_store_queue_depth", "Writes that wait for the next transaction.")?,
            commits: CommitMetrics::new(&registrar)?,
            store_size_main: size.with_label_values(&["main"]),
            store_size_wal: size.with_label_values(&["wal"]),
            api_keys: registrar.gauges(
                "keystead_api_keys",
                "API keys that there are, by state; counted when asked for, once in 60 seconds at the most.",
                &["state"],
            )?,
            organizations: OrganizationMetrics::new(&registrar)?,
            audit_head: registrar.gauge(
                "keystead_audit_head_number",
                "Number of the newest event of the audit log; it never goes back.",
            )?,
            last_backup: registrar.gauge(
                "keystead_backup_last_success_timestamp_seconds",
                "When the newest backup was made that this server knows of, since the Unix epoch; 0 for none.",
            )?,
            resident_memory: registrar.gauge("process_resident_memory_bytes", "Resident memory size in bytes.")?,
            registry: registrar.begin(started_at)?,
        })
    }

    /// What requests to a route are counted with.
    pub fn route(&self, template: &str) -> Route {
        Route {
            template: template.to_owned(),
            requests: self.requests.clone(),
            counters: RefCell::default(),
            durations: OnceCell::new(),
        }
    }

    /// A key was verified, and refused or found good.
    pub fn verified(&self, via: Via, refusal: Option<Refusal>) {
        let code = match refusal {
            None => 0,
            Some(Refusal::Missing | Refusal::Unknown) => 1,
            Some(Refusal::Deactivated) => 2,
            Some(Refusal::Expired) => 3,
            Some(Refusal::RotatedOut) => 4,
            Some(Refusal::RateLimited(_)) => 5,
            Some(Refusal::AddressRefused) => 6,
        };
        self.verifications[via as usize][code].inc();
    }

    /// A key was looked up in memory.
    pub fn looked_up(&self, lookup: Lookup) {
        self.lookups[lookup as usize].inc();
    }

    /// A write waits.
    pub fn queued(&self) {
        self.queue_depth.inc();
    }

    /// So many writes do not wait any more.
    pub fn dequeued(&self, writes: usize) {
        self.queue_depth.sub(signed(writes as u64));
    }

    /// So many writes are on disk, with a transaction that took so long.
    pub fn committed(&self, writes: usize, took: Duration) {
        self.commits.ok.inc();
        self.commits.batch_size.observe(writes as f64);
        self.commits.duration.observe(took.as_secs_f64());
    }

    /// A transaction failed.
    pub fn commit_failed(&self) {
        self.commits.failed.inc();
    }

    /// The sizes of the store's files, in bytes.
    pub fn set_store_size(&self, main: u64, wal: u64) {
        self.store_size_main.set(signed(main));
        self.store_size_wal.set(signed(wal));
    }

    /// How many keys there are; `None` where nobody knows.
    pub fn set_api_keys(&self, counts: Option<KeyCounts>) {
        let Some(KeyCounts { active, deactivated, expired }) = counts else { return self.api_keys.reset() };
        for (state, count) in [("active", active), ("deactivated", deactivated), ("expired", expired)] {
            self.api_keys.with_label_values(&[state]).set(count.into());
        }
    }

    /// What the organizations take that take the most; others are not told of any more.
    pub fn set_organizations(&self, largest: &[(OrganizationId, OrganizationSize)]) {
        self.organizations.set(largest);
    }

    /// The number of the newest event of the audit log, 0 where there is none.
    pub fn set_audit_head(&self, number: i64) {
        self.audit_head.set(number);
    }

    /// When the newest backup was made that is known of.
    pub fn set_last_backup(&self, at: Timestamp) {
        self.last_backup.set(at.unix_ms() / 1000);
    }

    /// Everything, in Prometheus's text format.
    ///
    /// # Errors
    /// [`Error::Internal`] where the library cannot write it.
    pub fn text(&self) -> Result<String> {
        self.resident_memory.set(signed(resident_memory().unwrap_or_default()));
        TextEncoder::new().encode_to_string(&self.registry.gather()).map_err(internal)
    }
}

/// What requests to one route are counted with: one for each thread that answers.
pub struct Route {
    template: String,
    requests: RequestMetrics,
    /// By method and status: those that there were, few of many.
    counters: RefCell<Vec<(&'static str, u16, IntCounter)>>,
    durations: OnceCell<Histogram>,
}

impl Route {
    /// The path, with names in the place of what differs.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// A request was answered, which took so long.
    pub fn answered(&self, method: &str, status: u16, took: Duration) {
        self.count(known_method(method), status);
        let durations = self.durations.get_or_init(|| self.requests.duration.with_label_values(&[&self.template]));
        durations.observe(took.as_secs_f64());
    }

    fn count(&self, method: &'static str, status: u16) {
        let mut counters = self.counters.borrow_mut();
        match counters.iter().find(|(m, s, _)| (*m, *s) == (method, status)) {
            Some((_, _, counter)) => counter.inc(),
            None => {
                let labels = [self.template.as_str(), method, &status.to_string()];
                let counter = self.requests.total.with_label_values(&labels);
                counter.inc();
                counters.push((method, status, counter));
            }
        }
    }
}

/// The requests of all routes.
#[derive(Clone)]
struct RequestMetrics {
    total: IntCounterVec,
    duration: HistogramVec,
}

impl RequestMetrics {
    fn new(registrar: &Registrar) -> Result<Self> {
        let total = registrar.counters(
            "keystead_http_requests_total",
            "Requests answered, by the route's template, the method and the status.",
            &["route", "method", "status"],
        )?;
        let options = HistogramOpts::new(
            "keystead_http_request_duration_seconds",
            "Time from a request's head to its answer's head, by the route's template.",
        );
        let duration = registrar.add(HistogramVec::new(options.buckets(REQUEST_BUCKETS.to_vec()), &["route"]))?;
        // A family shows from its first member on: these are there before anybody asks for anything.
        total.with_label_values(&[UNMATCHED, METHODS[0], "404"]);
        duration.with_label_values(&[UNMATCHED]);
        Ok(Self { total, duration })
    }
}

/// The transactions of the one thread that writes.
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
            "Transactions that ended; where one failed, it changed nothing and all its writes were refused.",
            &["outcome"],
        )?;
        Ok(Self {
            ok: outcomes.with_label_values(&["ok"]),
            failed: outcomes.with_label_values(&["failed"]),
            batch_size: registrar.histogram(
                "keystead_store_batch_size",
                "Writes that shared a commit.",
                &BATCH_BUCKETS,
            )?,
            duration: registrar.histogram(
                "keystead_store_commit_duration_seconds",
                "Time from a transaction's begin until it was on disk.",
                &COMMIT_BUCKETS,
            )?,
        })
    }
}

/// What single organizations take. Their ids are the one label that is not from a fixed list: a few of them, and no names.
struct OrganizationMetrics {
    shown: Mutex<Vec<String>>,
    api_keys: IntGaugeVec,
    audit_events: IntGaugeVec,
    audit_bytes: IntGaugeVec,
}

impl OrganizationMetrics {
    fn new(registrar: &Registrar) -> Result<Self> {
        let gauges = |name, what| {
            let help = format!("{what} of each of the 10 organizations that take the most of the store.");
            registrar.gauges(name, &help, &["organization"])
        };
        Ok(Self {
            shown: Mutex::default(),
            api_keys: gauges("keystead_organization_api_keys", "API keys")?,
            audit_events: gauges("keystead_organization_audit_events", "Events of the audit log")?,
            audit_bytes: gauges("keystead_organization_audit_bytes", "About the bytes of the audit log")?,
        })
    }

    fn set(&self, largest: &[(OrganizationId, OrganizationSize)]) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let all = [&self.api_keys, &self.audit_events, &self.audit_bytes];
        let now_shown: Vec<String> = largest.iter().map(|(organization, _)| organization.to_string()).collect();
        for (organization, (_, size)) in now_shown.iter().zip(largest) {
            for (gauges, value) in all.into_iter().zip([size.api_keys, size.audit_events, size.audit_bytes]) {
                gauges.with_label_values(&[organization]).set(signed(value));
            }
        }
        for gone in shown.iter().filter(|organization| !now_shown.contains(organization)) {
            // One that is not there is gone already.
            all.into_iter().for_each(|gauges| _ = gauges.remove_label_values(&[gone]));
        }
        *shown = now_shown;
    }
}

/// Makes metrics and has them shown.
struct Registrar(Registry);

impl Registrar {
    fn add<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> Result<C> {
        let collector = made.map_err(internal)?;
        self.0.register(Box::new(collector.clone())).map_err(internal)?;
        Ok(collector)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge> {
        self.add(IntGauge::new(name, help))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
    }

    /// What never changes.
    fn begin(self, started_at: Timestamp) -> Result<Registry> {
        let build =
            self.gauges("keystead_build_info", "1; its label says which version of Keystead runs.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let help = "Start time of the process since unix epoch in seconds.";
        let started = self.add(Gauge::new("process_start_time_seconds", help))?;
        started.set(started_at.unix_ms() as f64 / 1000.0);
        Ok(self.0)
    }
}

/// As Linux tells it, in bytes; `None` where it does not.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn internal(error: prometheus::Error) -> Error {
    Error::Internal(format!("a metric: {error}"))
}
