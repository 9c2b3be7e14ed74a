//! How much of what takes long each caller may have under way at once, so that none takes the place of others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Shares by who has them. Nothing is remembered of those who have none.
pub(super) struct Shares<K> {
    most: usize,
    taken: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// One of a caller's shares, given back when dropped.
pub struct Share {
    _permit: OwnedSemaphorePermit,
}

impl<K: Eq + Hash> Shares<K> {
    /// Each may have so many.
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    /// One more for this caller; `None` where it has all of its own already.
    pub(super) fn take(&self, caller: K) -> Option<Share> {
        self.of(caller).try_acquire_owned().ok().map(|permit| Share { _permit: permit })
    }

    /// The same, once it has not all of its own.
    pub(super) async fn wait(&self, caller: K) -> Option<Share> {
        self.of(caller).acquire_owned().await.ok().map(|permit| Share { _permit: permit })
    }

    fn of(&self, caller: K) -> Arc<Semaphore> {
        // Nothing that is done while it is held can panic half-way.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|_, shares| Arc::strong_count(shares) > 1);
        Arc::clone(taken.entry(caller).or_insert_with(|| Arc::new(Semaphore::new(self.most))))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_its_own_shares_and_what_is_given_back_can_be_taken_again() {
        let shares = Shares::new(2);
        let first = [shares.take(1), shares.take(1)].map(Option::unwrap);
        assert!(shares.take(1).is_none());
        assert!(shares.take(2).is_some());
        drop(first);
        let _again = [shares.take(1), shares.take(1)].map(Option::unwrap);
        assert_eq!(shares.taken.lock().unwrap().len(), 1, "nobody else has any");
    }
}
