//! The uses of a valid key since the last flush, in memory.

use crate::domain::Hour;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bits of the count in the packed number.
const COUNT_BITS: u32 = 32;

/// Counts uses in one hour. The hour and the count are one number, so a use costs one atomic exchange and each use
/// belongs to its own hour. A count cannot reach 2^32 between two flushes.
#[derive(Debug, Default)]
pub(super) struct UseCounter(AtomicU64);

impl UseCounter {
    /// Counts a use in this hour. Returns the hour and the count before; `None` for the first use since the last flush.
    /// Uses in another hour are no longer counted here: the caller must keep them.
    pub(super) fn add(&self, hour: Hour) -> Option<(Hour, u64)> {
        let mut before = self.0.load(Ordering::Relaxed);
        loop {
            let after = match unpacked(before) {
                Some((known, _)) if known == hour => before + 1,
                _ => u64::from(hour.number()) << COUNT_BITS | 1,
            };
            match self.0.compare_exchange_weak(before, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return unpacked(before),
                Err(changed) => before = changed,
            }
        }
    }

    /// Takes the hour and the count, if there were uses, and begins again at zero.
    pub(super) fn take(&self) -> Option<(Hour, u64)> {
        unpacked(self.0.swap(0, Ordering::Relaxed))
    }
}

fn unpacked(number: u64) -> Option<(Hour, u64)> {
    let count = number & u64::from(u32::MAX);
    u32::try_from(number >> COUNT_BITS).ok().filter(|_| count > 0).map(|hour| (Hour::new(hour), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_counts_in_its_own_hour() {
        let (counter, [one, two]) = (UseCounter::default(), [1, 2].map(Hour::new));
        assert_eq!((counter.take(), counter.add(one), counter.add(one)), (None, None, Some((one, 1))));
        assert_eq!((counter.add(two), counter.add(one)), (Some((one, 2)), Some((two, 1))));
        assert_eq!((counter.take(), counter.take(), counter.add(two)), (Some((one, 1)), None, None));
    }

    #[test]
    fn no_use_is_lost_or_counted_twice_beside_flushes_and_at_the_change_of_an_hour() {
        const USES: u32 = 20_000;
        let counter = UseCounter::default();
        let mut totals = [0; 2];
        let mut add = |counted: Option<(Hour, u64)>| {
            if let Some((hour, count)) = counted {
                totals[hour.number() as usize] += count;
            }
        };
        std::thread::scope(|scope| {
            let users: Vec<_> = (0..2)
                .map(|user| {
                    let counter = &counter;
                    scope.spawn(move || {
                        let left = |n: u32| {
                            let hour = Hour::new((n + user) % 2);
                            counter.add(hour).filter(|(known, _)| *known != hour)
                        };
                        (0..USES).filter_map(left).collect::<Vec<_>>()
                    })
                })
                .collect();
            while users.iter().any(|user| !user.is_finished()) {
                add(counter.take());
            }
            for user in users {
                user.join().into_iter().flatten().for_each(|left| add(Some(left)));
            }
        });
        add(counter.take());
        assert_eq!(totals, [u64::from(USES); 2]);
    }
}
