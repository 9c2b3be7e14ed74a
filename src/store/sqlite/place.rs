//! Whether the store's files are still where they were opened.
//!
//! An open file can be written to when it has no name any more, or another file has its name; but nobody would find there what
//! was answered for, and what others change in the file of that name is not found in the open one. The files are only looked at
//! by name, never opened: to close one would take SQLite's locks from the process.

use crate::store::files::beside;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the store is, and the files that are there.
pub(super) struct Place(Vec<(PathBuf, Identity)>);

/// The device and the file's number on it.
type Identity = (u64, u64);

impl Place {
    /// Of a store that is open, so that its write-ahead log is there.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        // SQLite follows links, and keeps the log beside the file itself.
        let files = [path.to_owned(), beside(&path.canonicalize()?, "-wal")]
            .map(|file| identity(&file).map(|identity| (file, identity)));
        Ok(Self(files.into_iter().collect::<io::Result<_>>()?))
    }

    /// What is wrong where they are not there any more.
    pub(super) fn complaint(&self) -> Option<Complaint> {
        self.0.iter().find_map(|(file, expected)| match identity(file) {
            Ok(found) if found == *expected => None,
            Ok(_) => Some(Complaint::Exchanged(format!(
                "{} is another file than the one that was opened; stop the server before",
                file.display()
            ))),
            Err(e) => {
                Some(Complaint::Gone(format!("{} is not to be found: {e}; put it back where it was", file.display())))
            }
        })
    }

    /// What is wrong where others may write to files of these names that are not the ones that were opened.
    pub(super) fn exchanged(&self) -> Option<String> {
        match self.complaint() {
            Some(Complaint::Exchanged(complaint)) => Some(complaint),
            Some(Complaint::Gone(_)) | None => None,
        }
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
