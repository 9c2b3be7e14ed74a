//! Whether the store's files are still where they were opened.
//!
//! An open file can be written to when it has no name any more, or another file has its name; but nobody would find there what
//! was answered for, and what others change in the file of that name is not found in the open one. The files are only looked at
//! by name, never opened: to close one would take SQLite's locks from the process.

use crate::store::file::beside::beside;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Where the store is, and the files that are there.
pub(super) struct Place {
    files: Vec<(PathBuf, Identity)>,
    /// Whether other files were seen there since the last call of [`Place::caught_up`].
    was_exchanged: AtomicBool,
}

/// The device and the file's number on it.
type Identity = (u64, u64);

impl Place {
    /// Of a store that is open, so that its write-ahead log is there.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        // SQLite follows links, and keeps the log beside the file itself.
        let files = [path.to_owned(), beside(&path.canonicalize()?, "-wal")]
            .map(|file| identity(&file).map(|identity| (file, identity)));
        Ok(Self { files: files.into_iter().collect::<io::Result<_>>()?, was_exchanged: AtomicBool::new(false) })
    }

    /// What is wrong where they are not there any more.
    pub(super) fn complaint(&self) -> Option<Complaint> {
        let complaint = self.files.iter().find_map(|(file, expected)| match identity(file) {
            Ok(found) if found == *expected => None,
            Ok(_) => Some(Complaint::Exchanged(format!(
                "{} is another file than the one that the server opened; put that one back, or start the server anew",
                file.display()
            ))),
            Err(e) => {
                Some(Complaint::Gone(format!("{} is not to be found: {e}; put it back where it was", file.display())))
            }
        });
        if matches!(complaint, Some(Complaint::Exchanged(_))) {
            self.was_exchanged.store(true, Ordering::SeqCst);
        }
        complaint
    }

    /// What is wrong where others may write to files of these names that are not the ones that were opened, or may have done so
    /// since [`Place::caught_up`].
    pub(super) fn exchanged(&self) -> Option<String> {
        match self.complaint() {
            Some(Complaint::Exchanged(complaint)) => Some(complaint),
            Some(Complaint::Gone(_)) | None if self.was_exchanged.load(Ordering::SeqCst) => Some(
                "the store's files were others for a while; what was done there is looked for in the ledger".to_owned(),
            ),
            Some(Complaint::Gone(_)) | None => None,
        }
    }

    /// Whether the files are there again after others were.
    pub(super) fn is_back(&self) -> bool {
        self.was_exchanged.load(Ordering::SeqCst) && self.complaint().is_none()
    }

    /// To be called when all is done that was done in the other files.
    pub(super) fn caught_up(&self) {
        self.was_exchanged.store(false, Ordering::SeqCst);
    }
}

/// What is wrong, in a sentence.
pub(super) enum Complaint {
    /// A file is not there: nobody else can write to the store.
    Gone(String),
    /// Another file has the name of one: whatever others write, they write there.
    Exchanged(String),
}

fn identity(file: &Path) -> io::Result<Identity> {
    fs::metadata(file).map(|metadata| (metadata.dev(), metadata.ino()))
}
