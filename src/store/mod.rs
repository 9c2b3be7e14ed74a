//! Where everything is kept: the contract that a backend keeps, and the one backend there is.
//!
//! Async at the edge, sync inside: a use case hands over a closure and gets its result back once the transaction it ran
//! in is over. No transaction is held across an `await`, and a closure that reads cannot be compiled to write.

mod contract;
mod files;
mod key_diff;
mod sqlite;
mod standing;

pub use contract::{
    Counted, EventsSlice, FORMER_VALUES, Found, IdempotentRequest, ImportStage, ImportState, ImportedApiKey, NewApiKey,
    Reads, SizesSlice, Use, Writes,
};
use key_diff::KeyDiff;
pub use sqlite::{ImportOrder, Staging};
pub use standing::{Agreement, KeyState, LedgerSummary, Limits, Standing};

use crate::domain::{Digest, Error, Forms, Link, Result, Timestamp};
use crate::metrics::Metrics;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file.
    pub path: PathBuf,
    /// How long to wait for another process's transaction.
    pub busy_timeout: Duration,
    /// Connections that look up keys, at the most, and as many that read objects and lists.
    pub readers: u32,
    /// Writes that wait, at the most; one more is refused.
    pub write_queue: usize,
    /// Writes that share a commit, at the most.
    pub write_batch: usize,
    /// How often to look for other processes' commits.
    pub watch_interval: Duration,
    /// A clock that all processes on the machine share. It goes on while a process is stopped or the machine is suspended.
    pub uptime: fn() -> Duration,
    /// A clock that never goes back, for how long something takes.
    pub stopwatch: fn() -> Instant,
    /// What time it is now, for the audit log, should an older file be brought up to date.
    pub opened_at: Timestamp,
}

/// Brings one key to how it stands by the ledger; says whether that changed anything.
pub type Settle<'a> = dyn Fn(&mut dyn Writes, &Standing) -> Result<bool> + 'a;

/// The same, kept for as long as a store is open.
type OwnedSettle = dyn Fn(&mut dyn Writes, &Standing) -> Result<bool> + Send;

/// The store. Cheap to share behind an `Arc`; [`Store::close`] ends it.
pub struct Store {
    sqlite: sqlite::Sqlite,
    validity: Arc<Validity>,
    forms: Arc<SharedForms>,
    /// Whether this process has announced that it is a server.
    is_server: AtomicBool,
}

impl Store {
    /// Opens the store, setting up or migrating the file where needed. What it does is counted in `metrics`. Where the
    /// store is older than its ledger of revocations, `settle` brings it up to date, in one transaction, also later.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the whole story in `detail`, where the file is not ours, is newer than we know, is
    /// damaged, is being restored, or cannot be opened. Such a file is left as it was.
    pub fn open<F>(options: &Options, metrics: Arc<Metrics>, settle: F) -> Result<Self>
    where
        F: Fn(&mut dyn Writes, &Standing) -> Result<bool> + Send + 'static,
    {
        let (validity, forms) = (Arc::new(Validity::new(options.uptime)), Arc::new(SharedForms::default()));
        let sqlite =
            sqlite::Sqlite::open(options, Arc::clone(&validity), Arc::clone(&forms), metrics, Box::new(settle))?;
        Ok(Self { sqlite, validity, forms, is_server: AtomicBool::new(false) })
    }

    /// Runs `work` in one read transaction: it sees one state of the store throughout. It must be short: it reads an object
    /// or a piece of a list.
    ///
    /// # Errors
    /// What `work` fails with, or [`Error::Unavailable`] where the store cannot be read.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reads) -> Result<T> + Send + 'static,
    {
        self.sqlite.pools().pieces.read(work).await
    }

    /// The same for what everybody waits for: a key that somebody presents. No other read can hold it up.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn look_up<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reads) -> Result<T> + Send + 'static,
    {
        self.sqlite.pools().lookups.read(work).await
    }

