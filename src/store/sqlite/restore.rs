//! Restores a backup: replaces the store with a copy of it.

use super::backup;
use super::connect::exists_nonempty;
use super::digest_index::DigestIndex;
use super::ledger::Ledger;
use super::ledger_sync;
use super::lock::StoreLock;
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

/// Replaces the store by a copy of a backup on which the ledger of revocations is replayed. Keeps the replaced store.
/// No process may have the store open. Blocks.
///
/// # Errors
/// [`Error::Unavailable`] with the details in `detail`; the store is unchanged then.
pub fn restore(options: &StoreOptions, how: RestoreRequest<'_>) -> Result<RestoreOutcome> {
    let (path, from) = (options.path.as_path(), how.from);
    if same_file(path, from) {
        return Err(restore_error(format_args!("{} is the store itself.", from.display())));
    }
    // A folder is kept like a file; a device or a socket would be lost.
    if path.exists() && !path.is_file() && !path.is_dir() {
        return Err(open_errors::not_regular(path));
    }
    let mut source = open::open_backup(from, options.busy_timeout)?;
    let mut ledger = Ledger::of(path);
    // There never was a store: a refused restore must not leave a lock file.
    if !StoreLock::file_exists(path) {
        expect_ledger(&ledger, how.without_ledger)?;
    }
    let lock = StoreLock::exclusive(path)
        .map_err(|e| restore_error(format_args!("{} cannot be locked: {e}.", path.display())))?;
    let Some(_lock) = lock else {
        return Err(restore_error(format_args!(
            "Another keystead process has {} open. Stop it first; nothing was changed.",
            path.display()
        )));
    };
    expect_ledger(&ledger, how.without_ledger)?;
    if let LedgerComparison::Damaged(why) = repair_ledger(options, &mut ledger, how.without_ledger)? {
        if !how.without_ledger {
            return Err(restore_error(format_args!(
                "{} is damaged: {why}. Put an undamaged copy of it back. --without-ledger restores without the part that \
                 cannot be read; keys that were revoked there may be valid again.",
                ledger.path().display()
            )));
        }
        ledger.repair().map_err(|e| ledger_sync::unusable(&ledger, e))?;
    }
    let staged = open::restoring_path(path);
    let partial = PartialFile::create(staged.clone()).map_err(|e| cannot_write(&staged, &e))?;
    let backup = backup::copy(&mut source, partial.path(), how.progress)?;
    drop(source);
    let mut restored = RestoreOutcome { backup, changed: 0, replaced: None };
    bring_up_to_date(options, partial.path(), &ledger, &mut restored, &how)?;
    restored.replaced = swap(path, partial.path(), how.aside)?;
    Ok(restored)
}

/// Checks that the ledger exists, unless the restore may do without it.
fn expect_ledger(ledger: &Ledger, without_ledger: bool) -> Result<()> {
    if ledger.exists() || without_ledger {
        return Ok(());
    }
    Err(restore_error(format_args!(
        "{} is missing. It says which keys were revoked since the backup was made: put it beside the store. If it is \
         lost and the store that is there is the newest one, start the server once: it makes a new one from the store. Otherwise \
         --without-ledger restores without it, and keys that were revoked since the backup may be valid again.",
        ledger.path().display()
    )))
}

/// Compares the ledger with the store that is replaced, if that can be read; rebuilds what the ledger lacks from it.
fn repair_ledger(options: &StoreOptions, ledger: &mut Ledger, without_ledger: bool) -> Result<LedgerComparison> {
    let compared = match open::open_view(&options.path, options.busy_timeout) {
        Ok(present) => repair_ledger_from(&present, ledger, without_ledger),
        Err(error) => Err(error),
    };
    compared.or_else(|error| {
        if exists_nonempty(&options.path) {
            let (store, ledger) = (options.path.display(), ledger.path().display());
            log::warn!("{store}, which is replaced, cannot be read, so {ledger} is used without a comparison with it");
            log::debug!("{}", error.detail().unwrap_or_default());
        }
        ledger_sync::compare_with_nothing(ledger)
    })
}

