//! Connections to the store's file: checks the header before SQLite opens it, and configures SQLite.

use super::open_errors::{
    damaged, log_of_another_file, log_without_store, not_a_store, not_found, not_regular, open_error, unreadable,
};
use crate::domain::{Error, Result};
use crate::store::file::companion::companion;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `application_id` in schema.sql.
pub(super) const APPLICATION_ID: u32 = 0x4B45_5953;
/// Offset of the file format's read version in SQLite's header, and its value for a file without a write-ahead log
/// (<https://sqlite.org/fileformat2.html>, section 1.3.3). A backup has this value.
const READ_VERSION: usize = 19;
const NO_LOG: u8 = 1;

/// A read-only connection, whether a server has the file open or not. Creates no file beside it.
pub(super) fn open_read_only(path: &Path, busy_timeout: Duration) -> Result<Connection> {
    check_header(path)?;
    if !path.exists() {
        return Err(not_found(path));
    }
    let unreadable = |e: rusqlite::Error| unreadable(path, &e);
    if companion(path, "-wal").exists() {
        return connect(path, busy_timeout, OpenFlags::SQLITE_OPEN_READ_ONLY);
    }
    // No process has it open. SQLite would create files beside it, which fails on a read-only medium.
    let connection = immutable(path).map_err(unreadable)?;
    configure(&connection, busy_timeout).map_err(unreadable)?;
    Ok(connection)
}

/// A connection to a file that no process writes.
pub(super) fn immutable(path: &Path) -> rusqlite::Result<Connection> {
    let uri = utf8_percent_encode(&path.to_string_lossy(), NON_ALPHANUMERIC).to_string();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{uri}?immutable=1"), flags)
}

/// A connection with the settings that readers and the writer share.
pub(super) fn connect(path: &Path, busy_timeout: Duration, mode: OpenFlags) -> Result<Connection> {
    // SQLite creates nothing (see `create_private`) and needs no mutex: a connection has one user at a time.
    let open = || {
        let connection = Connection::open_with_flags(absolute(path), mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        configure(&connection, busy_timeout)?;
        Ok(connection)
    };
    open().map_err(|e| unreadable(path, &e))
}

/// The absolute path: SQLite might take a relative one for a URI.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Settings of every connection.
pub(super) fn configure(connection: &Connection, busy_timeout: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Code in the schema of a damaged or hostile file is not executed.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// Checks the file's header before SQLite opens it, so that a file that is not a Keystead store is not touched.
pub(super) fn check_header(path: &Path) -> Result<()> {
    check_header_or(path, not_a_store)
}

/// As [`check_header`], with another error for a file that is not a Keystead store.
pub(super) fn check_header_or(path: &Path, not_a_store: fn(&Path) -> Error) -> Result<()> {
    // The log is checked first: while a store is being created, its file is not empty before the log exists, and then
    // says that it has one.
    let has_log = exists_nonempty(&companion(path, "-wal"));
    if has_log && !exists_nonempty(path) {
        return Err(log_without_store(path));
    }
    // Checked before opening: opening a named pipe would wait for its writer.
    let unreadable = |e: io::Error| open_error(path, format_args!("cannot be read: {e}; see its permissions"));
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(unreadable(e)),
    };
    if !metadata.is_file() {
        return Err(not_regular(path));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    // A rollback journal means that the first initialization was cut short; SQLite rolls it back.
    if metadata.len() == 0 || exists_nonempty(&companion(path, "-journal")) {
        return Ok(());
    }
    let mut header = [0; 100];
    let is_sqlite = file.read_exact(&mut header).is_ok() && header.starts_with(b"SQLite format 3\0");
    if !is_sqlite || number(&header, 68) != APPLICATION_ID {
        return Err(not_a_store(path));
    }
    if has_log && header[READ_VERSION] == NO_LOG {
        return Err(log_of_another_file(path, "the file was copied beside the log of another file"));
    }
    // The header's page count is right whenever no log waits to be checkpointed.
    let page_size = u64::from(u16::from_be_bytes([header[16], header[17]]));
    let expected = page_size * u64::from(number(&header, 28));
    if metadata.len() < expected && !exists_nonempty(&companion(path, "-wal")) {
        return Err(damaged(path, format_args!("it has {} bytes of {expected}", metadata.len())));
    }
    Ok(())
}

/// The big-endian number at an offset of SQLite's file header (<https://sqlite.org/fileformat2.html>, section 1.3).
fn number(header: &[u8; 100], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

/// Whether the file exists and is not empty.
pub(super) fn exists_nonempty(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.len() > 0)
}
