//! The one thread that writes.
//!
//! It takes what is queued, runs each job in a savepoint of one transaction, commits, and only then answers. There is no
//! timer: while one commit is on its way to the disk, the next batch gathers.

use super::audit;
use super::commit_effects::CommitEffects;
use super::connect;
use super::digest_index::{DigestIndex, Merged};
use super::file_identity::{FileIdentity, Mismatch};
use super::imported_forms;
use super::ledger::{Ledger, Mark};
use super::ledger_sync::{self, SyncError};
use super::negative_filter::NegativeFilter;
use super::open::LOG_LIMIT;
use super::transaction::StoreTransaction;
use super::uncertain_commit::UncertainCommit;
use crate::domain::{Error, Link, Result, Timestamp};
use crate::metrics::Metrics;
use crate::store::file::contract::FileWrites;
use crate::store::file::options::StoreOptions;
use crate::store::key_forms::SharedKeyForms;
use crate::store::revisions::{Revisions, Stale};
use rusqlite::{Connection, ErrorCode};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How often the log is brought into the main file, where nothing is to be written just then.
const CHECKPOINTS: Duration = Duration::from_secs(60);
/// How often to ask for the store where another process holds it. A process with much to write leaves it to others for a few of
/// these now and then.
const TURN: Duration = Duration::from_millis(1);
const BUSY: &str = "The store has more to write than it can take; try again.";
const FAILED: &str = "The store could not be written; nothing was changed.";
const FULL: &str = "The store's disk is full; nothing was changed.";
const BEHIND: &str = "The store had to be brought up to date first; nothing was changed. Try again.";
const GONE: &str = "The store is not where it was; nothing was changed.";
const UNCERTAIN: &str =
    "The store could not be written, and what was begun could not be taken back yet; look again what became of it.";

/// Whether it is not certain what became of a write that failed with this.
pub(in crate::store) fn has_uncertain_outcome(error: &Error) -> bool {
    matches!(error, Error::Unavailable { sentence: UNCERTAIN, .. })
}

/// The way to the thread.
pub(in crate::store) struct Writer {
    running: Mutex<Option<Running>>,
    /// Whether the thread is to leave everything in the main file.
    settles: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
    stopwatch: fn() -> Instant,
}

/// What others see of what the thread does.
pub(super) struct Shared {
    pub(super) index: Arc<DigestIndex>,
    pub(super) negative_filter: Arc<NegativeFilter>,
    pub(super) revisions: Arc<Revisions>,
    pub(super) forms: Arc<SharedKeyForms>,
    pub(super) metrics: Arc<Metrics>,
}

impl Shared {
    /// Tells all that remember something what does not hold any more of it, whoever notices.
    fn invalidate(&self, what: impl IntoIterator<Item = Stale>) {
        for stale in what {
            if stale == Stale::NegativeFilter {
                self.negative_filter.invalidate();
            }
            self.revisions.invalidate(stale);
        }
    }
}

/// What the thread keeps beside the connection.
pub(super) struct Files {
    pub(super) ledger: Ledger,
    /// When the store was opened, by the other clock.
    pub(super) began: Instant,
    pub(super) file_identity: Arc<FileIdentity>,
}

struct Running {
    queue: SyncSender<Box<dyn Job>>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub(super) fn spawn(connection: Connection, options: &StoreOptions, files: Files, shared: Shared) -> Result<Self> {
        let metrics = Arc::clone(&shared.metrics);
        let settles = Arc::new(AtomicBool::new(true));
        let (queue, jobs) = sync_channel(options.write_queue);
        let mut thread = Thread {
            connection,
            shared,
            ledger: files.ledger,
            opened: (options.opened_at, files.began),
            file_identity: files.file_identity,
            path: options.path.clone(),
            uncertain: UncertainCommit::default(),
            settles: Arc::clone(&settles),
            data_version: None,
            is_replaced: false,
            watch_failure: None,
            batch: options.write_batch,
            busy_timeout: options.busy_timeout,
            watch_interval: options.watch_interval,
            uptime: options.uptime,
            stopwatch: options.stopwatch,
            checkpointed: None,
        };
        let thread = std::thread::Builder::new()
            .name("keystead-writer".to_owned())
            .spawn(move || thread.run(&jobs))
            .map_err(|e| Error::Internal(format!("no thread for the writer: {e}")))?;
        Ok(Self {
            running: Mutex::new(Some(Running { queue, thread })),
            settles,
            metrics,
            stopwatch: options.stopwatch,
        })
    }

