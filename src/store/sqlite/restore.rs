//! Putting a backup in the store's place.

use super::backup;
use super::connect::is_there;
use super::digest_index::DigestIndex;
use super::ledger::Ledger;
use super::ledger_sync;
use super::lock::Lock;
use super::partial_file::PartialFile;
use super::transaction::StoreTransaction;
use super::{open, open_errors};
use crate::domain::{Error, Result};
use crate::file_names::{rename_to_free, sync_folder_of};
use crate::store::file::backup::{RestoreOutcome, RestoreRequest};
use crate::store::file::companion::companion;
use crate::store::file::ledger::LedgerComparison;
use crate::store::file::options::StoreOptions;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const SENTENCE: &str = "The backup could not be restored.";

/// Puts a copy of a backup in the store's place, with everything done anew that the ledger of revocations says, and
/// keeps what was there. Nobody may have the store open. Blocks.
///
/// # Errors
/// [`Error::Unavailable`] with the whole story in `detail`; the store is as it was then.
pub fn restore(options: &StoreOptions, how: RestoreRequest<'_>) -> Result<RestoreOutcome> {
    let (path, from) = (options.path.as_path(), how.from);
    if same_file(path, from) {
        return Err(refuse(format_args!("{} is the store itself.", from.display())));
    }
    // A folder is set aside like a file; a device or a socket would be gone.
    if path.exists() && !path.is_file() && !path.is_dir() {
        return Err(open_errors::not_regular(path));
    }
    let mut source = open::backup(from, options.busy_timeout)?;
    let mut ledger = Ledger::of(path);
    // Nobody ever had a store there: a restore that is refused leaves no lock there.
    if !Lock::is_there(path) {
        expect_ledger(&ledger, how.without_ledger)?;
    }
    let lock = Lock::exclusive(path).map_err(|e| refuse(format_args!("{} cannot be locked: {e}.", path.display())))?;
    let Some(_lock) = lock else {
        return Err(refuse(format_args!(
            "A keystead has {} open. Stop it first; nothing was changed.",
            path.display()
        )));
    };
    expect_ledger(&ledger, how.without_ledger)?;
    if let LedgerComparison::Damaged(why) = mend_ledger(options, &mut ledger, how.without_ledger)? {
        if !how.without_ledger {
            return Err(refuse(format_args!(
                "{} is damaged: {why}. Put a copy of it back that is whole. --without-ledger restores all the same, with what \
                 can be read of it; keys that the rest is about may be good again.",
                ledger.path().display()
            )));
        }
        ledger.renew().map_err(|e| ledger_sync::unusable(&ledger, e))?;
    }
    let staged = open::staged(path);
    let partial = PartialFile::create(staged.clone()).map_err(|e| cannot_write(&staged, &e))?;
    let backup = backup::copy(&mut source, partial.path(), how.progress)?;
    drop(source);
    let mut restored = RestoreOutcome { backup, changed: 0, replaced: None };
    bring_up_to_date(options, partial.path(), &ledger, &mut restored, &how)?;
    restored.replaced = swap(path, partial.path(), how.aside)?;
    Ok(restored)
}

/// Makes sure that there is a ledger, unless it can be done without.
fn expect_ledger(ledger: &Ledger, without_ledger: bool) -> Result<()> {
    if ledger.exists() || without_ledger {
        return Ok(());
    }
    Err(refuse(format_args!(
        "{} is not there. It says which keys were revoked since the backup was made: put it beside the store. If it is \
         lost and the store that is there is the newest one, start the server once: it makes a new one from the store. Else \
         --without-ledger restores all the same, and keys that were revoked since the backup may be good again.",
        ledger.path().display()
    )))
}

/// Holds the ledger against the store that is to be replaced, where that can be read: what it lacks is made anew from it.
fn mend_ledger(options: &StoreOptions, ledger: &mut Ledger, without_ledger: bool) -> Result<LedgerComparison> {
    let compared = match open::view(&options.path, options.busy_timeout) {
        Ok(present) => mend_by(&present, ledger, without_ledger),
        Err(error) => Err(error),
    };
    compared.or_else(|error| {
        if is_there(&options.path) {
            let (store, ledger) = (options.path.display(), ledger.path().display());
            log::warn!("{store}, which is replaced, cannot be read, so {ledger} is taken as it is");
            log::debug!("{}", error.detail().unwrap_or_default());
        }
        ledger_sync::compare_with_nothing(ledger)
    })
}

fn mend_by(present: &Connection, ledger: &mut Ledger, without_ledger: bool) -> Result<LedgerComparison> {
    let (comparison, _) = ledger_sync::compare(present, ledger)?;
    let path = ledger.path().display();
    let has_all = match &comparison {
        LedgerComparison::Behind => {
            log::warn!("{path} lacks changes that the store has, and is made anew from the store");
            true
        }
        LedgerComparison::Forked => {
            log::warn!(
                "{path} was written for another copy of this store: what either of them ended is ended, and it is made anew from \
                 what it says and from the store that is replaced"
            );
            false
        }
        LedgerComparison::Missing if without_ledger => {
            log::warn!("{path} is not there, and is made anew from the store that is replaced");
            false
        }
        LedgerComparison::Damaged(why) if without_ledger => {
            log::warn!(
                "{path} is damaged: {why}; it is kept as {path}-damaged, and made anew from what can be read of it and from the \
                 store that is replaced"
            );
            ledger.keep_damaged().map_err(|e| ledger_sync::unusable(ledger, e))?;
            false
        }
        _ => return Ok(comparison),
    };
    ledger_sync::rebuild(present, ledger, has_all)?;
    Ok(LedgerComparison::Same)
}

