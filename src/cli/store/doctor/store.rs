//! What the store itself says.

use super::Check;
use crate::cli::audit::check_chain;
use crate::cli::error::CommandError;
use crate::domain::Timestamp;
use crate::service::{AuditLog, Checkup, LedgerComparison, LedgerSummary, SCHEMA_VERSION};
use std::cmp::Ordering;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// For how long a store may rest before that looks strange, in days.
const LONG_REST_DAYS: i64 = 90;
/// How many of SQLite's complaints are repeated.
const SHOWN: usize = 3;

pub(super) fn pages(checkup: &Checkup, is_thorough: bool) -> Check {
    match checkup.complaints(is_thorough) {
        Err(error) => Check::failed("store", error),
        Ok(complaints) if complaints.is_empty() => Check::ok(
            "store",
            if is_thorough { "Every page, index and reference is right." } else { "Every page is whole." },
        ),
        Ok(complaints) => {
            let shown = complaints.iter().take(SHOWN).map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
            let mut shown: Vec<String> = shown.collect();
            if complaints.len() > SHOWN {
                shown.push(format!("and {} more", complaints.len() - SHOWN));
            }
            let advice = "Stop every process that uses it, keep a copy of it together with its -wal file, and restore a \
                          backup: keystead restore FILE.";
            Check::problem_with_details("store", "The file is damaged", &shown.join("; "), advice)
        }
    }
}

pub(super) fn schema(schema: u32) -> Check {
    match schema.cmp(&SCHEMA_VERSION) {
        Ordering::Equal => Check::ok("schema", format!("It is this version's, {schema}.")),
        Ordering::Less => {
            let finding = format!("It is an older version's, {schema}; this one's is {SCHEMA_VERSION}.");
            let advice = "Make a backup, then start the server: it brings the store up to date.";
            Check::warning("schema", finding, advice)
        }
        Ordering::Greater => {
            let finding = format!("It is a newer version's, {schema}; this one knows {SCHEMA_VERSION}.");
            Check::problem("schema", finding, "Run that version, or restore a backup that this one made.")
        }
    }
}

/// What keeps revoked keys dead when an older copy of the store is put back.
pub(super) fn ledger(checkup: &Checkup) -> Check {
    let what = "ledger";
    let (agreement, LedgerSummary { keys, damaged }) = match checkup.ledger() {
        Err(error) => return Check::failed(what, error),
        Ok(found) => found,
    };
    match agreement {
        LedgerComparison::Same => {
            Check::ok(what, format!("It is whole, and goes with the store; keys that it knows of: {keys}."))
        }
        LedgerComparison::Missing => Check::warning(
            what,
            "keystead.revoked is not there, so keys that were revoked would come back with an older backup.",
            "If you have it, stop the server and put it back beside the store. Else the server makes a new one from the store at its \
             start.",
        ),
        LedgerComparison::Ahead => Check::warning(
            what,
            "It is ahead of the store, which is an older copy, or lost its last commit.",
            "The next start of the server brings the store up to date.",
        ),
        LedgerComparison::Behind if damaged > 0 => Check::problem(
            what,
            format!(
                "keystead.revoked is damaged: {damaged} of its lines cannot be read. The store has all that they said."
            ),
            "The next start of the server makes it anew from the store. See to the disk.",
        ),
        LedgerComparison::Behind => Check::warning(
            what,
            "It lacks changes that the store has, or an earlier version wrote it.",
            "The next start of the server makes it anew from the store.",
        ),
        LedgerComparison::Forked => Check::warning(
            what,
            "It was written for another copy of this store.",
            "The next start of the server ends what either of them ended, and makes it anew from the store.",
        ),
        LedgerComparison::Damaged(why) => Check::problem(
            what,
            format!("keystead.revoked is damaged: {why}."),
            "The server does not start, since keys that were revoked might be good. Put a copy of it back that is whole. If \
             there is none, and this store is not an older copy, move it away: a new one is made from the store.",
        ),
    }
}

/// The machine's clock against the latest time that was written by it.
pub(super) fn clock(latest: Option<Timestamp>, now: Timestamp) -> Check {
    let Some(latest) = latest else { return Check::ok("clock", format!("It is {now}; nothing says otherwise.")) };
    let ahead_ms = latest.unix_ms() - now.unix_ms();
    if ahead_ms > MINUTE_MS {
        let finding = format!("It is {now}, but something was done at {latest}, which is yet to come.");
        let advice = "One of the two is wrong. Keys expire by this clock: set it right (timedatectl), then restart the \
                      server.";
        return Check::problem("clock", finding, advice);
    }
    let rest_days = -ahead_ms / DAY_MS;
    if rest_days > LONG_REST_DAYS {
        let finding = format!("It is {now}, and nothing has been done for {rest_days} days.");
        let advice = "If the store was used since, this clock is ahead, and keys have expired that should not: set it \
                      right (timedatectl), then restart the server.";
        return Check::warning("clock", finding, advice);
    }
    Check::ok("clock", format!("It is {now}, after all that was done."))
}

/// # Errors
/// Where it cannot be read.
pub(super) fn audit_log(log: &AuditLog) -> Result<Check, CommandError> {
    Ok(match check_chain(log)? {
        Ok((_, last, count)) => {
            Check::ok("audit log", format!("{count} events up to {}, all as they were written.", last.number))
        }
        Err(broken) => {
            let advice = "Somebody changed the file past Keystead, or the disk did: compare with a backup, and see \
                          docs/audit.md.";
            Check::problem("audit log", broken.to_string(), advice)
        }
    })
}
