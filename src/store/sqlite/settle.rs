//! Bringing a store to what its ledger of revocations says.

use super::audit;
use super::digest_index::DigestIndex;
use super::rows::Rows;
use crate::domain::{Error, Link, Result};
use crate::store::ledger::{EVENT_HASH, Ledger, LedgerSummary};
use crate::store::{Settle, Standing};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::io;
use std::time::Duration;

/// How long a commit may take that the ledger knows of already.
const PAUSE: Duration = Duration::from_millis(100);

/// Does anew what the ledger says where it was written for a later state of the store, or for another copy of it; begins a
/// ledger where there is none.
pub(super) fn by_ledger(
    connection: &mut Connection,
    index: &DigestIndex,
    ledger: &Ledger,
    settle: &Settle<'_>,
) -> Result<()> {
    if goes_with(ledger, connection)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been writing just now: then the ledger was ahead of its commit.
    if goes_with(ledger, &transaction)? {
        return Ok(());
    }
    let head = audit::head(&transaction)?;
    if head.is_none() && ledger.has_history().map_err(|e| unusable(ledger, &e))? {
        return Err(emptied(ledger));
    }
    let is_new = !ledger.exists();
    if is_new && head.is_some() {
        log::warn!(
            "{} is not there and is begun anew: what was revoked until now would come back with an older backup",
            ledger.path().display()
        );
    }
    let (settled, standings) = if is_new { Default::default() } else { apply(&transaction, index, ledger, settle)? };
    if ledger.has_history().map_err(|e| unusable(ledger, &e))? {
        log::warn!(
            "the store is older than {}: it is an older copy, or its last commits are lost; keys that were brought to how they \
             stood last: {}",
            ledger.path().display(),
            settled.changed
        );
    }
    raise_numbers(&transaction, settled.ledger.highest)?;
    let event = audit::head(&transaction)?.unwrap_or(Link::START);
    // What lies last may be for an event that this copy does not have, and counts. Where the commit fails, these stay: they
    // say nothing new, and whoever opens the store next does this again.
    let known = |_, _| Ok::<_, io::Error>(true);
    let appended = ledger.begin().and_then(|_| ledger.place(known));
    let appended = appended.and_then(|begin| ledger.append(begin, &standings, event));
    appended.map_err(|e| unusable(ledger, &e))?;
    Ok(transaction.commit()?)
}

/// What a ledger changed in a store.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settled {
    /// What it holds.
    pub(super) ledger: LedgerSummary,
    /// How many keys it changed.
    pub(super) changed: usize,
}

/// Does what the ledger says and the store has not come to know since, in the caller's transaction; gives what is to be
/// appended to the ledger for that.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    index: &DigestIndex,
    ledger: &Ledger,
    settle: &Settle<'_>,
) -> Result<(Settled, Vec<Standing>)> {
    let mut rows = Rows::new(transaction, index, &[]);
    let (mut changed, mut standings) = (0, Vec::new());
    let summary = ledger.each(|standing, number, hash| {
        // A ledger that is older than the store would bring back what came before. A revocation is final and does no harm.
        if standing.state.is_some() && knows(transaction, number, hash).map_err(Failed::Store)? {
            return Ok(());
        }
        let has_changed = settle(&mut rows, &standing).map_err(Failed::Store)?;
        changed += usize::from(has_changed);
        // Also where nothing was to be changed: what this store does with the key later must count as later than the record.
        if has_changed || standing.state.is_some() {
            standings.push(standing);
        }
        Ok(())
    });
    let summary = summary.map_err(|failed| match failed {
        Failed::Store(error) => error,
        Failed::Ledger(error) => unusable(ledger, &error),
    })?;
    if summary.damaged > 0 {
        log::error!(
            "{} is damaged: {} of its records cannot be read; keys that they are about may be good again",
            ledger.path().display(),
            summary.damaged
        );
    }
    Ok((Settled { ledger: summary, changed }, standings))
}

/// No key that comes later may have the number of one that there was, whatever became of the store that gave it out.
pub(super) fn raise_numbers(transaction: &Transaction<'_>, highest: i64) -> Result<()> {
    transaction.execute(
        "INSERT INTO sqlite_sequence (name, seq) SELECT 'api_keys', 0 \
         WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'api_keys')",
        [],
    )?;
    transaction.execute("UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'api_keys'", [highest])?;
    Ok(())
}

/// Whether the store has the event that the ledger was last written for. Where that was pruned, the store is a later one.
pub(super) fn goes_with(ledger: &Ledger, connection: &Connection) -> Result<bool> {
    let known = |number, hash| knows(connection, number, hash).map_err(Failed::Store);
    ledger.goes_with(known).map_err(|failed| match failed {
        Failed::Store(error) => error,
        Failed::Ledger(error) => unusable(ledger, &error),
    })
}

/// Whether the ledger knows of something that the store does not: the store is an older copy, or lost its last commit. Of a
/// ledger that was cut down to its head or less nothing is known, which is no better. A server that is about to commit is behind its ledger for a moment, so that is looked at twice.
pub(super) fn is_behind(connection: &Connection, ledger: &Ledger) -> Result<bool> {
    let is_behind = || Ok::<_, Error>(ledger.path().exists() && !goes_with(ledger, connection)?);
    if !is_behind()? {
        return Ok(false);
    }
    std::thread::sleep(PAUSE);
    is_behind()
}

/// Whether the store has, or had, the event with this number and this beginning of its hash.
pub(super) fn knows(connection: &Connection, number: i64, hash: [u8; EVENT_HASH]) -> Result<bool> {
    if let Some(event) = audit::link(connection, number)? {
        return Ok(event.hash.as_bytes().starts_with(&hash));
    }
    match audit::start(connection) {
        Ok(start) => Ok(number <= start.number),
        // A broken audit log is told by whoever checks it, and is no reason to be left without a store.
        Err(Error::Internal(_)) => Ok(number <= Link::START.number),
        Err(error) => Err(error),
    }
}

pub(super) enum Failed {
    Store(Error),
    Ledger(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Ledger(error)
    }
}

/// A store that is new beside a ledger that is not would be set up as if there had been nothing.
fn emptied(ledger: &Ledger) -> Error {
    Error::unavailable(
        "The store cannot be opened.",
        format_args!(
            "The store is empty, but {} was written for one that was not: its write-ahead log was removed, or another file put in \
             its place. Put the log or a backup back (keystead restore). To begin with an empty store, move that ledger away",
            ledger.path().display()
        ),
    )
}

pub(super) fn unusable(ledger: &Ledger, error: &io::Error) -> Error {
    Error::unavailable(
        "The store cannot be opened.",
        format_args!(
            "{} cannot be used: {error}. It keeps revoked keys dead when an older backup is restored. Mend what is in its way; \
             if it is lost for good, move it away, and a new one is begun",
            ledger.path().display()
        ),
    )
}
