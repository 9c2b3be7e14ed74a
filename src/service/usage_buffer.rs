//! Buffer of usage: uses are counted in memory during requests, and written to the store in the background.
//!
//! A use is on disk about a second later, as a last-used time is. If the store takes no writes, counts are kept up to a
//! bound; uses beyond it are not counted.

use super::Service;
use super::authentication::Identity;
use crate::domain::{CountedUses, Hour, KeyId, OrganizationId, Refusal, Result, Timestamp, UseOutcome};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts written per job, so that other writes can run in between.
const CHUNK: usize = 1000;
/// Counts that wait to be written: of a key, in an hour, with an outcome. Each takes some 60 bytes.
const COUNTS: usize = 250_000;

/// Uses that are not on disk yet.
pub(super) struct UsageBuffer {
    is_on: bool,
    /// Keys whose counters may wait for the flush.
    capacity: usize,
    /// Valid keys that were used since the last flush, by number; their counters hold their uses.
    used: Mutex<VecDeque<(KeyId, Arc<Identity>)>>,
    /// All other uses.
    counts: Mutex<Counts>,
}

/// How many uses a flush still takes.
struct ToTake {
    counts: usize,
    used: usize,
}

impl ToTake {
    fn is_something(&self) -> bool {
        self.counts + self.used > 0
    }
}

#[derive(Default)]
struct Counts {
    waiting: BTreeMap<(Hour, OrganizationId, KeyId, UseOutcome), u64>,
    /// Uses for which there was no room.
    dropped: u64,
}

impl Counts {
    fn add(&mut self, CountedUses { hour, organization, key, outcome, count }: CountedUses) {
        let place = (hour, organization, key, outcome);
        if let Some(known) = self.waiting.get_mut(&place) {
            *known += count;
        } else if self.waiting.len() < COUNTS {
            self.waiting.insert(place, count);
        } else {
            self.dropped += count;
        }
    }
}

impl Identity {
    fn counted(&self, hour: Hour, outcome: UseOutcome, count: u64) -> CountedUses {
        CountedUses { hour, organization: self.organization().id, key: self.id(), outcome, count }
    }

    /// Takes the valid uses.
    fn take_uses(&self) -> Option<CountedUses> {
        self.uses.take().map(|(hour, count)| self.counted(hour, UseOutcome::Valid, count))
    }
}

impl UsageBuffer {
    /// A buffer that counts if `is_on`. It keeps at most `capacity` keys in memory that are no longer cached.
    pub(super) fn new(is_on: bool, capacity: usize) -> Self {
        Self { is_on, capacity, used: Mutex::default(), counts: Mutex::default() }
    }

    /// Counts the use of a key.
    pub(super) fn count(&self, identity: &Arc<Identity>, refusal: Option<Refusal>, now: Timestamp) {
        let Some(outcome) = UseOutcome::of(refusal).filter(|_| self.is_on) else { return };
        let hour = Hour::of(now);
        if outcome != UseOutcome::Valid {
            return self.lock_counts().add(identity.counted(hour, outcome, 1));
        }
        match identity.uses.add(hour) {
            None => self.register(identity),
            Some((before, _)) if before == hour => {}
            Some((before, count)) => self.lock_counts().add(identity.counted(before, outcome, count)),
        }
    }

    /// Notes that the key's counter holds uses. If there is no room for more counters, it adds up all of them.
    fn register(&self, identity: &Arc<Identity>) {
        let mut used = self.lock_used();
        used.push_back((identity.id(), Arc::clone(identity)));
        if used.len() >= self.capacity {
            let used = std::mem::take(&mut *used);
            let mut counts = self.lock_counts();
            used.iter().filter_map(|(_, identity)| identity.take_uses()).for_each(|uses| counts.add(uses));
        }
    }

    /// Puts the keys in order, as their rows are in the store. Returns how many uses to take.
    fn prepare(&self) -> ToTake {
        let mut used = self.lock_used();
        used.make_contiguous().sort_unstable_by_key(|(key, _)| *key);
        ToTake { counts: self.lock_counts().waiting.len(), used: used.len() }
    }

    /// Takes the uses for one job. What was added after [`UsageBuffer::prepare`] takes nobody's turn.
    fn take(&self, to_take: &mut ToTake) -> Vec<CountedUses> {
        let counts = to_take.counts.min(CHUNK);
        let used = to_take.used.min(CHUNK - counts);
        *to_take = ToTake { counts: to_take.counts - counts, used: to_take.used - used };
        let used: Vec<_> = {
            let mut waiting = self.lock_used();
            let used = used.min(waiting.len());
            waiting.drain(..used).collect()
        };
        let mut uses: Vec<_> = used.iter().filter_map(|(_, identity)| identity.take_uses()).collect();
        let mut waiting = self.lock_counts();
        let first = std::iter::from_fn(|| waiting.waiting.pop_first()).take(counts);
        uses.extend(first.map(|((hour, organization, key, outcome), count)| CountedUses {
            hour,
            organization,
            key,
            outcome,
            count,
        }));
        uses
    }

    fn give_back(&self, uses: Vec<CountedUses>) {
        let mut counts = self.lock_counts();
        uses.into_iter().for_each(|counted| counts.add(counted));
    }

    fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.lock_counts().dropped)
    }

    fn lock_used(&self) -> MutexGuard<'_, VecDeque<(KeyId, Arc<Identity>)>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Writes pending usage.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`]; the counts are kept for the next attempt, unless the failed write may
    /// still take effect: no use is counted twice.
    pub(super) async fn flush_usage(&self) -> Result<()> {
        let buffer = &self.usage_buffer;
        let mut to_take = buffer.prepare();
        while to_take.is_something() {
            // Taken only now: if this future is dropped, the rest still waits.
            let uses = buffer.take(&mut to_take);
            let written = uses.clone();
            if let Err(error) = self.store.write(move |writes| writes.add_usage(&written)).await {
                if !self.store.has_uncertain_outcome(&error) {
                    buffer.give_back(uses);
                }
                return Err(error);
            }
        }
        match buffer.take_dropped() {
            0 => {}
            dropped => log::warn!("{dropped} uses of keys were not counted: the store took no writes for too long"),
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_bounded_and_a_count_that_waits_goes_on_beyond_the_bound() {
        let mut counts = Counts::default();
        let uses = |key, count| CountedUses {
            hour: Hour::new(1),
            organization: OrganizationId::new(1).unwrap(),
            key: KeyId::new(key).unwrap(),
            outcome: UseOutcome::Expired,
            count,
        };
        let most = i64::try_from(COUNTS).unwrap();
        (1..=most).for_each(|key| counts.add(uses(key, 1)));
        counts.add(uses(most + 1, 5));
        counts.add(uses(most, 2));
        assert_eq!((counts.waiting.len(), counts.dropped), (COUNTS, 5));
        assert_eq!(counts.waiting.last_key_value().map(|(_, count)| *count), Some(3));
    }
}
