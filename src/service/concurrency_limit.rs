//! How much of what takes long each caller may have under way at once, so that none takes the place of others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Shares by who has them. Nothing is remembered of those who have none.
pub(super) struct ConcurrencyLimit<K> {
    most: usize,
    taken: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// One of a caller's shares, given back when dropped.
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl<K: Eq + Hash> ConcurrencyLimit<K> {
    /// Each may have so many.
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    /// One more for this caller; `None` where it has all of its own already.
    pub(super) fn take(&self, caller: K) -> Option<Slot> {
        self.of(caller).try_acquire_owned().ok().map(|permit| Slot { _permit: permit })
    }

    /// The same, once it has not all of its own.
    pub(super) async fn wait(&self, caller: K) -> Option<Slot> {
        self.of(caller).acquire_owned().await.ok().map(|permit| Slot { _permit: permit })
    }

    fn of(&self, caller: K) -> Arc<Semaphore> {
        // Nothing that is done while it is held can panic half-way.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|_, slots| Arc::strong_count(slots) > 1);
        Arc::clone(taken.entry(caller).or_insert_with(|| Arc::new(Semaphore::new(self.most))))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_its_own_shares_and_what_is_given_back_can_be_taken_again() {
        let slots = ConcurrencyLimit::new(2);
        let first = [slots.take(1), slots.take(1)].map(Option::unwrap);
        assert!(slots.take(1).is_none());
        assert!(slots.take(2).is_some());
        drop(first);
        let _again = [slots.take(1), slots.take(1)].map(Option::unwrap);
        assert_eq!(slots.taken.lock().unwrap().len(), 1, "nobody else has any");
    }
}
