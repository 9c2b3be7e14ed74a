//! Files that hold one key: writing and reading them.

use crate::cli::error::{CommandError, why};
use crate::cli::system::private_file::PrivateFile;
use crate::domain::Secret;
use std::fs::File;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::path::Path;
use zeroize::Zeroizing;

/// The largest key file that is read, in bytes.
const KEY_FILE_LIMIT: u64 = 4096;

/// A new file that holds a key. It is deleted when dropped, unless [`KeyFile::keep`] was called.
pub(in crate::cli) struct KeyFile(PrivateFile);

impl KeyFile {
    /// Writes the key to a new file that only its owner can read, and syncs it.
    pub(in crate::cli) fn create(path: &Path, secret: &Secret) -> Result<Self, CommandError> {
        let mut file = PrivateFile::create(path, "The key file")
            .map_err(|e| CommandError::new(format!("{e} No key was created or changed.")))?;
        let line = Zeroizing::new(format!("{}\n", secret.expose()));
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync())
            .map_err(|e| CommandError::new(format!("The key file {} cannot be written: {e}.", path.display())))?;
        Ok(Self(file))
    }

    /// Keeps the file: the key in it is valid now.
    pub(in crate::cli) fn keep(self) {
        self.0.keep();
    }
}

/// Reads a line of standard input. Blocks.
pub(in crate::cli) fn read_line() -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().take(KEY_FILE_LIMIT).read_line(&mut line)?;
    Ok(line)
}

/// Reads a file with a key; `-` is standard input.
pub(in crate::cli) fn read_key(file: &Path) -> Result<Zeroizing<String>, CommandError> {
    let mut text = Zeroizing::new(String::new());
    let read = if file == Path::new("-") {
        io::stdin().lock().take(KEY_FILE_LIMIT).read_to_string(&mut text)
    } else {
        File::open(file).and_then(|file| file.take(KEY_FILE_LIMIT).read_to_string(&mut text))
    };
    read.map_err(|e| CommandError::new(format!("The key file {} cannot be read: {}.", file.display(), why(&e))))?;
    Ok(text)
}