    /// Queues a job; the receiver gets its result once it is committed, or an error where it is not.
    pub(in crate::store) fn submit<T, F>(&self, work: F) -> Result<oneshot::Receiver<Result<T>>>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn FileWrites) -> Result<T> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let job = Box::new(Task { work: Some(work), result: None, reply, queued_at: (self.stopwatch)() });
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Running { queue, .. }) = &*running else {
            return Err(Error::unavailable(FAILED, "the store is closed"));
        };
        // Before it is sent: the thread may take it at once.
        self.metrics.queued();
        queue.try_send(job).map_err(|e| {
            self.metrics.dequeued(1);
            match e {
                TrySendError::Full(_) => Error::unavailable(BUSY, "the write queue is full"),
                TrySendError::Disconnected(_) => Error::Internal("the writer has stopped".to_owned()),
            }
        })?;
        Ok(result)
    }

    /// Lets the thread finish what is queued and waits for its end. What comes later is refused. Others who have the store
    /// open are left alone: whoever is the last `settles` it.
    pub(super) fn close(&self, settles: bool) {
        self.settles.store(settles, Ordering::Relaxed);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { queue, thread }) = running {
            drop(queue);
            if thread.join().is_err() {
                log::error!("the writer ended in a panic");
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close(true);
    }
}

/// A queued piece of work, whatever its result's type.
trait Job: Send {
    /// When it was queued.
    fn queued_at(&self) -> Instant;
    /// Does the work; says whether it is to be kept.
    fn run(&mut self, writes: &mut dyn FileWrites) -> bool;
    /// Answers: with the result, or with `failure` where the result was good but could not be kept.
    fn reply(self: Box<Self>, failure: Option<Error>);
}

struct Task<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
    queued_at: Instant,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnOnce(&mut dyn FileWrites) -> Result<T> + Send,
{
    fn queued_at(&self) -> Instant {
        self.queued_at
    }

    fn run(&mut self, writes: &mut dyn FileWrites) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = catch_unwind(AssertUnwindSafe(|| work(writes)))
            .unwrap_or_else(|_| Err(Error::Internal("a write panicked".to_owned())));
        self.result.insert(result).is_ok()
    }

    fn reply(self: Box<Self>, failure: Option<Error>) {
        let Self { work, result, reply, .. } = *self;
        // What it holds is the caller's again by the time of the answer, also where it was never run.
        drop(work);
        let result = match (result, failure) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(failure)) => Err(failure),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(Error::Internal("a write was never run".to_owned())),
        };
        // A caller that has gone away does not want to know.
        _ = reply.send(result);
    }
}

struct Thread {
    connection: Connection,
    shared: Shared,
    ledger: Ledger,
    /// When the store was opened, by the time of day and by `stopwatch`.
    opened: (Timestamp, Instant),
    file_identity: Arc<FileIdentity>,
    path: PathBuf,
    /// What a commit that failed may have left.
    uncertain: UncertainCommit,
    settles: Arc<AtomicBool>,
    /// SQLite's count of other connections' commits, when last looked at. This is the only connection of the process
    /// that writes, so these are other processes' commits.
    data_version: Option<i64>,
    /// Whether other files had the names of the store's at the last look.
    is_replaced: bool,
    /// Why the last look while there was nothing to do failed.
    watch_failure: Option<String>,
    batch: usize,
    busy_timeout: Duration,
    watch_interval: Duration,
    uptime: fn() -> Duration,
    stopwatch: fn() -> Instant,
    /// When the log was last brought into the main file because it was time.
    checkpointed: Option<Instant>,
}

