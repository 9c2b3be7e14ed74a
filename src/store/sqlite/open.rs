//! Opens the store's file: checks its header, locks it, creates or migrates it, and configures SQLite.

use super::connect::{APPLICATION_ID, check_header, check_header_or, connect, exists_nonempty, open_read_only};
use super::integrity::first_error;
use super::ledger::Ledger;
use super::lock::StoreLock;
use super::open_errors::{damaged, newer, not_a_backup, not_a_store, open_error, unreadable};
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

/// File mode of the store and its log: no access for other users.
const MODE: u32 = 0o600;
/// How long to wait between two attempts where SQLite does not wait itself.
const PAUSE: Duration = Duration::from_millis(5);
/// Size to which the write-ahead log is truncated after a checkpoint, in bytes.
pub(super) const LOG_LIMIT: i64 = 4 * 1024 * 1024;
/// Takes the shared lock, which keeps the store from being replaced.
pub(super) fn lock_shared(path: &Path, patience: Duration) -> Result<StoreLock> {
    // There never was a store: a refused path must not get a lock file.
    if !StoreLock::file_exists(path) {
        expect_usable_path(path)?;
    }
    match StoreLock::shared(path, patience) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => {
            Err(open_error(path, "is held by a keystead restore or a keystead that is stopping; wait for its end"))
        }
        Err(e) => Err(open_error(path, format_args!("cannot be created or locked: {e}; see the folder's permissions"))),
    }
}

/// Opens, checks and migrates the store; returns the connection that writes.
pub(super) fn open_for_writing(options: &StoreOptions) -> Result<Connection> {
    let path = options.path.as_path();
    expect_usable_path(path)?;
    create_private(path)
        .map_err(|e| open_error(path, format_args!("cannot be created: {e}; see the folder's permissions")))?;
    let mut connection = connect(path, options.busy_timeout, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|mut connection| bring_up_to_date(options, &mut connection).map(|()| connection))?;
    configure_writer(&mut connection, options.busy_timeout).map_err(|e| unreadable(path, &e))?;
    make_private(path)?;
    Ok(connection)
}

/// Checks before any write that the path has a store or may get one.
fn expect_usable_path(path: &Path) -> Result<()> {
    if !exists_nonempty(path) && restoring_path(path).exists() {
        let restoring = restoring_path(path);
        return Err(open_error(
            path,
            format_args!(
                "is missing, but {} exists: a keystead restore was cut short. Restore again, or delete that file to begin \
                 with an empty store",
                restoring.display()
            ),
        ));
    }
    check_header(path)?;
    if exists_nonempty(path) {
        return Ok(());
    }
    let fit = ledger_sync::expect_new_store_allowed(&Ledger::of(path));
    // Another process may have created the store and its ledger just now.
    fit.or_else(|refused| if exists_nonempty(path) { Ok(()) } else { Err(refused) })
}

/// A read-only connection to a store of the current schema.
pub(super) fn open_view(path: &Path, busy_timeout: Duration) -> Result<Connection> {
    let connection = open_read_only(path, busy_timeout)?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let version: u32 = version.map_err(|e| unreadable(path, &e))?;
    if version == migrations::VERSION {
        return Ok(connection);
    }
    if version > migrations::VERSION {
        return Err(newer(path, version));
    }
    Err(open_error(
        path,
        format_args!(
            "has the older schema {version}, and this Keystead reads {}: start the server on it, which migrates it, or use the \
             Keystead version that wrote it",
            migrations::VERSION
        ),
    ))
}

/// A read-only connection to a backup. Checks that it is a complete store of a known schema version.
pub(super) fn open_backup(path: &Path, busy_timeout: Duration) -> Result<Connection> {
    // The path of the store is checked elsewhere.
    check_header_or(path, not_a_backup)?;
    if !path.exists() {
        return Err(open_error(path, "is missing"));
    }
    let connection = open_read_only(path, busy_timeout)?;
    let unreadable = |e: rusqlite::Error| unreadable(path, &e);
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unreadable)?;
    if version > migrations::VERSION {
        return Err(newer(path, version));
    }
    if version == 0 {
        return Err(open_error(path, "is empty"));
    }
    let complaint =
        first_error(&connection).map_err(|e| damaged(path, e.detail().map_or_else(|| e.to_string(), str::to_owned)))?;
    complaint.map_or(Ok(connection), |complaint| Err(damaged(path, complaint)))
}

/// Where a backup is prepared before it replaces the store.
pub(super) fn restoring_path(path: &Path) -> PathBuf {
    companion(path, "-restoring")
}

/// The sizes of a store's files. The log exists only while a process has the store open.
///
/// # Errors
/// [`Error::Unavailable`] where the file cannot be read.
pub fn size(path: &Path) -> Result<StoreSize> {
    let main = fs::metadata(path).map_err(|e| Error::unavailable("The store cannot be read.", e))?.len();
    let wal = fs::metadata(companion(path, "-wal")).map_or(0, |metadata| metadata.len());
    Ok(StoreSize { main, wal })
}

/// Settings of the connection that writes.
fn configure_writer(connection: &mut Connection, busy_timeout: Duration) -> rusqlite::Result<()> {
    switch_to_log(connection, busy_timeout)?;
    // FULL: a commit returns when the log is on disk, so the answer after it survives a power failure.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // After a large transaction, the first commit after a checkpoint truncates the log to this size.
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    // Negative: KiB. Keeps the pages of sorted index runs in memory.
    connection.pragma_update(None, "cache_size", -16_384)
}

/// Turns the write-ahead log on. SQLite waits by itself while another process has the file open in another mode, but
/// not while two processes create a store at the same time. So this retries until the timeout.
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
            log::warn!("{} was open to others (mode {mode:o}); its mode is {MODE:o} now", file.display());
            fs::set_permissions(&file, Permissions::from_mode(MODE)).map_err(|e| {
                open_error(&file, format_args!("is open to others, and its mode cannot be changed: {e}"))
            })?;
        }
    }
    Ok(())
}

/// Initializes an empty file, migrates an older one, refuses a newer one. All in one transaction, so that two processes
/// that start at the same time do it once.
fn bring_up_to_date(options: &StoreOptions, connection: &mut Connection) -> Result<()> {
    let path = options.path.as_path();
    let unreadable = |e: rusqlite::Error| unreadable(path, &e);
    let is_ours = pragma::<i32>(connection, "application_id").map_err(unreadable)?.cast_unsigned() == APPLICATION_ID;
    // Nothing to write, so this does not wait.
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
        return Err(not_a_store(path));
    }
    if version > migrations::VERSION {
        return Err(newer(path, version));
    }
    if !is_empty && version == 0 {
        return Err(damaged(path, "it has content, but no schema version"));
    }
    // That server does not check the schema again, and all its statements would fail.
    if !is_empty && version < migrations::VERSION && StoreLock::is_server_announced(path) {
        return Err(open_error(
            path,
            format_args!(
                "has the older schema {version}, and a server of the version that wrote it has it open: stop that server first; \
                 nothing was changed"
            ),
        ));
    }
    if version < migrations::VERSION {
        migrations::migrate(&transaction, version).map_err(unreadable)?;
        if !is_empty {
            audit::append(&transaction, &migrated(version, options.opened_at))?;
            log::info!("{}: schema {version} migrated to {}", path.display(), migrations::VERSION);
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
