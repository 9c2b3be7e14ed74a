//! `keystead restore`: replaces the store with a backup. Revoked keys stay revoked.

use crate::cli::error::CommandError;
use crate::cli::output;
use crate::cli::output::progress;
use crate::cli::store::backup::show;
use crate::cli::store::open::service_options;
use crate::cli::store::store_folder;
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::service::{Restoration, restore};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

const HELP: &str = "Keys that were revoked, deactivated, rotated or limited since the backup keep their latest state:\nthe \
    ledger beside the store, keystead.revoked, records it. Stop the server first.\nThe replaced store is kept beside \
    the new one.\n\nExample:\n  keystead restore /mnt/backups/keystead-2026-11-24.db";

/// The warning after a restore without an intact ledger.
const NO_LEDGER: &str = "Keys that were revoked or restricted since then may be as they were before.\n\
    Check the output of keystead keys list, and revoke the keys that must not be valid.\n";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(in crate::cli) struct RestoreArguments {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Continue although keystead.revoked is missing or damaged; revoked keys may become valid again
    #[arg(long)]
    without_ledger: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) fn run(config: &Config, arguments: RestoreArguments) -> Result<(), CommandError> {
    let RestoreArguments { file: from, without_ledger, json } = arguments;
    store_folder::require(&config.store.path)?;
    let bar = progress::bar(Some(0), "pages");
    let what = Restoration { from, without_ledger };
    let restored =
        restore(&service_options(config)?.store, &what, clock_and_random::now(), &mut |progress| show(&bar, progress));
    bar.finish_and_clear();
    let restored = restored?;
    let store = &config.store.path;
    if without_ledger {
        log::warn!("restored without an intact ledger: keys that were revoked since the backup may be valid again");
    }
    if json {
        let object = json!({
            "store": std::path::absolute(store).unwrap_or_else(|_| store.clone()),
            "apiKeys": restored.backup.keys,
            "head": restored.backup.head.to_string(),
            "changedByLedger": restored.changed,
            "replaced": restored.replaced,
        });
        return output::print_json(&object);
    }
    let replaced = restored.replaced.map(|it| format!("The replaced store is kept as {}.\n", it.display()));
    // Restricted: deactivated, rotated, rate-limited, limited to addresses, or given an earlier expiry.
    let done = "revoked or restricted since then";
    let changed = match restored.changed {
        // Without an intact ledger, the number is unknown.
        0 if without_ledger => String::new(),
        0 => format!("; none of them was {done}"),
        1 => format!("; 1 of them was {done}, and is so again"),
        changed => format!("; {changed} of them were {done}, and are so again"),
    };
    output::print(&format!(
        "{} is restored: {} keys as of event {} of the audit log{changed}.\n{}{}",
        store.display(),
        restored.backup.keys,
        restored.backup.head.number,
        if without_ledger { NO_LEDGER } else { "" },
        replaced.unwrap_or_default()
    ))
}
