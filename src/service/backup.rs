//! BackupSummary, restore and ledger compaction.

use super::audit::{describe_file, on_whole_store};
use super::{Service, StoreOptions};
use crate::domain::{Action, Actor, ChainCheck, Error, Link, Result, Timestamp};
use crate::store::file::{self, BackupSummary, CopyProgress, RestoreOutcome, RestoreRequest};
use crate::store::{Reads, Writes};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Events checked per read.
const CHECKED: u32 = 1000;

/// What to restore.
#[derive(Clone, Debug)]
pub struct Restoration {
    /// The backup file.
    pub from: PathBuf,
    /// Whether to continue if the ledger of revocations is missing or damaged.
    pub without_ledger: bool,
}

impl Service {
    /// Copies the current store into a new file and records the backup in the audit log. The file appears
    /// only when it is complete, checked and synced. Reads and writes continue meanwhile.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the file exists or cannot be written, or the store cannot be read.
    pub async fn back_up(
        &self,
        to: &Path,
        by: Actor,
        now: Timestamp,
        progress: impl FnMut(CopyProgress) + Send + 'static,
    ) -> Result<BackupSummary> {
        let backup = self.file.back_up(to.to_owned(), progress).await?;
        let name = describe_file(to);
        let event = on_whole_store(
            by,
            Action::StoreBackedUp,
            [None, Some(json!({"file": name, "head": backup.head.to_string(), "apiKeys": backup.keys}))],
            now,
        )?;
        self.store.write(move |writes| writes.append_event(&event)).await?;
        self.metrics.set_last_backup(now);
        Ok(backup)
    }

    /// Sets the metric for a backup that was made earlier.
    pub fn note_backup(&self, at: Timestamp) {
        self.metrics.set_last_backup(at);
    }

    /// Compacts the ledger of revocations if much of it is outdated.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn compact_ledger(&self) -> Result<()> {
        self.file
            .write(|writes| {
                writes.compact_ledger();
                Ok(())
            })
            .await
    }
}

/// Replaces the store with a backup, then replays the ledger: keys that were revoked, deactivated or rotated
/// since the backup get their latest state. No other process may have the store open. Blocks.
///
/// # Errors
/// [`Error::Unavailable`] with the cause in `detail`; the store is then unchanged.
pub fn restore(
    options: &StoreOptions,
    what: &Restoration,
    now: Timestamp,
    progress: &mut dyn FnMut(CopyProgress),
) -> Result<RestoreOutcome> {
    let aside = format!("-replaced-{}", file_name_time(now));
    let finish = |writes: &mut dyn Writes, restored: &RestoreOutcome| {
        check_chain(writes)?;
        let name = describe_file(&what.from);
        let change = json!({
            "file": name,
            "head": restored.backup.head.to_string(),
            "apiKeys": restored.backup.keys,
            "changedByLedger": restored.changed,
            "withoutLedger": what.without_ledger,
        });
        writes.append_event(&on_whole_store(Actor::Operator, Action::StoreRestored, [None, Some(change)], now)?)
    };
    file::restore(
        options,
        RestoreRequest {
            from: &what.from,
            without_ledger: what.without_ledger,
            aside: &aside,
            now,
            finish: &finish,
            progress,
        },
    )
}

/// A time for file names, such as `20261124T031500Z`.
pub fn file_name_time(at: Timestamp) -> String {
    let text = at.to_string().replace(['-', ':'], "");
    text.split('.').next().unwrap_or_default().to_owned() + "Z"
}

/// A broken audit log is logged and does not stop the restore: a store with a broken log is better than none.
fn check_chain<R: Reads + ?Sized>(reads: &R) -> Result<()> {
    let mut last: Option<Link> = None;
    loop {
        let ChainCheck { last: checked, count, fault, .. } = match reads.check_chain(last, CHECKED) {
            Err(Error::Internal(detail)) => {
                log::warn!("{detail}");
                return Ok(());
            }
            other => other?,
        };
        if fault.is_some() {
            log::warn!("the backup's audit log is broken at event {}; see keystead audit verify", checked.number + 1);
            return Ok(());
        }
        if count < u64::from(CHECKED) {
            return Ok(());
        }
        last = Some(checked);
    }
}
