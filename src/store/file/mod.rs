//! What only a store in a file has: backups, restore, read-only access to the file, its sizes, its ledger of
//! revocations, and imports, whose rows wait beside the file.

pub(super) mod backup;
pub(super) mod companion;
pub(super) mod contract;
mod handle;
pub(super) mod ledger;
pub(super) mod options;

pub use super::sqlite::{
    Checkup, ImportOrder, ImportedApiKey, SCHEMA_VERSION, Staging, StoreView, remove_partial_backup, restore, size,
};
pub use backup::{BackupSummary, CopyProgress, FinishRestore, PARTIAL_SUFFIX, RestoreOutcome, RestoreRequest};
pub use contract::{FileReads, FileWrites, ImportStage, ImportState};
pub use handle::StoreFile;
pub use ledger::{LedgerComparison, LedgerSummary};
pub use options::{StoreOptions, StoreSize};
