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

use super::audit;
use super::digest_index::DigestIndex;
use super::ledger::{Contents, Found, Ledger, Mark, Row};
use super::migrations;
use super::rows::Rows;
use super::{columns, keys, ledger_rows};
use crate::domain::{Digest, Error, KeyId, Link, Result, Timestamp};
use crate::store::Writes as _;
use crate::store::file::ledger::Agreement;
use crate::store::replay::{Replay, replay};
use crate::store::standing::Standing;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::io;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How long a commit may take that the ledger knows of already.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
/// How often that is waited for.
pub(super) const LOOKS: usize = 3;
const NO_LEDGER: &str = "it is no ledger of revoked keys, or its beginning is damaged";

/// How the ledger goes with the store, and how many of its lines cannot be read.
pub(super) fn compare(connection: &Connection, ledger: &Ledger) -> Result<(Agreement, usize)> {
    let noted = mark(connection)?;
    let contents = match ledger.look(noted).map_err(|e| unusable(ledger, e))? {
        Found::Nothing => return Ok((Agreement::Missing, 0)),
        Found::Unreadable => return Ok((Agreement::Lost(NO_LEDGER.to_owned()), 0)),
        Found::Contents(contents) => contents,
    };
    let Contents { last, contradicts, damaged, latest, .. } = contents;
    let agreement = if last == noted && contents.is_whole() && is_consistent(connection, noted)? {
        Agreement::Same
    } else if latest == Some(Mark::START) && noted != Mark::START {
        Agreement::Lost("all but its beginning is gone".to_owned())
    } else if contradicts && damaged == 0 {
        Agreement::Forked
    } else if has(connection, noted, last)? && latest.map_or(Ok(false), |latest| has(connection, noted, latest))? {
        Agreement::Behind
    } else if damaged == 0 {
        Agreement::Ahead
    } else {
        lost(&contents)
    };
    Ok((agreement, damaged))
}

/// A store that has events and no note is of an earlier version, and so is what it was last written with.
fn is_consistent(connection: &Connection, noted: Mark) -> Result<bool> {
    Ok(noted != Mark::START || audit::head(connection)?.is_none())
}

