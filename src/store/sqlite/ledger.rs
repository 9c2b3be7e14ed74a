//! The ledger of revocations: a small file beside the store that outlives it, so that no older copy of the store brings
//! a revoked key back.
//!
//! Every change of a key's validity is appended here, and synced, before the store commits it. A line has the key's new
//! record (`lines.rs`); the last line of a key counts. Each line names the newest event of its commit, and the store
//! notes the last commit that is in the ledger ([`Mark`]): `ledger_sync` compares the two.
//!
//! Lines are only ever added, so a copy of the file is valid whenever it is made. If the last lines are cut short, a
//! crash did it: their commit never began, no caller was answered, and they are overwritten. Each line has a checksum
//! and a number, so changed or lost lines are noticed (`scan.rs`). Only the second line is overwritten, with each
//! commit: it names the latest commit. So a ledger that lost its end still shows whether the store has all that was
//! lost.
//!
//! The file grows in blocks of zeros, which are on disk before lines are written over them. This halves the cost of an
//! append. It also distinguishes a crash from a cut file: after a crash, the block's zeros follow the missing lines.

mod format1;
mod key_state;
mod lines;
mod scan;

pub(super) use lines::Record;

use crate::domain::{Digest, Link};
use crate::file_names::sync_folder_of;
use crate::store::file::companion::{companion, open_regular};
use crate::store::key_record::KeyRecord;
use scan::{Rest, Scan, replaced, rows, scan};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The size of a block, in bytes.
const BLOCK: u64 = 16_384;
/// Smaller ledgers are not compacted, in bytes.
const COMPACTED_FROM: u64 = 1 << 20;
/// How many bytes of an event's hash a [`Mark`] has.
pub(super) const EVENT_HASH: usize = 16;

/// A commit that changed the ledger, as both the ledger and the store note it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Its number, from 1 on. Of two states of a ledger, the one with the lower number is older.
    pub(super) commit: i64,
    /// The newest event of the commit.
    pub(super) event: i64,
    /// The beginning of that event's hash.
    pub(super) hash: [u8; EVENT_HASH],
}

impl Mark {
    /// No commit.
    pub(super) const START: Self = Self { commit: 0, event: 0, hash: [0; EVENT_HASH] };

    /// The commit with this number and newest event.
    pub(super) fn of(commit: i64, event: Link) -> Self {
        let hash = std::array::from_fn(|index| event.hash.as_bytes()[index]);
        Self { commit, event: event.number, hash }
    }
}

impl Default for Mark {
    fn default() -> Self {
        Self::START
    }
}

/// What reading a ledger found.
pub(super) enum LedgerRead {
    /// The file does not exist.
    Missing,
    /// Nothing can be read.
    Unreadable,
    /// What can be read.
    Contents(Contents),
}

/// A summary of a ledger.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contents {
    /// The last commit that can be read.
    pub(super) last: Mark,
    /// Whether it has another commit with the number of the expected one.
    pub(super) contradicts: bool,
    /// The number of missing or changed lines.
    pub(super) damaged: usize,
    /// The last commit that it ever had, which differs from `last` if the end is lost. `None` where unknown.
    pub(super) latest: Option<Mark>,
    /// Whether it has the earlier format.
    pub(super) is_old: bool,
}

impl Contents {
    /// Whether it can be appended to as it is.
    pub(super) fn is_whole(&self) -> bool {
        self.damaged == 0 && !self.is_old
    }
}

/// The ledger's file.
pub(super) struct Ledger {
    path: PathBuf,
    /// The end of the file when this process last read it.
    end: Option<End>,
    /// Where this process's last append began, and its commit.
    appended: Option<(u64, Mark)>,
    /// The file's size after the last compaction.
    compacted: u64,
}

/// The end of the file.
#[derive(Clone, Copy)]
struct End {
    scan: Scan,
    /// The hash of the last line.
    line: blake3::Hash,
}

