//! Files beside the store whose names are the store's name and a suffix.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The store's path with this suffix.
pub(in crate::store) fn companion(store: &Path, suffix: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens a file for reading; `None` where it does not exist.
///
/// # Errors
/// As [`is_regular`].
pub(in crate::store) fn open_regular(path: &Path) -> io::Result<Option<File>> {
    if is_regular(path)? { File::open(path).map(Some) } else { Ok(None) }
}

/// Whether the file exists.
///
/// # Errors
/// Where the path is not a regular file (reading might never end) or is a dangling link: its target may be on a disk
/// that is not mounted.
pub(in crate::store) fn is_regular(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(true),
        Ok(_) => Err(io::Error::other("it is not a regular file")),
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Err(_) if path.is_symlink() => Err(io::Error::other("it is a link that leads nowhere")),
        Err(_) => Ok(false),
    }
}
