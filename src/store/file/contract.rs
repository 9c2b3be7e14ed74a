//! What can be asked of a store in a file besides, and changed: imports, whose rows wait beside it, and the ledger of
//! revocations.

use crate::domain::{KeyId, Result};
use crate::store::sqlite::staging::Staging;
use crate::store::{Reads, Writes};

/// What has become of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportStage {
    /// It goes on, unless its process is gone.
    UnderWay,
    /// It is being removed, since a project or an organization of it is gone, a value of it is taken or has ended, or its process is gone.
    Failed,
    /// Its keys are there.
    Published,
    /// There is nothing of it after it failed.
    Removed,
}

/// How far an import has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportState {
    /// Which one it is.
    pub token: [u8; 16],
    /// The numbers of its first and its last key.
    pub ids: [i64; 2],
    /// How many of its keys are stored.
    pub stored: i64,
    /// How many of them are in the index.
    pub indexed: i64,
    /// What has become of it.
    pub stage: ImportStage,
    /// Up to which number the keys that were there before are in the index.
    pub waiting_through: i64,
}

impl ImportState {
    /// How many keys it has.
    pub fn count(&self) -> i64 {
        self.ids[1] - self.ids[0] + 1
    }

    /// Whether it is the one of these rows.
    pub fn is_for(&self, staged: &Staging) -> bool {
        staged.order().is_some_and(|order| order.token == self.token)
    }

    /// Whether there may be keys of it that are there for nobody.
    pub fn is_unpublished(&self) -> bool {
        matches!(self.stage, ImportStage::UnderWay | ImportStage::Failed)
    }

    /// Whether all of it is stored and in the index.
    pub fn is_whole(&self) -> bool {
        self.stored == self.count() && self.indexed == self.count()
    }
}

/// What can be asked of a store in a file.
pub trait FileReads: Reads {
    /// The last import, if there was any. Its keys are there for no other question before it is published.
    fn import_state(&self) -> Result<Option<ImportState>>;

    /// The staged rows whose value has ended, by their places, up to `limit` of them.
    fn already_ended(&self, staged: &Staging, limit: usize) -> Result<Vec<u64>>;

    /// The staged rows whose value is a key's already, by their places, up to `limit` of them; `progress` is told
    /// now and then how many were looked at. To be asked before anything else in a transaction.
    fn already_stored(&self, staged: &Staging, limit: usize, progress: &dyn Fn(u64)) -> Result<Vec<u64>>;
}

/// What can be changed in a store in a file.
pub trait FileWrites: FileReads + Writes {
    /// Begins an import, for which it reserves numbers, between which there are no others. There must be none under way.
    fn begin_import(&mut self, staged: &Staging) -> Result<()>;

    /// Takes an import on by up to `limit` keys: each of them is stored once and comes into the index once. Where it can come to
    /// nothing any more, since a project or an organization of it is gone, or a value of it is another key's by now or has ended, it
    /// has failed. Does nothing where it is not under way. To be asked before anything else in a transaction.
    fn advance_import(&mut self, staged: &Staging, limit: u32) -> Result<()>;

    /// Makes all keys of an import that is whole be there at once; gives the numbers of the first and the last.
    fn publish_import(&mut self, staged: &Staging) -> Result<[KeyId; 2]>;

    /// Removes up to `limit` keys of an import that is under way, which has failed from now on; says whether all of it is gone.
    fn remove_import(&mut self, token: &[u8; 16], limit: u32) -> Result<bool>;

    /// Has what is outdated in the ledger of revocations dropped with this commit, where that is much.
    fn compact_ledger(&mut self);
}
