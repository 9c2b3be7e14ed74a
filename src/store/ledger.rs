//! The ledger of revocations: a small file beside the store that outlives it, so that an older copy of the store that
//! is put in its place brings no key back to life.
//!
//! Whatever takes validity away from a key (a revocation, a deactivation, a rotation), or gives it back, appends how the
//! key stands from now on, in a record of fixed size with a checksum; it is on disk before the store's own commit is. For
//! each key the last record counts. Every record names the event of the audit log that its commit ends with: a store
//! that does not have the last one's event is not the one that the ledger was last written for. It is an older copy, or lost
//! its last commit in a crash before anybody was answered; in both cases what the ledger says is done again. A store that has
//! a record's event has taken part in that already and may have come further since, which the ledger need not know: it may be
//! an older copy itself.
//!
//! A record knows its place among those that were appended together. Where some of the last ones are missing, the append
//! was cut short by a crash: its commit never began, nobody was answered, and it is written over. A record that cannot be
//! read before those is damage. Behind the records there are zeros: to write over what is there costs half of what it
//! costs to make the file longer.

mod record;

pub(super) use record::EVENT_HASH;
pub use record::{KeyState, Standing};

use super::files::{beside, sync_folder_of};
use crate::domain::{KeyId, Link, Timestamp};
use record::{Batch, EVENT, RECORD, Record, batch, bytes, decode, encode, in_batch, is_whole, number, seal};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How much longer the file is made when it is full, in bytes.
const GROWTH: u64 = 16_384;
/// What the head begins with.
const MAGIC: &[u8] = b"keystead revoked keys, form 1\n";
/// A ledger that is smaller is not worth being compacted, in bytes.
const COMPACTED_FROM: u64 = 1 << 20;

/// The file.
pub(super) struct Ledger {
    path: PathBuf,
    /// How large it was after it was last compacted.
    compacted: AtomicU64,
    /// Where the next record went last, in this process.
    end: AtomicU64,
}

/// What a ledger holds, read from one end to the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerSummary {
    /// Keys that it knows of.
    pub keys: usize,
    /// The highest number of any of them.
    pub highest: i64,
    /// Records that cannot be read, other than at the end.
    pub damaged: usize,
}

