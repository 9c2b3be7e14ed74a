//! Checkpoints of the write-ahead log, and compaction of the ledger.

use super::thread::Thread;
use crate::store::sqlite::ledger_sync;
use crate::store::sqlite::open::LOG_LIMIT;
use std::time::Duration;

/// How often the log is checkpointed while nothing is written.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);

impl Thread {
    /// Checkpoints the log if the interval is over. SQLite does so only after many writes: a small store would be in its
    /// log alone for days, and would be lost with it. This waits for no other process.
    pub(super) fn checkpoint_if_due(&mut self) {
        let now = (self.stopwatch)();
        if self.checkpointed.is_some_and(|last| now.saturating_duration_since(last) < CHECKPOINT_INTERVAL) {
            return;
        }
        self.checkpointed = Some(now);
        if let Err(error) = self.checkpoint() {
            log::warn!("the write-ahead log could not be checkpointed; this is tried again: {error}");
        }
    }

    /// Copies the log into the main file, and truncates a large log, for example after an import. Leaves alone what a
    /// failed commit left in the log.
    fn checkpoint(&self) -> rusqlite::Result<()> {
        let frames: i64 = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?;
        let page_size: i64 = self.connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        if self.uncertain.is_pending() || frames * page_size <= LOG_LIMIT {
            return Ok(());
        }
        // Everything is in the main file by now, so this is quick. It does not wait for those who read from the log.
        self.connection.busy_timeout(Duration::ZERO)?;
        let truncated = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.connection.busy_timeout(self.busy_timeout)?;
        truncated
    }

    /// Writes the whole digest index to its table and checkpoints the log, so that the main file has everything. On a full disk the
    /// index may not fit: the next start completes it, and the log is checkpointed anyway.
    pub(super) fn finish_index_and_checkpoint(&mut self) -> rusqlite::Result<()> {
        if self.finish_index().is_err() {
            // A failed commit may leave its transaction open.
            _ = self.statement("ROLLBACK");
        }
        // What others still read stays in the log, which is as durable.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    fn finish_index(&mut self) -> rusqlite::Result<()> {
        while self.shared.index.begin_last_run() {
            self.statement("BEGIN IMMEDIATE")?;
            let merged = self.shared.index.merge(&self.connection, usize::MAX)?;
            self.statement("COMMIT")?;
            self.shared.index.committed(&[], &merged);
        }
        Ok(())
    }

    /// Compacts the ledger; a failure is only logged. Does nothing where the ledger ends with lines of a commit that never
    /// happened, as a killed process leaves them: compaction would drop older lines for them. The next append drops them.
    pub(super) fn compact_ledger(&mut self) {
        let noted = match ledger_sync::read_mark(&self.connection) {
            Ok(noted) => noted,
            Err(error) => return log::warn!("the ledger of revocations could not be compacted: {error}"),
        };
        let last = self.ledger.last_commit();
        match last.and_then(|last| if last == Some(noted) { self.ledger.compact() } else { Ok(None) }) {
            Ok(None) => {}
            Ok(Some(bytes)) => log::info!("the ledger of revocations was compacted by {bytes} bytes"),
            Err(error) => log::warn!("the ledger of revocations could not be compacted: {error}"),
        }
    }
}