/// The same where there is no store.
pub(super) fn compare_with_nothing(ledger: &Ledger) -> Result<Agreement> {
    Ok(match ledger.look(Mark::START).map_err(|e| unusable(ledger, e))? {
        Found::Nothing => Agreement::Missing,
        Found::Unreadable => Agreement::Lost(NO_LEDGER.to_owned()),
        Found::Contents(contents) if contents.damaged > 0 => lost(&contents),
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

fn lost(Contents { last, latest, damaged, .. }: &Contents) -> Agreement {
    if *latest == Some(*last) {
        Agreement::Lost(format!("{damaged} of its lines cannot be read, and the store may not have what they said"))
    } else {
        Agreement::Lost("its end is damaged or cut off, and the store may not have what it said".to_owned())
    }
}

/// Brings the store to what the ledger says, or the ledger to what the store says, whichever is the older one. Begins a ledger
/// where there is none.
pub(super) fn by_ledger(
    connection: &mut Connection,
    index: &DigestIndex,
    ledger: &mut Ledger,
    now: Timestamp,
) -> Result<()> {
    if let (Agreement::Same, _) = compare(connection, ledger)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been writing just now: then the ledger was ahead of its commit.
    let (agreement, damaged) = compare(&transaction, ledger)?;
    expect_not_emptied(&transaction, ledger, &agreement)?;
    match &agreement {
        Agreement::Same => return Ok(()),
        Agreement::Lost(why) => return Err(unusable(ledger, why)),
        Agreement::Ahead => catch_up(&transaction, index, ledger, now)?,
        Agreement::Missing | Agreement::Behind | Agreement::Forked => {
            tell_of_loss(&transaction, ledger, &agreement, damaged)?;
            // What it ended is ended, whichever of the two is the older one.
            apply(&transaction, index, ledger, &agreement, now)?;
            let made = make(&transaction, ledger, true)?;
            note(&transaction, made)?;
        }
    }
    Ok(transaction.commit()?)
}

/// Makes sure that a new store may be set up beside the ledger, before there is a file of it.
///
/// # Errors
/// What [`by_ledger`] would fail with on that store.
pub(super) fn expect_fit_for_new(ledger: &Ledger) -> Result<()> {
    let new = Connection::open_in_memory()?;
    migrations::migrate(&new, 0)?;
    let (agreement, _) = compare(&new, ledger)?;
    expect_not_emptied(&new, ledger, &agreement)?;
    match agreement {
        Agreement::Lost(why) => Err(unusable(ledger, why)),
        _ => Ok(()),
    }
}

/// A store without events beside a ledger with commits is not the one that the ledger was written for.
fn expect_not_emptied(connection: &Connection, ledger: &Ledger, agreement: &Agreement) -> Result<()> {
    if !matches!(agreement, Agreement::Missing) && audit::head(connection)?.is_none() && has_commits(ledger)? {
        return Err(emptied(ledger));
    }
    Ok(())
}

fn has_commits(ledger: &Ledger) -> Result<bool> {
    let found = ledger.look(Mark::START).map_err(|e| unusable(ledger, e))?;
    Ok(matches!(found, Found::Contents(Contents { last, .. }) if last != Mark::START))
}

/// Says in the log why a ledger is made anew, where that is something to know.
fn tell_of_loss(connection: &Connection, ledger: &Ledger, agreement: &Agreement, damaged: usize) -> Result<()> {
    let path = ledger.path().display();
    match agreement {
        Agreement::Missing if audit::head(connection)?.is_some() => log::warn!(
            "{path} is not there and is begun anew from the store: if this store is an older copy, what was revoked since it was \
             made is good again"
        ),
        Agreement::Forked => log::warn!(
            "{path} was written for another copy of this store: what either of them ended is ended, and it is made anew from the \
             store"
        ),
        Agreement::Behind if damaged > 0 => log::error!(
            "{path} is damaged: {damaged} of its lines cannot be read; it is made anew from the store, which knows all that it said"
        ),
        Agreement::Behind if mark(connection)? != Mark::START => {
            log::warn!("{path} lacked changes that the store has, and is made anew from the store");
        }
        _ => {}
    }
    Ok(())
}

/// Does in the store what the ledger says.
fn catch_up(transaction: &Transaction<'_>, index: &DigestIndex, ledger: &mut Ledger, now: Timestamp) -> Result<()> {
    let applied = apply(transaction, index, ledger, &Agreement::Ahead, now)?;
    log::warn!(
        "the store is older than {}: it is an older copy, or its last commits are lost; keys that were brought to how they \
         stood last: {}",
        ledger.path().display(),
        applied.changed
    );
    let last = last_to_append_to(ledger).map_err(|e| unusable(ledger, e))?;
    let commit = Mark::of(last.commit + 1, audit::head(transaction)?.unwrap_or(Link::START));
    // Where the commit fails, these stay: they say nothing new, and whoever opens the store next does this again.
    let written = ledger.append(&applied.standings, &applied.ended, commit);
    written.map_err(|e| unusable(ledger, e))?;
    note(transaction, commit)
}

/// The last commit of a ledger that can be written to; it is made so where it has the earlier form.
fn last_to_append_to(ledger: &mut Ledger) -> io::Result<Mark> {
    if let Some(last) = ledger.last()? {
        return Ok(last);
    }
    ledger.renew()?;
    Ok(ledger.last()?.unwrap_or_default())
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

/// A ledger that is being applied to a store.
struct Application<'a> {
    connection: &'a Connection,
    rows: Rows<'a>,
    /// The last commit that the store has.
    noted: Mark,
    is_forked: bool,
    now: Timestamp,
    applied: Applied,
}

/// Does what the ledger says and the store has not come to know since, in the caller's transaction.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    index: &DigestIndex,
    ledger: &Ledger,
    agreement: &Agreement,
    now: Timestamp,
) -> Result<Applied> {
    let mut application = Application {
        connection: transaction,
        rows: Rows::new(transaction, index, &[]),
        noted: mark(transaction)?,
        is_forked: *agreement == Agreement::Forked,
        now,
        applied: Applied::default(),
    };
    let done = ledger.each(|row, mark| {
        let done = match row {
            Row::Key(standing) => application.key(standing, mark),
            Row::Gone(numbers) => application.gone(&numbers),
            Row::Ended(digest) => application.rows.end_value(&digest),
            Row::Nothing => Ok(()),
        };
        done.map_err(Failed::Store)
    });
    done.map_err(|failed| failed.of(ledger))?;
    let Application { rows, mut applied, .. } = application;
    applied.ended = rows.into_effects().ended;
    raise_numbers(transaction, applied.highest)?;
    Ok(applied)
}

impl Application<'_> {
    fn key(&mut self, mut standing: Standing, mark: Mark) -> Result<()> {
        self.applied.highest = self.applied.highest.max(standing.id.get());
        if let Some(state) = &standing.state {
            // Which of two copies is the later one, nobody knows. A revocation is final and does no harm.
            if self.is_forked {
                let (is_off, key) = (!state.valid, keys::key(self.connection, standing.id)?);
                let key = key.filter(|key| is_off && key.valid && key.created_at == standing.created_at);
                let Some(mut key) = key else { return Ok(()) };
                key.valid = false;
                standing = Standing::of(&key);
            } else if has(self.connection, self.noted, mark)? {
                return Ok(());
            }
        }
        let has_changed = self.bring_to(&standing)?;
        self.applied.changed += usize::from(has_changed);
        // Also where nothing was to be changed: what this store does with the key later must count as later than the line.
        if has_changed || standing.state.is_some() {
            self.applied.standings.push(standing);
        }
        Ok(())
    }

    /// Brings a key to how it stands by the ledger; says whether that changed anything. A key that the store does not know is
    /// none of its business: the store is from before the key was minted, or from after it was revoked.
    fn bring_to(&mut self, standing: &Standing) -> Result<bool> {
        let Some(key) = keys::key(self.connection, standing.id)? else { return Ok(false) };
        let Some(Replay { after, event }) = replay(&key, standing, self.now)? else { return Ok(false) };
        match &after {
            None => self.rows.delete_api_key(&key)?,
            Some(after) => self.rows.update_api_key(&key, after)?,
        }
        self.rows.append_event(&event)?;
        Ok(true)
    }

    fn gone(&mut self, numbers: &RangeInclusive<i64>) -> Result<()> {
        self.applied.highest = self.applied.highest.max(*numbers.end());
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, created_at FROM api_keys WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?;
        let found = statement.query_map([numbers.start(), numbers.end()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (id, created_at) in found.collect::<rusqlite::Result<Vec<(i64, i64)>>>()? {
            let id = KeyId::new(id).ok_or_else(|| columns::damaged("an API key's id", id))?;
            let created_at =
                Timestamp::from_unix_ms(created_at).ok_or_else(|| columns::damaged("a time", created_at))?;
            let standing = Standing { id, created_at, state: None };
            if self.bring_to(&standing)? {
                self.applied.changed += 1;
                self.applied.standings.push(standing);
            }
        }
        Ok(())
    }
}

/// Makes the ledger anew from the store, and from what can be read of it that the store cannot know: of keys that it does not
/// have, and of later commits unless it `has_all`. Gives its last commit.
pub(super) fn make(connection: &Connection, ledger: &mut Ledger, has_all: bool) -> Result<Mark> {
    let noted = mark(connection)?;
    let mut last = noted;
    let mut rows = Vec::new();
    let mut standings = Vec::new();
    let read = ledger.each(|row, mark| {
        if mark.commit > last.commit {
            last = mark;
        }
        match row {
            Row::Key(standing) => {
                let knows_better = standing.state.is_some() && (has_all || has(connection, noted, mark)?);
                let key = if knows_better { keys::key(connection, standing.id)? } else { None };
                match key.filter(|key| key.created_at == standing.created_at) {
                    Some(key) => standings.push(Standing::of(&key)),
                    None => rows.push((Row::Key(standing), mark)),
                }
            }
            Row::Ended(_) => rows.push((row, mark)),
            Row::Gone(_) | Row::Nothing => {}
        }
        Ok::<_, Failed>(())
    });
    read.map_err(|failed| failed.of(ledger))?;
    let head = audit::head(connection)?;
    if last != noted || noted == Mark::START {
        last = head.map_or(Mark::START, |head| Mark::of(last.commit + 1, head));
    }
    ledger_rows::each_narrowed(connection, |key| standings.push(Standing::of(&key)))?;
    standings.sort_unstable_by_key(|standing| standing.id.get());
    standings.dedup_by_key(|standing| standing.id.get());
    rows.extend(standings.into_iter().map(|standing| (Row::Key(standing), last)));
    ledger_rows::each_gap(connection, |numbers| rows.push((Row::Gone(numbers), last)))?;
    ledger_rows::each_ended(connection, |digest| rows.push((Row::Ended(digest), last)))?;
    ledger.make(last, &rows).map_err(|e| unusable(ledger, e))?;
    Ok(last)
}

/// Makes sure, before the ledger is written to in a transaction of the connection, that it has all that was committed to the
/// store, and no more; gives the number of its last commit.
pub(super) fn prepare(
    connection: &Connection,
    ledger: &mut Ledger,
    committed: impl FnOnce() -> Result<Connection>,
) -> std::result::Result<i64, Failed> {
    let noted = mark(connection)?;
    match ledger.last()? {
        Some(last) if last == noted => return Ok(noted.commit),
        // A process was killed between the two commits, or somebody put another ledger there.
        Some(last) if last.commit >= noted.commit => return Err(Failed::Ahead),
        _ => {}
    }
    // To refuse every revocation from now on would be worse.
    let what = if ledger.exists() { "was damaged, or exchanged," } else { "was removed" };
    log::error!(
        "{} {what} while the store was open, and is made anew from the store. If the store was an older copy, what was revoked \
         since it was made would come back with an older backup",
        ledger.path().display()
    );
    let made = make(&committed()?, ledger, true)?;
    ledger.last()?;
    Ok(made.commit)
}

/// The last commit of the ledger that the store has, as it noted it; [`Mark::START`] where it has none, or is of an earlier
/// version.
pub(super) fn mark(connection: &Connection) -> Result<Mark> {
    let has_note = connection.prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = 'ledger_mark'")?.exists([])?;
    if !has_note {
        return Ok(Mark::START);
    }
    let mut statement = connection.prepare_cached("SELECT number, event, event_hash FROM ledger_mark WHERE id = 1")?;
    Ok(statement.query_row([], |row| Ok(Mark { commit: row.get(0)?, event: row.get(1)?, hash: row.get(2)? }))?)
}

/// Has the store note the commit that changes the ledger.
pub(super) fn note(connection: &Connection, Mark { commit, event, hash }: Mark) -> Result<()> {
    let sql = "UPDATE ledger_mark SET number = ?1, event = ?2, event_hash = ?3 WHERE id = 1";
    connection.prepare_cached(sql)?.execute(params![commit, event, hash])?;
    Ok(())
}

/// Has a copy note the last commit of the ledger, which was applied to it.
pub(super) fn note_last(connection: &Connection, ledger: &Ledger) -> Result<()> {
    match ledger.look(Mark::START).map_err(|e| unusable(ledger, e))? {
        // The earlier form has no numbers; the next start takes it over.
        Found::Contents(Contents { last, .. }) if last.commit > 0 => note(connection, last),
        _ => Ok(()),
    }
}

/// No key that comes later may have the number of one that there was, whatever became of the store that gave it out.
pub(super) fn raise_numbers(connection: &Connection, highest: i64) -> Result<()> {
    connection.execute(
        "INSERT INTO sqlite_sequence (name, seq) SELECT 'api_keys', 0 \
         WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'api_keys')",
        [],
    )?;
    connection.execute(
        "INSERT INTO skipped_numbers (first, last) SELECT seq + 1, ?1 FROM sqlite_sequence WHERE name = 'api_keys' AND seq < ?1",
        [highest],
    )?;
    connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'api_keys'", [highest])?;
    Ok(())
}

/// Whether the store cannot be believed without its ledger: that knows of something that the store does not.
///
/// # Errors
/// [`Error::Unavailable`] also where the ledger cannot be read, so that nobody knows.
pub(super) fn is_behind(connection: &Connection, ledger: &Ledger) -> Result<bool> {
    match compare_patiently(connection, ledger)?.0 {
        Agreement::Same | Agreement::Missing | Agreement::Behind => Ok(false),
        Agreement::Ahead | Agreement::Forked => Ok(true),
        Agreement::Lost(why) => Err(unusable(ledger, why)),
    }
}

/// Whether a store that noted this commit last has another one.
fn has(connection: &Connection, noted: Mark, commit: Mark) -> Result<bool> {
    // The earlier form has no numbers, and neither has a store of an earlier version.
    if noted.commit > 0 && commit.commit > 0 {
        // Another one of the same number was written apart from this store.
        Ok(commit.commit < noted.commit || commit == noted)
    } else {
        knows(connection, commit)
    }
}

/// Whether the store has, or had, the event that the commit ends with. Where it was pruned, the store is a later one.
pub(super) fn knows(connection: &Connection, Mark { event, hash, .. }: Mark) -> Result<bool> {
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

#[derive(Debug)]
pub(super) enum Failed {
    Store(Error),
    Ledger(io::Error),
    /// The ledger knows of changes that the store does not have.
    Ahead,
}

impl Failed {
    pub(super) fn of(self, ledger: &Ledger) -> Error {
        match self {
            Self::Store(error) => error,
            Self::Ledger(error) => unusable(ledger, error),
            Self::Ahead => unusable(ledger, "it knows of changes that the store does not have"),
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
