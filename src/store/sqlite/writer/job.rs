//! A queued write, whatever the type of its result.

use crate::domain::{Error, Result};
use crate::store::file::contract::FileWrites;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;
use tokio::sync::oneshot;

pub(super) trait Job: Send {
    fn queued_at(&self) -> Instant;

    /// Runs the work in the open transaction. `false` means: undo it.
    fn run(&mut self, writes: &mut dyn FileWrites) -> bool;

    /// Sends the result to the caller, or `failure` where the result was good but the commit failed.
    fn reply(self: Box<Self>, failure: Option<Error>);
}

pub(super) struct Task<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
    queued_at: Instant,
}

impl<T, F> Task<T, F> {
    pub(super) fn new(work: F, reply: oneshot::Sender<Result<T>>, queued_at: Instant) -> Self {
        Self { work: Some(work), result: None, reply, queued_at }
    }
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnOnce(&mut dyn FileWrites) -> Result<T> + Send,
{
    fn queued_at(&self) -> Instant {
        self.queued_at
    }

    fn run(&mut self, writes: &mut dyn FileWrites) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = catch_unwind(AssertUnwindSafe(|| work(writes)))
            .unwrap_or_else(|_| Err(Error::Internal("a write panicked".to_owned())));
        self.result.insert(result).is_ok()
    }

    fn reply(self: Box<Self>, failure: Option<Error>) {
        let Self { work, result, reply, .. } = *self;
        // Dropped before the answer, so that the caller then owns what a job that never ran has captured.
        drop(work);
        let result = match (result, failure) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(failure)) => Err(failure),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(Error::Internal("a write was never run".to_owned())),
        };
        // The caller may have gone away.
        _ = reply.send(result);
    }
}
