//! Backs up a store while it is in use.

use super::error_conversion::DISK_FULL;
use super::integrity::first_error;
use super::partial_file::PartialFile;
use super::{audit, connect, keys};
use crate::domain::{Error, Link, Result};
use crate::store::file::backup::{BackupSummary, CopyProgress, PARTIAL_SUFFIX};
use crate::store::file::companion::companion;
use rusqlite::backup::{self, StepResult};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Pages copied in one step.
const PAGES: i32 = 64;
/// Pages between two syncs: larger syncs would delay the commits of other processes.
const SYNCED_PAGES: i32 = 1024;
/// How long to wait for a locked page.
const PAUSE: Duration = Duration::from_millis(5);
const SENTENCE: &str = "The store could not be backed up.";

/// Copies the store as it is now into a new file. The file gets its name only when it is complete, checked and on disk.
/// Writers are not held up.
pub(in crate::store) fn back_up(
    source: &Path,
    busy_timeout: Duration,
    to: &Path,
    progress: &mut dyn FnMut(CopyProgress),
) -> Result<BackupSummary> {
    // Not `open::open_view`, which opens the file itself: closing it would release SQLite's locks of this process.
    let mut source = connect::connect(source, busy_timeout, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let failed = |what: &str, e: io::Error| Error::unavailable(SENTENCE, format_args!("{} {what}: {e}.", to.display()));
    if to.exists() {
        let e = format!("{} already exists; move it away or choose another name.", to.display());
        return Err(Error::unavailable(SENTENCE, e));
    }
    let partial = PartialFile::create(companion(to, PARTIAL_SUFFIX)).map_err(|e| failed("cannot be created", e))?;
    let backup = copy(&mut source, partial.path(), progress).map_err(|error| match &error {
        Error::Unavailable { sentence: DISK_FULL, .. } => Error::unavailable(
            SENTENCE,
            format_args!(
                "The disk of {} is full. No backup was made. Free some space, then try again, or name a file on another disk.",
                to.display()
            ),
        ),
        _ => error,
    })?;
    partial.finish(to).map_err(|e| failed("cannot be given its name", e))?;
    Ok(backup)
}

/// Copies the connection's state into an empty file and checks the copy. On disk when this returns, except for its
/// name.
pub(super) fn copy(
    source: &mut Connection,
    to: &Path,
    progress: &mut dyn FnMut(CopyProgress),
) -> Result<BackupSummary> {
    // One transaction for the whole copy: a copy that restarts after each commit of others may never end.
    let snapshot = source.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let head = audit::head(&snapshot)?;
    let keys = keys::count(&snapshot)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags(connect::absolute(to), flags)?;
    target.pragma_update(None, "journal_mode", "OFF")?;
    target.pragma_update(None, "synchronous", "OFF")?;
    let file = File::open(to)?;
    let copying = backup::Backup::new(&snapshot, &mut target)?;
    let mut since_sync = 0;
    loop {
        match copying.step(PAGES)? {
            StepResult::Done => break,
            StepResult::More => {
                since_sync += PAGES;
                if since_sync >= SYNCED_PAGES {
                    file.sync_data()?;
                    since_sync = 0;
                }
            }
            _ => std::thread::sleep(PAUSE),
        }
        let pages = copying.progress();
        let [left, total] = [pages.remaining, pages.pagecount].map(|pages| u64::from(pages.unsigned_abs()));
        progress(CopyProgress { done: total - left, total });
    }
    drop(copying);
    drop(snapshot);
    if let Some(complaint) = first_error(&target)? {
        let sentence = "The store is damaged; its operator must repair it.";
        return Err(Error::unavailable(sentence, format_args!("the store is damaged: {complaint}")));
    }
    // A single file without a log beside it.
    let mode: String = target.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
    if mode != "delete" {
        return Err(Error::Internal(format!("a copy's journal mode is {mode}")));
    }
    target.close().map_err(|(_, error)| error)?;
    file.sync_all()?;
    Ok(BackupSummary { head: head.unwrap_or(Link::START), keys, bytes: file.metadata()?.len() })
}
