//! The thread that writes: batches, transactions and the order of ledger and commit.

use super::commit_error::{BUSY, CommitError};
use super::job::Job;
use super::shared::WriterShared;
use crate::domain::{Error, Link, Timestamp};
use crate::store::file::options::StoreOptions;
use crate::store::sqlite::commit_effects::CommitEffects;
use crate::store::sqlite::digest_index::Merged;
use crate::store::sqlite::file_identity::{FileIdentity, Mismatch};
use crate::store::sqlite::ledger::{Ledger, Mark};
use crate::store::sqlite::transaction::StoreTransaction;
use crate::store::sqlite::uncertain_commit::UncertainCommit;
use crate::store::sqlite::{audit, connect, ledger_sync};
use rusqlite::{Connection, ErrorCode};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often to try again to lock the store while another process holds it. A process with much to write releases the
/// store for a few of these now and then.
const LOCK_RETRY: Duration = Duration::from_millis(1);

/// What belongs to the open files beside the connection.
pub(in crate::store::sqlite) struct Files {
    pub(in crate::store::sqlite) ledger: Ledger,
    pub(in crate::store::sqlite) file_identity: Arc<FileIdentity>,
    /// When the store was opened, by `stopwatch`.
    pub(in crate::store::sqlite) opened_at: Instant,
}

pub(super) struct Thread {
    pub(super) connection: Connection,
    pub(super) shared: WriterShared,
    pub(super) ledger: Ledger,
    /// When the store was opened, by the time of day and by `stopwatch`.
    pub(super) opened: (Timestamp, Instant),
    pub(super) file_identity: Arc<FileIdentity>,
    path: PathBuf,
    /// What a failed commit may have left in the log and in the ledger.
    pub(super) uncertain: UncertainCommit,
    checkpoints_at_end: Arc<AtomicBool>,
    /// `PRAGMA data_version` at the last check: SQLite's count of other connections' commits. This process writes on this
    /// connection only, so they are other processes' commits.
    pub(super) data_version: Option<i64>,
    /// Whether the store's files were found replaced at the last check.
    pub(super) is_replaced: bool,
    /// Why the last check between two batches failed.
    pub(super) watch_error: Option<String>,
    max_batch: usize,
    pub(super) busy_timeout: Duration,
    watch_interval: Duration,
    pub(super) uptime: fn() -> Duration,
    pub(super) stopwatch: fn() -> Instant,
    /// When the last regular checkpoint was tried.
    pub(super) checkpointed: Option<Instant>,
}

impl Thread {
    pub(super) fn new(
        connection: Connection,
        options: &StoreOptions,
        files: Files,
        shared: WriterShared,
        checkpoints_at_end: Arc<AtomicBool>,
    ) -> Self {
        Self {
            connection,
            shared,
            ledger: files.ledger,
            opened: (options.opened_at, files.opened_at),
            file_identity: files.file_identity,
            path: options.path.clone(),
            uncertain: UncertainCommit::default(),
            checkpoints_at_end,
            data_version: None,
            is_replaced: false,
            watch_error: None,
            max_batch: options.write_batch,
            busy_timeout: options.busy_timeout,
            watch_interval: options.watch_interval,
            uptime: options.uptime,
            stopwatch: options.stopwatch,
            checkpointed: None,
        }
    }

