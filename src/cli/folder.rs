//! The folder that the store is in.

use super::Failed;
use std::io;
use std::path::Path;

/// What to do about a folder that is not there.
pub(super) const MAKE: &str = "Make it with mkdir.";

pub(super) fn of(store: &Path) -> &Path {
    store.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// What is wrong with a folder that is not there.
pub(super) fn absent(folder: &Path) -> String {
    format!("The folder {} is not there.", folder.display())
}

/// Makes sure that there is one, before anything is made in it.
pub(super) fn expect(store: &Path) -> Result<(), Failed> {
    let folder = of(store);
    match folder.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
            Err(Failed::new(format!("{} {MAKE}", absent(&folder))))
        }
        // What else is wrong with it, whoever opens the store finds out.
        _ => Ok(()),
    }
}
