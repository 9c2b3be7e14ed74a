//! The overview of an organization: how many keys are in which state.
//!
//! A count reads all keys of the organization. So there is one count of an organization at a time, and a large count is
//! used again for a while.

use super::Service;
use super::authority::{Authority, Read};
use super::concurrency_limit::Slot;
use crate::domain::{Error, KeyTally, OrganizationId, Result, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Keys or projects per read, about a millisecond, before other readers get their turn.
const SLICE: u32 = 500;
/// A count that read more keys and projects than this is used again.
const LARGE: u64 = 10_000;
/// For so long.
const LIFETIME_MS: i64 = 60_000;
/// Large counts in memory at most, each of some 20 KiB; the oldest is dropped.
const REMEMBERED: usize = 256;

/// The keys and projects of an organization at a time.
#[derive(Debug)]
pub struct OrganizationOverview {
    /// All its keys, those of its projects included.
    pub keys: KeyTally,
    /// The number of its projects.
    pub projects: u64,
    /// The time.
    pub counted_at: Timestamp,
}

/// A finished count.
struct Counted {
    /// When its first read began.
    begun: Instant,
    /// How many keys and projects it read.
    rows: u64,
    overview: Arc<OrganizationOverview>,
}

impl Counted {
    fn may_be_used_again(&self, now: Timestamp) -> bool {
        let age = now.unix_ms() - self.overview.counted_at.unix_ms();
        self.rows > LARGE && (0..LIFETIME_MS).contains(&age)
    }
}

/// The last count of an organization. Whoever counts holds the lock.
type LastCount = Arc<AsyncMutex<Option<Counted>>>;

/// The last count of each organization, if somebody uses it or it may be used again.
#[derive(Default)]
pub(super) struct OverviewCache(Mutex<HashMap<OrganizationId, LastCount>>);

impl OverviewCache {
    fn of(&self, organization: OrganizationId, now: Timestamp) -> LastCount {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // `None` while somebody uses the count.
        let counted_at = |last: &LastCount| {
            let last = (Arc::strong_count(last) == 1).then(|| last.try_lock().ok()).flatten()?;
            let counted = last.as_ref().filter(|counted| counted.may_be_used_again(now));
            Some(counted.map(|counted| counted.overview.counted_at))
        };
        all.retain(|_, last| counted_at(last) != Some(None));
        if all.len() >= REMEMBERED && !all.contains_key(&organization) {
            let ages = all.iter().filter_map(|(id, last)| Some((counted_at(last)??, *id)));
            if let Some((_, oldest)) = ages.min() {
                all.remove(&oldest);
            }
        }
        Arc::clone(all.entry(organization).or_default())
    }
}

/// The right to count an organization: nobody else does so until it is dropped.
pub struct OverviewTurn {
    organization: OrganizationId,
    now: Timestamp,
    last: OwnedMutexGuard<Option<Counted>>,
}

/// What a request for an overview gets.
pub enum OverviewAnswer {
    /// A count.
    Counted(Arc<OrganizationOverview>),
    /// The right to count.
    Turn(OverviewTurn),
}

impl Service {
    /// The overview of the authority's organization, or the right to make it. Waits while another request counts. Its
    /// count is an answer if it began after this call.
    pub async fn organization_overview(&self, authority: &Authority<Read>) -> OverviewAnswer {
        let (asked, organization, now) = ((self.stopwatch)(), authority.organization(), authority.now());
        let last = self.overviews.of(organization, now).lock_owned().await;
        match last.as_ref().filter(|counted| counted.begun > asked || counted.may_be_used_again(now)) {
            Some(counted) => OverviewAnswer::Counted(Arc::clone(&counted.overview)),
            None => OverviewAnswer::Turn(OverviewTurn { organization, now, last }),
        }
    }

    /// Counts. The caller lets it go on if its client disconnects: the count is then not lost, and the next request does
    /// not begin another one beside it.
    ///
    /// # Errors
    /// [`Error::TooManyAtOnce`] if the organization has too many long reads in progress, [`Error::Unavailable`].
    pub async fn count_overview(&self, mut turn: OverviewTurn) -> Result<Arc<OrganizationOverview>> {
        let begun = (self.stopwatch)();
        let OverviewTurn { organization, now, .. } = turn;
        let mut slot = None;
        let keys = self.tally_keys(organization, now, &mut slot).await?;
        let projects = self.count_projects(organization, &mut slot).await?;
        let rows = keys.total + projects;
        let overview = Arc::new(OrganizationOverview { keys, projects, counted_at: now });
        *turn.last = Some(Counted { begun, rows, overview: Arc::clone(&overview) });
        Ok(overview)
    }

    async fn tally_keys(
        &self,
        organization: OrganizationId,
        now: Timestamp,
        slot: &mut Option<Slot>,
    ) -> Result<KeyTally> {
        let (mut tally, mut next) = (KeyTally::default(), Some((None, None)));
        while let Some(from) = next {
            let read = self.store.read_slice(move |reads| reads.keys_of_organization(organization, from, SLICE));
            let mut slice = read.await?;
            self.last_used_buffer.overlay(&mut slice.keys);
            for key in &mut slice.keys {
                key.complete_due_rotation(now);
                tally.add(key, now);
            }
            next = slice.next;
            if next.is_some() {
                self.take_slot(organization, slot)?;
            }
        }
        Ok(tally)
    }

    async fn count_projects(&self, organization: OrganizationId, slot: &mut Option<Slot>) -> Result<u64> {
        let (mut count, mut after) = (0, None);
        loop {
            let read = self.store.read_slice(move |reads| reads.projects(organization, after.as_ref(), SLICE));
            let projects = read.await?;
            count += projects.len() as u64;
            if projects.len() < SLICE as usize {
                return Ok(count);
            }
            after = projects.last().map(|project| project.name.clone());
            self.take_slot(organization, slot)?;
        }
    }

    /// Takes a slot for a count that needs more than one read.
    fn take_slot(&self, organization: OrganizationId, slot: &mut Option<Slot>) -> Result<()> {
        if slot.is_none() {
            *slot = Some(self.long_reads.take(organization).ok_or(Error::TooManyAtOnce(
                "This organization has too many long reads in progress; wait until one of them ends.",
            ))?);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms).unwrap()
    }

    fn organization(number: i64) -> OrganizationId {
        OrganizationId::new(number).unwrap()
    }

    #[allow(clippy::disallowed_methods, reason = "any instant will do")]
    fn count(cache: &OverviewCache, number: i64, rows: u64, ms: i64) -> LastCount {
        let last = cache.of(organization(number), at(ms));
        let overview = OrganizationOverview { keys: KeyTally::default(), projects: 0, counted_at: at(ms) };
        let counted = Counted { begun: Instant::now(), rows, overview: Arc::new(overview) };
        *last.try_lock().unwrap() = Some(counted);
        last
    }

    fn is_remembered(cache: &OverviewCache, number: i64, ms: i64) -> bool {
        let last = cache.of(organization(number), at(ms));
        let last = last.try_lock().unwrap();
        last.as_ref().is_some_and(|counted| counted.may_be_used_again(at(ms)))
    }

    #[test]
    fn a_large_count_is_used_again_for_a_minute_and_a_small_one_never() {
        let cache = OverviewCache::default();
        drop([count(&cache, 1, LARGE, 1_000), count(&cache, 2, LARGE + 1, 1_000)]);
        assert!(!is_remembered(&cache, 1, 1_000) && is_remembered(&cache, 2, 60_999));
        assert!(!is_remembered(&cache, 2, 61_000));
        drop(count(&cache, 2, LARGE + 1, 61_000));
        assert!(!is_remembered(&cache, 2, 60_999), "the clock was set back");
    }

    #[test]
    fn the_oldest_large_count_is_forgotten_if_there_are_too_many_and_none_that_is_in_use() {
        let cache = OverviewCache::default();
        let used = count(&cache, 0, LARGE + 1, 0);
        for number in 1..=REMEMBERED as i64 {
            drop(count(&cache, number, LARGE + 1, number));
        }
        assert_eq!(cache.0.lock().unwrap().len(), REMEMBERED);
        assert!(Arc::ptr_eq(&used, &cache.of(organization(0), at(300))));
        assert!(is_remembered(&cache, 2, 300) && is_remembered(&cache, REMEMBERED as i64, 300));
        drop(used);
        assert!(!is_remembered(&cache, 1, 300));
        cache.of(organization(1), at(100_000));
        assert_eq!(cache.0.lock().unwrap().len(), 1);
    }
}