impl Thread {
    fn run(&mut self, jobs: &Receiver<Box<dyn Job>>) {
        loop {
            match jobs.recv_timeout(self.watch_interval) {
                Ok(first) => {
                    let mut batch = vec![first];
                    batch.extend(jobs.try_iter().take(self.batch.saturating_sub(1)));
                    self.answer(batch);
                }
                Err(RecvTimeoutError::Timeout) => {
                    // What fails was logged when it began, and is told to whoever asks.
                    _ = self.recover();
                    self.watch_others();
                    self.checkpoint_where_due();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if let Err(Failure { detail, .. }) = self.recover() {
            log::error!("a commit that failed is not taken back; the next start may do it after all: {detail}");
        }
        if self.settles.load(Ordering::Relaxed)
            && let Err(error) = self.settle()
        {
            log::error!("the store was not settled before the end; nothing is lost, the next start does it: {error}");
        }
    }

    fn answer(&mut self, mut batch: Vec<Box<dyn Job>>) {
        self.shared.metrics.dequeued(batch.len());
        let begun = (self.stopwatch)();
        let outcome = self.commit(&mut batch);
        match &outcome {
            Ok(()) => self.shared.metrics.committed(batch.len(), (self.stopwatch)().saturating_duration_since(begun)),
            Err(_) => self.shared.metrics.commit_failed(),
        }
        for job in batch {
            job.reply(outcome.as_ref().err().map(Failure::error));
        }
    }

    /// Runs the batch in one transaction. When this returns, what was kept is on disk and what it made outdated is no
    /// longer believed.
    fn commit(&mut self, batch: &mut Vec<Box<dyn Job>>) -> std::result::Result<(), Failure> {
        if let Some(Mismatch::Missing(complaint) | Mismatch::Replaced(complaint)) = self.file_identity.mismatch() {
            return Err(Failure { sentence: GONE, detail: complaint, is_behind_ledger: false });
        }
        self.recover()?;
        self.come_back()?;
        self.begin(batch)?;
        let done = self.run_jobs(batch).map_err(Failure::from);
        match done.and_then(|done| self.keep(&done.0).map(|()| done)) {
            Ok((effects, merged)) => {
                self.shared.index.committed(&effects.minted, &merged);
                self.shared.forms.add(effects.forms);
                self.shared.negative_filter.add(effects.prefixes());
                if effects.marks_ledger {
                    self.checkpointed = None;
                }
                self.shared.invalidate(effects.stale);
                Ok(())
            }
            Err(failure) => match self.recover() {
                Ok(()) => {
                    if failure.is_behind_ledger {
                        self.catch_up_with_ledger();
                    }
                    Err(failure)
                }
                Err(Failure { detail, .. }) => {
                    log::error!(
                        "a commit that failed is not taken back yet, which is tried until it is done: {detail}"
                    );
                    Err(Failure { sentence: UNCERTAIN, ..failure })
                }
            },
        }
    }

    /// Begins a transaction. Another process may hold the store: what others committed before is noticed meanwhile, as at any
    /// time, and each job that has waited for `busy_timeout` since it was queued is answered, and waits no more.
    fn begin(&mut self, batch: &mut Vec<Box<dyn Job>>) -> rusqlite::Result<()> {
        loop {
            self.notice_others()?;
            let now = (self.stopwatch)();
            let left = |job: &dyn Job| (job.queued_at() + self.busy_timeout).saturating_duration_since(now);
            let patience = batch.iter().map(|job| left(&**job)).min().unwrap_or_default();
            self.connection.busy_timeout(TURN.min(patience))?;
            let begun = self.statement("BEGIN IMMEDIATE");
            self.connection.busy_timeout(self.busy_timeout)?;
            match begun {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                    self.give_up_overdue(batch);
                    if batch.is_empty() {
                        return Err(error);
                    }
                }
                begun => return begun,
            }
        }
    }

    /// Answers the jobs that have waited for as long as may be.
    fn give_up_overdue(&self, batch: &mut Vec<Box<dyn Job>>) {
        let now = (self.stopwatch)();
        let is_overdue = |job: &dyn Job| now.saturating_duration_since(job.queued_at()) >= self.busy_timeout;
        let (overdue, rest): (Vec<_>, Vec<_>) = std::mem::take(batch).into_iter().partition(|job| is_overdue(&**job));
        *batch = rest;
        for job in overdue {
            job.reply(Some(Error::unavailable(BUSY, "another process holds the store")));
        }
    }

    /// Leaves no transaction open, and nothing of a commit that failed.
    fn recover(&mut self) -> std::result::Result<(), Failure> {
        // A failed statement may have ended the transaction already.
        if !self.connection.is_autocommit() {
            self.statement("ROLLBACK")?;
        }
        if self.uncertain.is_pending() {
            self.uncertain.take_back(&self.connection, &mut self.ledger)?;
        }
        Ok(())
    }

    /// The ledger first, then the commit: no key that the store has revoked is missing from the ledger.
    fn keep(&mut self, effects: &CommitEffects) -> std::result::Result<(), Failure> {
        if effects.compacts_ledger {
            self.compact_ledger();
        }
        if effects.are_in_ledger() {
            let committed = || connect::look(&self.path, self.busy_timeout);
            let number = ledger_sync::prepare_append(&self.connection, &mut self.ledger, committed)? + 1;
            let commit = Mark::of(number, audit::head(&self.connection)?.unwrap_or(Link::START));
            self.uncertain.append(&self.connection, &mut self.ledger, effects, commit)?;
        }
        let outcome = self.statement("COMMIT");
        self.uncertain.committed(&outcome);
        Ok(outcome?)
    }

    /// Does in the store what the ledger says that a killed process, or somebody by hand, left ahead of it.
    fn catch_up_with_ledger(&mut self) {
        if let Err(error) = self.do_what_the_ledger_says() {
            let detail = error.detail().unwrap_or_default();
            log::error!("the store could not be brought up to date with its ledger of revocations: {error} {detail}");
        }
    }

    fn do_what_the_ledger_says(&mut self) -> Result<()> {
        let (opened_at, began) = self.opened;
        let passed = (self.stopwatch)().saturating_duration_since(began);
        let now = opened_at.plus_ms(i64::try_from(passed.as_millis()).unwrap_or_default()).unwrap_or(opened_at);
        let done = ledger_sync::synchronize(&mut self.connection, &self.shared.index, &mut self.ledger, now);
        self.shared.invalidate([Stale::AllKeys, Stale::NegativeFilter]);
        done
    }

    /// What is only tidied is no reason to fail. What lies last for a commit that never was, as a process leaves it that is
    /// killed just before, must not take the place of what was committed: the next append drops it.
    fn compact_ledger(&mut self) {
        let noted = match ledger_sync::read_mark(&self.connection) {
            Ok(noted) => noted,
            Err(error) => return log::warn!("the ledger of revocations could not be compacted: {error}"),
        };
        let last = self.ledger.last();
        match last.and_then(|last| if last == Some(noted) { self.ledger.compact() } else { Ok(None) }) {
            Ok(None) => {}
            Ok(Some(bytes)) => log::info!("the ledger of revocations was compacted by {bytes} bytes"),
            Err(error) => log::warn!("the ledger of revocations could not be compacted: {error}"),
        }
    }

    fn run_jobs(&mut self, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<(CommitEffects, Merged)> {
        self.notice_others()?;
        let mut effects = CommitEffects::default();
        for job in batch {
            self.statement("SAVEPOINT job")?;
            let mut rows = StoreTransaction::new(&self.connection, &self.shared.index, &effects.minted);
            if job.run(&mut rows) {
                let more = rows.into_effects();
                effects.extend(more);
            } else {
                self.statement("ROLLBACK TO job")?;
            }
            self.statement("RELEASE job")?;
        }
        // Twice as many as were minted, so that a run is in the table before the next one is full.
        let merged = self.shared.index.merge(&self.connection, 2 * effects.minted.len())?;
        Ok((effects, merged))
    }

    /// Looks for other processes' commits while there is nothing to do. Says in the log when that begins to fail, and when it
    /// goes on.
    fn watch_others(&mut self) {
        let looked = self.come_back().and_then(|()| Ok(self.notice_others()?));
        let failure = looked.err().map(|error| error.detail().map_or_else(|| error.to_string(), str::to_owned));
        if failure != self.watch_failure {
            match &failure {
                Some(error) => {
                    log::error!("nothing is answered from memory: other processes' changes cannot be watched: {error}");
                }
                None => log::warn!("other processes' changes are watched again"),
            }
        }
        self.watch_failure = failure;
    }

    /// Where other files had the names of the store's for a while, does in the store what the ledger says was done in them.
    /// Until that is done, no key is judged.
    fn come_back(&mut self) -> Result<()> {
        if !self.file_identity.is_original_again() {
            return Ok(());
        }
        self.do_what_the_ledger_says()?;
        self.data_version = None;
        self.file_identity.forget_replacement();
        log::warn!("the store's files are where they were again");
        Ok(())
    }

    /// Looks whether other processes committed anything; if so, takes over their keys and believes nothing any more, also not
    /// what there is. Where other files have the names of the store's, others' commits cannot be seen: then this counts as no
    /// look.
    fn notice_others(&mut self) -> rusqlite::Result<()> {
        let began = (self.uptime)();
        if !self.is_in_place() {
            return Ok(());
        }
        let version = self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.data_version != Some(version) {
            self.shared.invalidate([Stale::AllKeys, Stale::NegativeFilter]);
            self.shared.index.catch_up(&self.connection)?;
            self.shared.forms.add(imported_forms::forms(&self.connection)?);
            self.data_version = Some(version);
        }
        self.shared.revisions.looked(began);
        Ok(())
    }

    /// Whether others write to the files that are open. Says in the log when that ends.
    fn is_in_place(&mut self) -> bool {
        let complaint = self.file_identity.replacement();
        let was_replaced = std::mem::replace(&mut self.is_replaced, complaint.is_some());
        if let Some(complaint) = complaint.filter(|_| !was_replaced) {
            log::error!("no key is judged: {complaint}");
        }
        !self.is_replaced
    }

    /// SQLite does this by itself only when much has been written: a small store would be in its log alone for days, and lost
    /// with it. Nobody is waited for.
    fn checkpoint_where_due(&mut self) {
        let now = (self.stopwatch)();
        if self.checkpointed.is_some_and(|last| now.saturating_duration_since(last) < CHECKPOINTS) {
            return;
        }
        self.checkpointed = Some(now);
        if let Err(error) = self.checkpoint() {
            log::warn!("the write-ahead log could not be brought into the main file, which is tried again: {error}");
        }
    }

    /// Brings the log in, and gives its disk back where that is much: after an import, say, when nothing else is written.
    /// What a commit that failed left in the log is not touched.
    fn checkpoint(&self) -> rusqlite::Result<()> {
        let frames: i64 = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?;
        let page_size: i64 = self.connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        if self.uncertain.is_pending() || frames * page_size <= LOG_LIMIT {
            return Ok(());
        }
        // All is in the main file by now, so this takes no time. Where somebody reads from the log, it waits for nobody.
        self.connection.busy_timeout(Duration::ZERO)?;
        let truncated = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.connection.busy_timeout(self.busy_timeout)?;
        truncated
    }

    /// Brings the digest index up to date and the log into the main file.
    fn settle(&mut self) -> rusqlite::Result<()> {
        while self.shared.index.begin_last_run() {
            self.statement("BEGIN IMMEDIATE")?;
            let merged = self.shared.index.merge(&self.connection, usize::MAX)?;
            self.statement("COMMIT")?;
            self.shared.index.committed(&[], &merged);
        }
        // Others may still be reading; what cannot be moved now stays in the log, which is as durable.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    fn statement(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(|_| ())
    }
}

/// Why a batch was not committed.
struct Failure {
    /// What each caller is told.
    sentence: &'static str,
    /// What the log says.
    detail: String,
    /// Whether the ledger has to be caught up with before anything else can be done.
    is_behind_ledger: bool,
}

impl Failure {
    fn error(&self) -> Error {
        Error::unavailable(self.sentence, &self.detail)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let sentence = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => BUSY,
            Some(ErrorCode::DiskFull) => FULL,
            _ => FAILED,
        };
        Self { sentence, detail: error.to_string(), is_behind_ledger: false }
    }
}

impl From<SyncError> for Failure {
    fn from(failed: SyncError) -> Self {
        match failed {
            SyncError::Store(error) => error.into(),
            SyncError::Ahead => {
                let detail = "the ledger of revocations knows of changes that the store does not have".to_owned();
                Self { sentence: BEHIND, detail, is_behind_ledger: true }
            }
            SyncError::Ledger(error) => {
                let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
                let sentence = if is_full { FULL } else { FAILED };
                Self { sentence, detail: format!("the ledger of revocations: {error}"), is_behind_ledger: false }
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            sentence: FAILED,
            detail: error.detail().map_or_else(|| error.to_string(), str::to_owned),
            is_behind_ledger: false,
        }
    }
}
