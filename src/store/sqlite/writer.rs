//! The queue of the one thread that writes.
//!
//! The thread takes the queued jobs, runs each in a savepoint of one transaction, commits, and only then answers. There is
//! no timer: while one commit is written to disk, the next batch gathers in the queue.

mod commit_error;
mod job;
mod maintenance;
mod shared;
mod thread;
mod watch;

pub(in crate::store) use commit_error::has_uncertain_outcome;
pub(super) use shared::WriterShared;
pub(super) use thread::Files;

use crate::domain::{Error, Result};
use crate::metrics::Metrics;
use crate::store::file::contract::FileWrites;
use crate::store::file::options::StoreOptions;
use commit_error::{BUSY, FAILED};
use job::{Job, Task};
use rusqlite::Connection;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
use thread::Thread;
use tokio::sync::oneshot;

/// Sends jobs to the thread.
pub(in crate::store) struct Writer {
    /// `None` once closed.
    running: Mutex<Option<Running>>,
    /// Whether the thread checkpoints everything into the main file before it ends.
    checkpoints_at_end: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
    stopwatch: fn() -> Instant,
}

struct Running {
    queue: SyncSender<Box<dyn Job>>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub(super) fn spawn(
        connection: Connection,
        options: &StoreOptions,
        files: Files,
        shared: WriterShared,
    ) -> Result<Self> {
        let metrics = Arc::clone(&shared.metrics);
        let checkpoints_at_end = Arc::new(AtomicBool::new(true));
        let (queue, jobs) = sync_channel(options.write_queue);
        let mut thread = Thread::new(connection, options, files, shared, Arc::clone(&checkpoints_at_end));
        let thread = std::thread::Builder::new()
            .name("keystead-writer".to_owned())
            .spawn(move || thread.run(&jobs))
            .map_err(|e| Error::Internal(format!("the writer's thread cannot be started: {e}")))?;
        Ok(Self {
            running: Mutex::new(Some(Running { queue, thread })),
            checkpoints_at_end,
            metrics,
            stopwatch: options.stopwatch,
        })
    }

    /// Queues a job. The receiver gets its result after the commit, or an error where nothing was committed.
    pub(in crate::store) fn submit<T, F>(&self, work: F) -> Result<oneshot::Receiver<Result<T>>>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn FileWrites) -> Result<T> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let job = Box::new(Task::new(work, reply, (self.stopwatch)()));
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Running { queue, .. }) = &*running else {
            return Err(Error::unavailable(FAILED, "the store is closed"));
        };
        // Counted before it is sent: the thread may take it at once.
        self.metrics.queued();
        queue.try_send(job).map_err(|e| {
            self.metrics.dequeued(1);
            match e {
                TrySendError::Full(_) => Error::unavailable(BUSY, "the write queue is full"),
                TrySendError::Disconnected(_) => Error::Internal("the writer has stopped".to_owned()),
            }
        })?;
        Ok(result)
    }

    /// Waits until the thread has finished the queued jobs and ended. Later jobs are refused. Only the last process that
    /// has the store open needs to `checkpoint`.
    pub(super) fn close(&self, checkpoint: bool) {
        self.checkpoints_at_end.store(checkpoint, Ordering::Relaxed);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { queue, thread }) = running {
            drop(queue);
            if thread.join().is_err() {
                log::error!("the writer's thread ended in a panic");
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close(true);
    }
}
