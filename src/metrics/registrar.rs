//! Registration of metrics with the Prometheus library.

use crate::domain::{Error, Result, Timestamp};
use prometheus::core::Collector;
use prometheus::{Gauge, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Creates and registers metrics.
pub(super) struct Registrar(pub(super) Registry);

impl Registrar {
    pub(super) fn add<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> Result<C> {
        let collector = made.map_err(internal)?;
        self.0.register(Box::new(collector.clone())).map_err(internal)?;
        Ok(collector)
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge> {
        self.add(IntGauge::new(name, help))
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
    }

    /// Registers the constant metrics.
    pub(super) fn begin(self, started_at: Timestamp) -> Result<Registry> {
        let build = self.gauges(
            "keystead_build_info",
            "Always 1; the label is the running version of Keystead.",
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let help = "Start time of the process since unix epoch in seconds.";
        let started = self.add(Gauge::new("process_start_time_seconds", help))?;
        started.set(started_at.unix_ms() as f64 / 1000.0);
        Ok(self.0)
    }
}

/// The value of a gauge.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn internal(error: prometheus::Error) -> Error {
    Error::Internal(format!("a metric: {error}"))
}
