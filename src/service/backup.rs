//! Backups, and what is made of them.

use super::audit::{describe_file, on_whole_store};
use super::{Service, StoreOptions};
use crate::domain::{Action, Actor, ChainCheck, Error, Link, Result, Timestamp};
use crate::store::file::{self, Backup, Progress, Restore, Restored};
use crate::store::{Reads, Writes};
use serde_json::json;
use std::path::{Path, PathBuf};

/// How many events are checked in one go.
const CHECKED: u32 = 1000;

/// What is to be restored.
#[derive(Clone, Debug)]
pub struct Restoration {
    /// The backup.
    pub from: PathBuf,
    /// Whether to go on where the ledger of revocations is not there or damaged.
    pub without_ledger: bool,
}

impl Service {
    /// Copies the store as it is now into a new file, which is there only once it is whole, checked and on disk. Nobody is
    /// held up meanwhile. That it was done is recorded.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the file is there already or cannot be written, or the store cannot be read.
    pub async fn back_up(
        &self,
        to: &Path,
        by: Actor,
        now: Timestamp,
        progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Backup> {
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

    /// Takes note of a backup that was made earlier.
    pub fn note_backup(&self, at: Timestamp) {
        self.metrics.set_last_backup(at);
    }

    /// Has what is outdated in the ledger of revocations dropped, where that is much.
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

/// Puts a copy of a backup in the store's place: every key that was revoked, deactivated or rotated since then stands as
/// it did last. Nobody may have the store open. Blocks.
///
/// # Errors
/// [`Error::Unavailable`] with the whole story in `detail`; the store is as it was then.
pub fn restore(
    options: &StoreOptions,
    what: &Restoration,
    now: Timestamp,
    progress: &mut dyn FnMut(Progress),
) -> Result<Restored> {
    let aside = format!("-replaced-{}", file_name_time(now));
    let finish = |writes: &mut dyn Writes, restored: &Restored| {
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
        Restore {
            from: &what.from,
            without_ledger: what.without_ledger,
            aside: &aside,
            now,
            finish: &finish,
            progress,
        },
    )
}

/// A time as part of a file's name, such as `20261124T031500Z`.
pub fn file_name_time(at: Timestamp) -> String {
    let text = at.to_string().replace(['-', ':'], "");
    text.split('.').next().unwrap_or_default().to_owned() + "Z"
}

/// A broken audit log is told, and is no reason to be left without a store.
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
