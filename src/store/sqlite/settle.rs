//! How a store and its ledger of revocations go together, and bringing the one to what the other says.
//!
//! Both note the newest event of the last commit that changed the ledger ([`Mark`]); the store does so in that very commit.
//!
//! - They have the same note: each has all that the other has.
//! - The store does not have the event that the ledger names: it is an older copy, or lost its last commit in a crash before
//!   anybody was answered. What the ledger says is done in it.
//! - The store has that event and names a later one, or the ledger is damaged or gone: the ledger is an older copy, or lost its
//!   last commits. It is made anew from the store, which is the newer one of the two.
//! - The ledger is damaged, and nothing says that the store is the newer one: nobody can tell what is missing.

use super::audit;
use super::digest_index::DigestIndex;
use super::ledger::{Contents, Found, Ledger, Mark, Row};
use super::rows::{self, Rows};
use crate::domain::{Digest, Error, KeyId, Link, Result, Timestamp};
use crate::store::{Agreement, Settle, Standing};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::io;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How long a commit may take that the ledger knows of already.
const PAUSE: Duration = Duration::from_millis(50);
/// How often that is waited for.
const LOOKS: usize = 3;
const NO_LEDGER: &str = "it is no ledger of revoked keys, or its beginning is damaged";

/// How the ledger goes with the store, and how many of its lines cannot be read.
pub(super) fn compare(connection: &Connection, ledger: &Ledger) -> Result<(Agreement, usize)> {
    let contents = match ledger.look().map_err(|e| unusable(ledger, e))? {
        Found::Nothing => return Ok((Agreement::Missing, 0)),
        Found::Unreadable => return Ok((Agreement::Lost(NO_LEDGER.to_owned()), 0)),
        Found::Contents(contents) => contents,
    };
    let Contents { last, damaged, has_damaged_end, .. } = contents;
    let noted = mark(connection)?;
    let agreement = if last == noted {
        match contents.is_whole() {
            true => Agreement::Same,
            // Whoever knows the last event knows all that came before.
            false if !has_damaged_end => Agreement::Behind,
            false => lost(damaged),
        }
    } else if last == Mark::START {
        Agreement::Lost("all but its beginning is gone".to_owned())
    } else if knows(connection, last)? {
        Agreement::Behind
    } else if damaged == 0 {
        Agreement::Ahead
    } else {
        lost(damaged)
    };
    Ok((agreement, damaged))
}

/// The same where there is no store.
pub(super) fn compare_with_nothing(ledger: &Ledger) -> Result<Agreement> {
    Ok(match ledger.look().map_err(|e| unusable(ledger, e))? {
        Found::Nothing => Agreement::Missing,
        Found::Unreadable => Agreement::Lost(NO_LEDGER.to_owned()),
        Found::Contents(Contents { damaged, .. }) if damaged > 0 => lost(damaged),
        Found::Contents(_) => Agreement::Ahead,
    })
}

/// The same beside a server, which may be between the two commits, or between the looks at the two.
pub(super) fn compare_patiently(connection: &Connection, ledger: &Ledger) -> Result<(Agreement, usize)> {
    let mut compared = compare(connection, ledger)?;
    for _ in 0..LOOKS {
        if matches!(compared.0, Agreement::Same | Agreement::Missing) {
            break;
        }
        std::thread::sleep(PAUSE);
        compared = compare(connection, ledger)?;
    }
    Ok(compared)
}

fn lost(damaged: usize) -> Agreement {
    Agreement::Lost(format!("{damaged} of its lines cannot be read, and the store may not have what they said"))
}

/// Brings the store to what the ledger says, or the ledger to what the store says, whichever is the older one. Begins a ledger
/// where there is none.
pub(super) fn by_ledger(
    connection: &mut Connection,
    index: &DigestIndex,
    ledger: &mut Ledger,
    settle: &Settle<'_>,
) -> Result<()> {
    if let (Agreement::Same, _) = compare(connection, ledger)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been writing just now: then the ledger was ahead of its commit.
    let (agreement, damaged) = compare(&transaction, ledger)?;
    match agreement {
        Agreement::Same => return Ok(()),
        Agreement::Lost(why) => return Err(unusable(ledger, why)),
        Agreement::Ahead => catch_up(&transaction, index, ledger, settle)?,
        Agreement::Missing | Agreement::Behind => {
            tell_of_loss(&transaction, ledger, damaged)?;
            note(&transaction, make(&transaction, ledger)?)?;
        }
    }
    Ok(transaction.commit()?)
}

