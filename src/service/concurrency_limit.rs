//! Limits of concurrent long operations per caller, so that no caller displaces others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One semaphore per caller. Callers without slots take no memory.
pub(super) struct ConcurrencyLimit<K> {
    most: usize,
    taken: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// One of a caller's slots; dropping it frees it.
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl<K: Eq + Hash> ConcurrencyLimit<K> {
    /// A limit of `most` slots per caller.
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    /// Takes a slot; `None` if all of the caller's slots are in use.
    pub(super) fn take(&self, caller: K) -> Option<Slot> {
        self.of(caller).try_acquire_owned().ok().map(|permit| Slot { _permit: permit })
    }

    /// Takes a slot, waiting until one is free.
    pub(super) async fn wait(&self, caller: K) -> Option<Slot> {
        self.of(caller).acquire_owned().await.ok().map(|permit| Slot { _permit: permit })
    }

    fn of(&self, caller: K) -> Arc<Semaphore> {
        // Nothing panics half-way while the lock is held.
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
    fn callers_have_separate_slots_and_freed_slots_can_be_taken_again() {
        let slots = ConcurrencyLimit::new(2);
        let first = [slots.take(1), slots.take(1)].map(Option::unwrap);
        assert!(slots.take(1).is_none());
        assert!(slots.take(2).is_some());
        drop(first);
        let _again = [slots.take(1), slots.take(1)].map(Option::unwrap);
        assert_eq!(slots.taken.lock().unwrap().len(), 1, "callers without slots are forgotten");
    }
}
