//! Keys in files: handing one over, and reading one.

use super::Failed;
use crate::domain::Secret;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// No key file that we read is larger, in bytes.
const KEY_FILE_LIMIT: u64 = 4096;

/// A new file that holds a key. It goes again when dropped, unless it was kept.
pub(super) struct KeyFile {
    path: PathBuf,
    is_kept: bool,
}

impl KeyFile {
    /// Writes the key to a file that must not exist yet and that nobody else may read; it is on disk when this returns.
    pub(super) fn create(path: &Path, secret: &Secret) -> Result<Self, Failed> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| {
            let why = match e.kind() {
                io::ErrorKind::AlreadyExists => "it exists already; move it away or name another".to_owned(),
                _ => e.to_string(),
            };
            let path = path.display();
            Failed::new(format!("The key file {path} cannot be created: {why}. No key was made or changed."))
        })?;
        let key_file = Self { path: path.to_owned(), is_kept: false };
        let line = Zeroizing::new(format!("{}\n", secret.expose()));
        let folder = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(|e| Failed::new(format!("The key file {} cannot be written: {e}.", path.display())))?;
        Ok(key_file)
    }

    /// The key is good: the file stays.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            log::warn!("{} holds a key that was never good and cannot be removed: {error}", self.path.display());
        }
    }
}

/// What is in a file with a key; '-' is standard input.
pub(super) fn read_key(file: &Path) -> Result<Zeroizing<String>, Failed> {
    let mut text = Zeroizing::new(String::new());
    let read = if file == Path::new("-") {
        io::stdin().lock().take(KEY_FILE_LIMIT).read_to_string(&mut text)
    } else {
        File::open(file).and_then(|file| file.take(KEY_FILE_LIMIT).read_to_string(&mut text))
    };
    read.map_err(|e| Failed::new(format!("The key file {} cannot be read: {e}.", file.display())))?;
    Ok(text)
}
