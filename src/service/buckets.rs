//! Token buckets: how often something may be done at once, and in a minute beyond that, by each of many.
//!
//! A bucket is kept as the one instant at which it is full again. Where that lies further away than an empty bucket takes, the
//! clock was set back, and the bucket is full: nobody waits until the clock has caught up.

use crate::domain::Timestamp;
use quick_cache::sync::Cache;
use std::convert::Infallible;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const MINUTE_US: i64 = 60_000_000;
const SECOND_US: u64 = 1_000_000;

/// The buckets of those that are remembered.
pub(super) struct Buckets<K> {
    /// How long one token takes to come back, in microseconds.
    interval_us: i64,
    capacity_us: i64,
    /// When each bucket is full again, in microseconds since the Unix epoch.
    full_at_us: Cache<K, Arc<AtomicI64>>,
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    /// Buckets of `burst` tokens, of which `per_minute` come back in a minute. At most `remembered` buckets are kept; one
    /// that is forgotten is full again.
    pub(super) fn new(burst: u32, per_minute: u32, remembered: usize) -> Self {
        let interval_us = (MINUTE_US / i64::from(per_minute.max(1))).max(1);
        Self { interval_us, capacity_us: interval_us * i64::from(burst), full_at_us: Cache::new(remembered) }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// In how many seconds there is one again, where there is none.
    pub(super) fn take(&self, whose: &K, now: Timestamp) -> Result<(), u64> {
        let Ok(full_at_us) = self.full_at_us.get_or_insert_with(whose, || Ok::<_, Infallible>(Arc::default()));
        let now_us = now.unix_ms() * 1000;
        let missing_us = |full_at_us: i64| {
            let missing_us = (full_at_us - now_us).max(0);
            if missing_us <= self.capacity_us { missing_us } else { 0 }
        };
        let take = |full_at_us| {
            let missing_us = missing_us(full_at_us) + self.interval_us;
            (missing_us <= self.capacity_us).then_some(now_us + missing_us)
        };
        full_at_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map(drop).map_err(|full_at_us| {
            let wait_us = missing_us(full_at_us) + self.interval_us - self.capacity_us;
            wait_us.unsigned_abs().div_ceil(SECOND_US)
        })
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.full_at_us.len()
    }
}