impl Ledger {
    /// The ledger of the store at this path: `keystead.revoked` for `keystead.db`, `keys.sqlite.revoked` for
    /// `keys.sqlite`. So two stores in one folder have separate ledgers.
    pub(super) fn of(store: &Path) -> Self {
        let is_db = store.extension().is_some_and(|extension| extension == "db");
        let path = if is_db { store.with_extension("revoked") } else { companion(store, ".revoked") };
        Self { path, end: None, appended: None, compacted: 0 }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Reads and checks the whole file. `commit` is the commit that the file must not contradict.
    pub(super) fn read_summary(&self, commit: Mark) -> io::Result<LedgerRead> {
        let Some(bytes) = self.read()? else { return Ok(LedgerRead::Missing) };
        if let Some(old) = format1::read(&bytes) {
            return Ok(LedgerRead::Contents(old.contents));
        }
        let Some(scan) = scan(&bytes, commit) else { return Ok(LedgerRead::Unreadable) };
        let has_damaged_end = scan.rest == Rest::Damaged;
        let damaged = scan.damaged.max(usize::from(has_damaged_end));
        let latest = if has_damaged_end { scan.latest } else { Some(scan.last) };
        let Scan { last, contradicts, .. } = scan;
        Ok(LedgerRead::Contents(Contents { last, contradicts, damaged, latest, is_old: false }))
    }

    /// Calls `take` with the last readable record of each key and with all other records, each with its commit.
    pub(super) fn for_each<E: From<io::Error>>(
        &self,
        mut take: impl FnMut(Record, Mark) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(bytes) = self.read()? else { return Ok(()) };
        if let Some(old) = format1::read(&bytes) {
            return old.rows.into_iter().try_for_each(|(record, mark)| take(Record::Key(record), mark));
        }
        let Some(scan) = scan(&bytes, Mark::START) else { return Ok(()) };
        rows(&bytes, &scan).try_for_each(|(row, mark)| take(row, mark))
    }

    /// The last commit; `None` where the file does not exist or cannot be appended to.
    pub(super) fn last_commit(&mut self) -> io::Result<Option<Mark>> {
        if let Some(end) = self.end
            && self.has_end(&end)?
        {
            return Ok(Some(end.scan.last));
        }
        let bytes = self.read()?.unwrap_or_default();
        let found = scan(&bytes, Mark::START).filter(|scan| scan.damaged == 0 && scan.rest != Rest::Damaged);
        self.end = found.map(|scan| End { scan, line: blake3::hash(&bytes[scan.last_line..scan.end]) });
        Ok(found.map(|scan| scan.last))
    }

    /// Appends records of a commit; on disk when this returns. The caller holds the store's write lock and has called
    /// [`Ledger::last_commit`].
    pub(super) fn append(&mut self, key_records: &[KeyRecord], ended: &[Digest], commit: Mark) -> io::Result<()> {
        self.appended = None;
        let Some(End { scan: mut at, .. }) = self.end else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it is missing"));
        };
        let file = OpenOptions::new().write(true).open(&self.path)?;
        let begin = at.end as u64;
        self.appended = Some((begin, commit));
        // Until the append succeeds, the end of the file is unknown.
        self.end = None;
        if at.rest != Rest::Nothing {
            wipe(&file, begin)?;
        }
        let mut rows: Vec<Record> = key_records.iter().cloned().map(Record::Key).collect();
        rows.extend(ended.iter().copied().map(Record::Ended));
        if rows.is_empty() {
            rows.push(Record::Marker);
        }
        let mut lines = Vec::new();
        let line = write_lines(&mut lines, &mut at, commit, &rows)?;
        make_room(&file, at.end as u64)?;
        file.write_all_at(&lines, begin)?;
        if at.latest.is_some() {
            file.write_all_at(lines::write_latest(commit).as_bytes(), lines::HEAD.len() as u64)?;
            at.latest = Some(commit);
        }
        file.sync_data()?;
        at.rest = Rest::Nothing;
        self.end = Some(End { scan: at, line });
        Ok(())
    }

    /// Removes this process's last append, if it is still there; on disk when this returns. The caller holds the
    /// store's write lock.
    pub(super) fn undo_append(&mut self) -> io::Result<()> {
        let Some((begin, commit)) = self.appended else { return Ok(()) };
        let Some(bytes) = self.read()? else { return Ok(()) };
        let file = OpenOptions::new().write(true).open(&self.path)?;
        // Other processes may have overwritten it.
        let is_there = scan(&bytes, Mark::START).is_some_and(|scan| {
            let is_last = scan.last == commit && (scan.begin..scan.end).contains(&(begin as usize));
            is_last || scan.end as u64 == begin
        });
        if is_there {
            wipe(&file, begin)?;
        }
        (self.end, self.appended) = (None, None);
        Ok(())
    }

