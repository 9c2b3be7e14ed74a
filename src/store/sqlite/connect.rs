//! Connections to a file: what is looked at before SQLite opens it, and what SQLite is told about it.

use super::open_errors::{absent, damaged, left_alone, mixed, not_ours, not_regular, refuse, unreadable};
use crate::domain::Result;
use crate::store::file::companion::companion;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `application_id` in schema.sql.
pub(super) const APPLICATION_ID: u32 = 0x4B45_5953;
/// Where SQLite's file header says whether the file goes with a write-ahead log, and what stands there where it does not
/// (<https://sqlite.org/fileformat2.html>, section 1.3.3). A backup is such a file.
const READ_VERSION: usize = 19;
const NO_LOG: u8 = 1;

/// A connection to a file that is only looked at, whether a server has it open or not. Nothing is written beside it.
pub(super) fn look(path: &Path, busy_timeout: Duration) -> Result<Connection> {
    inspect(path)?;
    if !path.exists() {
        return Err(absent(path));
    }
    let unreadable = |e: rusqlite::Error| unreadable(path, &e);
    if companion(path, "-wal").exists() {
        return connect(path, busy_timeout, OpenFlags::SQLITE_OPEN_READ_ONLY);
    }
    // Nobody has it open. SQLite would make files beside it, which a copy on a read-only medium has no room for.
    let connection = immutable(path).map_err(unreadable)?;
    prepare_connection(&connection, busy_timeout).map_err(unreadable)?;
    Ok(connection)
}

/// A connection to a file that nobody writes.
pub(super) fn immutable(path: &Path) -> rusqlite::Result<Connection> {
    let uri = utf8_percent_encode(&path.to_string_lossy(), NON_ALPHANUMERIC).to_string();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{uri}?immutable=1"), flags)
}

/// A connection with the settings that readers and the writer share.
pub(super) fn connect(path: &Path, busy_timeout: Duration, mode: OpenFlags) -> Result<Connection> {
    // SQLite creates nothing (see create_private) and needs no mutex of its own: a connection has one user at a time.
    let open = || {
        let connection = Connection::open_with_flags(plain(path), mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        prepare_connection(&connection, busy_timeout)?;
        Ok(connection)
    };
    open().map_err(|e| unreadable(path, &e))
}

/// A path that SQLite takes for a file's, also where it begins as a URI does.
pub(super) fn plain(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What every connection is told.
pub(super) fn prepare_connection(connection: &Connection, busy_timeout: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Nothing that a damaged or hostile file says about its schema is executed.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// Looks at the file's header before SQLite does, so that a file that is not ours is not touched at all.
pub(super) fn inspect(path: &Path) -> Result<()> {
    // The log first: of a store that is being set up just now, the file is not empty before there is a log, and says that it
    // has one.
    let has_log = is_there(&companion(path, "-wal"));
    if has_log && !is_there(path) {
        return Err(left_alone(path));
    }
    // Before it is opened: to open a named pipe would wait for whoever writes to it.
    let unreadable = |e: io::Error| refuse(path, format_args!("cannot be read: {e}; see its permissions"));
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(unreadable(e)),
    };
    if !metadata.is_file() {
        return Err(not_regular(path));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    // A rollback journal means that the very first set-up was cut short: SQLite takes it back.
    if metadata.len() == 0 || is_there(&companion(path, "-journal")) {
        return Ok(());
    }
    let mut header = [0; 100];
    let is_sqlite = file.read_exact(&mut header).is_ok() && header.starts_with(b"SQLite format 3\0");
    if !is_sqlite || number(&header, 68) != APPLICATION_ID {
        return Err(not_ours(path));
    }
    if has_log && header[READ_VERSION] == NO_LOG {
        return Err(mixed(path, "the file was copied there beside the log of another one"));
    }
    // The header's sizes hold whenever no log waits to be copied into the file.
    let page_size = u64::from(u16::from_be_bytes([header[16], header[17]]));
    let expected = page_size * u64::from(number(&header, 28));
    if metadata.len() < expected && !is_there(&companion(path, "-wal")) {
        return Err(damaged(path, format_args!("it has {} bytes of {expected}", metadata.len())));
    }
    Ok(())
}

/// The big-endian number at an offset of SQLite's file header (<https://sqlite.org/fileformat2.html>, section 1.3).
fn number(header: &[u8; 100], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

/// Whether there is a file that is not empty.
pub(super) fn is_there(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.len() > 0)
}
