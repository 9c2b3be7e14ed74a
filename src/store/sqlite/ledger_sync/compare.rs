//! Compares the store with its ledger: which of the two has commits that the other lacks.

use super::error::unusable;
use super::mark::read_mark;
use crate::domain::{Error, Link, Result};
use crate::store::file::ledger::LedgerComparison;
use crate::store::sqlite::audit;
use crate::store::sqlite::ledger::{Contents, Ledger, LedgerRead, Mark};
use rusqlite::Connection;
use std::time::Duration;

/// How long to wait for a commit that the ledger has already.
pub(in crate::store::sqlite) const PAUSE: Duration = Duration::from_millis(50);
/// How many times to wait.
pub(in crate::store::sqlite) const LOOKS: usize = 3;
const NO_LEDGER: &str = "it is not a ledger of revoked keys, or its beginning is damaged";

/// Compares store and ledger; also returns how many ledger lines cannot be read.
pub(in crate::store::sqlite) fn compare(connection: &Connection, ledger: &Ledger) -> Result<(LedgerComparison, usize)> {
    let noted = read_mark(connection)?;
    let contents = match ledger.read_summary(noted).map_err(|e| unusable(ledger, e))? {
        LedgerRead::Missing => return Ok((LedgerComparison::Missing, 0)),
        LedgerRead::Unreadable => return Ok((LedgerComparison::Damaged(NO_LEDGER.to_owned()), 0)),
        LedgerRead::Contents(contents) => contents,
    };
    let Contents { last, contradicts, damaged, latest, .. } = contents;
    let comparison = if last == noted && contents.is_whole() && is_consistent(connection, noted)? {
        LedgerComparison::Same
    } else if latest == Some(Mark::START) && noted != Mark::START {
        LedgerComparison::Damaged("everything but its beginning is missing".to_owned())
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

/// A store with events and no note is of an earlier version.
fn is_consistent(connection: &Connection, noted: Mark) -> Result<bool> {
    Ok(noted != Mark::START || audit::head(connection)?.is_none())
}

/// The same where the store does not exist.
pub(in crate::store::sqlite) fn compare_with_nothing(ledger: &Ledger) -> Result<LedgerComparison> {
    Ok(match ledger.read_summary(Mark::START).map_err(|e| unusable(ledger, e))? {
        LedgerRead::Missing => LedgerComparison::Missing,
        LedgerRead::Unreadable => LedgerComparison::Damaged(NO_LEDGER.to_owned()),
        LedgerRead::Contents(contents) if contents.damaged > 0 => lost(&contents),
        LedgerRead::Contents(_) => LedgerComparison::Ahead,
    })
}

/// The same beside a server, which may be between its ledger append and its commit.
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
            "{damaged} of its lines cannot be read, and the store may lack what they recorded"
        ))
    } else {
        LedgerComparison::Damaged("its end is damaged or cut off, and the store may lack what it recorded".to_owned())
    }
}

/// Whether the ledger has changes that the store lacks, so that the store must not be trusted alone.
///
/// # Errors
/// [`Error::Unavailable`] also where the ledger cannot be read, so that this is unknown.
pub(in crate::store::sqlite) fn is_behind(connection: &Connection, ledger: &Ledger) -> Result<bool> {
    match compare_patiently(connection, ledger)?.0 {
        LedgerComparison::Same | LedgerComparison::Missing | LedgerComparison::Behind => Ok(false),
        LedgerComparison::Ahead | LedgerComparison::Forked => Ok(true),
        LedgerComparison::Damaged(why) => Err(unusable(ledger, why)),
    }
}

/// Whether a store whose last noted commit is `noted` has this commit.
pub(super) fn has_commit(connection: &Connection, noted: Mark, commit: Mark) -> Result<bool> {
    // Neither ledgers of the earlier format nor stores of an earlier version have commit numbers.
    if noted.commit > 0 && commit.commit > 0 {
        // Another commit with the same number was written separately from this store.
        Ok(commit.commit < noted.commit || commit == noted)
    } else {
        has_event(connection, commit)
    }
}

/// Whether the store has, or had, the commit's last event. Where the event was pruned, the store is the later one.
pub(in crate::store::sqlite) fn has_event(connection: &Connection, Mark { event, hash, .. }: Mark) -> Result<bool> {
    if let Some(event) = audit::link(connection, event)? {
        return Ok(event.hash.as_bytes().starts_with(&hash));
    }
    match audit::start(connection) {
        Ok(start) => Ok(event <= start.number),
        // A broken audit log is reported by its check; it must not keep the store from opening.
        Err(Error::Internal(_)) => Ok(event <= Link::START.number),
        Err(error) => Err(error),
    }
}
