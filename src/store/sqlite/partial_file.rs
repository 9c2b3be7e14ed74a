//! A file that is deleted unless it is completed and renamed, such as a copy of a store.

use crate::file_names::{rename_to_free, sync_folder_of};
use crate::store::file::backup::PARTIAL_SUFFIX;
use crate::store::file::companion::{companion, open_regular};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Deleted when dropped, unless it was renamed. Locked while it is written, so that no other process takes it for a
/// leftover.
pub(super) struct PartialFile {
    path: PathBuf,
    _lock: File,
}

impl PartialFile {
    /// Creates a new private file; replaces a leftover of an earlier attempt.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] where another process is writing it.
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        remove_leftover(&path)?;
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = created.map_err(|error| match error.kind() {
            // Another process created it in between.
            io::ErrorKind::AlreadyExists => io::ErrorKind::ResourceBusy.into(),
            _ => error,
        })?;
        let _lock = lock(file, &path)?;
        Ok(Self { path, _lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Renames it in one step; on disk when this returns. Replaces no existing file.
    pub(super) fn finish(self, to: &Path) -> io::Result<()> {
        rename_to_free(&self.path, to)?;
        sync_folder_of(to)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        remove_companions(&self.path);
        _ = fs::remove_file(&self.path);
    }
}

/// SQLite's files beside it.
fn remove_companions(path: &Path) {
    for suffix in ["-journal", "-wal", "-shm"] {
        _ = fs::remove_file(companion(path, suffix));
    }
}

/// Deletes what an interrupted attempt left.
///
/// # Errors
/// [`io::ErrorKind::ResourceBusy`] where the file is still being written.
pub(super) fn remove_leftover(path: &Path) -> io::Result<()> {
    let Some(file) = open_regular(path)? else { return Ok(()) };
    let _lock = lock(file, path)?;
    remove_companions(path);
    match fs::remove_file(path) {
        // A server finished the import and deleted its file in between.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Deletes what an interrupted backup to this path left.
///
/// # Errors
/// [`io::ErrorKind::ResourceBusy`] where the file is still being written.
pub fn remove_partial_backup(to: &Path) -> io::Result<()> {
    remove_leftover(&companion(to, PARTIAL_SUFFIX))
}

/// Locks the file, if it still has this name and no other process has locked it.
fn lock(file: File, path: &Path) -> io::Result<File> {
    match file.try_lock() {
        Ok(()) if is_named(&file, path) => Ok(file),
        Ok(()) | Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another process is writing it; wait for it or choose another name",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether the open file has this name now.
pub(super) fn is_named(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        _ => false,
    }
}
