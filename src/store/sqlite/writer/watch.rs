//! Notices what other processes commit, and what they did while the store's files were replaced.

use super::thread::Thread;
use crate::domain::Result;
use crate::store::revisions::Stale;
use crate::store::sqlite::{imported_forms, ledger_sync};

impl Thread {
    /// Checks for other processes' commits between two batches. Logs the first failure and the recovery.
    pub(super) fn watch_others(&mut self) {
        let checked = self.replay_after_replacement().and_then(|()| Ok(self.notice_others()?));
        let failure = checked.err().map(|error| error.detail().map_or_else(|| error.to_string(), str::to_owned));
        if failure != self.watch_error {
            match &failure {
                Some(error) => {
                    log::error!("cached keys are not used: other processes' changes cannot be watched: {error}");
                }
                None => log::warn!("other processes' changes are watched again"),
            }
        }
        self.watch_error = failure;
    }

    /// Replays the ledger if the store's files were replaced for a while: it has what was done in the other files. No key
    /// is judged before that is done.
    pub(super) fn replay_after_replacement(&mut self) -> Result<()> {
        if !self.file_identity.is_original_again() {
            return Ok(());
        }
        self.replay_ledger()?;
        self.data_version = None;
        self.file_identity.forget_replacement();
        log::warn!("the store's files are the original ones again");
        Ok(())
    }

    /// Checks whether other processes committed. If so, takes over their keys and invalidates all cached keys and the
    /// negative filter. While the files are replaced, others' commits cannot be seen: this does not count as a check then.
    pub(super) fn notice_others(&mut self) -> rusqlite::Result<()> {
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
        self.shared.revisions.checked(began);
        Ok(())
    }

    /// Whether the open files still have their names. Logs when that ends.
    fn is_in_place(&mut self) -> bool {
        let replacement = self.file_identity.replacement();
        let was_replaced = std::mem::replace(&mut self.is_replaced, replacement.is_some());
        if let Some(detail) = replacement.filter(|_| !was_replaced) {
            log::error!("keys are not verified: {detail}");
        }
        !self.is_replaced
    }

    /// Replays what the ledger has and the store lacks, as a killed process or an operator may leave it.
    pub(super) fn catch_up_with_ledger(&mut self) {
        if let Err(error) = self.replay_ledger() {
            let detail = error.detail().unwrap_or_default();
            log::error!("the store could not be brought up to date with its ledger of revocations: {error} {detail}");
        }
    }

    fn replay_ledger(&mut self) -> Result<()> {
        let (opened_at, began) = self.opened;
        let passed = (self.stopwatch)().saturating_duration_since(began);
        let now = opened_at.plus_ms(i64::try_from(passed.as_millis()).unwrap_or_default()).unwrap_or(opened_at);
        let done = ledger_sync::synchronize(&mut self.connection, &self.shared.index, &mut self.ledger, now);
        self.shared.invalidate([Stale::AllKeys, Stale::NegativeFilter]);
        done
    }
}
