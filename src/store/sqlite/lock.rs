//! Who has the store open: every process that may change it holds a lock that others share, so that whoever is about to
//! put another file in its place can be alone.
//!
//! The lock is on a file of its own. On the store's own file it would be in SQLite's way: closing any handle of a file
//! gives up all that SQLite holds of it in this process (<https://sqlite.org/howtocorrupt.html>, section 2.2).

use crate::store::file::companion::{companion, is_regular, open_regular};
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Flock, FlockType, fcntl_getlk};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(5);

/// Held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Shares the store with others; `None` where somebody has it alone for longer than `patience`.
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

    /// Has the store alone; `None` where somebody else has it open.
    pub(super) fn exclusive(store: &Path) -> io::Result<Option<Self>> {
        let file = open(store)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether anybody ever had a store there: whoever opens one makes the lock's file, which stays.
    pub(super) fn is_there(store: &Path) -> bool {
        companion(store, "-lock").exists()
    }

    /// Whether nobody else has the store open. To be asked at the end: where others have it, the lock may be gone after.
    pub(super) fn is_last(&self) -> bool {
        self.0.try_lock().is_ok()
    }

    /// Tells others that this process takes on what they want to be imported, for as long as it is there. That is a lock of
    /// another kind on the same file (fcntl(2)), which goes by itself with the process.
    pub(super) fn announce_server(&self) -> io::Result<()> {
        Ok(fcntl_lock(&self.0, FlockOperation::NonBlockingLockShared)?)
    }

    /// Whether another process has announced that.
    pub(super) fn has_server(&self) -> bool {
        fcntl_getlk(&self.0, &Flock::from(FlockType::WriteLock)).is_ok_and(|lock| lock.is_some())
    }

    /// The same for whoever only looks, and makes no file. To be asked where this process has announced nothing: closing the
    /// file gives that up.
    pub(super) fn is_announced(store: &Path) -> bool {
        let file = open_regular(&companion(store, "-lock"));
        file.is_ok_and(|file| file.is_some_and(|file| Self(file).has_server()))
    }

    /// Gives it up before it is dropped.
    pub(super) fn release(&self) {
        if let Err(error) = self.0.unlock() {
            log::warn!("the store's lock could not be given up before the end: {error}");
        }
    }
}

fn open(store: &Path) -> io::Result<File> {
    is_regular(&companion(store, "-lock"))?;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(companion(store, "-lock"))
}
