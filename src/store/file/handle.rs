//! An open store file.

use super::backup::{BackupSummary, CopyProgress};
use super::contract::{FileReads, FileWrites};
use super::options::{StoreOptions, StoreSize};
use crate::domain::{Error, Result};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::sqlite::{Sqlite, Staging, back_up, size};
use std::path::PathBuf;
use std::sync::Arc;

/// An open store file. Clones are cheap and share it; [`Store::close`] closes it for all.
#[derive(Clone)]
pub struct StoreFile(Arc<Sqlite>);

impl StoreFile {
    /// Opens the store; creates or migrates the file where needed. Operations are counted in `metrics`. If the store is
    /// older than its ledger of revocations, the ledger is replayed in one transaction, now and later.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the details in `detail`, where the file is not a Keystead store, has a newer schema,
    /// is damaged, is being restored, or cannot be opened. The file is not changed then.
    pub fn open(options: &StoreOptions, metrics: Arc<Metrics>) -> Result<Self> {
        Sqlite::open(options, metrics).map(|backend| Self(Arc::new(backend)))
    }

    /// Its operations as a store of any kind.
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

    /// The import that waits beside the store, if its process is alive.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the import file cannot be read.
    pub async fn pending_import(&self) -> Result<Option<Staging>> {
        let path = self.0.path.clone();
        let waiting = tokio::task::spawn_blocking(move || Staging::open_pending(&path)).await;
        waiting.map_err(|e| Error::Internal(format!("the search for a pending import did not finish: {e}")))?
    }

    /// Announces that this process advances imports of other processes, for as long as it lives.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the lock fails.
    pub fn announce_server(&self) -> Result<()> {
        self.0.announce_server()
    }

    /// Whether another process has announced this.
    pub fn has_server(&self) -> bool {
        self.0.has_server()
    }

    /// Deletes the import file beside the store if its process is gone.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it cannot be deleted.
    pub fn remove_leftover_import(&self) -> Result<()> {
        Staging::remove_leftover(&self.0.path)
    }

    /// Whether an import waits beside the store and its process is alive.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the import file cannot be read.
    pub fn has_pending_import(&self) -> Result<bool> {
        Staging::has_pending(&self.0.path)
    }

    /// The sizes of the store's files.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the file's size cannot be read.
    pub async fn size(&self) -> Result<StoreSize> {
        let path = self.0.path.clone();
        tokio::task::spawn_blocking(move || size(&path))
            .await
            .map_err(|e| Error::Internal(format!("reading the store's size did not finish: {e}")))?
    }

    /// Copies the store as it is now into a new file. The file gets its name only when it is complete, checked and on
    /// disk. Writers are not held up.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the file exists or cannot be written, or the store cannot be read.
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
