//! Where the file is, how it is opened, and how large it is.

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
    /// Connections that look up keys, at the most, and as many that read objects and lists.
    pub readers: u32,
    /// Writes that wait, at the most; one more is refused.
    pub write_queue: usize,
    /// Writes that share a commit, at the most.
    pub write_batch: usize,
    /// How often to look for other processes' commits.
    pub watch_interval: Duration,
    /// A clock that all processes on the machine share. It goes on while a process is stopped or the machine is suspended.
    pub uptime: fn() -> Duration,
    /// A clock that never goes back, for how long something takes.
    pub stopwatch: fn() -> Instant,
    /// What time it is now, for the audit log, should an older file be brought up to date.
    pub opened_at: Timestamp,
}

/// What the store takes on disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSize {
    /// The one file that stays.
    pub main: u64,
    /// The write-ahead log beside it, which it is brought into from time to time.
    pub wal: u64,
}
