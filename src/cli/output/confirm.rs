//! Asking at a terminal before something that cannot be undone.

use crate::cli::error::CommandError;
use crate::domain::escape_invisible;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// Asks at a terminal whether to do what cannot be undone. Elsewhere nobody is there to ask, and only `--yes` lets it
/// happen.
pub(in crate::cli) fn confirm(what: &str, is_confirmed: bool) -> Result<(), CommandError> {
    if is_confirmed {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(CommandError::new(format!(
            "{what} This cannot be undone: say --yes to do it. Nothing was changed."
        )));
    }
    if ask(&format!("{what} This cannot be undone. Do it?"), "Nothing was changed.")? {
        return Ok(());
    }
    Err(CommandError::new("Nothing was changed."))
}

/// Asks at a terminal; anything but yes is no.
///
/// # Errors
/// Where the terminal gives no answer, with `outcome` as what came of it.
pub(in crate::cli) fn ask(question: &str, outcome: &str) -> Result<bool, CommandError> {
    let mut answer = String::new();
    let asked = write!(io::stderr(), "{} [y/N] ", escape_invisible(question));
    let asked = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
    asked.map_err(|e| CommandError::new(format!("The terminal gives no answer: {e}. {outcome}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
