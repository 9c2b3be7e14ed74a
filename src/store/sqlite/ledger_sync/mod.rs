//! How a store and its ledger of revocations go together, and bringing the one to what the other says.
//!
//! The ledger counts its commits, and the store notes the last one that it has, in the same transaction ([`Mark`]). So each
//! tells whether the other one is older:
//!
//! - They have the same commit: each has all that the other has.
//! - The ledger has later ones: the store is an older copy, or lost its last commit in a crash before anybody was answered. What
//!   the ledger says of later commits is done in it.
//! - The store has later ones, or the ledger is damaged or gone: the ledger is an older copy, or lost its end. It is made anew
//!   from the store, which has all that it said.
//! - They have different commits of one number: both were written to apart from each other. What either of them ended is ended,
//!   and the ledger is made anew.
//! - The ledger is damaged, and may have had later ones: nobody can tell what is missing.
//!
//! A store of an earlier version has no such note. It has a commit if it has, or had, the event that the commit ends with.

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

/// Brings the store to what the ledger says, or the ledger to what the store says, whichever is the older one. Begins a ledger
/// where there is none.
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
    // Another process may have been writing just now: then the ledger was ahead of its commit.
    let (comparison, damaged) = compare(&transaction, ledger)?;
    expect_not_emptied(&transaction, ledger, &comparison)?;
    match &comparison {
        LedgerComparison::Same => return Ok(()),
        LedgerComparison::Damaged(why) => return Err(unusable(ledger, why)),
        LedgerComparison::Ahead => catch_up(&transaction, index, ledger, now)?,
        LedgerComparison::Missing | LedgerComparison::Behind | LedgerComparison::Forked => {
            log_rebuild(&transaction, ledger, &comparison, damaged)?;
            // What it ended is ended, whichever of the two is the older one.
            apply(&transaction, index, ledger, &comparison, now)?;
            let made = rebuild(&transaction, ledger, true)?;
            write_mark(&transaction, made)?;
        }
    }
    Ok(transaction.commit()?)
}

/// Makes sure that a new store may be set up beside the ledger, before there is a file of it.
///
/// # Errors
/// What [`synchronize`] would fail with on that store.
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

/// A store without events beside a ledger with commits is not the one that the ledger was written for.
fn expect_not_emptied(connection: &Connection, ledger: &Ledger, comparison: &LedgerComparison) -> Result<()> {
    if !matches!(comparison, LedgerComparison::Missing) && audit::head(connection)?.is_none() && has_commits(ledger)? {
        return Err(emptied(ledger));
    }
    Ok(())
}

fn has_commits(ledger: &Ledger) -> Result<bool> {
    let found = ledger.look(Mark::START).map_err(|e| unusable(ledger, e))?;
    Ok(matches!(found, LedgerRead::Contents(Contents { last, .. }) if last != Mark::START))
}

/// Says in the log why a ledger is made anew, where that is something to know.
fn log_rebuild(connection: &Connection, ledger: &Ledger, comparison: &LedgerComparison, damaged: usize) -> Result<()> {
    let path = ledger.path().display();
    match comparison {
        LedgerComparison::Missing if audit::head(connection)?.is_some() => log::warn!(
            "{path} is not there and is begun anew from the store: if this store is an older copy, what was revoked since it was \
             made is good again"
        ),
        LedgerComparison::Forked => log::warn!(
            "{path} was written for another copy of this store: what either of them ended is ended, and it is made anew from the \
             store"
        ),
        LedgerComparison::Behind if damaged > 0 => log::error!(
            "{path} is damaged: {damaged} of its lines cannot be read; it is made anew from the store, which knows all that it said"
        ),
        LedgerComparison::Behind if read_mark(connection)? != Mark::START => {
            log::warn!("{path} lacked changes that the store has, and is made anew from the store");
        }
        _ => {}
    }
    Ok(())
}

/// Makes sure, before the ledger is written to in a transaction of the connection, that it has all that was committed to the
/// store, and no more; gives the number of its last commit.
pub(super) fn prepare_append(
    connection: &Connection,
    ledger: &mut Ledger,
    committed: impl FnOnce() -> Result<Connection>,
) -> std::result::Result<i64, SyncError> {
    let noted = read_mark(connection)?;
    match ledger.last()? {
        Some(last) if last == noted => return Ok(noted.commit),
        // A process was killed between the two commits, or somebody put another ledger there.
        Some(last) if last.commit >= noted.commit => return Err(SyncError::Ahead),
        _ => {}
    }
    // To refuse every revocation from now on would be worse.
    let what = if ledger.exists() { "was damaged, or exchanged," } else { "was removed" };
    log::error!(
        "{} {what} while the store was open, and is made anew from the store. If the store was an older copy, what was revoked \
         since it was made would come back with an older backup",
        ledger.path().display()
    );
    let made = rebuild(&committed()?, ledger, true)?;
    ledger.last()?;
    Ok(made.commit)
}
