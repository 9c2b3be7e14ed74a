//! The store, whatever its backend.

use super::contract::{FoundKey, Reads, Writes};
use super::revisions::Revision;
use super::sqlite::Sqlite;
use crate::domain::{Digest, Error, KeyForms, Result, Timestamp};
use crate::metrics::LookupResult;
use std::sync::Arc;

/// The store. Clones are cheap and share it; [`Store::close`] closes it for all.
#[derive(Clone)]
pub struct Store(Arc<Sqlite>);

impl Store {
    pub(super) fn new(backend: Arc<Sqlite>) -> Self {
        Self(backend)
    }

    /// Runs `work` in one read transaction: it sees one state of the store. It must be short: it reads one object or a
    /// piece of a list.
    ///
    /// # Errors
    /// The error of `work`, or [`Error::Unavailable`] where the store cannot be read.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reads) -> Result<T> + Send + 'static,
    {
        self.0.pools.pieces.read(|reads| work(reads)).await
    }

    /// The key that has this digest as a current value or as one of its last [`FORMER_VALUES`](super::FORMER_VALUES),
    /// and the revision from before it was read: [`Store::is_current`] then notices a commit that ended the key during
    /// the read. While many unknown keys come, the negative filter answers for most of them without a read
    /// ([`Store::may_hold`]).
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn lookup(&self, digest: Digest, now: Timestamp) -> Result<Option<(FoundKey, Revision)>> {
        let revision = self.0.revisions.revision(&digest);
        if !self.may_hold(&digest, now) {
            self.0.metrics.looked_up(LookupResult::Unknown);
            return Ok(None);
        }
        self.0.metrics.looked_up(LookupResult::Miss);
        let found = self.0.look_up(digest).await?;
        if found.is_none() {
            self.0.record_miss(now);
        }
        Ok(found.map(|found| (found, revision)))
    }

    /// The same for a value that the store may know by another digest, from an import. Also returns which of the two
    /// digests matched. Both are looked up in one state of the store, so a key that moves from one digest to the other
    /// is not missed.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn lookup_imported(
        &self,
        imported: Digest,
        ours: Digest,
        now: Timestamp,
    ) -> Result<Option<(FoundKey, Revision, Digest)>> {
        let revisions = [imported, ours].map(|digest| self.0.revisions.revision(&digest));
        if ![imported, ours].iter().any(|digest| self.may_hold(digest, now)) {
            return Ok(None);
        }
        let found = self.0.look_up_imported(imported, ours).await?;
        Ok(found.map(|(found, digest)| (found, if digest == imported { revisions[0] } else { revisions[1] }, digest)))
    }

    /// The same for a read that other requests wait for, such as readiness. Other reads do not delay it.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read_urgent<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reads) -> Result<T> + Send + 'static,
    {
        self.0.pools.lookups.read(|reads| work(reads)).await
    }

    /// The same for a slice of a long read. Few slices run at a time, so that long reads take turns.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read_slice<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reads) -> Result<T> + Send + 'static,
    {
        self.0.pools.slices.read(|reads| work(reads)).await
    }

    /// Runs `work` in a write transaction, possibly together with other jobs; if it fails, all its changes are undone.
    /// Answers after the commit is on disk. A server beside which another one runs also waits until that one has
    /// stopped using what it cached before.
    ///
    /// # Errors
    /// The error of `work`, or [`Error::Unavailable`] where the queue is full or the commit failed.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Writes) -> Result<T> + Send + 'static,
    {
        self.0.write(|writes| work(writes)).await
    }

    /// Whether the write that failed with this error may still take effect: its commit failed and could not be undone
    /// yet.
    pub fn has_uncertain_outcome(&self, error: &Error) -> bool {
        super::sqlite::has_uncertain_outcome(error)
    }

    /// Whether data read at this revision may still be used: no commit since then may have ended the key's validity.
    /// Other processes' commits are known up to the last check. If that is older than
    /// [`MAX_STALENESS`](super::MAX_STALENESS), for example after this process was stopped, only data read since then
    /// may be used.
    pub fn is_current(&self, digest: &Digest, revision: Revision) -> bool {
        self.0.revisions.is_current(digest, revision)
    }

    /// Waits until no process uses cached data from before now.
    pub async fn wait_for_other_processes(&self) {
        self.0.revisions.wait_for_other_processes().await;
    }

    /// The forms of keys and digests that imports have ever added, as far as this process has noticed.
    pub fn forms(&self) -> KeyForms {
        self.0.forms.get()
    }

    /// Whether a key may have this digest, now or formerly. `false` is certain and saves a read. It is known only while
    /// many unknown keys come. A key that another process created may be reported as unknown for up to
    /// [`MAX_STALENESS`](super::MAX_STALENESS).
    pub fn may_hold(&self, digest: &Digest, now: Timestamp) -> bool {
        self.0.may_hold(digest, now)
    }

    /// Finishes the queued writes and closes the store, so that its file can be opened or copied. Blocks.
    pub fn close(&self) {
        self.0.close();
    }
}
