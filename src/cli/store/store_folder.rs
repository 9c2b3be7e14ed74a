//! The folder that the store is in.

use crate::cli::error::CommandError;
use std::io;
use std::path::Path;

/// What to do about a folder that is not there.
pub(in crate::cli) const MKDIR_ADVICE: &str = "Make it with mkdir.";

pub(in crate::cli) fn of_store(store: &Path) -> &Path {
    store.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// What is wrong with a folder that is not there.
pub(in crate::cli) fn missing(folder: &Path) -> String {
    format!("The folder {} is not there.", folder.display())
}

/// Makes sure that there is one, before anything is made in it.
pub(in crate::cli) fn require(store: &Path) -> Result<(), CommandError> {
    let folder = of_store(store);
    match folder.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
            Err(CommandError::new(format!("{} {MKDIR_ADVICE}", missing(&folder))))
        }
        // What else is wrong with it, whoever opens the store finds out.
        _ => Ok(()),
    }
}
