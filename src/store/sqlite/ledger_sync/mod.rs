//! Keeps the store and its ledger of revocations in step.
//!
//! The ledger counts its commits, and the store notes the last one in the same transaction ([`Mark`]). So each shows
//! whether the other is older:
//!
//! - Same commit: neither lacks anything.
//! - The ledger is ahead: the store is an older copy, or lost its last commit in a crash before any caller was
//!   answered. The later ledger lines are replayed.
//! - The ledger is behind, damaged or missing: it is an older copy, or lost its end. It is rebuilt from the store,
//!   which has all that it recorded.
//! - Different commits with one number: both were written to separately. What either of them ended is ended, and the
//!   ledger is rebuilt.
//! - The ledger is damaged and may have been ahead: what is missing is unknown, so the store is not opened.
//!
//! A store of an earlier version has no such note. It has a commit if it has, or had, the commit's last event.

mod apply;
mod compare;
mod error;
mod mark;
mod rebuild;
mod source_rows;

pub(super) use apply::{apply, raise_numbers};
pub(super) use compare::{LOOKS, PAUSE, compare, compare_patiently, compare_with_nothing, is_behind};
pub(super) use error::{SyncError, unusable};
pub(super) use mark::{read_mark, write_last_mark, write_mark};
pub(super) use rebuild::rebuild;

#[cfg(test)]
pub(super) use compare::has_event;

use super::audit;
use super::digest_index::DigestIndex;
use super::ledger::{Contents, Ledger, LedgerRead, Mark};
use super::migrations;
use crate::domain::{Result, Timestamp};
use crate::store::file::ledger::LedgerComparison;
use apply::catch_up;
use error::emptied;
use rusqlite::{Connection, TransactionBehavior};

/// Replays the ledger or rebuilds it, whichever of store and ledger is the older one. Creates a missing ledger.
pub(super) fn synchronize(
    connection: &mut Connection,
    index: &DigestIndex,
    ledger: &mut Ledger,
    now: Timestamp,
) -> Result<()> {
    if let (LedgerComparison::Same, _) = compare(connection, ledger)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Compared again under the write lock: another process may have been between its ledger append and its commit.
    let (comparison, damaged) = compare(&transaction, ledger)?;
    expect_not_emptied(&transaction, ledger, &comparison)?;
    match &comparison {
        LedgerComparison::Same => return Ok(()),
        LedgerComparison::Damaged(why) => return Err(unusable(ledger, why)),
        LedgerComparison::Ahead => catch_up(&transaction, index, ledger, now)?,
        LedgerComparison::Missing | LedgerComparison::Behind | LedgerComparison::Forked => {
            log_rebuild(&transaction, ledger, &comparison, damaged)?;
            // What the ledger ended is ended, whichever of the two is older.
            apply(&transaction, index, ledger, &comparison, now)?;
            let made = rebuild(&transaction, ledger, true)?;
            write_mark(&transaction, made)?;
        }
    }
    Ok(transaction.commit()?)
}

/// Checks, before a new store is created, that it may be created beside this ledger.
///
/// # Errors
/// The error that [`synchronize`] would return for the new store.
pub(super) fn expect_new_store_allowed(ledger: &Ledger) -> Result<()> {
    let new = Connection::open_in_memory()?;
    migrations::migrate(&new, 0)?;
    let (comparison, _) = compare(&new, ledger)?;
    expect_not_emptied(&new, ledger, &comparison)?;
    match comparison {
        LedgerComparison::Damaged(why) => Err(unusable(ledger, why)),
        _ => Ok(()),
    }
}

/// A store without events does not belong to a ledger with commits.
fn expect_not_emptied(connection: &Connection, ledger: &Ledger, comparison: &LedgerComparison) -> Result<()> {
    if !matches!(comparison, LedgerComparison::Missing) && audit::head(connection)?.is_none() && has_commits(ledger)? {
        return Err(emptied(ledger));
    }
    Ok(())
}

fn has_commits(ledger: &Ledger) -> Result<bool> {
    let found = ledger.read_summary(Mark::START).map_err(|e| unusable(ledger, e))?;
    Ok(matches!(found, LedgerRead::Contents(Contents { last, .. }) if last != Mark::START))
}

/// Logs why the ledger is rebuilt, where an operator should know.
fn log_rebuild(connection: &Connection, ledger: &Ledger, comparison: &LedgerComparison, damaged: usize) -> Result<()> {
    let path = ledger.path().display();
    match comparison {
        LedgerComparison::Missing if audit::head(connection)?.is_some() => log::warn!(
            "{path} is missing; a new one is made from the store. If this store is an older copy, keys that were revoked \
             since it was made are valid again"
        ),
        LedgerComparison::Forked => log::warn!(
            "{path} was written for another copy of this store. What either of them ended is ended; the ledger is rebuilt from \
             the store"
        ),
        LedgerComparison::Behind if damaged > 0 => log::error!(
            "{path} is damaged: {damaged} of its lines cannot be read; it is rebuilt from the store, which has all that it recorded"
        ),
        LedgerComparison::Behind if read_mark(connection)? != Mark::START => {
            log::warn!("{path} lacked changes that the store has, and is rebuilt from the store");
        }
        _ => {}
    }
    Ok(())
}

/// Checks, before an append within the connection's transaction, that the ledger has exactly the commits of the store;
/// returns the number of the last one. Rebuilds a ledger that was removed or damaged while the store was open.
pub(super) fn prepare_append(
    connection: &Connection,
    ledger: &mut Ledger,
    committed: impl FnOnce() -> Result<Connection>,
) -> std::result::Result<i64, SyncError> {
    let noted = read_mark(connection)?;
    match ledger.last_commit()? {
        Some(last) if last == noted => return Ok(noted.commit),
        // A process was killed between ledger append and commit, or the ledger was replaced.
        Some(last) if last.commit >= noted.commit => return Err(SyncError::LedgerAhead),
        _ => {}
    }
    // Refusing all revocations from now on would be worse.
    let what = if ledger.exists() { "was damaged, or replaced," } else { "was removed" };
    log::error!(
        "{} {what} while the store was open, and is rebuilt from the store. If the store was an older copy, an older backup \
         could bring back keys that were revoked since that copy was made",
        ledger.path().display()
    );
    let made = rebuild(&committed()?, ledger, true)?;
    ledger.last_commit()?;
    Ok(made.commit)
}