impl Ledger {
    /// The ledger of the store with this path: `keystead.revoked` of `keystead.db`, and `keys.sqlite.revoked` of
    /// `keys.sqlite`, so that two stores in a folder have one each.
    pub(super) fn of(store: &Path) -> Self {
        let is_db = store.extension().is_some_and(|extension| extension == "db");
        let path = if is_db { store.with_extension("revoked") } else { beside(store, ".revoked") };
        Self { path, compacted: AtomicU64::new(0), end: AtomicU64::new(0) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is one. A file too short for a head was cut short when it was created.
    pub(super) fn exists(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() >= RECORD as u64)
    }

    /// Begins it where there is none; says whether there was none. Nobody else may be writing to the store.
    pub(super) fn begin(&self) -> io::Result<bool> {
        if self.exists() {
            return Ok(false);
        }
        create(&self.path)?.sync_all()?;
        sync_folder_of(&self.path)?;
        Ok(true)
    }

    /// Where to append. What lies last and is for an event that is not `known` was appended for a commit that never was: it
    /// is to be written over. Nobody else may be writing to the store from now on and until the commit.
    pub(super) fn place<E: From<io::Error>>(
        &self,
        known: impl FnOnce(i64, [u8; EVENT_HASH]) -> Result<bool, E>,
    ) -> Result<u64, E> {
        let file = self.open()?;
        let end = self.end.load(Ordering::Relaxed);
        if end > 0 && has_end_at(&file, end)? {
            // Nobody else has appended since.
            return Ok(end);
        }
        let last = last_event(&file)?;
        Ok(if known(last.number, last.hash)? { last.end } else { last.begin })
    }

    /// Appends how keys stand after the commit whose last event this is, in their [`Ledger::place`]; on disk when this
    /// returns. Without any key the record only says that the ledger goes with that event.
    pub(super) fn append(&self, begin: u64, standings: &[Standing], event: Link) -> io::Result<()> {
        let file = &self.open()?;
        let count = standings.len().max(1);
        let batch = |place| Batch { place, count: u32::try_from(count).unwrap_or(u32::MAX) };
        let mut out = io::BufWriter::new(At { file, offset: begin });
        if standings.is_empty() {
            out.write_all(&encode(None, event, batch(0)))?;
        }
        for (place, standing) in (0..).zip(standings) {
            out.write_all(&encode(Some(standing), event, batch(place)))?;
        }
        let end = begin + (count * RECORD) as u64;
        let size = file.metadata()?.len();
        if end > size {
            let zeros = end.next_multiple_of(GROWTH) - end;
            io::copy(&mut io::repeat(0).take(zeros), &mut out)?;
        }
        out.flush()?;
        drop(out);
        file.sync_data()?;
        self.end.store(end, Ordering::Relaxed);
        Ok(())
    }

    /// Takes back what was appended here for this event, if it is still what lies last; on disk when this returns. Nobody
    /// else may be writing to the store.
    pub(super) fn take_back(&self, begin: u64, event: Link) -> io::Result<()> {
        if !self.exists() {
            return Ok(());
        }
        let file = self.open()?;
        let last = last_event(&file)?;
        let is_of = last.number == event.number && event.hash.as_bytes().starts_with(&last.hash);
        if is_of && (last.begin..last.end).contains(&begin) {
            file.set_len(begin)?;
        }
        file.sync_data()
    }

    /// Whether `known` says of the event that the ledger was last written for that the store has it. A ledger that is not
    /// there, or says nothing yet, goes with no store.
    pub(super) fn goes_with<E: From<io::Error>>(
        &self,
        known: impl FnOnce(i64, [u8; EVENT_HASH]) -> Result<bool, E>,
    ) -> Result<bool, E> {
        if !self.exists() {
            return Ok(false);
        }
        let last = last_event(&File::open(&self.path)?)?;
        if last.begin == last.end {
            return Ok(false);
        }
        known(last.number, last.hash)
    }

    /// Whether it was ever written for a store that had events.
    pub(super) fn has_history(&self) -> io::Result<bool> {
        self.goes_with(|number, _| Ok(number > 0))
    }

    /// Hands over how each key stands by its last record, in the order of these, with the number and hash of the event that
    /// the record is of.
    pub(super) fn each<E: From<io::Error>>(
        &self,
        mut take: impl FnMut(Standing, i64, [u8; EVENT_HASH]) -> Result<(), E>,
    ) -> Result<LedgerSummary, E> {
        let (last, mut summary) = self.last_records()?;
        summary.keys = last.len();
        for (index, record) in self.records()?.enumerate() {
            let Some(record) = record? else { continue };
            let Some(standing) = decode(&record) else { continue };
            summary.highest = summary.highest.max(standing.id.get());
            if last.get(&identity(&standing)) == Some(&index) {
                take(standing, number(&record, 0), bytes(&record, 8))?;
            }
        }
        Ok(summary)
    }

    /// Drops records that later ones of the same keys replace, where these are many; says how many bytes that gave back.
    /// Nobody else may be writing to the store.
    pub(super) fn compact(&self) -> io::Result<Option<u64>> {
        let size = fs::metadata(&self.path)?.len();
        if size < COMPACTED_FROM.max(2 * self.compacted.load(Ordering::Relaxed)) {
            return Ok(None);
        }
        let (last, summary) = self.last_records()?;
        let newest = self.records()?.count().checked_sub(1);
        if summary.damaged > 0 || (last.len() as u64 + 2) * 2 * RECORD as u64 > size {
            self.compacted.store(size, Ordering::Relaxed);
            return Ok(None);
        }
        let new = self.path.with_extension("revoked-new");
        // A full disk is no fuller for it.
        let after = self.write_compacted(&new, &last, newest).inspect_err(|_| _ = fs::remove_file(&new))?;
        fs::rename(&new, &self.path)?;
        sync_folder_of(&self.path)?;
        self.compacted.store(after, Ordering::Relaxed);
        Ok(Some(size - after))
    }

    /// Writes the last record of each key, and the newest of all, into a new file; says how large that is.
    fn write_compacted(&self, new: &Path, last: &HashMap<Identity, usize>, newest: Option<usize>) -> io::Result<u64> {
        let alone = Batch { place: 0, count: 1 };
        let mut out = io::BufWriter::new(create(new)?);
        for (index, record) in self.records()?.enumerate() {
            let Some(record) = record? else { continue };
            let is_last = decode(&record).is_some_and(|standing| last.get(&identity(&standing)) == Some(&index));
            // The newest record names the event that the ledger goes with.
            if is_last || Some(index) == newest {
                out.write_all(&in_batch(record, alone))?;
            }
        }
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    }

    /// For each key the index of its last record.
    fn last_records(&self) -> io::Result<(HashMap<Identity, usize>, LedgerSummary)> {
        let mut last = HashMap::new();
        let mut summary = LedgerSummary::default();
        for (index, record) in self.records()?.enumerate() {
            let Some(record) = record? else {
                summary.damaged += 1;
                continue;
            };
            if let Some(standing) = decode(&record) {
                last.insert(identity(&standing), index);
            }
        }
        Ok((last, summary))
    }

    /// All records but the head, `None` for each that cannot be read.
    fn records(&self) -> io::Result<Records> {
        let file = File::open(&self.path)?;
        let end = end(&file)?;
        let mut file = BufReader::new(file.take(end));
        let mut head = [0; RECORD];
        file.read_exact(&mut head)?;
        Ok(Records(file))
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(&self.path)
    }
}

/// Writes to a file from an offset on, whatever its cursor.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Write for At<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(bytes, self.offset)?;
        self.offset += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Up to where they end.
struct Records(BufReader<io::Take<File>>);

impl Iterator for Records {
    type Item = io::Result<Option<Record>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = [0; RECORD];
        match self.0.read_exact(&mut record) {
            Ok(()) => Some(Ok(is_whole(&record).then_some(record))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// A new ledger with its head and nothing else.
fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut head = [0; RECORD];
    head[..MAGIC.len()].copy_from_slice(MAGIC);
    (&file).write_all(&seal(head))?;
    Ok(file)
}

fn check_head(head: &Record) -> io::Result<()> {
    if is_whole(head) && head.starts_with(MAGIC) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "it is no ledger of revoked keys, or its head is damaged"))
}

/// Where the next record goes: behind the last ones that are all there that were appended together.
fn end(file: &File) -> io::Result<u64> {
    check_head(&read_at(file, 0)?.unwrap_or([0; RECORD]))?;
    let mut count = file.metadata()?.len() / RECORD as u64;
    while count > 1 && !ends_batch(file, count - 1)? {
        count -= 1;
    }
    Ok(count * RECORD as u64)
}

/// The records at the end that are for the same event.
struct Last {
    begin: u64,
    end: u64,
    number: i64,
    hash: [u8; EVENT_HASH],
}

/// Where there are no records, those of the event before the first one, which are none.
fn last_event(file: &File) -> io::Result<Last> {
    let end = end(file)? / RECORD as u64;
    let mut begin = end;
    let mut event = [0; EVENT];
    while let Some(record) = read_at(file, begin - 1)?.filter(|_| begin > 1) {
        if begin < end && record[..EVENT] != event {
            break;
        }
        event.copy_from_slice(&record[..EVENT]);
        begin -= 1;
    }
    let [begin, end] = [begin, end].map(|index| index * RECORD as u64);
    Ok(Last { begin, end, number: number(&event, 0), hash: bytes(&event, 8) })
}

/// Whether the records end here.
fn has_end_at(file: &File, end: u64) -> io::Result<bool> {
    check_head(&read_at(file, 0)?.unwrap_or([0; RECORD]))?;
    let next = end / RECORD as u64;
    Ok(ends_batch(file, next - 1)? && read_at(file, next)?.is_none())
}

/// Whether the record with this index is the last one of those that were appended together, and all of them are there.
fn ends_batch(file: &File, index: u64) -> io::Result<bool> {
    let Some(last) = read_at(file, index)? else { return Ok(false) };
    let Batch { place, count } = batch(&last);
    let Some(first) = index.checked_sub(place.into()).filter(|first| *first > 0) else { return Ok(false) };
    if place + 1 != count {
        return Ok(false);
    }
    for place in 0..place {
        let record = read_at(file, first + u64::from(place))?;
        let belongs = |it: &Record| batch(it) == Batch { place, count } && it[..EVENT] == last[..EVENT];
        if !record.as_ref().is_some_and(belongs) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The record with this index; `None` where it is not there or not whole.
fn read_at(file: &File, index: u64) -> io::Result<Option<Record>> {
    let mut record = [0; RECORD];
    match file.read_exact_at(&mut record, index * RECORD as u64) {
        Ok(()) => Ok(is_whole(&record).then_some(record)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a key is known by in all copies of a store: numbers of a copy that is put back may be given out once more.
type Identity = (KeyId, Timestamp);

fn identity(standing: &Standing) -> Identity {
    (standing.id, standing.created_at)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::{EventHash, Fingerprint, KeyPrefix, Secret};

    struct Fixture {
        ledger: Ledger,
        _folder: tempfile::TempDir,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        Fixture { ledger: Ledger::of(&folder.path().join("keystead.db")), _folder: folder }
    }

    fn event(number: i64) -> Link {
        Link { number, hash: EventHash::from_bytes([u8::try_from(number).unwrap(); 32]) }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms).unwrap()
    }

    fn fingerprint(seed: u8) -> Fingerprint {
        Secret::new(&KeyPrefix::parse("a_").unwrap(), [seed; 16]).fingerprint()
    }

    fn revoked(id: i64) -> Standing {
        Standing { id: KeyId::new(id).unwrap(), created_at: at(1000 + id), state: None }
    }

    fn rotating(id: i64, valid: bool) -> Standing {
        let shadow = Some((fingerprint(2), at(5_000)));
        let state = KeyState { valid, value: fingerprint(1), shadow, expires_at: Some(at(6_000)) };
        Standing { state: Some(Box::new(state)), ..revoked(id) }
    }

    /// For a store that has every event.
    fn append(ledger: &Ledger, standings: &[Standing], event: Link) -> u64 {
        let begin = place(ledger).unwrap();
        ledger.append(begin, standings, event).unwrap();
        begin
    }

    fn place(ledger: &Ledger) -> io::Result<u64> {
        ledger.begin()?;
        ledger.place(|_, _| Ok::<_, io::Error>(true))
    }

    fn read(ledger: &Ledger) -> (Vec<Standing>, LedgerSummary) {
        let mut found = Vec::new();
        let summary = ledger.each(|standing, _, _| {
            found.push(standing);
            Ok::<(), io::Error>(())
        });
        (found, summary.unwrap())
    }

    fn last_event(ledger: &Ledger) -> Option<i64> {
        let mut last = None;
        let known = |number, hash: [u8; EVENT_HASH]| {
            last = Some(number);
            assert!(event(number).hash.as_bytes().starts_with(&hash));
            Ok::<bool, io::Error>(true)
        };
        ledger.goes_with(known).unwrap();
        last
    }

    #[test]
    fn every_store_of_a_folder_has_a_ledger_of_its_own() {
        let names =
            [("keystead.db", "keystead.revoked"), ("keys.sqlite", "keys.sqlite.revoked"), ("keys", "keys.revoked")];
        for (store, ledger) in names {
            assert_eq!(Ledger::of(&Path::new("folder").join(store)).path(), Path::new("folder").join(ledger));
        }
    }

    #[test]
    fn the_last_record_of_a_key_counts_and_is_read_as_it_was_written() {
        let Fixture { ledger, _folder } = fixture();
        append(&ledger, &[rotating(1, false), revoked(2)], event(3));
        append(&ledger, &[rotating(1, true), rotating(3, false)], event(4));
        let (found, summary) = read(&ledger);
        assert_eq!(found, [revoked(2), rotating(1, true), rotating(3, false)]);
        assert_eq!(summary, LedgerSummary { keys: 3, highest: 3, damaged: 0 });
        assert_eq!(last_event(&ledger), Some(4));
    }

    #[test]
    fn a_number_that_is_given_to_another_key_is_another_key() {
        let Fixture { ledger, _folder } = fixture();
        let other = Standing { created_at: at(9), ..revoked(1) };
        append(&ledger, &[revoked(1), other.clone()], event(1));
        assert_eq!(read(&ledger).0, [revoked(1), other]);
    }

    #[test]
    fn whatever_a_crash_leaves_of_an_append_is_passed_over_and_written_over() {
        let Fixture { ledger, _folder } = fixture();
        append(&ledger, &[revoked(1)], event(1));
        let begin = 2 * RECORD;
        let before = fs::read(ledger.path()).unwrap();
        append(&ledger, &[rotating(2, true)], event(2));
        let after = fs::read(ledger.path()).unwrap();
        assert_eq!(before.len(), after.len(), "there was room for it");
        for written in 0..RECORD {
            let (part, rest) = (&after[..begin + written], &before[begin + written..]);
            for torn in [part.to_vec(), [part, rest].concat()] {
                fs::write(ledger.path(), &torn).unwrap();
                assert_eq!(read(&ledger), (vec![revoked(1)], LedgerSummary { keys: 1, highest: 1, damaged: 0 }));
                assert_eq!(last_event(&ledger), Some(1));
                append(&ledger, &[revoked(3)], event(3));
                assert_eq!(read(&ledger).0, [revoked(1), revoked(3)], "cut at {written}");
            }
        }
    }

    #[test]
    fn what_was_appended_together_counts_only_where_all_of_it_is_there() {
        let Fixture { ledger, _folder } = fixture();
        append(&ledger, &[revoked(1)], event(1));
        append(&ledger, &[revoked(2), revoked(3), revoked(4)], event(2));
        let whole = fs::read(ledger.path()).unwrap();
        for missing in 1..8 {
            let mut torn = whole.clone();
            for record in (0..3).filter(|record| missing & (1 << record) != 0) {
                torn[(2 + record) * RECORD..(3 + record) * RECORD].fill(0);
            }
            fs::write(ledger.path(), &torn).unwrap();
            assert_eq!(read(&ledger), (vec![revoked(1)], LedgerSummary { keys: 1, highest: 1, damaged: 0 }));
            assert_eq!(last_event(&ledger), Some(1));
            append(&ledger, &[revoked(5)], event(3));
            assert_eq!(
                read(&ledger),
                (vec![revoked(1), revoked(5)], LedgerSummary { keys: 2, highest: 5, damaged: 0 })
            );
        }
    }

    #[test]
    fn the_file_grows_by_steps_and_others_appends_are_found() {
        let Fixture { ledger, _folder } = fixture();
        let other = Ledger::of(&ledger.path().with_extension("db"));
        for turn in 1..=120 {
            let ledger = if turn % 3 == 0 { &other } else { &ledger };
            append(ledger, &[revoked(turn)], event(turn));
        }
        assert_eq!(read(&ledger).0, (1..=120).map(revoked).collect::<Vec<_>>());
        assert_eq!(fs::metadata(ledger.path()).unwrap().len(), 2 * GROWTH);
    }

    #[test]
    fn a_ledger_that_is_cut_short_in_its_head_is_begun_anew_and_one_with_a_changed_head_is_refused() {
        let Fixture { ledger, _folder } = fixture();
        append(&ledger, &[revoked(1)], event(1));
        let bytes = fs::read(ledger.path()).unwrap();
        for length in 0..RECORD {
            fs::write(ledger.path(), &bytes[..length]).unwrap();
            assert!(!ledger.exists());
            append(&ledger, &[revoked(2)], event(2));
            assert_eq!(read(&ledger).0, [revoked(2)]);
        }
        for at in 0..RECORD {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(ledger.path(), &changed).unwrap();
            assert!(place(&ledger).is_err());
            assert!(ledger.each(|_, _, _| Ok::<(), io::Error>(())).is_err());
        }
    }

    #[test]
    fn any_changed_byte_of_a_record_that_others_follow_is_damage() {
        let Fixture { ledger, _folder } = fixture();
        for (number, standing) in [(1, revoked(1)), (2, rotating(2, true)), (3, revoked(3))] {
            append(&ledger, &[standing], event(number));
        }
        let bytes = fs::read(ledger.path()).unwrap();
        for at in 2 * RECORD..3 * RECORD {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(ledger.path(), &changed).unwrap();
            assert_eq!(
                read(&ledger),
                (vec![revoked(1), revoked(3)], LedgerSummary { keys: 2, highest: 3, damaged: 1 })
            );
        }
    }

    #[test]
    fn what_is_taken_back_was_never_there() {
        let Fixture { ledger, _folder } = fixture();
        append(&ledger, &[revoked(1)], event(1));
        let begin = append(&ledger, &[revoked(2), revoked(3)], event(2));
        ledger.take_back(begin, event(3)).unwrap();
        assert_eq!(read(&ledger).0, [revoked(1), revoked(2), revoked(3)], "it is for another event");
        ledger.take_back(begin, event(2)).unwrap();
        assert_eq!(read(&ledger).0, [revoked(1)]);
        assert_eq!(last_event(&ledger), Some(1));
        ledger.take_back(begin, event(2)).unwrap();
        assert_eq!(read(&ledger).0, [revoked(1)], "once is enough");
        append(&ledger, &[revoked(4)], event(4));
        assert_eq!(read(&ledger).0, [revoked(1), revoked(4)]);
    }

    #[test]
    fn taking_back_what_never_came_to_be_does_nothing() {
        let Fixture { ledger, _folder } = fixture();
        ledger.take_back(RECORD as u64, event(1)).unwrap();
        assert!(!ledger.exists());
    }

    #[test]
    fn what_was_appended_earlier_for_the_same_event_is_not_taken_back() {
        let Fixture { ledger, _folder } = fixture();
        append(&ledger, &[revoked(1)], event(1));
        let begin = append(&ledger, &[revoked(2)], event(1));
        ledger.take_back(begin, event(1)).unwrap();
        assert_eq!(read(&ledger).0, [revoked(1)]);
    }

    #[test]
    fn what_lies_last_and_is_for_a_commit_that_never_was_is_written_over_by_anybody() {
        let Fixture { ledger, _folder } = fixture();
        let other = Ledger::of(&ledger.path().with_extension("db"));
        append(&ledger, &[revoked(1)], event(1));
        append(&other, &[revoked(2), revoked(3)], event(2));
        let known = |number, _| Ok::<_, io::Error>(number == 1);
        let place = ledger.place(known).unwrap();
        ledger.append(place, &[revoked(4)], event(3)).unwrap();
        assert_eq!(read(&ledger).0, [revoked(1), revoked(4)]);
        assert_eq!(last_event(&ledger), Some(3));
        append(&other, &[revoked(5)], event(5));
        assert_eq!(read(&ledger).0, [revoked(1), revoked(4), revoked(5)]);
    }

    #[test]
    fn a_record_of_no_key_says_only_which_event_the_ledger_goes_with() {
        let Fixture { ledger, _folder } = fixture();
        append(&ledger, &[], event(7));
        assert_eq!(read(&ledger).0, []);
        assert_eq!(last_event(&ledger), Some(7));
    }

    #[test]
    fn compacting_drops_what_later_records_replace_and_nothing_else() {
        let Fixture { ledger, _folder } = fixture();
        let turns: Vec<Standing> = (0..8_000).map(|turn| rotating(1 + turn % 10, turn % 3 == 0)).collect();
        append(&ledger, &[revoked(11)], event(1));
        append(&ledger, &turns, event(2));
        append(&ledger, &[], event(3));
        let before = read(&ledger);
        let size = fs::metadata(ledger.path()).unwrap().len();
        let gained = ledger.compact().unwrap().unwrap();
        assert_eq!(fs::metadata(ledger.path()).unwrap().len(), size - gained);
        assert_eq!(size - gained, 13 * RECORD as u64, "the head, eleven keys, the last event");
        assert_eq!(read(&ledger), before);
        assert_eq!(last_event(&ledger), Some(3));
        append(&ledger, &[revoked(1)], event(4));
        assert!(read(&ledger).0.contains(&revoked(1)));
        assert_eq!(ledger.compact().unwrap(), None, "it is small now");
    }

    #[test]
    fn a_damaged_ledger_is_not_compacted() {
        let Fixture { ledger, _folder } = fixture();
        append(&ledger, &(0..8_000).map(|_| revoked(1)).collect::<Vec<_>>(), event(1));
        append(&ledger, &[revoked(1)], event(2));
        let mut bytes = fs::read(ledger.path()).unwrap();
        bytes[5 * RECORD] ^= 1;
        fs::write(ledger.path(), &bytes).unwrap();
        assert_eq!(ledger.compact().unwrap(), None);
        assert_eq!(fs::read(ledger.path()).unwrap(), bytes);
    }
}