    pub(super) fn run(&mut self, jobs: &Receiver<Box<dyn Job>>) {
        loop {
            match jobs.recv_timeout(self.watch_interval) {
                Ok(first) => {
                    let mut batch = vec![first];
                    batch.extend(jobs.try_iter().take(self.max_batch.saturating_sub(1)));
                    self.answer(batch);
                }
                Err(RecvTimeoutError::Timeout) => {
                    // An error was logged when it first occurred, and the next caller gets it.
                    _ = self.recover();
                    self.watch_others();
                    self.checkpoint_if_due();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if let Err(CommitError { detail, .. }) = self.recover() {
            log::error!("a failed commit could not be undone; the next start may apply it after all: {detail}");
        }
        if self.checkpoints_at_end.load(Ordering::Relaxed)
            && let Err(error) = self.finish_index_and_checkpoint()
        {
            log::error!(
                "the write-ahead log could not be checkpointed at the end; nothing is lost, the next start does it: {error}"
            );
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
            job.reply(outcome.as_ref().err().map(|error| error.at(&self.path)));
        }
    }

    /// Runs the batch in one transaction. When this returns, the transaction is on disk and the cached keys that it
    /// changed are invalid.
    fn commit(&mut self, batch: &mut Vec<Box<dyn Job>>) -> Result<(), CommitError> {
        if let Some(Mismatch::Missing(detail) | Mismatch::Replaced(detail)) = self.file_identity.mismatch() {
            return Err(CommitError::not_in_place(detail));
        }
        self.recover()?;
        self.replay_after_replacement()?;
        self.begin(batch)?;
        let done = self.run_jobs(batch).map_err(CommitError::from);
        match done.and_then(|done| self.write_ledger_and_commit(&done.0).map(|()| done)) {
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
            Err(error) => match self.recover() {
                Ok(()) => {
                    if error.is_behind_ledger {
                        self.catch_up_with_ledger();
                    }
                    Err(error)
                }
                Err(CommitError { detail, .. }) => {
                    log::error!(
                        "a failed commit could not be undone yet; this is tried again until it succeeds: {detail}"
                    );
                    Err(error.uncertain())
                }
            },
        }
    }

    /// Begins a transaction. While another process holds the store, this still notices other processes' commits, and
    /// answers each job that has waited for `busy_timeout` since it was queued.
    fn begin(&mut self, batch: &mut Vec<Box<dyn Job>>) -> rusqlite::Result<()> {
        loop {
            self.notice_others()?;
            let now = (self.stopwatch)();
            let left = |job: &dyn Job| (job.queued_at() + self.busy_timeout).saturating_duration_since(now);
            let patience = batch.iter().map(|job| left(&**job)).min().unwrap_or_default();
            self.connection.busy_timeout(LOCK_RETRY.min(patience))?;
            let begun = self.statement("BEGIN IMMEDIATE");
            self.connection.busy_timeout(self.busy_timeout)?;
            match begun {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                    self.refuse_overdue(batch);
                    if batch.is_empty() {
                        return Err(error);
                    }
                }
                begun => return begun,
            }
        }
    }

    /// Refuses the jobs that have waited for `busy_timeout`.
    fn refuse_overdue(&self, batch: &mut Vec<Box<dyn Job>>) {
        let now = (self.stopwatch)();
        let is_overdue = |job: &dyn Job| now.saturating_duration_since(job.queued_at()) >= self.busy_timeout;
        let (overdue, rest): (Vec<_>, Vec<_>) = std::mem::take(batch).into_iter().partition(|job| is_overdue(&**job));
        *batch = rest;
        for job in overdue {
            job.reply(Some(Error::unavailable(BUSY, "another process holds the store")));
        }
    }

    /// Ends an open transaction and undoes a failed commit.
    fn recover(&mut self) -> Result<(), CommitError> {
        // A failed statement may have ended the transaction already.
        if !self.connection.is_autocommit() {
            self.statement("ROLLBACK")?;
        }
        if self.uncertain.is_pending() {
            self.uncertain.undo(&self.connection, &mut self.ledger)?;
        }
        Ok(())
    }

    /// Writes the ledger first, then commits: the ledger has every revocation that the store has.
    fn write_ledger_and_commit(&mut self, effects: &CommitEffects) -> Result<(), CommitError> {
        if effects.compacts_ledger {
            self.compact_ledger();
        }
        if effects.need_ledger() {
            let committed = || connect::open_read_only(&self.path, self.busy_timeout);
            let number = ledger_sync::prepare_append(&self.connection, &mut self.ledger, committed)? + 1;
            let commit = Mark::of(number, audit::head(&self.connection)?.unwrap_or(Link::START));
            self.uncertain.append_to_ledger(&self.connection, &mut self.ledger, effects, commit)?;
        }
        let outcome = self.statement("COMMIT");
        self.uncertain.committed(&outcome);
        Ok(outcome?)
    }

    fn run_jobs(&mut self, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<(CommitEffects, Merged)> {
        self.notice_others()?;
        let mut effects = CommitEffects::default();
        for job in batch {
            self.statement("SAVEPOINT job")?;
            let mut writes = StoreTransaction::new(&self.connection, &self.shared.index, &effects.minted);
            if job.run(&mut writes) {
                let more = writes.into_effects();
                effects.extend(more);
            } else {
                self.statement("ROLLBACK TO job")?;
            }
            self.statement("RELEASE job")?;
        }
        // Twice as many as the new keys, so that a run is in the table before the next one is full.
        let merged = self.shared.index.merge(&self.connection, 2 * effects.minted.len())?;
        Ok((effects, merged))
    }

    pub(super) fn statement(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(|_| ())
    }
}