    /// The same for a slice of a read that looks at much of the store. There is little room for these: each slice gives the
    /// others their turn.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read_slice<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reads) -> Result<T> + Send + 'static,
    {
        self.sqlite.pools().slices.read(work).await
    }

    /// Runs `work` in a write transaction that it may share with others; where it fails, all it did is undone. Answers
    /// once the commit is on disk and, in a server beside which there is another one, once that believes nothing any more that
    /// it read before.
    ///
    /// # Errors
    /// What `work` fails with, or [`Error::Unavailable`] where the queue is full or the commit failed.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Writes) -> Result<T> + Send + 'static,
    {
        let written = self.sqlite.writer().submit(work)?.await;
        let written = written.map_err(|_| Error::Internal("the writer has stopped".to_owned()))??;
        if self.is_server.load(Ordering::Relaxed) && self.has_server() {
            self.wait_for_others().await;
        }
        Ok(written)
    }

    /// Whether it is not certain what became of a write that failed with this: the commit failed, and could not be taken back.
    pub fn is_in_doubt(&self, error: &Error) -> bool {
        sqlite::is_in_doubt(error)
    }

    /// The stamp of what is read about the key with this digest from now on. Take it *before* reading.
    pub fn stamp(&self, digest: &Digest) -> Stamp {
        self.validity.stamp(digest)
    }

    /// Whether what was read under this stamp may still be believed: no commit since may have taken validity away from the
    /// key. Commits of other processes are known up to the last look at the file; where that is older than
    /// [`BELIEVED_FOR`], as after this process was stopped, only what was read since may be believed.
    pub fn is_current(&self, digest: &Digest, stamp: Stamp) -> bool {
        self.validity.is_current(digest, stamp)
    }

    /// Waits until no process believes what it read before now.
    pub async fn wait_for_others(&self) {
        let uptime = self.validity.uptime;
        let end = uptime() + BELIEVED_FOR;
        // The runtime's clock may be another one: what counts is what the others measure by.
        while let Some(left) = end.checked_sub(uptime()).filter(|left| !left.is_zero()) {
            tokio::time::sleep(left).await;
        }
    }

    /// What imports have ever brought in, as far as this process has noticed.
    pub fn forms(&self) -> Forms {
        self.forms.get()
    }

    /// Whether a key with this digest may be there, now or formerly: `false` is certain, and saves a read that would find
    /// nothing. That is known only while many wrong keys come; a key that another process minted may then be unknown for up
    /// to [`BELIEVED_FOR`].
    pub fn may_hold(&self, digest: &Digest, now: Timestamp) -> bool {
        !self.validity.has_looked() || self.sqlite.may_hold(digest, now)
    }

    /// Takes note that a key was looked for and is not there. After many of these in a minute, what there is is read into
    /// memory, in the background.
    pub fn found_nothing(&self, now: Timestamp) {
        self.sqlite.found_nothing(now);
    }

    /// What waits beside the store to be imported, where its process is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where that cannot be found out.
    pub async fn waiting_import(&self) -> Result<Option<Staging>> {
        let path = self.sqlite.path().to_owned();
        let waiting = tokio::task::spawn_blocking(move || Staging::waiting(&path)).await;
        waiting.map_err(|e| Error::Internal(format!("a look for an import did not finish: {e}")))?
    }

    /// Tells others that this process takes on what they want to be imported, for as long as it is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the operating system gives no lock.
    pub fn announce_server(&self) -> Result<()> {
        self.is_server.store(true, Ordering::Relaxed);
        self.sqlite.announce_server()
    }

    /// Whether another process has announced that.
    pub fn has_server(&self) -> bool {
        self.sqlite.has_server()
    }

    /// Removes the file that an import left beside the store whose process is gone, if there is one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it cannot be removed.
    pub fn remove_left_import(&self) -> Result<()> {
        Staging::remove_left(self.sqlite.path())
    }

    /// Whether the process is there that has an import waiting beside the store.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where that cannot be found out.
    pub fn is_import_waiting(&self) -> Result<bool> {
        Staging::is_waiting(self.sqlite.path())
    }

