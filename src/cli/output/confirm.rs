//! Prompts for confirmation before an action that cannot be undone.

use crate::cli::error::CommandError;
use crate::domain::escape_invisible;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// Asks for confirmation at a terminal. Without a terminal, `--yes` is required.
pub(in crate::cli) fn confirm(what: &str, is_confirmed: bool) -> Result<(), CommandError> {
    if is_confirmed {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(CommandError::new(format!(
            "{what} This cannot be undone; use --yes to confirm. Nothing was changed."
        )));
    }
    if ask(&format!("{what} This cannot be undone. Continue?"), "Nothing was changed.")? {
        return Ok(());
    }
    Err(CommandError::new("Nothing was changed."))
}

/// Asks a question at a terminal; any answer but yes means no.
///
/// # Errors
/// If the terminal cannot be read. `outcome` ends the sentence.
pub(in crate::cli) fn ask(question: &str, outcome: &str) -> Result<bool, CommandError> {
    let mut answer = String::new();
    let asked = write!(io::stderr(), "{} [y/N] ", escape_invisible(question));
    let asked = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
    asked.map_err(|e| CommandError::new(format!("The terminal cannot be read: {e}. {outcome}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
