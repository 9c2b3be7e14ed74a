//! Errors of opening the store's file: what is wrong and what to do.

use super::migrations;
use crate::domain::Error;
use crate::store::file::companion::companion;
use rusqlite::ErrorCode;
use std::io;
use std::path::Path;

const SENTENCE: &str = "The store cannot be opened.";

pub(super) fn open_error(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::unavailable(SENTENCE, format_args!("{} {why}.", path.display()))
}

/// The path is shown as an absolute one: the user may be in another folder than expected.
pub(super) fn not_found(path: &Path) -> Error {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    open_error(
        &path,
        "is missing. Set --store (or KEYSTEAD_STORE_PATH, or store.path in the settings) to the right file, restore a backup with \
         keystead restore, or create a store with keystead init",
    )
}

pub(super) fn newer(path: &Path, version: u32) -> Error {
    open_error(
        path,
        format_args!(
            "was written by a newer Keystead (schema {version}, this one knows {}); nothing was changed. Run that version, or \
             restore a backup that this one made",
            migrations::VERSION
        ),
    )
}

/// The files of the open store cannot be identified.
pub(super) fn cannot_stat(path: &Path, error: &io::Error) -> Error {
    open_error(path, format_args!("or its write-ahead log cannot be examined: {error}"))
}

/// SQLite would delete a log beside an empty store.
pub(super) fn log_without_store(path: &Path) -> Error {
    let log = companion(path, "-wal");
    open_error(
        path,
        format_args!(
            "is missing or empty, but {} exists and holds what was done last; nothing was changed. Put the file back to which \
             it belongs, or restore a backup (keystead restore), which keeps the log. To begin with an empty store, move the \
             log away",
            log.display()
        ),
    )
}

/// SQLite would apply the log of one file to another.
pub(super) fn log_of_another_file(path: &Path, why: impl std::fmt::Display) -> Error {
    open_error(
        path,
        format_args!(
            "and {} do not belong together: {why}. Nothing was changed. Stop every process that uses the store and restore a \
             backup: keystead restore FILE. A backup that is only copied to the store's place would be mixed with that log",
            companion(path, "-wal").display()
        ),
    )
}

/// For example a folder or a device.
pub(super) fn not_regular(path: &Path) -> Error {
    open_error(path, "is not a regular file; set --store (or store.path) to another one")
}

pub(super) fn not_a_store(path: &Path) -> Error {
    open_error(path, "is not a Keystead store; nothing was changed. Set --store (or store.path) to another file")
}

/// The file that is to be restored.
pub(super) fn not_a_backup(path: &Path) -> Error {
    open_error(path, "is not a Keystead store; nothing was changed. Name a file that keystead backup wrote")
}

pub(super) fn damaged(path: &Path, how: impl std::fmt::Display) -> Error {
    open_error(
        path,
        format_args!(
            "is damaged: {how}. Stop every process that uses it, keep a copy of it together with its -wal file, and restore a \
             backup: keystead restore FILE. Do not copy a backup to its place: it would be mixed with the -wal file"
        ),
    )
}

/// Converts SQLite's error.
pub(super) fn unreadable(path: &Path, error: &rusqlite::Error) -> Error {
    use ErrorCode::{DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, SystemIoFailure};
    match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => damaged(path, error),
        Some(DatabaseBusy | DatabaseLocked) => open_error(path, "is held by another process; wait for it, or stop it"),
        Some(DiskFull | SystemIoFailure) => open_error(
            path,
            format_args!(
                "cannot be opened: {error}. Its disk is full or has failed: see df and the kernel's log, free some space, then \
                 try again"
            ),
        ),
        _ => open_error(path, format_args!("cannot be opened: {error}")),
    }
}
