//! Options for opening the store's file, and its sizes.

use crate::domain::Timestamp;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The file.
    pub path: PathBuf,
    /// How long to wait for another process's transaction.
    pub busy_timeout: Duration,
    /// Maximum number of connections that look up keys; as many more read objects and lists.
    pub readers: u32,
    /// Maximum number of queued writes; one more is refused.
    pub write_queue: usize,
    /// Maximum number of writes in one commit.
    pub write_batch: usize,
    /// How often to check for other processes' commits.
    pub watch_interval: Duration,
    /// A clock that all processes on the machine share. It keeps running while a process is stopped or the machine is
    /// suspended.
    pub uptime: fn() -> Duration,
    /// A monotonic clock, for durations.
    pub stopwatch: fn() -> Instant,
    /// The current time, for the audit log, if the ledger is replayed or the schema is migrated.
    pub opened_at: Timestamp,
}

/// Sizes on disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSize {
    /// The main file.
    pub main: u64,
    /// The write-ahead log beside it, which is checkpointed into it from time to time.
    pub wal: u64,
}
