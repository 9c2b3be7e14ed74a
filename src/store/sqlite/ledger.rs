//! The ledger of revocations: a small file beside the store that outlives it, so that an older copy of the store that
//! is put in its place brings no key back to life.
//!
//! Whatever changes the validity of a key is appended here, and on disk, before the store's own commit is. A line says how a
//! key stands from then on (`lines.rs`); for each key the last one counts. Every line names the newest event of its commit, and
//! the store notes the event of the last commit that is in the ledger ([`Mark`]): `ledger_sync` compares the two.
//!
//! Lines are added and never changed, so that a copy is good whenever it is made. Where the last ones are cut short, that was a
//! crash: their commit never began, nobody was answered, and they are written over. Every line has a checksum and a number: what
//! was changed or lost on the disk is noticed (`scan.rs`). The second line alone is written over, with each commit: it names the
//! latest one. So a ledger that lost its end still tells whether the store has all that was lost.
//!
//! The file is made longer in whole blocks of zeros, which are on disk before lines are written over them. A line then costs half
//! of what it costs to make the file longer with each one. It also tells a crash from a file that was cut: a crash leaves the
//! block, with zeros where a part of the lines is missing.

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
/// A ledger that is smaller is not worth being compacted, in bytes.
const COMPACTED_FROM: u64 = 1 << 20;
/// How many bytes of an event's hash a [`Mark`] keeps.
pub(super) const EVENT_HASH: usize = 16;

/// A commit that changed the ledger, as the ledger and the store note it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Which one it is, from 1 on. Of two states of a ledger, the one with the lower number is the older one.
    pub(super) commit: i64,
    /// The newest event that it ended with.
    pub(super) event: i64,
    /// The beginning of that event's hash.
    pub(super) hash: [u8; EVENT_HASH],
}

impl Mark {
    /// Of no commit.
    pub(super) const START: Self = Self { commit: 0, event: 0, hash: [0; EVENT_HASH] };

    /// The commit with this number, which ends with this event.
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

/// What a look at a ledger found.
pub(super) enum LedgerRead {
    /// There is none.
    Missing,
    /// None of it can be read.
    Unreadable,
    /// What can be read.
    Contents(Contents),
}

/// What a ledger holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contents {
    /// Its last commit that can be read.
    pub(super) last: Mark,
    /// Whether it has another commit of the number that was asked for.
    pub(super) contradicts: bool,
    /// How many lines are missing, or not as they were written.
    pub(super) damaged: usize,
    /// The last commit that it ever had: another one than the last that can be read where its end is lost. `None` where nobody
    /// can tell.
    pub(super) latest: Option<Mark>,
    /// Whether it has the earlier form.
    pub(super) is_old: bool,
}

impl Contents {
    /// Whether it can be written to as it is.
    pub(super) fn is_whole(&self) -> bool {
        self.damaged == 0 && !self.is_old
    }
}

/// The file.
pub(super) struct Ledger {
    path: PathBuf,
    /// Where it ended when this process last looked.
    tail: Option<Tail>,
    /// Where the last append of this process began, and its commit.
    appended: Option<(u64, Mark)>,
    /// How large it was after it was last compacted.
    compacted: u64,
}

/// The end of the file.
#[derive(Clone, Copy)]
struct Tail {
    scan: Scan,
    /// The hash of its last line.
    line: blake3::Hash,
}

