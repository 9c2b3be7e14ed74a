//! Advisory locks on `keystead.db-lock`: every process that may change the store holds a shared lock; a restore takes
//! it exclusively.
//!
//! The lock has its own file. On the store's file it would interfere with SQLite: closing any handle of a file releases
//! all of SQLite's locks on it in this process (<https://sqlite.org/howtocorrupt.html>, section 2.2).

use crate::store::file::companion::{companion, is_regular, open_regular};
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Flock, FlockType, fcntl_getlk};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// How long to wait between two attempts.
const PAUSE: Duration = Duration::from_millis(5);

/// Held until it is dropped.
#[derive(Debug)]
pub(super) struct StoreLock(File);

impl StoreLock {
    /// Takes the shared lock; `None` where another process holds it exclusively for longer than `patience`.
    pub(super) fn shared(store: &Path, mut patience: Duration) -> io::Result<Option<Self>> {
        let file = open(store)?;
        loop {
            match file.try_lock_shared() {
                Ok(()) => return Ok(Some(Self(file))),
                Err(TryLockError::WouldBlock) if patience.is_zero() => return Ok(None),
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(PAUSE);
                    patience = patience.saturating_sub(PAUSE);
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Takes the exclusive lock; `None` where another process has the store open.
    pub(super) fn exclusive(store: &Path) -> io::Result<Option<Self>> {
        let file = open(store)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether a store was ever opened here: opening creates the lock file, which stays.
    pub(super) fn file_exists(store: &Path) -> bool {
        companion(store, "-lock").exists()
    }

    /// Whether no other process has the store open. Ask at the end only: if others have it open, this lock may be lost.
    pub(super) fn is_last(&self) -> bool {
        self.0.try_lock().is_ok()
    }

    /// Announces that this process advances imports of other processes. This is a lock of another kind (fcntl(2)) on
    /// the same file; it ends with the process.
    pub(super) fn announce_server(&self) -> io::Result<()> {
        Ok(fcntl_lock(&self.0, FlockOperation::NonBlockingLockShared)?)
    }

    /// Whether another process has announced this.
    pub(super) fn has_server(&self) -> bool {
        fcntl_getlk(&self.0, &Flock::from(FlockType::WriteLock)).is_ok_and(|lock| lock.is_some())
    }

    /// The same without creating the file. Call it only where this process has announced nothing: closing the file
    /// releases the announcement.
    pub(super) fn is_server_announced(store: &Path) -> bool {
        let file = open_regular(&companion(store, "-lock"));
        file.is_ok_and(|file| file.is_some_and(|file| Self(file).has_server()))
    }

    /// Releases the lock before it is dropped.
    pub(super) fn release(&self) {
        if let Err(error) = self.0.unlock() {
            log::warn!("the store's lock could not be released: {error}");
        }
    }
}

fn open(store: &Path) -> io::Result<File> {
    is_regular(&companion(store, "-lock"))?;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(companion(store, "-lock"))
}
