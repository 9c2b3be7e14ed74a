//! A copy of a store until it is whole.

use crate::file_names::{rename_to_free, sync_folder_of};
use crate::store::file::backup::PARTIAL_SUFFIX;
use crate::store::file::companion::{companion, open_regular};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file that goes again unless it was given another name. It is locked for as long as this is there, so that nobody
/// takes it for what was left.
pub(super) struct PartialFile {
    path: PathBuf,
    _lock: File,
}

impl PartialFile {
    /// A new file that nobody else may read, in the place of what an earlier attempt left.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] where somebody else is writing it.
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        remove_leftover(&path)?;
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = created.map_err(|error| match error.kind() {
            // Somebody else began between the two.
            io::ErrorKind::AlreadyExists => io::ErrorKind::ResourceBusy.into(),
            _ => error,
        })?;
        let _lock = lock(file, &path)?;
        Ok(Self { path, _lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name in one step; on disk when this returns. Nobody's file is replaced.
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

/// What SQLite keeps beside the file while it works on it.
fn remove_companions(path: &Path) {
    for suffix in ["-journal", "-wal", "-shm"] {
        _ = fs::remove_file(companion(path, suffix));
    }
}

/// Removes what an attempt left that came to no end, if it left anything.
///
/// # Errors
/// [`io::ErrorKind::ResourceBusy`] where the attempt goes on.
pub(super) fn remove_leftover(path: &Path) -> io::Result<()> {
    let Some(file) = open_regular(path)? else { return Ok(()) };
    let _lock = lock(file, path)?;
    remove_companions(path);
    fs::remove_file(path)
}

/// Removes what a backup to this file left that was cut short, if it left anything.
///
/// # Errors
/// [`io::ErrorKind::ResourceBusy`] where the backup goes on.
pub fn remove_partial_backup(to: &Path) -> io::Result<()> {
    remove_leftover(&companion(to, PARTIAL_SUFFIX))
}

/// The file under this name, which nobody else has locked or removed or given another name.
fn lock(file: File, path: &Path) -> io::Result<File> {
    match file.try_lock() {
        Ok(()) if is_named(&file, path) => Ok(file),
        Ok(()) | Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::ResourceBusy, "somebody else is writing it"))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether this file has the name now.
pub(super) fn is_named(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        _ => false,
    }
}
