//! Opening the file: whose is it, is it whole, is it of today, and what SQLite is told about it.

use super::connect::{APPLICATION_ID, connect, inspect, is_there, look};
use super::integrity::complaint;
use super::ledger::Ledger;
use super::lock::Lock;
use super::open_errors::{damaged, newer, not_ours, refuse, unreadable};
use super::{audit, ledger_sync, migrations};
use crate::domain::{Action, Actor, Error, NewEvent, Origin, Result, Timestamp};
use crate::store::file::companion::companion;
use crate::store::file::options::{StoreOptions, StoreSize};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The mode of the file, and so of its write-ahead log: nobody else may even read it.
const MODE: u32 = 0o600;
/// How long to wait before asking again for what SQLite does not wait for.
const PAUSE: Duration = Duration::from_millis(5);
/// Bytes that the write-ahead log may keep of the disk once it was brought into the main file.
pub(super) const LOG_LIMIT: i64 = 4 * 1024 * 1024;
/// Shares the store with whoever else has it open, and keeps it from being replaced.
pub(super) fn share(path: &Path, patience: Duration) -> Result<Lock> {
    // Nobody ever had a store there: a path that is refused gets no lock beside it.
    if !Lock::is_there(path) {
        expect_fit(path)?;
    }
    match Lock::shared(path, patience) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(refuse(path, "is held by a keystead restore or a keystead that is stopping; wait for its end")),
        Err(e) => Err(refuse(path, format_args!("cannot be created or locked: {e}; see the folder's permissions"))),
    }
}

/// Opens, checks and brings up to date; gives the connection that writes.
pub(super) fn store(options: &StoreOptions) -> Result<Connection> {
    let path = options.path.as_path();
    expect_fit(path)?;
    create_private(path)
        .map_err(|e| refuse(path, format_args!("cannot be created: {e}; see the folder's permissions")))?;
    let mut connection = connect(path, options.busy_timeout, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|mut connection| bring_up_to_date(options, &mut connection).map(|()| connection))?;
    configure(&mut connection, options.busy_timeout).map_err(|e| unreadable(path, &e))?;
    make_private(path)?;
    Ok(connection)
}

/// Makes sure, before anything is written there, that the path has a store or that one may be set up there.
fn expect_fit(path: &Path) -> Result<()> {
    if !is_there(path) && staged(path).exists() {
        let staged = staged(path);
        return Err(refuse(
            path,
            format_args!(
                "is not there, but {} is: a keystead restore was cut short. Restore again, or remove that file to begin \
                 with an empty store",
                staged.display()
            ),
        ));
    }
    inspect(path)?;
    if is_there(path) {
        return Ok(());
    }
    let fit = ledger_sync::expect_new_store_allowed(&Ledger::of(path));
    // Another process may have set the store up just now, and the ledger with it.
    fit.or_else(|refused| if is_there(path) { Ok(()) } else { Err(refused) })
}

/// A connection to a store of today's version that is only looked at.
pub(super) fn view(path: &Path, busy_timeout: Duration) -> Result<Connection> {
    let connection = look(path, busy_timeout)?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let version: u32 = version.map_err(|e| unreadable(path, &e))?;
    if version == migrations::VERSION {
        return Ok(connection);
    }
    if version > migrations::VERSION {
        return Err(newer(path, version));
    }
    Err(refuse(
        path,
        format_args!(
            "has the older schema {version}, and this Keystead reads {}: start the server on it first, which brings it up to \
             date, or look at it with the version that wrote it",
            migrations::VERSION
        ),
    ))
}

/// A connection to a backup, which is checked first: it must be a store, of a version that we know, and whole.
pub(super) fn backup(path: &Path, busy_timeout: Duration) -> Result<Connection> {
    // Where a store should be is another question.
    inspect(path)?;
    if !path.exists() {
        return Err(refuse(path, "is not there"));
    }
    let connection = look(path, busy_timeout)?;
    let unreadable = |e: rusqlite::Error| unreadable(path, &e);
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unreadable)?;
    if version > migrations::VERSION {
        return Err(newer(path, version));
    }
    if version == 0 {
        return Err(refuse(path, "is empty"));
    }
    let complaint =
        complaint(&connection).map_err(|e| damaged(path, e.detail().map_or_else(|| e.to_string(), str::to_owned)))?;
    complaint.map_or(Ok(connection), |complaint| Err(damaged(path, complaint)))
}

/// Where a backup is made ready to take the store's place.
pub(super) fn staged(path: &Path) -> PathBuf {
    companion(path, "-restoring")
}

