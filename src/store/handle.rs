//! The store, for whoever does not care where it is.

use super::contract::{FoundKey, Reads, Writes};
use super::revisions::Revision;
use super::sqlite::Sqlite;
use crate::domain::{Digest, Error, KeyForms, Result, Timestamp};
use crate::metrics::Lookup;
use std::sync::Arc;

/// The store. Cheap to share; [`Store::close`] ends it for all.
#[derive(Clone)]
pub struct Store(Arc<Sqlite>);

impl Store {
    pub(super) fn new(backend: Arc<Sqlite>) -> Self {
        Self(backend)
    }

    /// Runs `work` in one read transaction: it sees one state of the store throughout. It must be short: it reads an object
    /// or a piece of a list.
    ///
    /// # Errors
    /// What `work` fails with, or [`Error::Unavailable`] where the store cannot be read.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reads) -> Result<T> + Send + 'static,
    {
        self.0.pools.pieces.read(|reads| work(reads)).await
    }

    /// The key that has this digest among its values, or had it as one of its last
    /// [`FORMER_VALUES`](super::FORMER_VALUES), and the stamp that it is good under: from before it was read, so that a commit
    /// which ends it meanwhile is not missed ([`Store::is_current`]). After many keys in a minute that are not there, most of
    /// those are known not to be without a read ([`Store::may_hold`]).
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn lookup(&self, digest: Digest, now: Timestamp) -> Result<Option<(FoundKey, Revision)>> {
        let stamp = self.0.revisions.stamp(&digest);
        if !self.may_hold(&digest, now) {
            self.0.metrics.looked_up(Lookup::Unknown);
            return Ok(None);
        }
        self.0.metrics.looked_up(Lookup::Miss);
        let found = self.0.look_up(digest).await?;
        if found.is_none() {
            self.0.record_miss(now);
        }
        Ok(found.map(|found| (found, stamp)))
    }

    /// The same for a value that may be known by another digest, which came with an import, and by which of the two it is. One
    /// state of the store is looked at: a key that goes from one to the other is in it once.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn lookup_imported(
        &self,
        imported: Digest,
        ours: Digest,
        now: Timestamp,
    ) -> Result<Option<(FoundKey, Revision, Digest)>> {
        let stamps = [imported, ours].map(|digest| self.0.revisions.stamp(&digest));
        if ![imported, ours].iter().any(|digest| self.may_hold(digest, now)) {
            return Ok(None);
        }
        let found = self.0.look_up_imported(imported, ours).await?;
        Ok(found.map(|(found, digest)| (found, if digest == imported { stamps[0] } else { stamps[1] }, digest)))
    }

    /// Runs `work` as [`Store::read`] does, where everybody waits for it. No other read can hold it up.
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

    /// The same for a slice of a read that looks at much of the store. There is little room for these: each slice gives the
    /// others their turn.
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

    /// Runs `work` in a write transaction that it may share with others; where it fails, all it did is undone. Answers
    /// once the commit is on disk and, in a server beside which there is another one, once that believes nothing any more that
    /// it read before.
    ///
    /// # Errors
    /// What `work` fails with, or [`Error::Unavailable`] where the queue is full or the commit failed.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Writes) -> Result<T> + Send + 'static,
    {
        self.0.write(|writes| work(writes)).await
    }

    /// Whether it is not certain what became of a write that failed with this: the commit failed, and could not be taken back.
    pub fn has_uncertain_outcome(&self, error: &Error) -> bool {
        super::sqlite::has_uncertain_outcome(error)
    }

    /// Whether what was read under this stamp may still be believed: no commit since may have taken validity away from the
    /// key. Commits of other processes are known up to the last look at the store; where that is older than
    /// [`MAX_STALENESS`](super::MAX_STALENESS), as after this process was stopped, only what was read since may be believed.
    pub fn is_current(&self, digest: &Digest, stamp: Revision) -> bool {
        self.0.revisions.is_current(digest, stamp)
    }

    /// Waits until no process believes what it read before now.
    pub async fn wait_for_other_processes(&self) {
        self.0.revisions.wait_for_other_processes().await;
    }

    /// What imports have ever brought in, as far as this process has noticed.
    pub fn forms(&self) -> KeyForms {
        self.0.forms.get()
    }

    /// Whether a key with this digest may be there, now or formerly: `false` is certain, and saves a read that would find
    /// nothing. That is known only while many wrong keys come; a key that another process minted may then be unknown for up
    /// to [`MAX_STALENESS`](super::MAX_STALENESS).
    pub fn may_hold(&self, digest: &Digest, now: Timestamp) -> bool {
        self.0.may_hold(digest, now)
    }

    /// Finishes what is queued, and leaves the store so that it can be opened or copied as it is. Blocks.
    pub fn close(&self) {
        self.0.close();
    }
}
