//! Backups and restores of the store's file.

use crate::domain::{Link, Result, Timestamp};
use crate::store::Writes;
use std::path::{Path, PathBuf};

/// The suffix of a backup's name until the backup is complete.
pub const PARTIAL_SUFFIX: &str = "-unfinished";

/// Progress of a copy, in pages of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyProgress {
    /// Pages copied so far.
    pub done: u64,
    /// Pages in total.
    pub total: u64,
}

/// What a backup contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// The newest event of its audit log: it identifies the moment of the backup.
    pub head: Link,
    /// Number of keys.
    pub keys: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// What to restore, and how.
pub struct RestoreRequest<'a> {
    /// The backup file.
    pub from: &'a Path,
    /// Whether to restore even where the ledger is missing or damaged.
    pub without_ledger: bool,
    /// The suffix for the name of the store that is replaced and kept.
    pub aside: &'a str,
    /// The current time, for the audit log.
    pub now: Timestamp,
    /// The last step, in the same transaction.
    pub finish: &'a FinishRestore<'a>,
    /// Called with the progress of the copy.
    pub progress: &'a mut dyn FnMut(CopyProgress),
}

/// A change of the copy before it replaces the store.
pub type FinishRestore<'a> = dyn Fn(&mut dyn Writes, &RestoreOutcome) -> Result<()> + 'a;

/// The result of a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreOutcome {
    /// What was restored.
    pub backup: BackupSummary,
    /// How many keys the ledger changed.
    pub changed: usize,
    /// Where the replaced store, or what existed of it, is kept.
    pub replaced: Option<PathBuf>,
}
