//! Readiness: a test read and a test write of the store.
//!
//! Anyone may ask at any rate, so only one test runs at a time. It takes one place in the write queue;
//! requests that arrive meanwhile share its result.

use super::Service;
use crate::domain::Result;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// The result of the last test.
#[derive(Default)]
pub(super) struct Readiness {
    last: Mutex<Option<Result<()>>>,
    tries: AtomicU64,
}

impl Service {
    /// Tests whether the store can be read and written.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`] if it cannot.
    pub async fn check_ready(&self) -> Result<()> {
        let Readiness { last, tries } = &self.readiness;
        let seen = tries.load(Ordering::SeqCst);
        let mut last = last.lock().await;
        // A test that finished since this call began is as good as a new one.
        if tries.load(Ordering::SeqCst) != seen
            && let Some(outcome) = &*last
        {
            return outcome.clone();
        }
        let outcome = self.try_store().await;
        tries.fetch_add(1, Ordering::SeqCst);
        *last = Some(outcome.clone());
        outcome
    }

    async fn try_store(&self) -> Result<()> {
        self.store.read_urgent(|reads| reads.is_initialized()).await?;
        self.store.write(|writes| writes.touch()).await
    }
}
