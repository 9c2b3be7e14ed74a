//! Copies of the file, and what becomes of them.

use crate::domain::{Link, Result, Timestamp};
use crate::store::Writes;
use std::path::{Path, PathBuf};

/// What the name of a backup ends with until it is whole.
pub const PARTIAL_SUFFIX: &str = "-unfinished";

/// How far a copy has come, in pages of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyProgress {
    /// Pages that are copied.
    pub done: u64,
    /// Pages that there are.
    pub total: u64,
}

/// A copy of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// The newest event of its audit log: of what moment it is.
    pub head: Link,
    /// How many keys it has.
    pub keys: u64,
    /// How large it is, in bytes.
    pub bytes: u64,
}

/// How a backup is restored.
pub struct RestoreRequest<'a> {
    /// The backup.
    pub from: &'a Path,
    /// Whether to go on where the ledger is not there or damaged.
    pub without_ledger: bool,
    /// What is appended to the store's name for what was in its place.
    pub aside: &'a str,
    /// What time it is, for the audit log.
    pub now: Timestamp,
    /// What is done last, in the same transaction.
    pub finish: &'a FinishRestore<'a>,
    /// Is told how far the copy has come.
    pub progress: &'a mut dyn FnMut(CopyProgress),
}

/// What is done to a copy before it takes the store's place.
pub type FinishRestore<'a> = dyn Fn(&mut dyn Writes, &RestoreOutcome) -> Result<()> + 'a;

/// A backup that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreOutcome {
    /// What the backup was.
    pub backup: BackupSummary,
    /// How many keys the ledger changed.
    pub changed: usize,
    /// Where the store is now that was there before, or what there was of it.
    pub replaced: Option<PathBuf>,
}
