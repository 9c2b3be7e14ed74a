//! New files that nobody else may read.

use crate::cli::error::CommandError;
use crate::file_names::{rename_to_free, sync_folder_of};
use crate::service::{PARTIAL_SUFFIX, remove_partial_backup};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A new file. It is removed when dropped, unless it was kept.
pub(in crate::cli) struct PrivateFile {
    file: File,
    path: PathBuf,
    is_kept: bool,
}

impl PrivateFile {
    /// Creates a file that must not exist yet, with mode 0600. `what` it is begins the sentence of a failure: "The key file".
    pub(in crate::cli) fn create(path: &Path, what: &str) -> Result<Self, CommandError> {
        let file = create_new(path).map_err(|e| cannot_be_created(path, what, &e))?;
        Ok(Self { file, path: path.to_owned(), is_kept: false })
    }

    /// Brings what was written to the disk, and the file's name with it.
    pub(in crate::cli) fn sync(&self) -> io::Result<()> {
        self.file.sync_all().and_then(|()| sync_folder_of(&self.path))
    }

    /// The file stays.
    pub(in crate::cli) fn keep(mut self) {
        self.is_kept = true;
    }
}

/// A new file that gets its name once it is whole: until then it lies beside it under a name that says so. Whatever ends the
/// process before leaves nothing that could be taken for the whole, and nothing that stands in the way of the next attempt.
pub(in crate::cli) struct UnfinishedFile {
    /// It is locked for as long as this is there, so that nobody takes it for what was left.
    file: PrivateFile,
    to: PathBuf,
}

impl UnfinishedFile {
    /// Begins a file that must not exist yet, in the place of what an earlier attempt left; as [`PrivateFile::create`].
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
            // Somebody else began between the two.
            io::ErrorKind::AlreadyExists => cannot(io::ErrorKind::ResourceBusy.into()),
            _ => cannot(e),
        })?;
        lock(&file, &path).map_err(cannot)?;
        Ok(Self { file: PrivateFile { file, path, is_kept: false }, to: to.to_owned() })
    }

    /// Gives it its name; on disk when this returns. Nobody's file is replaced.
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
        io::ErrorKind::AlreadyExists => "it exists already; move it away or name another".to_owned(),
        io::ErrorKind::ResourceBusy => "somebody else is writing it; wait for them or name another".to_owned(),
        _ => error.to_string(),
    };
    CommandError::new(format!("{what} {} cannot be created: {why}.", path.display()))
}

/// Makes sure that nobody takes the file for what was left, and that nobody has done so.
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
            log::warn!("{} is not complete and cannot be removed: {error}", self.path.display());
        }
    }
}