    /// The sizes of the store's files.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the file cannot be looked at.
    pub async fn size(&self) -> Result<Size> {
        let path = self.sqlite.path().to_owned();
        tokio::task::spawn_blocking(move || sqlite::size(&path))
            .await
            .map_err(|e| Error::Internal(format!("a look at the store's files did not finish: {e}")))?
    }

    /// Copies the store as it is now into a new file, which is there only once it is whole, checked and on disk. Nobody is
    /// held up meanwhile.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the file is there already or cannot be written, or the store cannot be read.
    pub async fn back_up(&self, to: PathBuf, mut progress: impl FnMut(Progress) + Send + 'static) -> Result<Backup> {
        let (path, busy_timeout) = (self.sqlite.path().to_owned(), self.sqlite.busy_timeout());
        tokio::task::spawn_blocking(move || sqlite::back_up(&path, busy_timeout, &to, &mut progress))
            .await
            .map_err(|e| Error::Internal(format!("a backup did not finish: {e}")))?
    }

    /// Puts a copy of a backup in the store's place, with everything done anew that the ledger of revocations says, and
    /// keeps what was there. Nobody may have the store open. Blocks.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the whole story in `detail`; the store is as it was then.
    pub fn restore(options: &Options, how: Restore<'_>) -> Result<Restored> {
        sqlite::restore(options, how)
    }

    /// Finishes what is queued and moves everything into the main file. Blocks.
    pub fn close(&self) {
        self.sqlite.close();
    }
}

/// What the name of a backup ends with until it is whole.
pub const UNFINISHED: &str = "-unfinished";

/// Removes what a backup to this file left that was cut short, if it left anything.
///
/// # Errors
/// [`io::ErrorKind::ResourceBusy`] where the backup goes on.
pub fn remove_unfinished(to: &Path) -> io::Result<()> {
    sqlite::remove_left(&files::beside(to, UNFINISHED))
}

/// How far a copy has come, in pages of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Pages that are copied.
    pub done: u64,
    /// Pages that there are.
    pub total: u64,
}

/// A copy of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The newest event of its audit log: of what moment it is.
    pub head: Link,
    /// How many keys it has.
    pub keys: u64,
    /// How large it is, in bytes.
    pub bytes: u64,
}

/// How a backup is restored.
pub struct Restore<'a> {
    /// The backup.
    pub from: &'a Path,
    /// Whether to go on where the ledger is not there or damaged.
    pub without_ledger: bool,
    /// What is appended to the store's name for what was in its place.
    pub aside: &'a str,
    /// Brings a key to how it stands by the ledger.
    pub settle: &'a Settle<'a>,
    /// What is done last, in the same transaction.
    pub finish: &'a Finish<'a>,
    /// Is told how far the copy has come.
    pub progress: &'a mut dyn FnMut(Progress),
}

/// What is done to a copy before it takes the store's place.
pub type Finish<'a> = dyn Fn(&mut dyn Writes, &Restored) -> Result<()> + 'a;

/// A backup that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the backup was.
    pub backup: Backup,
    /// How many keys the ledger changed.
    pub changed: usize,
    /// Where the store is now that was there before, or what there was of it.
    pub replaced: Option<PathBuf>,
}

/// What the store takes on disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The one file that stays.
    pub main: u64,
    /// The write-ahead log beside it, which it is brought into from time to time.
    pub wal: u64,
}

/// The version of the schema that this program knows.
pub const SCHEMA: u32 = sqlite::SCHEMA;

/// The sizes of a store's files, whoever has them open.
///
/// # Errors
/// [`Error::Unavailable`] where the file cannot be looked at.
pub fn size(path: &Path) -> Result<Size> {
    sqlite::size(path)
}

/// A store's file that may be damaged or of another version, to find out what is wrong with it. Nothing is written. Blocks.
pub struct Checkup(sqlite::Checkup);

impl Checkup {
    /// Of this file.
    pub fn new(path: &Path, busy_timeout: Duration) -> Self {
        Self(sqlite::Checkup::new(path, busy_timeout))
    }

