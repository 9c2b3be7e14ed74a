//! Token buckets: a burst and a rate per minute for each of many callers.
//!
//! A bucket is stored as the instant at which it is full again, by the monotonic clock, so setting the wall
//! clock changes nothing.

use quick_cache::sync::Cache;
use std::convert::Infallible;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const MINUTE_US: u64 = 60_000_000;
const SECOND_US: u64 = 1_000_000;

/// The buckets in memory.
pub(super) struct TokenBuckets<K> {
    /// Time until one token returns, in microseconds.
    interval_us: u64,
    capacity_us: u64,
    /// When each bucket is full again, in microseconds of uptime.
    full_at_us: Cache<K, Arc<AtomicU64>>,
}

impl<K: Clone + Eq + Hash> TokenBuckets<K> {
    /// Buckets of `burst` tokens, refilled at `per_minute`. At most `remembered` buckets are kept; a
    /// forgotten bucket is full again.
    pub(super) fn new(burst: u32, per_minute: u32, remembered: usize) -> Self {
        let interval_us = (MINUTE_US / u64::from(per_minute.max(1))).max(1);
        Self { interval_us, capacity_us: interval_us * u64::from(burst), full_at_us: Cache::new(remembered) }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// If the bucket is empty: the number of seconds until the next token.
    pub(super) fn take(&self, whose: &K, uptime: Duration) -> Result<(), u64> {
        let Ok(full_at_us) = self.full_at_us.get_or_insert_with(whose, || Ok::<_, Infallible>(Arc::default()));
        let now_us = u64::try_from(uptime.as_micros()).unwrap_or(u64::MAX);
        let missing_us = |full_at_us: u64| full_at_us.saturating_sub(now_us) + self.interval_us;
        let take = |full_at_us| {
            let missing_us = missing_us(full_at_us);
            (missing_us <= self.capacity_us).then(|| now_us.saturating_add(missing_us))
        };
        full_at_us
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .map(drop)
            .map_err(|full_at_us| (missing_us(full_at_us) - self.capacity_us).div_ceil(SECOND_US))
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.full_at_us.len()
    }
}
