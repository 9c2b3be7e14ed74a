//! The folder of the store.

use crate::cli::error::CommandError;
use std::io;
use std::path::Path;

/// The advice for a missing folder.
pub(in crate::cli) const MKDIR_ADVICE: &str = "Create it with mkdir.";

pub(in crate::cli) fn of_store(store: &Path) -> &Path {
    store.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// The finding for a missing folder.
pub(in crate::cli) fn missing(folder: &Path) -> String {
    format!("The folder {} does not exist.", folder.display())
}

/// Fails if the folder is missing.
pub(in crate::cli) fn require(store: &Path) -> Result<(), CommandError> {
    let folder = of_store(store);
    match folder.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
            Err(CommandError::new(format!("{} {MKDIR_ADVICE}", missing(&folder))))
        }
        // Opening the store reports any other problem.
        _ => Ok(()),
    }
}