/// Brings the copy to today's schema and to what the ledger says.
fn bring_up_to_date(
    options: &StoreOptions,
    staged: &Path,
    ledger: &Ledger,
    restored: &mut RestoreOutcome,
    how: &RestoreRequest<'_>,
) -> Result<()> {
    let mut connection = open::store(&StoreOptions { path: staged.to_owned(), ..options.clone() })?;
    let index = DigestIndex::default();
    index.catch_up(&connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // What it changes is in the ledger already.
    let (comparison, _) = ledger_sync::compare(&transaction, ledger)?;
    restored.changed = ledger_sync::apply(&transaction, &index, ledger, &comparison, how.now)?.changed;
    if comparison == LedgerComparison::Ahead {
        ledger_sync::write_last_mark(&transaction, ledger)?;
    }
    ledger_sync::raise_numbers(&transaction, highest_key_number(&options.path))?;
    (how.finish)(&mut StoreTransaction::new(&transaction, &index, &[]), restored)?;
    transaction.commit()?;
    // Everything into the one file that is put in place.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

/// The highest number that a key of the store ever had; 0 where there is no store, or it cannot be read.
fn highest_key_number(path: &Path) -> i64 {
    let read = || {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.query_row("SELECT seq FROM sqlite_sequence WHERE name = 'api_keys'", [], |row| row.get(0))
    };
    // Of an empty file SQLite would remove the log.
    if is_there(path) { read().unwrap_or_default() } else { 0 }
}

/// Files that were given another name: what it was, and what it is.
type Moved = Vec<(PathBuf, PathBuf)>;

/// The copy takes the store's name in one step; what was there is kept under a name that begins with `aside`. Where this
/// cannot be done, everything has the name that it had.
fn swap(path: &Path, staged: &Path, aside: &str) -> Result<Option<PathBuf>> {
    let mut moved = Moved::new();
    let swapped = fs::File::open(staged)
        .and_then(|staged| staged.sync_all())
        .and_then(|()| set_aside(path, &free(&companion(path, aside)), &mut moved))
        .and_then(|()| fs::rename(staged, path));
    if let Err(error) = swapped {
        put_back(&moved);
        return Err(cannot_write(path, &error));
    }
    sync_folder_of(path).map_err(|error| {
        refuse(format_args!(
            "{} is the backup now, but that may not be on the disk: {error}. After a power failure it may be the store that was \
             there before.",
            path.display()
        ))
    })?;
    Ok(moved.pop().map(|(_, kept)| kept))
}

fn set_aside(path: &Path, aside: &Path, moved: &mut Moved) -> io::Result<()> {
    if is_there(path) {
        // What waits in its log goes into the file; where it is too damaged for that, the log is kept beside it.
        _ = move_log_into(path);
    }
    // Also where the file itself is gone: SQLite would bring its log into the new file.
    for suffix in ["-wal", "-journal"] {
        let (from, to) = (companion(path, suffix), companion(aside, suffix));
        match rename_to_free(&from, &to) {
            Ok(()) => moved.push((from, to)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    if is_there(path) {
        // Some file systems know no second name for a file.
        fs::hard_link(path, aside).or_else(|_| rename_to_free(path, aside))?;
        moved.push((path.to_owned(), aside.to_owned()));
    }
    _ = fs::remove_file(companion(path, "-shm"));
    Ok(())
}

/// The first of such names that nothing is kept under: two restores may be done in one second.
fn free(aside: &Path) -> PathBuf {
    let is_kept = |name: &Path| ["", "-wal", "-journal"].iter().any(|suffix| companion(name, suffix).exists());
    let more = (2..).map(|number| companion(aside, &format!("-{number}")));
    std::iter::once(aside.to_owned()).chain(more).find(|name| !is_kept(name)).unwrap_or_default()
}

fn put_back(moved: &Moved) {
    for (from, to) in moved.iter().rev() {
        // Where both are names of one file, this does nothing, and the second one goes.
        match fs::rename(to, from) {
            Ok(()) => _ = fs::remove_file(to),
            Err(error) => log::error!("{} has to be renamed to {}: {error}", to.display(), from.display()),
        }
    }
}

fn move_log_into(path: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)
}

fn same_file(one: &Path, other: &Path) -> bool {
    let resolve = |path: &Path| fs::canonicalize(path).ok();
    resolve(one).is_some_and(|one| Some(one) == resolve(other))
}

fn refuse(why: impl std::fmt::Display) -> Error {
    Error::unavailable(SENTENCE, why)
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    refuse(format_args!("{} cannot be written: {error}. The store is as it was.", path.display()))
}
