//! Detects that the store's files were moved, removed or replaced while the store is open.
//!
//! An open file stays writable after its name is removed or given to another file. Then this process's commits cannot
//! be found under that name, and this process does not see what others commit there. The files are compared by name
//! (device and inode) and never opened: closing one would release SQLite's locks of this process.

use crate::store::file::companion::companion;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The identities of the main file and its write-ahead log, as they were when the store was opened.
pub(super) struct FileIdentity {
    files: Vec<(PathBuf, DeviceAndInode)>,
    /// Whether other files were seen under these names since the last [`FileIdentity::forget_replacement`].
    was_replaced: AtomicBool,
}

/// Device and inode.
type DeviceAndInode = (u64, u64);

impl FileIdentity {
    /// Reads the identities. The store must be open, so that its write-ahead log exists.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        // SQLite follows links, and keeps the log beside the file itself.
        let files = [path.to_owned(), companion(&path.canonicalize()?, "-wal")]
            .map(|file| identity(&file).map(|identity| (file, identity)));
        Ok(Self { files: files.into_iter().collect::<io::Result<_>>()?, was_replaced: AtomicBool::new(false) })
    }

    /// The first file that is missing or replaced now.
    pub(super) fn mismatch(&self) -> Option<Mismatch> {
        let mismatch = self.files.iter().find_map(|(file, expected)| match identity(file) {
            Ok(found) if found == *expected => None,
            Ok(_) => Some(Mismatch::Replaced(format!(
                "{} is another file than the one that the server opened; put that one back, or restart the server",
                file.display()
            ))),
            Err(e) => {
                Some(Mismatch::Missing(format!("{} cannot be found: {e}; put it back where it was", file.display())))
            }
        });
        if matches!(mismatch, Some(Mismatch::Replaced(_))) {
            self.was_replaced.store(true, Ordering::SeqCst);
        }
        mismatch
    }

    /// Why other processes may write to other files: the files are replaced now, or were replaced since the last
    /// [`FileIdentity::forget_replacement`].
    pub(super) fn replacement(&self) -> Option<String> {
        match self.mismatch() {
            Some(Mismatch::Replaced(detail)) => Some(detail),
            Some(Mismatch::Missing(_)) | None if self.was_replaced.load(Ordering::SeqCst) => Some(
                "the store's files were replaced for a while; the ledger is read for what was done there".to_owned(),
            ),
            Some(Mismatch::Missing(_)) | None => None,
        }
    }

    /// Whether the files were replaced and are the original ones again.
    pub(super) fn is_original_again(&self) -> bool {
        self.was_replaced.load(Ordering::SeqCst) && self.mismatch().is_none()
    }

    /// Call this after the ledger was replayed: the store then has what was done in the other files.
    pub(super) fn forget_replacement(&self) {
        self.was_replaced.store(false, Ordering::SeqCst);
    }
}

/// A difference between a name and the open file, with a sentence for the log.
pub(super) enum Mismatch {
    /// No file has the name: no other process can write to the store.
    Missing(String),
    /// Another file has the name: other processes write to that one.
    Replaced(String),
}

fn identity(file: &Path) -> io::Result<DeviceAndInode> {
    fs::metadata(file).map(|metadata| (metadata.dev(), metadata.ino()))
}