impl Ledger {
    /// The ledger of the store with this path: `keystead.revoked` of `keystead.db`, and `keys.sqlite.revoked` of
    /// `keys.sqlite`, so that two stores in a folder have one each.
    pub(super) fn of(store: &Path) -> Self {
        let is_db = store.extension().is_some_and(|extension| extension == "db");
        let path = if is_db { store.with_extension("revoked") } else { companion(store, ".revoked") };
        Self { path, tail: None, appended: None, compacted: 0 }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Reads all of it and checks that it is as it was written, and that it does not contradict this commit.
    pub(super) fn look(&self, commit: Mark) -> io::Result<LedgerRead> {
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

    /// Hands over, for each key, what its last line says that can be read, and all that is about no key, each with its event.
    pub(super) fn each<E: From<io::Error>>(
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

    /// Its last commit; `None` where it is not there, or cannot be written to as it is.
    pub(super) fn last(&mut self) -> io::Result<Option<Mark>> {
        if let Some(tail) = self.tail
            && self.has_end(&tail)?
        {
            return Ok(Some(tail.scan.last));
        }
        let bytes = self.read()?.unwrap_or_default();
        let found = scan(&bytes, Mark::START).filter(|scan| scan.damaged == 0 && scan.rest != Rest::Damaged);
        self.tail = found.map(|scan| Tail { scan, line: blake3::hash(&bytes[scan.last_line..scan.end]) });
        Ok(found.map(|scan| scan.last))
    }

    /// Appends what is so after this commit; on disk when this returns. Nobody else may be writing to
    /// the store, and [`Ledger::last`] must have been asked.
    pub(super) fn append(&mut self, key_records: &[KeyRecord], ended: &[Digest], commit: Mark) -> io::Result<()> {
        self.appended = None;
        let Some(Tail { scan: mut at, .. }) = self.tail else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it is not there"));
        };
        let file = OpenOptions::new().write(true).open(&self.path)?;
        let begin = at.end as u64;
        self.appended = Some((begin, commit));
        // As long as it is not known how this ends, nothing is known of the end.
        self.tail = None;
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
        self.tail = Some(Tail { scan: at, line });
        Ok(())
    }

    /// Takes back what this process appended last, if it is still there; on disk when this returns. Nobody else may be
    /// writing to the store.
    pub(super) fn take_back(&mut self) -> io::Result<()> {
        let Some((begin, commit)) = self.appended else { return Ok(()) };
        let Some(bytes) = self.read()? else { return Ok(()) };
        let file = OpenOptions::new().write(true).open(&self.path)?;
        // Others may have written over it.
        let is_there = scan(&bytes, Mark::START).is_some_and(|scan| {
            let is_last = scan.last == commit && (scan.begin..scan.end).contains(&(begin as usize));
            is_last || scan.end as u64 == begin
        });
        if is_there {
            wipe(&file, begin)?;
        }
        (self.tail, self.appended) = (None, None);
        Ok(())
    }

    /// Makes the file anew: it says this and no more, and this is its last commit. Nobody else may be writing to the store.
    pub(super) fn make(&mut self, last: Mark, rows: &[(Record, Mark)]) -> io::Result<()> {
        let new = companion(&fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone()), "-new");
        // A full disk is no fuller for what failed.
        write_new(&new, last, rows).inspect_err(|_| _ = fs::remove_file(&new))?;
        // Where it is a link, the file that it stands for.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        fs::rename(&new, &path)?;
        sync_folder_of(&path)?;
        self.tail = None;
        Ok(())
    }

    /// Makes the file anew from what can be read of it. Where it is damaged, it is kept as it was, too.
    pub(super) fn renew(&mut self) -> io::Result<()> {
        let aside = companion(&self.path, "-damaged");
        let LedgerRead::Contents(contents) = self.look(Mark::START)? else { return fs::rename(&self.path, aside) };
        if contents.last == Mark::START {
            return fs::rename(&self.path, aside);
        }
        if contents.damaged > 0 {
            self.keep_damaged()?;
        }
        self.rewrite(contents.last)
    }

    /// Copies the file as it is to one beside it.
    pub(super) fn keep_damaged(&self) -> io::Result<()> {
        fs::copy(&self.path, companion(&self.path, "-damaged")).map(|_| ())
    }

    fn rewrite(&mut self, last: Mark) -> io::Result<()> {
        let mut rows = Vec::new();
        self.each(|row, mark| {
            rows.push((row, mark));
            Ok::<_, io::Error>(())
        })?;
        self.make(last, &rows)
    }

    /// Drops lines that later ones of the same keys replace, where these are many; says how many bytes that gave back.
    /// Nobody else may be writing to the store.
    pub(super) fn compact(&mut self) -> io::Result<Option<u64>> {
        let size = fs::metadata(&self.path)?.len();
        if size < COMPACTED_FROM.max(2 * self.compacted) || self.last()?.is_none() {
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

    /// Whether the file still ends there.
    fn has_end(&self, Tail { scan, line }: &Tail) -> io::Result<bool> {
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

/// Writes rows that are of one commit behind what there is; gives the hash of the last line.
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

/// Makes the file long enough, in whole blocks, for lines that end at `end`; on disk when this returns.
fn make_room(file: &File, end: u64) -> io::Result<()> {
    let (length, room) = (file.metadata()?.len(), end.next_multiple_of(BLOCK));
    if length >= room { Ok(()) } else { zero(file, length, room) }
}

/// Writes zeros over all that follows `begin`; on disk when this returns.
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
