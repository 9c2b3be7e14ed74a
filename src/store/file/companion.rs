//! The files beside the store.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The file whose name is the store's and this.
pub(in crate::store) fn companion(store: &Path, suffix: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens a file to read it; `None` where there is none.
///
/// # Errors
/// As [`is_regular`].
pub(in crate::store) fn open_regular(path: &Path) -> io::Result<Option<File>> {
    if is_regular(path)? { File::open(path).map(Some) } else { Ok(None) }
}

/// Whether there is a file.
///
/// # Errors
/// Where there is something else, which might be read without end, or a link that leads nowhere: what it leads to may be on a disk
/// that is not there just now.
pub(in crate::store) fn is_regular(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(true),
        Ok(_) => Err(io::Error::other("it is not a regular file")),
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Err(_) if path.is_symlink() => Err(io::Error::other("it is a link that leads nowhere")),
        Err(_) => Ok(false),
    }
}
