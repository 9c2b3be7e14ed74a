//! Changing a store that a server may have open.

use super::{Failed, open_service};
use crate::config::Config;
use crate::service::Service;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// For how long a change that is done may wait for a server that brings its log into the file.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes a change; when this returns, it is in force everywhere.
pub(super) async fn change<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Service) -> Result<T, Failed>,
) -> Result<T, Failed> {
    let service = open_service(config)?;
    let outcome = work(&service).await;
    if outcome.is_ok() && timeout(PATIENCE, wait_for_servers(config, &service)).await.is_err() {
        log::warn!(
            "it is done, but another process has been bringing the store's log into its file for {} seconds; a server may not \
             know of it before that ends",
            PATIENCE.as_secs()
        );
    }
    service.close().await;
    outcome
}

/// A running server believes what it remembers of a key until it looks for what other processes committed, which it does
/// every `store.watch_interval_ms`. Whoever is told that a key is revoked must be able to rely on it, so nothing is said
/// before the server has looked: once would do on an idle machine, twice leaves room for a look that is late. It does not look
/// while it brings its log into the file, which takes seconds where the log is large; it may begin with that at any time, so
/// it is asked for again at the end.
async fn wait_for_servers(config: &Config, service: &Service) {
    let interval = Duration::from_millis(config.store.watch_interval_ms);
    loop {
        while is_busy(service).await {
            sleep(interval).await;
        }
        sleep(2 * interval).await;
        if !is_busy(service).await {
            return;
        }
    }
}

/// Whether somebody else brings the log into the file. Where nobody does, this does: what is in, no server has to bring in.
async fn is_busy(service: &Service) -> bool {
    let is_in = service.bring_log_in().await;
    !is_in.unwrap_or_else(|error| {
        log::warn!("it is not known whether a server is bringing its log into the file: {error}");
        true
    })
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
    let mut answer = String::new();
    let asked = write!(io::stderr(), "{what} This cannot be undone. Do it? [y/N] ");
    let asked = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
    asked.map_err(|e| Failed::new(format!("The terminal gives no answer: {e}. Nothing was changed.")))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failed::new("Nothing was changed.")),
    }
}
