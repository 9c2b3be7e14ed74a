//! A store's file that is open.

use super::backup::{BackupSummary, CopyProgress};
use super::contract::{FileReads, FileWrites};
use super::options::{StoreOptions, StoreSize};
use crate::domain::{Error, Result};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::sqlite::{Sqlite, Staging, back_up, size};
use std::path::PathBuf;
use std::sync::Arc;

/// A store's file that is open. Cheap to share; [`Store::close`] ends it for all.
#[derive(Clone)]
pub struct StoreFile(Arc<Sqlite>);

impl StoreFile {
    /// Opens the store, setting up or migrating the file where needed. What it does is counted in `metrics`. Where the
    /// store is older than its ledger of revocations, it is brought up to date, in one transaction, also later.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the whole story in `detail`, where the file is not ours, is newer than we know, is
    /// damaged, is being restored, or cannot be opened. Such a file is left as it was.
    pub fn open(options: &StoreOptions, metrics: Arc<Metrics>) -> Result<Self> {
        Sqlite::open(options, metrics).map(|backend| Self(Arc::new(backend)))
    }

    /// What it does as any store does.
    pub fn store(&self) -> Store {
        Store::new(Arc::clone(&self.0))
    }

    /// As [`Store::read`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn FileReads) -> Result<T> + Send + 'static,
    {
        self.0.pools.pieces.read(work).await
    }

    /// As [`Store::read_slice`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read_slice<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn FileReads) -> Result<T> + Send + 'static,
    {
        self.0.pools.slices.read(work).await
    }

    /// As [`Store::write`].
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn FileWrites) -> Result<T> + Send + 'static,
    {
        self.0.write(work).await
    }

    /// What waits beside the store to be imported, where its process is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where that cannot be found out.
    pub async fn pending_import(&self) -> Result<Option<Staging>> {
        let path = self.0.path.clone();
        let waiting = tokio::task::spawn_blocking(move || Staging::waiting(&path)).await;
        waiting.map_err(|e| Error::Internal(format!("a look for an import did not finish: {e}")))?
    }

    /// Tells others that this process takes on what they want to be imported, for as long as it is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the operating system gives no lock.
    pub fn announce_server(&self) -> Result<()> {
        self.0.announce_server()
    }

    /// Whether another process has announced that.
    pub fn has_server(&self) -> bool {
        self.0.has_server()
    }

    /// Removes the file that an import left beside the store whose process is gone, if there is one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it cannot be removed.
    pub fn remove_leftover_import(&self) -> Result<()> {
        Staging::remove_leftover(&self.0.path)
    }

    /// Whether the process is there that has an import waiting beside the store.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where that cannot be found out.
    pub fn has_pending_import(&self) -> Result<bool> {
        Staging::is_waiting(&self.0.path)
    }

    /// The sizes of the store's files.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the file cannot be looked at.
    pub async fn size(&self) -> Result<StoreSize> {
        let path = self.0.path.clone();
        tokio::task::spawn_blocking(move || size(&path))
            .await
            .map_err(|e| Error::Internal(format!("a look at the store's files did not finish: {e}")))?
    }

    /// Copies the store as it is now into a new file, which is there only once it is whole, checked and on disk. Nobody is
    /// held up meanwhile.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the file is there already or cannot be written, or the store cannot be read.
    pub async fn back_up(
        &self,
        to: PathBuf,
        mut progress: impl FnMut(CopyProgress) + Send + 'static,
    ) -> Result<BackupSummary> {
        let (path, busy_timeout) = (self.0.path.clone(), self.0.busy_timeout);
        tokio::task::spawn_blocking(move || back_up(&path, busy_timeout, &to, &mut progress))
            .await
            .map_err(|e| Error::Internal(format!("a backup did not finish: {e}")))?
    }
}
