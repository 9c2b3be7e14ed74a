//! Gauges of the store, measured when the metrics are scraped.

use super::Service;
use super::organization_sizes::{SLICE, SizeCount, largest};
use crate::domain::{KeyCounts, Result, Timestamp};
use crate::store::Counted;
use tokio::sync::Mutex;

/// A count of all keys is reused for this long, since it reads every key.
const COUNT_LIFETIME_MS: i64 = 60_000;

/// The last count of all keys, and when it began.
#[derive(Default)]
pub(super) struct KeyCountCache(Mutex<Option<(Timestamp, Option<KeyCounts>)>>);

/// When the sizes of organizations were last counted, and the resumable count of events.
#[derive(Default)]
pub(super) struct OrganizationSizeCache(Mutex<(Option<Timestamp>, SizeCount)>);

impl Service {
    /// Updates the gauges of the store. A value that cannot be measured stays as it was or is left out, and
    /// the others are still reported.
    pub async fn measure(&self, now: Timestamp) {
        match self.file.size().await {
            Ok(size) => self.metrics.set_store_size(size.main, size.wal),
            Err(error) => log::warn!("cannot read the size of the store: {}", error.in_full()),
        }
        match self.audit_head().await {
            Ok(head) => self.metrics.set_audit_head(head.map_or(0, |head| head.number)),
            Err(error) => log::warn!("cannot read the newest audit event: {}", error.in_full()),
        }
        match self.count_api_keys(now).await {
            Ok(counts) => self.metrics.set_api_keys(counts),
            Err(error) => {
                log::warn!("cannot count the API keys: {}", error.in_full());
                self.metrics.set_api_keys(None);
            }
        }
        if let Err(error) = self.measure_organizations(now).await {
            log::warn!("cannot measure the sizes of organizations: {}", error.in_full());
        }
    }

    /// Holds a reader for one slice at a time, so that other reads can run in between.
    async fn measure_organizations(&self, now: Timestamp) -> Result<()> {
        let mut sizes = self.organization_sizes.0.lock().await;
        let (last, events) = &mut *sizes;
        if last.is_some_and(|at| (0..COUNT_LIFETIME_MS).contains(&(now.unix_ms() - at.unix_ms()))) {
            return Ok(());
        }
        *last = Some(now);
        let mut keys = SizeCount::default();
        for (what, count) in [(Counted::Events, &mut *events), (Counted::Keys, &mut keys)] {
            loop {
                let after = count.through();
                let slice = self.store.read_slice(move |reads| reads.sizes(what, after, SLICE)).await?;
                if !count.add(slice) {
                    break;
                }
            }
        }
        self.metrics.set_organizations(&largest(&keys, events));
        Ok(())
    }

    async fn count_api_keys(&self, now: Timestamp) -> Result<Option<KeyCounts>> {
        let mut last = self.key_count.0.lock().await;
        if let Some((at, counts)) = *last
            && (0..COUNT_LIFETIME_MS).contains(&(now.unix_ms() - at.unix_ms()))
        {
            return Ok(counts);
        }
        // Set before the count: after a failure or a dropped request, the next scrape does not start another
        // count.
        *last = Some((now, None));
        let (mut counts, mut after) = (KeyCounts::default(), None);
        loop {
            let (more, last) = self.store.read_slice(move |reads| reads.count_api_keys(after, SLICE, now)).await?;
            (counts, after) = (counts + more, last);
            if after.is_none() {
                break;
            }
        }
        *last = Some((now, Some(counts)));
        Ok(Some(counts))
    }
}
