//! What only a store in a file does: backups, a restore, a look at the file by itself, its sizes and its ledger of
//! revocations, and imports, whose rows wait beside the file.

mod backup;
pub(super) mod beside;
mod contract;
mod handle;
mod ledger;
mod options;

pub use super::sqlite::{
    Checkup, ImportOrder, ImportedApiKey, SCHEMA, Staging, View, remove_unfinished, restore, size,
};
pub use backup::{Backup, Finish, Progress, Restore, Restored, UNFINISHED};
pub use contract::{FileReads, FileWrites, ImportStage, ImportState};
pub use handle::StoreFile;
pub use ledger::{Agreement, LedgerSummary};
pub use options::{Options, Size};
