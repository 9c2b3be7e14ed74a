//! What a store in a file has beyond the contract of every store: imports, whose rows wait beside it, and the ledger of
//! revocations.

use crate::domain::{KeyId, Result};
use crate::store::sqlite::staging::Staging;
use crate::store::{Reads, Writes};

/// The stage of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportStage {
    /// It is in progress, if its process is alive.
    UnderWay,
    /// It is being removed: a project or an organization of it is gone, one of its values is taken or has ended, or its
    /// process is gone.
    Failed,
    /// Its keys are visible.
    Published,
    /// It failed, and all of it is removed.
    Removed,
}

/// The progress of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportState {
    /// Identifies the import.
    pub token: [u8; 16],
    /// The ids of its first and last key.
    pub ids: [i64; 2],
    /// How many of its keys are stored.
    pub stored: i64,
    /// How many of its keys are in the digest index.
    pub indexed: i64,
    /// Its stage.
    pub stage: ImportStage,
    /// The greatest id of the other keys in the digest index.
    pub waiting_through: i64,
}

impl ImportState {
    /// The number of its keys.
    pub fn count(&self) -> i64 {
        self.ids[1] - self.ids[0] + 1
    }

    /// Whether it imports these rows.
    pub fn is_for(&self, staged: &Staging) -> bool {
        staged.order().is_some_and(|order| order.token == self.token)
    }

    /// Whether the store may have keys of it that are not published.
    pub fn is_unpublished(&self) -> bool {
        matches!(self.stage, ImportStage::UnderWay | ImportStage::Failed)
    }

    /// Whether all of its keys are stored and indexed.
    pub fn is_whole(&self) -> bool {
        self.stored == self.count() && self.indexed == self.count()
    }
}

/// Queries that only a store in a file has.
pub trait FileReads: Reads {
    /// The last import. Other queries do not see its keys before it is published.
    fn import_state(&self) -> Result<Option<ImportState>>;

    /// The row numbers of staged rows whose value has ended, up to `limit`.
    fn already_ended(&self, staged: &Staging, limit: usize) -> Result<Vec<u64>>;

    /// The row numbers of staged rows whose value a key has already, up to `limit`; `progress` is called now and then
    /// with the number of rows checked. Must be the first query of its transaction.
    fn already_stored(&self, staged: &Staging, limit: usize, progress: &dyn Fn(u64)) -> Result<Vec<u64>>;
}

/// Changes that only a store in a file has.
pub trait FileWrites: FileReads + Writes {
    /// Begins an import and reserves an unbroken range of ids for its keys. No other import may be in progress.
    fn begin_import(&mut self, staged: &Staging) -> Result<()>;

    /// Advances an import by up to `limit` keys. Each key is stored once and indexed once. The import fails if a
    /// project or an organization of it is gone, or a value of it belongs to another key or has ended. Does nothing if
    /// the import is not in progress. Must be the first query of its transaction.
    fn advance_import(&mut self, staged: &Staging, limit: u32) -> Result<()>;

    /// Publishes all keys of a complete import at once; returns the first and last id.
    fn publish_import(&mut self, staged: &Staging) -> Result<[KeyId; 2]>;

    /// Removes up to `limit` keys of an unfinished import, which is failed from now on; returns whether all of them are
    /// gone.
    fn remove_import(&mut self, token: &[u8; 16], limit: u32) -> Result<bool>;

    /// Compacts the ledger of revocations with this commit, if much of it is outdated.
    fn compact_ledger(&mut self);
}
