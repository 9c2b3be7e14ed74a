//! New files that only their owner can read (mode 0600).

use crate::cli::error::CommandError;
use crate::file_names::{rename_to_free, sync_folder_of};
use crate::service::{PARTIAL_SUFFIX, remove_partial_backup};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A new private file. It is deleted when dropped, unless [`PrivateFile::keep`] was called.
pub(in crate::cli) struct PrivateFile {
    file: File,
    path: PathBuf,
    is_kept: bool,
}

impl PrivateFile {
    /// Creates a file with mode 0600 that must not exist yet. `what` starts the error sentence, such as "The key file".
    pub(in crate::cli) fn create(path: &Path, what: &str) -> Result<Self, CommandError> {
        let file = create_new(path).map_err(|e| cannot_be_created(path, what, &e))?;
        Ok(Self { file, path: path.to_owned(), is_kept: false })
    }

    /// Syncs the file and its folder's entry for it.
    pub(in crate::cli) fn sync(&self) -> io::Result<()> {
        self.file.sync_all().and_then(|()| sync_folder_of(&self.path))
    }

    /// Keeps the file.
    pub(in crate::cli) fn keep(mut self) {
        self.is_kept = true;
    }
}

/// A new file that gets its name when it is complete. Until then it has a temporary name beside it, so that a crash leaves
/// neither a file that looks complete nor one that blocks the next attempt.
pub(in crate::cli) struct UnfinishedFile {
    /// The lock is held for as long as this exists, so that no other process deletes the file as a leftover.
    file: PrivateFile,
    to: PathBuf,
}

impl UnfinishedFile {
    /// Starts a file that must not exist yet, and deletes the leftover of an earlier attempt. Errors as in [`PrivateFile::create`].
    pub(in crate::cli) fn begin(to: &Path, what: &str) -> Result<Self, CommandError> {
        let cannot = |e: io::Error| cannot_be_created(to, what, &e);
        if to.symlink_metadata().is_ok() {
            return Err(cannot(io::ErrorKind::AlreadyExists.into()));
        }
        remove_partial_backup(to).map_err(cannot)?;
        let mut path = to.as_os_str().to_owned();
        path.push(PARTIAL_SUFFIX);
        let path = PathBuf::from(path);
        let file = create_new(&path).map_err(|e| match e.kind() {
            // Another process started between the two.
            io::ErrorKind::AlreadyExists => cannot(io::ErrorKind::ResourceBusy.into()),
            _ => cannot(e),
        })?;
        lock(&file, &path).map_err(cannot)?;
        Ok(Self { file: PrivateFile { file, path, is_kept: false }, to: to.to_owned() })
    }

    /// Gives the file its name and syncs it. An existing file is never replaced.
    pub(in crate::cli) fn finish(mut self) -> io::Result<()> {
        self.file.file.sync_all()?;
        rename_to_free(&self.file.path, &self.to)?;
        self.file.is_kept = true;
        sync_folder_of(&self.to)
    }
}

impl Write for UnfinishedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn cannot_be_created(path: &Path, what: &str, error: &io::Error) -> CommandError {
    let why = match error.kind() {
        io::ErrorKind::AlreadyExists => "it already exists; move it away or choose another name".to_owned(),
        io::ErrorKind::ResourceBusy => "another process is writing it; wait for it or choose another name".to_owned(),
        io::ErrorKind::NotFound => "its folder does not exist; create it with mkdir".to_owned(),
        _ => error.to_string(),
    };
    CommandError::new(format!("{what} {} cannot be created: {why}.", path.display()))
}

/// Locks the file against deletion as a leftover, and fails if it has been deleted already.
fn lock(file: &File, path: &Path) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata().map(identity), fs::symlink_metadata(path).map(identity)) {
        (Ok(ours), Ok(named)) if ours == named => Ok(()),
        _ => Err(io::ErrorKind::ResourceBusy.into()),
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
            log::warn!("{} is not complete and cannot be deleted: {error}", self.path.display());
        }
    }
}
