//! Changing a store that a server may have open.

use super::{Failed, open_service};
use crate::config::Config;
use crate::domain::escape_invisible;
use crate::service::Service;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// Makes a change; when this returns, it is in force everywhere, also at a server that is stopped just now: it believes
/// nothing any more that it read before.
pub(super) async fn change<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Service) -> Result<T, Failed>,
) -> Result<T, Failed> {
    let service = open_service(config)?;
    let outcome = work(&service).await;
    if outcome.is_ok() {
        service.wait_for_other_processes().await;
    }
    service.close().await;
    outcome
}

/// Asks at a terminal whether to do what cannot be undone. Elsewhere nobody is there to ask, and only `--yes` lets it
/// happen.
pub(super) fn confirm(what: &str, is_confirmed: bool) -> Result<(), Failed> {
    if is_confirmed {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failed::new(format!("{what} This cannot be undone: say --yes to do it. Nothing was changed.")));
    }
    if ask(&format!("{what} This cannot be undone. Do it?"), "Nothing was changed.")? {
        return Ok(());
    }
    Err(Failed::new("Nothing was changed."))
}

/// Asks at a terminal; anything but yes is no.
///
/// # Errors
/// Where the terminal gives no answer, with `outcome` as what came of it.
pub(super) fn ask(question: &str, outcome: &str) -> Result<bool, Failed> {
    let mut answer = String::new();
    let asked = write!(io::stderr(), "{} [y/N] ", escape_invisible(question));
    let asked = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
    asked.map_err(|e| Failed::new(format!("The terminal gives no answer: {e}. {outcome}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
