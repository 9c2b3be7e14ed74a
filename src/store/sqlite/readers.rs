//! Pools of read connections: one for each kind of read, so that none waits for another kind.

use super::connect;
use super::digest_index::DigestIndex;
use super::file_identity::FileIdentity;
use super::lookup::Lookup;
use super::transaction::StoreTransaction;
use crate::domain::{Digest, Error, Result};
use crate::store::file::contract::FileReads;
use crate::store::file::options::StoreOptions;
use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

const CLOSED: &str = "The store is closed.";
const BUSY: &str = "The store is busy; try again.";
const REPLACED: &str =
    "The store's file was replaced; its operator must put the right file back and restart the server.";
/// Connections for slices of long reads. More of them would slow down key lookups.
const LONG_READERS: u32 = 2;

/// One pool for each kind of read.
pub(in crate::store) struct Pools {
    /// Key lookups, and readiness.
    pub(in crate::store) lookups: Arc<Readers>,
    /// Single objects and pieces of lists.
    pub(in crate::store) pieces: Arc<Readers>,
    /// Slices of long reads.
    pub(in crate::store) slices: Arc<Readers>,
}

impl Pools {
    pub(super) fn open(
        options: &StoreOptions,
        index: &Arc<DigestIndex>,
        file_identity: &Arc<FileIdentity>,
    ) -> Result<Self> {
        let pool = |size| Readers::open(options, size, Arc::clone(index), Arc::clone(file_identity)).map(Arc::new);
        Ok(Self { lookups: pool(options.readers)?, pieces: pool(options.readers)?, slices: pool(LONG_READERS)? })
    }

    pub(super) fn close(&self) {
        [&self.lookups, &self.pieces, &self.slices].into_iter().for_each(|readers| readers.close());
    }
}

/// A bounded pool of read-only connections, which keep their prepared statements.
pub(in crate::store) struct Readers {
    /// `None` once closed.
    pool: Mutex<Option<Pool<SqliteConnectionManager>>>,
    /// As many permits as connections: a waiting read blocks no thread and can be cancelled.
    turns: Arc<Semaphore>,
    patience: Duration,
    index: Arc<DigestIndex>,
    file_identity: Arc<FileIdentity>,
}

impl Readers {
    fn open(
        options: &StoreOptions,
        size: u32,
        index: Arc<DigestIndex>,
        file_identity: Arc<FileIdentity>,
    ) -> Result<Self> {
        // The pool's own error says less than this one where the file cannot be read.
        connect::connect(&options.path, options.busy_timeout, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let busy_timeout = options.busy_timeout;
        let manager = SqliteConnectionManager::file(&options.path)
            .with_flags(OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .with_init(move |connection| connect::configure(connection, busy_timeout));
        let pool = Pool::builder()
            .max_size(size)
            // All connections are opened now: a file that gets the store's name later must not be used.
            .min_idle(None)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(busy_timeout)
            .test_on_check_out(false)
            .build(manager)
            .map_err(|e| Error::unavailable("The store cannot be read.", e))?;
        let turns = Arc::new(Semaphore::new(size as usize));
        Ok(Self { pool: Mutex::new(Some(pool)), turns, patience: busy_timeout, index, file_identity })
    }

    /// Runs `work` in a read transaction, in a thread that may block.
    pub(in crate::store) async fn read<T, F>(self: &Arc<Self>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn FileReads) -> Result<T> + Send + 'static,
    {
        self.run(|connection, index| {
            index.catch_up(connection)?;
            let transaction = connection.unchecked_transaction()?;
            work(&StoreTransaction::new(&transaction, index, &[]))
        })
        .await
    }

    /// The same for a lookup by these digests.
    pub(super) async fn look_up<T, F>(self: &Arc<Self>, digests: Vec<Digest>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Lookup<'_>) -> Result<T> + Send + 'static,
    {
        self.run(move |connection, index| work(&Lookup::begin(connection, index, &digests)?)).await
    }

    async fn run<T, F>(self: &Arc<Self>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &DigestIndex) -> Result<T> + Send + 'static,
    {
        let (this, turn) = (Arc::clone(self), self.turn().await?);
        let read = tokio::task::spawn_blocking(move || {
            let outcome = this.run_now(work);
            drop(turn);
            outcome
        });
        read.await.map_err(|e| Error::Internal(format!("a read did not finish: {e}")))?
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(turn);
        }
        let turn = timeout(self.patience, Arc::clone(&self.turns).acquire_owned()).await;
        turn.map_err(|e| Error::unavailable(BUSY, e))?.map_err(|e| Error::unavailable(CLOSED, e))
    }

    fn run_now<T>(&self, work: impl FnOnce(&Connection, &DigestIndex) -> Result<T>) -> Result<T> {
        let pool =
            self.pool().clone().ok_or_else(|| Error::unavailable(CLOSED, "a read after the store was closed"))?;
        // A command that revokes a key now revokes it in the other file.
        if let Some(detail) = self.file_identity.replacement() {
            return Err(Error::unavailable(REPLACED, detail));
        }
        let connection = pool.get().map_err(|e| Error::unavailable(BUSY, e))?;
        work(&connection, &self.index)
    }

    /// Closes the connections. Later reads are refused.
    fn close(&self) {
        self.pool().take();
    }

    fn pool(&self) -> MutexGuard<'_, Option<Pool<SqliteConnectionManager>>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
