//! The connections that read.

use super::digest_index::DigestIndex;
use super::open;
use super::rows::Rows;
use crate::domain::{Error, Result};
use crate::store::{Options, Reads};
use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{OpenFlags, TransactionBehavior};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const CLOSED: &str = "The store is closed.";

/// A bounded pool of read-only connections; their prepared statements are kept.
pub(in crate::store) struct Readers {
    /// `None` once closed.
    pool: Mutex<Option<Pool<SqliteConnectionManager>>>,
    index: Arc<DigestIndex>,
}

impl Readers {
    pub(super) fn open(options: &Options, index: Arc<DigestIndex>) -> Result<Self> {
        // The first connection of the pool reports less than this one when the file cannot be read.
        open::connect(&options.path, options.busy_timeout, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let busy_timeout = options.busy_timeout;
        let manager = SqliteConnectionManager::file(&options.path)
            .with_flags(OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .with_init(move |connection| open::prepare_connection(connection, busy_timeout));
        let pool = Pool::builder()
            .max_size(options.readers)
            // All of them now: a file that takes the store's name later is none of theirs.
            .min_idle(None)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(busy_timeout)
            .test_on_check_out(false)
            .build(manager)
            .map_err(|e| Error::unavailable("The store cannot be read.", e))?;
        Ok(Self { pool: Mutex::new(Some(pool)), index })
    }

    /// Runs `work` in a read transaction. Blocks, for a connection and for the disk.
    pub(in crate::store) fn read<T>(&self, work: impl FnOnce(&dyn Reads) -> Result<T>) -> Result<T> {
        let pool = self.pool().clone().ok_or_else(|| Error::unavailable(CLOSED, "a read after the end"))?;
        let mut connection = pool.get().map_err(|e| Error::unavailable("The store is busy; try again.", e))?;
        self.index.catch_up(&connection)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        work(&Rows::new(&transaction, &self.index, &[]))
    }

    /// Closes the connections. What comes later is refused.
    pub(super) fn close(&self) {
        self.pool().take();
    }

    fn pool(&self) -> MutexGuard<'_, Option<Pool<SqliteConnectionManager>>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