    /// Where another process has the store open, how many bytes of its log wait to be brought into the main file. This
    /// process must not have it open, not even as a [`View`].
    pub fn waiting_log(&self) -> Option<u64> {
        self.0.waiting_log()
    }

    /// The version of its schema.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the whole story in `detail`, where the file is not there, not ours, or damaged.
    pub fn schema(&self) -> Result<u32> {
        self.0.schema()
    }

    /// What is wrong with the file's pages, and where it is asked for also with what they refer to; nothing, where all is
    /// well. Reads the whole file.
    ///
    /// # Errors
    /// As [`Checkup::schema`].
    pub fn complaints(&self, is_thorough: bool) -> Result<Vec<String>> {
        self.0.complaints(is_thorough)
    }

    /// Where the ledger of revocations is, if there is one.
    pub fn ledger_path(&self) -> PathBuf {
        self.0.ledger_path()
    }

    /// How the ledger of revocations goes with the store, and what it holds. Reads the whole ledger.
    ///
    /// # Errors
    /// As [`Checkup::schema`].
    pub fn ledger(&self) -> Result<(Agreement, LedgerSummary)> {
        self.0.ledger()
    }
}

/// A store's file that is only looked at: nothing is written, and a server may have it open. Blocks.
pub struct View(sqlite::View);

impl View {
    /// Opens the file.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the whole story in `detail`, where the file is not there, not ours, of another version
    /// or damaged.
    pub fn open(path: &Path, busy_timeout: Duration) -> Result<Self> {
        sqlite::View::open(path, busy_timeout).map(Self)
    }

    /// Whether the ledger of revocations beside the file knows of changes that the file does not have: the file is an older
    /// copy, and keys that are good in it may have been revoked.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the file or the ledger cannot be read.
    pub fn is_behind_ledger(&self) -> Result<bool> {
        self.0.is_behind_ledger()
    }

    /// Whether a server has the store open.
    pub fn has_server(&self) -> bool {
        self.0.has_server()
    }

    /// Runs `work` in one read transaction.
    ///
    /// # Errors
    /// What `work` fails with, or [`Error::Unavailable`] where the file cannot be read.
    pub fn read<T>(&self, work: impl FnOnce(&dyn Reads) -> Result<T>) -> Result<T> {
        self.0.read(work)
    }
}

/// For how long after its last look at other processes' commits a process believes what it remembers. A command waits as
/// long before it says that its change is in force: a server that is stopped meanwhile, or cannot look, then finds that what it
/// remembers is too old.
///
/// It is the same for all processes, whatever their settings. A process that looks less often reads keys anew more often.
pub const BELIEVED_FOR: Duration = Duration::from_millis(200);

/// When something was read about a key, and the count of the commits that had made such things outdated by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    revision: u64,
    taken_at: Duration,
}

/// What is known of commits that take validity away, so that what is remembered about a key can be known to be outdated.
///
/// They are counted apart for 256 groups of digests: revoking one key does not make all others be read anew.
struct Validity {
    uptime: fn() -> Duration,
    /// When the last look at other processes' commits began, in nanoseconds of `uptime`.
    looked_at_ns: AtomicU64,
    revisions: [AtomicU64; 256],
}

