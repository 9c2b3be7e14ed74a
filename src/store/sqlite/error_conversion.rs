//! Converts errors of SQLite and of the operating system into the domain's error.

use crate::domain::Error;
use rusqlite::ErrorCode;
use std::io;

const DAMAGED: &str = "The store is damaged; its operator must repair it.";

/// The sentence for clients of a server.
pub(super) const DISK_FULL: &str = "The store's disk is full; nothing was changed.";

/// The error of a full disk. Its detail says to the operator what to do.
pub(super) fn disk_full(error: &rusqlite::Error) -> Error {
    Error::unavailable(DISK_FULL, disk_full_detail(error))
}

pub(super) fn disk_full_detail(error: &rusqlite::Error) -> String {
    format!("The store's disk is full (SQLite: {error}); nothing was changed. Free some space, then try again.")
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let sentence = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "The store is busy; try again.",
            Some(ErrorCode::DiskFull) => return disk_full(&error),
            Some(ErrorCode::ReadOnly) => "The store cannot be written; nothing was changed.",
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => "The store's disk failed.",
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                let advice = "Stop every process that uses the store, keep a copy of it together with its -wal file, and restore \
                              a backup: keystead restore FILE. Do not copy a backup to its place";
                return Self::unavailable(DAMAGED, format_args!("The store is damaged: {error}. {advice}."));
            }
            _ => return Self::Internal(format!("SQLite: {error}")),
        };
        Self::unavailable(sentence, format_args!("SQLite: {error}"))
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        let sentence = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "The disk is full.",
            _ => "The disk failed.",
        };
        Self::unavailable(sentence, error)
    }
}
