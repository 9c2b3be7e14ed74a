//! What only a store in a file does: backups, a restore, a look at the file by itself, its sizes and its ledger of
//! revocations, and imports, whose rows wait beside the file.

pub(super) mod backup;
pub(super) mod beside;
pub(super) mod contract;
mod handle;
pub(super) mod ledger;
pub(super) mod options;

pub use super::sqlite::{
    Checkup, ImportOrder, ImportedApiKey, SCHEMA, Staging, View, remove_unfinished, restore, size,
};
pub use backup::{Backup, Finish, Progress, Restore, Restored, UNFINISHED};
pub use contract::{FileReads, FileWrites, ImportStage, ImportState};
pub use handle::StoreFile;
pub use ledger::{Agreement, LedgerSummary};
pub use options::{Options, Size};