/// The sizes of a store's files, whoever has them open. There is no log where nobody has.
///
/// # Errors
/// [`Error::Unavailable`] where the file cannot be looked at.
pub fn size(path: &Path) -> Result<StoreSize> {
    let main = fs::metadata(path).map_err(|e| Error::unavailable("The store cannot be read.", e))?.len();
    let wal = fs::metadata(companion(path, "-wal")).map_or(0, |metadata| metadata.len());
    Ok(StoreSize { main, wal })
}

/// What the connection that writes is told besides.
fn configure(connection: &mut Connection, busy_timeout: Duration) -> rusqlite::Result<()> {
    switch_to_log(connection, busy_timeout)?;
    // FULL: a commit returns when the log is on disk, so an answer that follows it survives a power failure.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The log's file gives its disk back after a large transaction, with the first commit after it was brought in.
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    // Negative: KiB. Keeps the pages that sorted runs go to from being read again and again.
    connection.pragma_update(None, "cache_size", -16_384)
}

/// Turns the write-ahead log on. Where two processes set up a store at once, SQLite does not wait by itself for this alone;
/// where a file is not in this mode and somebody has it open, it does. So it is asked again here, for as long as may be.
fn switch_to_log(connection: &Connection, busy_timeout: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    let mut patience = busy_timeout;
    let switched = loop {
        let mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        match mode {
            Ok(mode) if mode == "wal" => break Ok(()),
            Ok(_) => break Err(rusqlite::Error::InvalidQuery),
            Err(e) if e.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) || patience.is_zero() => break Err(e),
            Err(_) => {
                std::thread::sleep(PAUSE);
                patience = patience.saturating_sub(PAUSE);
            }
        }
    };
    connection.busy_timeout(busy_timeout)?;
    switched
}

fn create_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(MODE).open(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

fn make_private(path: &Path) -> Result<()> {
    for file in [path.to_owned(), companion(path, "-wal"), companion(path, "-shm")] {
        let Ok(metadata) = fs::metadata(&file) else { continue };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & !MODE != 0 {
            log::warn!("{} was open to others (mode {mode:o}); it is {MODE:o} now", file.display());
            fs::set_permissions(&file, Permissions::from_mode(MODE))
                .map_err(|e| refuse(&file, format_args!("cannot be closed to others: {e}")))?;
        }
    }
    Ok(())
}

/// Sets up an empty file, migrates an older one, refuses a newer one; all in one transaction, so that two processes
/// that start at once do it once.
fn bring_up_to_date(options: &StoreOptions, connection: &mut Connection) -> Result<()> {
    let path = options.path.as_path();
    let unreadable = |e: rusqlite::Error| unreadable(path, &e);
    let is_ours = pragma::<i32>(connection, "application_id").map_err(unreadable)?.cast_unsigned() == APPLICATION_ID;
    // Nothing to write, so nobody is waited for.
    if is_ours && pragma::<u32>(connection, "user_version").map_err(unreadable)? == migrations::VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unreadable)?;
    let version: u32 = pragma(&transaction, "user_version").map_err(unreadable)?;
    let application_id: i32 = pragma(&transaction, "application_id").map_err(unreadable)?;
    let objects: u32 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(unreadable)?;
    let is_empty = objects == 0 && version == 0 && application_id == 0;
    if !is_empty && application_id.cast_unsigned() != APPLICATION_ID {
        return Err(not_ours(path));
    }
    if version > migrations::VERSION {
        return Err(newer(path, version));
    }
    if !is_empty && version == 0 {
        return Err(damaged(path, "it says neither its version nor that it is empty"));
    }
    // It does not look again which schema the store has, and would fail from then on.
    if !is_empty && version < migrations::VERSION && Lock::is_announced(path) {
        return Err(refuse(
            path,
            format_args!(
                "has the older schema {version}, and a server of the version that wrote it has it open: stop that one first; \
                 nothing was changed"
            ),
        ));
    }
    if version < migrations::VERSION {
        migrations::migrate(&transaction, version).map_err(unreadable)?;
        if !is_empty {
            audit::append(&transaction, &migrated(version, options.opened_at))?;
            log::info!("{}: schema {version} brought to {}", path.display(), migrations::VERSION);
        }
    }
    transaction.commit().map_err(unreadable)
}

fn migrated(from: u32, now: Timestamp) -> NewEvent {
    NewEvent {
        at: now,
        organization: None,
        project: None,
        actor: Actor::Keystead,
        action: Action::StoreMigrated,
        resource: "store".to_owned(),
        change: format!(r#"{{"before":{{"schema":{from}}},"after":{{"schema":{}}}}}"#, migrations::VERSION),
        origin: Origin::default(),
    }
}

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> rusqlite::Result<T> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}
