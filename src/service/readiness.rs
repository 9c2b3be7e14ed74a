//! Whether the store can be read and written, by doing both.
//!
//! Anybody may ask, as often as they like, so there is one try at a time: it takes one place among the writes that wait,
//! whoever asks meanwhile is told what came of it.

use super::Service;
use crate::domain::Result;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// What came of the last try.
#[derive(Default)]
pub(super) struct Readiness {
    last: Mutex<Option<Result<()>>>,
    tries: AtomicU64,
}

impl Service {
    /// Whether the store can be read and written, by doing both.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`] where not.
    pub async fn check_ready(&self) -> Result<()> {
        let Readiness { last, tries } = &self.readiness;
        let seen = tries.load(Ordering::SeqCst);
        let mut last = last.lock().await;
        // A try that ended since this was asked is as good as another one.
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
