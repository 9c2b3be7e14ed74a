//! Compares the store with its ledger: which of the two has commits that the other lacks.

use super::error::unusable;
use super::mark::read_mark;
use crate::domain::{Error, Link, Result};
use crate::store::file::ledger::LedgerComparison;
use crate::store::sqlite::audit;
use crate::store::sqlite::ledger::{Contents, Ledger, LedgerRead, Mark};
use rusqlite::Connection;
use std::time::Duration;

/// How long a commit may take that the ledger knows of already.
pub(in crate::store::sqlite) const PAUSE: Duration = Duration::from_millis(50);
/// How often that is waited for.
pub(in crate::store::sqlite) const LOOKS: usize = 3;
const NO_LEDGER: &str = "it is no ledger of revoked keys, or its beginning is damaged";

/// How the ledger goes with the store, and how many of its lines cannot be read.
pub(in crate::store::sqlite) fn compare(connection: &Connection, ledger: &Ledger) -> Result<(LedgerComparison, usize)> {
    let noted = read_mark(connection)?;
    let contents = match ledger.look(noted).map_err(|e| unusable(ledger, e))? {
        LedgerRead::Missing => return Ok((LedgerComparison::Missing, 0)),
        LedgerRead::Unreadable => return Ok((LedgerComparison::Damaged(NO_LEDGER.to_owned()), 0)),
        LedgerRead::Contents(contents) => contents,
    };
    let Contents { last, contradicts, damaged, latest, .. } = contents;
    let comparison = if last == noted && contents.is_whole() && is_consistent(connection, noted)? {
        LedgerComparison::Same
    } else if latest == Some(Mark::START) && noted != Mark::START {
        LedgerComparison::Damaged("all but its beginning is gone".to_owned())
    } else if contradicts && damaged == 0 {
        LedgerComparison::Forked
    } else if has_commit(connection, noted, last)?
        && latest.map_or(Ok(false), |latest| has_commit(connection, noted, latest))?
    {
        LedgerComparison::Behind
    } else if damaged == 0 {
        LedgerComparison::Ahead
    } else {
        lost(&contents)
    };
    Ok((comparison, damaged))
}

/// A store that has events and no note is of an earlier version, and so is what it was last written with.
fn is_consistent(connection: &Connection, noted: Mark) -> Result<bool> {
    Ok(noted != Mark::START || audit::head(connection)?.is_none())
}

/// The same where there is no store.
pub(in crate::store::sqlite) fn compare_with_nothing(ledger: &Ledger) -> Result<LedgerComparison> {
    Ok(match ledger.look(Mark::START).map_err(|e| unusable(ledger, e))? {
        LedgerRead::Missing => LedgerComparison::Missing,
        LedgerRead::Unreadable => LedgerComparison::Damaged(NO_LEDGER.to_owned()),
        LedgerRead::Contents(contents) if contents.damaged > 0 => lost(&contents),
        LedgerRead::Contents(_) => LedgerComparison::Ahead,
    })
}

/// The same beside a server, which may be between the two commits, or between the looks at the two.
pub(in crate::store::sqlite) fn compare_patiently(
    connection: &Connection,
    ledger: &Ledger,
) -> Result<(LedgerComparison, usize)> {
    let mut compared = compare(connection, ledger)?;
    for _ in 0..LOOKS {
        if matches!(compared.0, LedgerComparison::Same | LedgerComparison::Missing) {
            break;
        }
        std::thread::sleep(PAUSE);
        compared = compare(connection, ledger)?;
    }
    Ok(compared)
}

fn lost(Contents { last, latest, damaged, .. }: &Contents) -> LedgerComparison {
    if *latest == Some(*last) {
        LedgerComparison::Damaged(format!(
            "{damaged} of its lines cannot be read, and the store may not have what they said"
        ))
    } else {
        LedgerComparison::Damaged("its end is damaged or cut off, and the store may not have what it said".to_owned())
    }
}

/// Whether the store cannot be believed without its ledger: that knows of something that the store does not.
///
/// # Errors
/// [`Error::Unavailable`] also where the ledger cannot be read, so that nobody knows.
pub(in crate::store::sqlite) fn is_behind(connection: &Connection, ledger: &Ledger) -> Result<bool> {
    match compare_patiently(connection, ledger)?.0 {
        LedgerComparison::Same | LedgerComparison::Missing | LedgerComparison::Behind => Ok(false),
        LedgerComparison::Ahead | LedgerComparison::Forked => Ok(true),
        LedgerComparison::Damaged(why) => Err(unusable(ledger, why)),
    }
}

/// Whether a store that noted this commit last has another one.
pub(super) fn has_commit(connection: &Connection, noted: Mark, commit: Mark) -> Result<bool> {
    // The earlier form has no numbers, and neither has a store of an earlier version.
    if noted.commit > 0 && commit.commit > 0 {
        // Another one of the same number was written apart from this store.
        Ok(commit.commit < noted.commit || commit == noted)
    } else {
        has_event(connection, commit)
    }
}

/// Whether the store has, or had, the event that the commit ends with. Where it was pruned, the store is a later one.
pub(in crate::store::sqlite) fn has_event(connection: &Connection, Mark { event, hash, .. }: Mark) -> Result<bool> {
    if let Some(event) = audit::link(connection, event)? {
        return Ok(event.hash.as_bytes().starts_with(&hash));
    }
    match audit::start(connection) {
        Ok(start) => Ok(event <= start.number),
        // A broken audit log is told by whoever checks it, and is no reason to be left without a store.
        Err(Error::Internal(_)) => Ok(event <= Link::START.number),
        Err(error) => Err(error),
    }
}