impl Validity {
    fn new(uptime: fn() -> Duration) -> Self {
        Self { uptime, looked_at_ns: AtomicU64::new(0), revisions: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    fn stamp(&self, digest: &Digest) -> Stamp {
        let taken_at = (self.uptime)();
        Stamp { revision: self.revision(digest), taken_at }
    }

    fn is_current(&self, digest: &Digest, stamp: Stamp) -> bool {
        // The time of the look before the count: whatever that look found is in the count then.
        let known_at = self.looked_at().max(stamp.taken_at);
        self.is_recent(known_at) && self.revision(digest) == stamp.revision
    }

    /// Whether all that other processes committed more than [`BELIEVED_FOR`] ago is known.
    fn has_looked(&self) -> bool {
        self.is_recent(self.looked_at())
    }

    /// Takes note of a look at other processes' commits that began then. What it found must have lapsed before.
    fn looked(&self, began: Duration) {
        let ns = u64::try_from(began.as_nanos()).unwrap_or(u64::MAX);
        self.looked_at_ns.store(ns, Ordering::SeqCst);
    }

    fn looked_at(&self) -> Duration {
        Duration::from_nanos(self.looked_at_ns.load(Ordering::SeqCst))
    }

    fn is_recent(&self, at: Duration) -> bool {
        (self.uptime)().saturating_sub(at) < BELIEVED_FOR
    }

    fn revision(&self, digest: &Digest) -> u64 {
        self.revisions[group(digest)].load(Ordering::SeqCst)
    }

    fn lapse(&self, stale: Stale) {
        match stale {
            Stale::Key(digest) => _ = self.revisions[group(&digest)].fetch_add(1, Ordering::SeqCst),
            Stale::Everything => self.revisions.iter().for_each(|r| _ = r.fetch_add(1, Ordering::SeqCst)),
        }
    }
}

/// What imports have ever brought in: looked at by every request, so in memory.
#[derive(Default)]
struct SharedForms {
    foreign: AtomicBool,
    sha256: AtomicBool,
}

impl SharedForms {
    fn get(&self) -> Forms {
        Forms { foreign: self.foreign.load(Ordering::Relaxed), sha256: self.sha256.load(Ordering::Relaxed) }
    }

    /// Takes note of more; nothing that was there once is unlearnt.
    fn add(&self, forms: Forms) {
        self.foreign.fetch_or(forms.foreign, Ordering::Relaxed);
        self.sha256.fetch_or(forms.sha256, Ordering::Relaxed);
    }
}

fn group(digest: &Digest) -> usize {
    usize::from(digest.as_bytes()[0])
}

/// What a commit made outdated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stale {
    /// What is remembered about one key.
    Key(Digest),
    /// What is remembered about any key.
    Everything,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        static UPTIME: Cell<Duration> = const { Cell::new(Duration::from_secs(1_000)) };
    }

    fn validity() -> Validity {
        let validity = Validity::new(|| UPTIME.get());
        validity.looked(UPTIME.get());
        validity
    }

    fn pass(time: Duration) {
        UPTIME.set(UPTIME.get() + time);
    }

    const INSTANT: Duration = Duration::from_nanos(1);

    #[test]
    fn what_was_read_is_believed_until_the_last_look_is_too_old() {
        let (validity, digest) = (validity(), Digest::from_bytes([7; 32]));
        let stamp = validity.stamp(&digest);
        pass(BELIEVED_FOR - INSTANT);
        assert!(validity.is_current(&digest, stamp));
        assert!(validity.has_looked());
        pass(INSTANT);
        assert!(!validity.is_current(&digest, stamp));
        assert!(!validity.has_looked());
        validity.looked(UPTIME.get());
        assert!(validity.is_current(&digest, stamp), "nothing was committed meanwhile");
        assert!(validity.has_looked());
    }

    #[test]
    fn what_was_read_after_the_last_look_is_believed_as_long() {
        let (validity, digest) = (validity(), Digest::from_bytes([7; 32]));
        pass(2 * BELIEVED_FOR);
        let stamp = validity.stamp(&digest);
        pass(BELIEVED_FOR - INSTANT);
        assert!(validity.is_current(&digest, stamp));
        pass(INSTANT);
        assert!(!validity.is_current(&digest, stamp));
    }

    #[test]
    fn what_a_commit_made_outdated_is_not_believed_however_recent_the_look_is() {
        for stale in [Stale::Key(Digest::from_bytes([7; 32])), Stale::Everything] {
            let (validity, digest) = (validity(), Digest::from_bytes([7; 32]));
            let stamp = validity.stamp(&digest);
            validity.lapse(stale);
            validity.looked(UPTIME.get());
            assert!(!validity.is_current(&digest, stamp));
            assert!(validity.is_current(&digest, validity.stamp(&digest)));
        }
    }
}