    /// Replaces the file by one with these records and this last commit. The caller holds the store's write lock.
    pub(super) fn replace(&mut self, last: Mark, rows: &[(Record, Mark)]) -> io::Result<()> {
        let new = companion(&fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone()), "-new");
        // Deleted on failure, to free space on a full disk.
        write_new(&new, last, rows).inspect_err(|_| _ = fs::remove_file(&new))?;
        // If the path is a link, the target is replaced.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        fs::rename(&new, &path)?;
        sync_folder_of(&path)?;
        self.end = None;
        Ok(())
    }

    /// Replaces the file by its readable lines. A damaged file is also kept as it was.
    pub(super) fn repair(&mut self) -> io::Result<()> {
        let aside = companion(&self.path, "-damaged");
        let LedgerRead::Contents(contents) = self.read_summary(Mark::START)? else {
            return fs::rename(&self.path, aside);
        };
        if contents.last == Mark::START {
            return fs::rename(&self.path, aside);
        }
        if contents.damaged > 0 {
            self.keep_damaged()?;
        }
        self.rewrite(contents.last)
    }

    /// Copies the file to one with the suffix `-damaged`.
    pub(super) fn keep_damaged(&self) -> io::Result<()> {
        fs::copy(&self.path, companion(&self.path, "-damaged")).map(|_| ())
    }

    fn rewrite(&mut self, last: Mark) -> io::Result<()> {
        let mut rows = Vec::new();
        self.for_each(|row, mark| {
            rows.push((row, mark));
            Ok::<_, io::Error>(())
        })?;
        self.replace(last, &rows)
    }

    /// Drops lines that later lines of the same keys replace, if there are many; returns how many bytes that freed. The
    /// caller holds the store's write lock.
    pub(super) fn compact(&mut self) -> io::Result<Option<u64>> {
        let size = fs::metadata(&self.path)?.len();
        if size < COMPACTED_FROM.max(2 * self.compacted) || self.last_commit()?.is_none() {
            return Ok(None);
        }
        let Some(bytes) = self.read()? else { return Ok(None) };
        let Some(scan) = scan(&bytes, Mark::START) else { return Ok(None) };
        self.compacted = size;
        if 2 * replaced(&bytes, &scan) as u64 <= scan.number {
            return Ok(None);
        }
        self.rewrite(scan.last)?;
        self.compacted = fs::metadata(&self.path)?.len();
        Ok(Some(size.saturating_sub(self.compacted)))
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let Some(mut file) = open_regular(&self.path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Whether the file still has this end.
    fn has_end(&self, End { scan, line }: &End) -> io::Result<bool> {
        let Some(file) = open_regular(&self.path)? else { return Ok(false) };
        let mut bytes = vec![0; scan.end - scan.last_line];
        match file.read_exact_at(&mut bytes, scan.last_line as u64) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        let mut next = [0];
        let is_end = match file.read_at(&mut next, scan.end as u64)? {
            0 => (scan.end as u64).is_multiple_of(BLOCK),
            _ => next == [0],
        };
        Ok(is_end && blake3::hash(&bytes) == *line)
    }
}

/// Writes records of one commit after the existing lines; returns the hash of the last line.
fn write_lines(out: &mut impl Write, at: &mut Scan, commit: Mark, rows: &[Record]) -> io::Result<blake3::Hash> {
    if commit != at.last || at.number == 0 {
        at.begin = at.end;
    }
    let mut hash = blake3::hash(&[]);
    for (index, record) in (0..).zip(rows) {
        at.number += 1;
        let line = lines::write(at.number, [index, rows.len() as u64], commit, record);
        out.write_all(line.as_bytes())?;
        hash = blake3::hash(line.as_bytes());
        (at.last_line, at.end) = (at.end, at.end + line.len());
    }
    at.last = commit;
    Ok(hash)
}

fn write_new(new: &Path, last: Mark, rows: &[(Record, Mark)]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(new)?;
    let mut out = io::BufWriter::new(&file);
    let latest = lines::write_latest(last);
    out.write_all(&[lines::HEAD, latest.as_bytes()].concat())?;
    let mut at = Scan { end: lines::HEAD.len() + latest.len(), ..Scan::default() };
    for (row, mark) in rows {
        write_lines(&mut out, &mut at, *mark, std::slice::from_ref(row))?;
    }
    if at.last != last {
        write_lines(&mut out, &mut at, last, &[Record::Marker])?;
    }
    out.flush()?;
    drop(out);
    make_room(&file, at.end as u64)?;
    file.sync_all()
}

/// Extends the file in whole blocks, up to `end` at least; on disk when this returns.
fn make_room(file: &File, end: u64) -> io::Result<()> {
    let (length, room) = (file.metadata()?.len(), end.next_multiple_of(BLOCK));
    if length >= room { Ok(()) } else { zero(file, length, room) }
}

/// Overwrites everything after `begin` with zeros; on disk when this returns.
fn wipe(file: &File, begin: u64) -> io::Result<()> {
    zero(file, begin, file.metadata()?.len())
}

fn zero(file: &File, begin: u64, end: u64) -> io::Result<()> {
    let zeros = [0; BLOCK as usize];
    for at in (begin..end).step_by(zeros.len()) {
        let count = (end - at).min(BLOCK);
        file.write_all_at(&zeros[..count as usize], at)?;
    }
    file.sync_data()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