fn repair_ledger_from(present: &Connection, ledger: &mut Ledger, without_ledger: bool) -> Result<LedgerComparison> {
    let (comparison, _) = ledger_sync::compare(present, ledger)?;
    let path = ledger.path().display();
    let has_all = match &comparison {
        LedgerComparison::Behind => {
            log::warn!("{path} lacks changes that the store has, and is rebuilt from the store");
            true
        }
        LedgerComparison::Forked => {
            log::warn!(
                "{path} was written for another copy of this store: what either of them ended is ended, and it is rebuilt from \
                 what it records and from the store that is replaced"
            );
            false
        }
        LedgerComparison::Missing if without_ledger => {
            log::warn!("{path} is missing, and is rebuilt from the store that is replaced");
            false
        }
        LedgerComparison::Damaged(why) if without_ledger => {
            log::warn!(
                "{path} is damaged: {why}; it is kept as {path}-damaged, and rebuilt from what can be read of it and from the \
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

/// Migrates the copy and replays the ledger on it.
fn bring_up_to_date(
    options: &StoreOptions,
    staged: &Path,
    ledger: &Ledger,
    restored: &mut RestoreOutcome,
    how: &RestoreRequest<'_>,
) -> Result<()> {
    let mut connection = open::open_for_writing(&StoreOptions { path: staged.to_owned(), ..options.clone() })?;
    let index = DigestIndex::default();
    index.catch_up(&connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Its changes are in the ledger already.
    let (comparison, _) = ledger_sync::compare(&transaction, ledger)?;
    restored.changed = ledger_sync::apply(&transaction, &index, ledger, &comparison, how.now)?.changed;
    if comparison == LedgerComparison::Ahead {
        ledger_sync::write_last_mark(&transaction, ledger)?;
    }
    ledger_sync::raise_numbers(&transaction, highest_key_number(&options.path))?;
    (how.finish)(&mut StoreTransaction::new(&transaction, &index, &[]), restored)?;
    transaction.commit()?;
    // Checkpoints the log, so that one file has everything.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

/// The highest key id that the store ever used; 0 where the store does not exist or cannot be read.
fn highest_key_number(path: &Path) -> i64 {
    let read = || {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.query_row("SELECT seq FROM sqlite_sequence WHERE name = 'api_keys'", [], |row| row.get(0))
    };
    // SQLite would delete the log of an empty file.
    if exists_nonempty(path) { read().unwrap_or_default() } else { 0 }
}

/// Renamed files: the old name and the new one.
type Moved = Vec<(PathBuf, PathBuf)>;

/// Renames the copy to the store's name in one step. The replaced store is kept under a name with the suffix `aside`.
/// If that fails, all files get their names back.
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
        restore_error(format_args!(
            "{} is the backup now, but that may not be on the disk yet: {error}. After a power failure it may be the replaced \
             store again.",
            path.display()
        ))
    })?;
    Ok(moved.pop().map(|(_, kept)| kept))
}

fn set_aside(path: &Path, aside: &Path, moved: &mut Moved) -> io::Result<()> {
    if exists_nonempty(path) {
        // Checkpoints its log; if the file is too damaged for that, the log is kept beside it.
        _ = move_log_into(path);
    }
    // Also without the main file: SQLite would apply the log to the new file.
    for suffix in ["-wal", "-journal"] {
        let (from, to) = (companion(path, suffix), companion(aside, suffix));
        match rename_to_free(&from, &to) {
            Ok(()) => moved.push((from, to)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    if exists_nonempty(path) {
        // Some file systems have no hard links.
        fs::hard_link(path, aside).or_else(|_| rename_to_free(path, aside))?;
        moved.push((path.to_owned(), aside.to_owned()));
    }
    _ = fs::remove_file(companion(path, "-shm"));
    Ok(())
}

/// The first free name: two restores may happen in one second.
fn free(aside: &Path) -> PathBuf {
    let is_kept = |name: &Path| ["", "-wal", "-journal"].iter().any(|suffix| companion(name, suffix).exists());
    let more = (2..).map(|number| companion(aside, &format!("-{number}")));
    std::iter::once(aside.to_owned()).chain(more).find(|name| !is_kept(name)).unwrap_or_default()
}

fn put_back(moved: &Moved) {
    for (from, to) in moved.iter().rev() {
        // If both are names of one file, rename does nothing, and the second name is removed.
        match fs::rename(to, from) {
            Ok(()) => _ = fs::remove_file(to),
            Err(error) => log::error!("rename {} to {}, which failed: {error}", to.display(), from.display()),
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

fn restore_error(why: impl std::fmt::Display) -> Error {
    Error::unavailable(SENTENCE, why)
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    restore_error(format_args!("{} cannot be written: {error}. The store is unchanged.", path.display()))
}