/// Says in the log why a ledger is made anew, where that is something to know.
fn tell_of_loss(connection: &Connection, ledger: &Ledger, damaged: usize) -> Result<()> {
    let path = ledger.path().display();
    if !ledger.exists() {
        if audit::head(connection)?.is_some() {
            log::warn!(
                "{path} is not there and is begun anew from the store: if this store is an older copy, what was revoked since it was \
                 made is good again"
            );
        }
    } else if damaged > 0 {
        log::error!(
            "{path} is damaged: {damaged} of its lines cannot be read; it is made anew from the store, which knows all that it said"
        );
    } else if mark(connection)? != Mark::START {
        log::warn!("{path} lacked changes that the store has, and is made anew from the store");
    }
    Ok(())
}

/// Does in the store what the ledger says.
fn catch_up(
    transaction: &Transaction<'_>,
    index: &DigestIndex,
    ledger: &mut Ledger,
    settle: &Settle<'_>,
) -> Result<()> {
    if audit::head(transaction)?.is_none() {
        return Err(emptied(ledger));
    }
    let applied = apply(transaction, index, ledger, settle)?;
    log::warn!(
        "the store is older than {}: it is an older copy, or its last commits are lost; keys that were brought to how they \
         stood last: {}",
        ledger.path().display(),
        applied.changed
    );
    let event = Mark::from(audit::head(transaction)?.unwrap_or(Link::START));
    // Where the commit fails, these stay: they say nothing new, and whoever opens the store next does this again.
    let written = renew_where_old(ledger).and_then(|()| ledger.append(&applied.standings, &applied.ended, event));
    written.map_err(|e| unusable(ledger, e))?;
    note(transaction, event)
}

fn renew_where_old(ledger: &mut Ledger) -> io::Result<()> {
    if ledger.last()?.is_none() {
        ledger.renew()?;
        ledger.last()?;
    }
    Ok(())
}

/// What a ledger changed in a store.
#[derive(Default)]
pub(super) struct Applied {
    /// The highest number of a key that it knows of.
    highest: i64,
    /// How many keys it changed.
    pub(super) changed: usize,
    /// What counted: what the store does with these keys later is later than this.
    standings: Vec<Standing>,
    /// Values that ended with it.
    ended: Vec<Digest>,
}

/// Does what the ledger says and the store has not come to know since, in the caller's transaction.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    index: &DigestIndex,
    ledger: &Ledger,
    settle: &Settle<'_>,
) -> Result<Applied> {
    let mut rows = Rows::new(transaction, index, &[]);
    let mut applied = Applied::default();
    let done = ledger.each(|row, mark| {
        let done = match row {
            Row::Key(standing) => apply_to_key(transaction, &mut rows, standing, mark, settle, &mut applied),
            Row::Gone(numbers) => apply_to_gone(transaction, &mut rows, &numbers, settle, &mut applied),
            Row::Ended(digest) => rows.end_value(&digest),
            Row::Nothing => Ok(()),
        };
        done.map_err(Failed::Store)
    });
    done.map_err(|failed| failed.of(ledger))?;
    raise_numbers(transaction, applied.highest)?;
    applied.ended = rows.into_effects().ended;
    Ok(applied)
}

fn apply_to_key(
    connection: &Connection,
    rows: &mut Rows<'_>,
    standing: Standing,
    mark: Mark,
    settle: &Settle<'_>,
    applied: &mut Applied,
) -> Result<()> {
    applied.highest = applied.highest.max(standing.id.get());
    // A ledger that is older than the store would bring back what came before. A revocation is final and does no harm.
    if standing.state.is_some() && knows(connection, mark)? {
        return Ok(());
    }
    let has_changed = settle(rows, &standing)?;
    applied.changed += usize::from(has_changed);
    // Also where nothing was to be changed: what this store does with the key later must count as later than the row.
    if has_changed || standing.state.is_some() {
        applied.standings.push(standing);
    }
    Ok(())
}

