//! Metrics of HTTP requests, by route.

use super::registrar::Registrar;
use crate::domain::Result;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec};
use std::cell::{OnceCell, RefCell};
use std::time::Duration;

/// Seconds: from an answer out of the cache to a time that no client waits for.
const REQUEST_BUCKETS: [f64; 14] =
    [50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1.0];
/// Methods with a label value of their own.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
/// Label value of all other methods.
const OTHER: &str = "other";
/// Route of requests to paths that do not exist.
pub const UNMATCHED: &str = "unmatched";
/// Route of requests whose handler panicked: the real route is lost.
pub const PANICKED: &str = "panicked";

/// The label value of a method: clients may send any text as a method.
pub fn known_method(method: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == method).unwrap_or(OTHER)
}

/// The counters of one route, one instance per worker thread.
pub struct Route {
    template: String,
    requests: RequestMetrics,
    /// By method and status; only the few combinations that occurred.
    counters: RefCell<Vec<(&'static str, u16, IntCounter)>>,
    durations: OnceCell<Histogram>,
}

impl Route {
    /// The path template.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// Counts an answer and its duration.
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

/// Metrics of requests to all routes.
#[derive(Clone)]
pub(super) struct RequestMetrics {
    total: IntCounterVec,
    duration: HistogramVec,
}

impl RequestMetrics {
    pub(super) fn route(&self, template: &str) -> Route {
        Route {
            template: template.to_owned(),
            requests: self.clone(),
            counters: RefCell::default(),
            durations: OnceCell::new(),
        }
    }

    pub(super) fn new(registrar: &Registrar) -> Result<Self> {
        let total = registrar.counters(
            "keystead_http_requests_total",
            "Answered requests by route template, method and status.",
            &["route", "method", "status"],
        )?;
        let options = HistogramOpts::new(
            "keystead_http_request_duration_seconds",
            "Time from a request's head to its answer's head, by route template.",
        );
        let duration = registrar.add(HistogramVec::new(options.buckets(REQUEST_BUCKETS.to_vec()), &["route"]))?;
        // A metric family is shown once it has a member, so create one in advance.
        total.with_label_values(&[UNMATCHED, METHODS[0], "404"]);
        duration.with_label_values(&[UNMATCHED]);
        Ok(Self { total, duration })
    }
}
