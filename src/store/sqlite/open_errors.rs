//! Why a store's file is not opened, and what to do.

use super::migrations;
use crate::domain::Error;
use crate::store::file::companion::companion;
use rusqlite::ErrorCode;
use std::io;
use std::path::Path;

const SENTENCE: &str = "The store cannot be opened.";

pub(super) fn refuse(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::unavailable(SENTENCE, format_args!("{} {why}.", path.display()))
}

/// There is no store: whoever stands in another folder has to learn which one was looked at.
pub(super) fn absent(path: &Path) -> Error {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    refuse(
        &path,
        "is not there. Point --store (or KEYSTEAD_STORE_PATH, or store.path in the settings) at the right file, put a backup there \
         with keystead restore, or set up a new store with keystead init",
    )
}

pub(super) fn newer(path: &Path, version: u32) -> Error {
    refuse(
        path,
        format_args!(
            "was written by a newer Keystead (schema {version}, this one knows {}); nothing was changed. Run that version, or \
             restore a backup that this one made",
            migrations::VERSION
        ),
    )
}

/// Why the store's files could not be looked at once they were open.
pub(super) fn not_found(path: &Path, error: &io::Error) -> Error {
    refuse(path, format_args!("or its write-ahead log cannot be looked at: {error}"))
}

/// SQLite removes a log whose store is empty.
pub(super) fn left_alone(path: &Path) -> Error {
    let log = companion(path, "-wal");
    refuse(
        path,
        format_args!(
            "is not there, or empty, but {} is there and holds what was done last; nothing was changed. Put the file back that it \
             belongs to, or restore a backup (keystead restore), which keeps the log. To begin with an empty store, move the \
             log away",
            log.display()
        ),
    )
}

/// SQLite would bring the log of one file into another one.
pub(super) fn mixed(path: &Path, why: impl std::fmt::Display) -> Error {
    refuse(
        path,
        format_args!(
            "and {} do not belong together: {why}. Nothing was changed. Stop every process that uses the store and restore a \
             backup: keystead restore FILE. A backup that is only copied to the store's place would be mixed with that log",
            companion(path, "-wal").display()
        ),
    )
}

/// Of a folder or a device, say.
pub(super) fn not_regular(path: &Path) -> Error {
    refuse(path, "is not a regular file; point --store at another one")
}

pub(super) fn not_ours(path: &Path) -> Error {
    refuse(path, "is not a Keystead store; nothing was changed. Point --store (or store.path) at another file")
}

pub(super) fn damaged(path: &Path, how: impl std::fmt::Display) -> Error {
    refuse(
        path,
        format_args!(
            "is damaged: {how}. Stop every process that uses it, keep a copy of it together with its -wal file, and restore a \
             backup: keystead restore FILE. Copy no backup to its place: that would be mixed with the -wal file"
        ),
    )
}

/// Why SQLite would not read the file, and what to do.
pub(super) fn unreadable(path: &Path, error: &rusqlite::Error) -> Error {
    use ErrorCode::{DatabaseBusy, DatabaseCorrupt, DatabaseLocked, NotADatabase};
    match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => damaged(path, error),
        Some(DatabaseBusy | DatabaseLocked) => refuse(path, "is held by another process; wait for it, or stop it"),
        _ => refuse(path, format_args!("cannot be opened: {error}")),
    }
}