fn apply_to_gone(
    connection: &Connection,
    rows: &mut Rows<'_>,
    numbers: &RangeInclusive<i64>,
    settle: &Settle<'_>,
    applied: &mut Applied,
) -> Result<()> {
    applied.highest = applied.highest.max(*numbers.end());
    let mut statement =
        connection.prepare_cached("SELECT id, created_at FROM api_keys WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?;
    let found = statement.query_map([numbers.start(), numbers.end()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (id, created_at) in found.collect::<rusqlite::Result<Vec<(i64, i64)>>>()? {
        let id = KeyId::new(id).ok_or_else(|| rows::damaged("an API key's id", id))?;
        let created_at = Timestamp::from_unix_ms(created_at).ok_or_else(|| rows::damaged("a time", created_at))?;
        let standing = Standing { id, created_at, state: None };
        if settle(rows, &standing)? {
            applied.changed += 1;
            applied.standings.push(standing);
        }
    }
    Ok(())
}

/// Makes the ledger anew from the store and from what can be read of it; gives the event that it goes with. The store must
/// know all that the ledger says.
pub(super) fn make(connection: &Connection, ledger: &mut Ledger) -> Result<Mark> {
    let noted = mark(connection)?;
    let head = || Ok::<_, Error>(audit::head(connection)?.map_or(Mark::START, Mark::from));
    let last = if noted == Mark::START { head()? } else { noted };
    let mut rows = Vec::new();
    let read = ledger.each(|row, mark| {
        let is_kept = match &row {
            // Of a key that is there, the store knows better.
            Row::Key(standing) => rows::created_at(connection, standing.id)? != Some(standing.created_at),
            Row::Gone(_) | Row::Nothing => false,
            Row::Ended(_) => true,
        };
        rows.extend(is_kept.then_some((row, mark)));
        Ok::<_, Failed>(())
    });
    read.map_err(|failed| failed.of(ledger))?;
    rows::each_narrowed(connection, |key| rows.push((Row::Key(Standing::of(&key)), last)))?;
    rows::each_gap(connection, |numbers| rows.push((Row::Gone(numbers), last)))?;
    rows::each_ended(connection, |digest| rows.push((Row::Ended(digest), last)))?;
    ledger.make(last, &rows).map_err(|e| unusable(ledger, e))?;
    Ok(last)
}

/// Makes sure, before the ledger is written to in a transaction of the connection, that it has all that was committed to the
/// store.
pub(super) fn prepare(
    connection: &Connection,
    ledger: &mut Ledger,
    committed: impl FnOnce() -> Result<Connection>,
) -> std::result::Result<(), Failed> {
    let noted = mark(connection)?;
    if let Some(last) = ledger.last()?
        && last != noted
        && !knows(connection, last)?
    {
        // A process was killed between the two commits.
        ledger.drop_last()?;
    }
    if ledger.last()? == Some(noted) {
        return Ok(());
    }
    // To refuse every revocation from now on would be worse.
    let what = if ledger.exists() { "was damaged, or exchanged," } else { "was removed" };
    log::error!(
        "{} {what} while the store was open, and is made anew from the store. If the store was an older copy, what was revoked \
         since it was made would come back with an older backup",
        ledger.path().display()
    );
    make(&committed()?, ledger)?;
    ledger.last()?;
    Ok(())
}

/// The event of the last commit that changed the ledger, as the store noted it; [`Mark::START`] where it has none.
pub(super) fn mark(connection: &Connection) -> Result<Mark> {
    let has_note = connection.prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = 'ledger_mark'")?.exists([])?;
    if !has_note {
        return Ok(Mark::START);
    }
    let mut statement = connection.prepare_cached("SELECT event, event_hash FROM ledger_mark WHERE id = 1")?;
    Ok(statement.query_row([], |row| Ok(Mark { number: row.get(0)?, hash: row.get(1)? }))?)
}

/// Has the store note the event of the commit that changes the ledger.
pub(super) fn note(connection: &Connection, Mark { number, hash }: Mark) -> Result<()> {
    let sql = "UPDATE ledger_mark SET event = ?1, event_hash = ?2 WHERE id = 1";
    connection.prepare_cached(sql)?.execute(params![number, hash])?;
    Ok(())
}

/// Has a copy that the ledger was applied to note that, where it was behind the ledger.
pub(super) fn note_where_behind(connection: &Connection, ledger: &Ledger) -> Result<()> {
    match ledger.look().map_err(|e| unusable(ledger, e))? {
        Found::Contents(Contents { last, .. }) if !knows(connection, last)? => note(connection, last),
        _ => Ok(()),
    }
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

/// Whether the store cannot be believed without its ledger: that knows of something that the store does not, or cannot be
/// read.
pub(super) fn is_behind(connection: &Connection, ledger: &Ledger) -> Result<bool> {
    match compare_patiently(connection, ledger)?.0 {
        Agreement::Same | Agreement::Missing | Agreement::Behind => Ok(false),
        Agreement::Ahead => Ok(true),
        Agreement::Lost(why) => Err(unusable(ledger, why)),
    }
}

/// Whether the store has, or had, this event. Where it was pruned, the store is a later one.
pub(super) fn knows(connection: &Connection, Mark { number, hash }: Mark) -> Result<bool> {
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

#[derive(Debug)]
pub(super) enum Failed {
    Store(Error),
    Ledger(io::Error),
}

impl Failed {
    fn of(self, ledger: &Ledger) -> Error {
        match self {
            Self::Store(error) => error,
            Self::Ledger(error) => unusable(ledger, error),
        }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Ledger(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Store(error)
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

pub(super) fn unusable(ledger: &Ledger, why: impl std::fmt::Display) -> Error {
    Error::unavailable(
        "The store cannot be opened.",
        format_args!(
            "{} cannot be used: {why}. It keeps revoked keys dead when an older backup is restored. Put a copy of it back that is \
             whole. If there is none, and this store is not an older copy, move the file away: a new one is made from the store",
            ledger.path().display()
        ),
    )
}
