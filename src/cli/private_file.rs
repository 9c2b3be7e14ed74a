//! New files that nobody else may read.

use super::Failed;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A new file. It is removed when dropped, unless it was kept.
pub(super) struct PrivateFile {
    file: File,
    path: PathBuf,
    is_kept: bool,
}

impl PrivateFile {
    /// Creates a file that must not exist yet, with mode 0600. `what` it is begins the sentence of a failure: "The key file".
    pub(super) fn create(path: &Path, what: &str) -> Result<Self, Failed> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| {
            let why = match e.kind() {
                io::ErrorKind::AlreadyExists => "it exists already; move it away or name another".to_owned(),
                _ => e.to_string(),
            };
            Failed::new(format!("{what} {} cannot be created: {why}.", path.display()))
        })?;
        Ok(Self { file, path: path.to_owned(), is_kept: false })
    }

    /// Brings what was written to the disk, and the file's name with it.
    pub(super) fn sync(&self) -> io::Result<()> {
        let folder = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        self.file.sync_all().and_then(|()| File::open(folder)?.sync_all())
    }

    /// The file stays.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Write for PrivateFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            log::warn!("{} is not complete and cannot be removed: {error}", self.path.display());
        }
    }
}
