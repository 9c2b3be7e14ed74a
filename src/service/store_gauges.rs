//! What is measured only when somebody looks.

use super::Service;
use super::organization_sizes::{SLICE, SizeCount, largest};
use crate::domain::{KeyCounts, Result, Timestamp};
use crate::store::Counted;
use tokio::sync::Mutex;

/// For how long a count of all keys is good enough: it looks at every one of them.
const COUNT_LIFETIME_MS: i64 = 60_000;

/// The last count of all keys, and when it was begun.
#[derive(Default)]
pub(super) struct KeyCountCache(Mutex<Option<(Timestamp, Option<KeyCounts>)>>);

/// What each organization takes: when that was last counted, and the events that are counted already.
#[derive(Default)]
pub(super) struct OrganizationSizeCache(Mutex<(Option<Timestamp>, SizeCount)>);

impl Service {
    /// Brings up to date what the metrics say about what is stored. What cannot be found out is left as it was, or out:
    /// whoever watches wants to see the rest all the more.
    pub async fn measure(&self, now: Timestamp) {
        match self.file.size().await {
            Ok(size) => self.metrics.set_store_size(size.main, size.wal),
            Err(error) => log::warn!("the store's size is not known: {error} {:?}", error.detail()),
        }
        match self.audit_head().await {
            Ok(head) => self.metrics.set_audit_head(head.map_or(0, |head| head.number)),
            Err(error) => log::warn!("the audit log's head is not known: {error} {:?}", error.detail()),
        }
        match self.count_api_keys(now).await {
            Ok(counts) => self.metrics.set_api_keys(counts),
            Err(error) => {
                log::warn!("the API keys could not be counted: {error} {:?}", error.detail());
                self.metrics.set_api_keys(None);
            }
        }
        if let Err(error) = self.measure_organizations(now).await {
            log::warn!("what organizations take is not known: {error} {:?}", error.detail());
        }
    }

    /// A reader is kept for a slice at a time, so that others get in between.
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
        // Before the count: one that fails, or whose caller goes away, is not begun anew by the next caller.
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
