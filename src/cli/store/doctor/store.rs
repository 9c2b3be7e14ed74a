//! The content of the store: pages, schema, ledger, clock and audit log.

use super::Check;
use crate::cli::audit::check_chain;
use crate::cli::error::CommandError;
use crate::domain::Timestamp;
use crate::service::{AuditLog, Checkup, LedgerComparison, LedgerSummary, SCHEMA_VERSION};
use std::cmp::Ordering;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// After how many days without a change `doctor` doubts the clock.
const LONG_REST_DAYS: i64 = 90;
/// How many of SQLite's error messages are shown.
const MAX_SHOWN: usize = 3;

pub(super) fn pages(checkup: &Checkup, is_thorough: bool) -> Check {
    match checkup.complaints(is_thorough) {
        Err(error) => Check::failed("store", error),
        Ok(complaints) if complaints.is_empty() => Check::ok(
            "store",
            if is_thorough { "Every page, index and reference is intact." } else { "Every page is intact." },
        ),
        Ok(complaints) => {
            let shown =
                complaints.iter().take(MAX_SHOWN).map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
            let mut shown: Vec<String> = shown.collect();
            if complaints.len() > MAX_SHOWN {
                shown.push(format!("and {} more", complaints.len() - MAX_SHOWN));
            }
            let advice = "Stop every process that uses the store, keep a copy of it together with its -wal file, and restore a \
                      backup: keystead restore FILE.";
            Check::problem_with_details("store", "The file is damaged", &shown.join("; "), advice)
        }
    }
}

pub(super) fn schema(schema: u32) -> Check {
    match schema.cmp(&SCHEMA_VERSION) {
        Ordering::Equal => Check::ok("schema", format!("It is the one of this version, {schema}.")),
        Ordering::Less => {
            let finding = format!("It is the one of an older version, {schema}; this version's is {SCHEMA_VERSION}.");
            let advice = "Make a backup, then start the server, which migrates the store.";
            Check::warning("schema", finding, advice)
        }
        Ordering::Greater => {
            let finding = format!("It is the one of a newer version, {schema}; this version knows {SCHEMA_VERSION}.");
            Check::problem("schema", finding, "Run the newer version, or restore a backup that this version made.")
        }
    }
}

fn counted(keys: usize) -> String {
    if keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") }
}

/// Checks the ledger, which keeps revoked keys revoked when an older copy of the store is put back.
pub(super) fn ledger(checkup: &Checkup) -> Check {
    let what = "ledger";
    let (agreement, LedgerSummary { keys, damaged }) = match checkup.ledger() {
        Err(error) => return Check::failed(what, error),
        Ok(found) => found,
    };
    match agreement {
        LedgerComparison::Same => {
            Check::ok(what, format!("It is intact and matches the store; it records {}.", counted(keys)))
        }
        LedgerComparison::Missing => Check::warning(
            what,
            "keystead.revoked is missing, so an older backup would make revoked keys valid again.",
            "If you have it, stop the server and put it back beside the store. Otherwise the server creates a new one from the store when it \
            starts.",
        ),
        LedgerComparison::Ahead => Check::warning(
            what,
            "It is ahead of the store: the store is an older copy, or lost its last commit.",
            "The server updates the store when it starts.",
        ),
        LedgerComparison::Behind if damaged > 0 => Check::problem(
            what,
            format!(
                "keystead.revoked is damaged: {damaged} of its lines cannot be read. The store has all of their content."
            ),
            "The server rewrites it from the store when it starts. Check the disk.",
        ),
        LedgerComparison::Behind => Check::warning(
            what,
            "It lacks changes that the store has, or an earlier version wrote it.",
            "The server rewrites it from the store when it starts.",
        ),
        LedgerComparison::Forked => Check::warning(
            what,
            "It was written for another copy of this store.",
            "When the server starts, it revokes what either of them revoked, and rewrites the ledger from the store.",
        ),
        LedgerComparison::Damaged(why) => Check::problem(
            what,
            format!("keystead.revoked is damaged: {why}."),
            "The server does not start, since revoked keys might be valid. Put an intact copy of it back. If \
            there is none, and this store is not an older copy, move it away: the server then creates a new one from the store.",
        ),
    }
}

/// Compares the machine's clock with the latest time in the store.
pub(super) fn clock(latest: Option<Timestamp>, now: Timestamp) -> Check {
    let Some(latest) = latest else {
        return Check::ok("clock", format!("It is {now}; the store has no time to compare."));
    };
    let ahead_ms = latest.unix_ms() - now.unix_ms();
    if ahead_ms > MINUTE_MS {
        let finding = format!("It is {now}, but the latest change is from {latest}, which is in the future.");
        let advice = "One of the two is wrong. Keys expire by this clock: set it right (timedatectl), then restart the \
                      server.";
        return Check::problem("clock", finding, advice);
    }
    let rest_days = -ahead_ms / DAY_MS;
    if rest_days > LONG_REST_DAYS {
        let finding = format!("It is {now}, and there was no change for {rest_days} days.");
        let advice = "If the store was used since, this clock is ahead, and keys have expired too early: set it \
                      right (timedatectl), then restart the server.";
        return Check::warning("clock", finding, advice);
    }
    Check::ok("clock", format!("It is {now}, later than every change."))
}

/// # Errors
/// If the log cannot be read.
pub(super) fn audit_log(log: &AuditLog) -> Result<Check, CommandError> {
    Ok(match check_chain(log)? {
        Ok((_, last, count)) => Check::ok("audit log", format!("{count} events up to {}, all intact.", last.number)),
        Err(broken) => {
            let advice = "The file was changed without Keystead, or the disk is damaged: compare with a backup, and see \
                          docs/audit.md.";
            Check::problem("audit log", broken.to_string(), advice)
        }
    })
}
