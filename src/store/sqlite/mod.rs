//! The store in one SQLite file: one thread that writes, pools of connections that read.

mod audit;
mod backup;
mod checkup;
mod columns;
mod commit_effects;
mod connect;
mod digest_index;
mod digest_queries;
mod ended_values;
mod error_conversion;
mod file_contract;
mod file_identity;
mod import_duplicates;
mod imported_forms;
mod integrity;
mod key_values;
mod keys;
mod ledger;
mod ledger_sync;
mod leftover_wal;
mod lock;
mod lookup;
mod migrations;
mod negative_filter;
mod open;
mod open_errors;
mod organization_keys;
mod organizations;
mod partial_file;
mod readers;
mod reads;
mod restore;
mod running_import;
mod sizes;
pub(super) mod staging;
mod transaction;
mod uncertain_commit;
mod unpublished;
mod usage;
mod writer;
mod writes;

pub(super) use backup::back_up;
pub use checkup::Checkup;
pub use migrations::VERSION as SCHEMA_VERSION;
pub use open::size;
pub use partial_file::remove_partial_backup;
pub use restore::restore;
pub use staging::{ImportOrder, ImportedApiKey, Staging};
pub(super) use writer::has_uncertain_outcome;

use crate::domain::{Digest, Error, Result, Timestamp};
use crate::metrics::Metrics;
use crate::store::FoundKey;
use crate::store::file::contract::{FileReads, FileWrites};
use crate::store::file::options::StoreOptions;
use crate::store::key_forms::SharedKeyForms;
use crate::store::revisions::Revisions;
use digest_index::DigestIndex;
use file_identity::FileIdentity;
use ledger::Ledger;
use lock::StoreLock;
use lookup::Lookup;
use negative_filter::NegativeFilter;
use readers::Pools;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use transaction::StoreTransaction;
use writer::{Files, Writer, WriterShared};

/// An open store file.
pub(super) struct Sqlite {
    pub(super) path: PathBuf,
    pub(super) busy_timeout: Duration,
    pub(super) pools: Pools,
    writer: Writer,
    pub(super) metrics: Arc<Metrics>,
    negative_filter: Arc<NegativeFilter>,
    pub(super) revisions: Arc<Revisions>,
    pub(super) forms: Arc<SharedKeyForms>,
    lock: StoreLock,
    /// Whether this process has announced itself as a server.
    is_server: AtomicBool,
}

impl Sqlite {
    pub(super) fn open(options: &StoreOptions, metrics: Arc<Metrics>) -> Result<Self> {
        let opened_at = (options.stopwatch)();
        let lock = open::lock_shared(&options.path, options.busy_timeout)?;
        let has_leftover_wal = leftover_wal::exists(&options.path);
        let mut connection = open::open_for_writing(options)?;
        let index = Arc::new(DigestIndex::default());
        index.catch_up(&connection).map_err(|e| open_errors::unreadable(&options.path, &e))?;
        let (revisions, forms) = (Arc::new(Revisions::new(options.uptime)), Arc::new(SharedKeyForms::default()));
        forms.add(imported_forms::forms(&connection).map_err(|e| open_errors::unreadable(&options.path, &e))?);
        let mut ledger = Ledger::of(&options.path);
        if has_leftover_wal && let Err(mixed) = leftover_wal::expect_matching(&connection, &ledger, &options.path) {
            // Without this, the last process to close the store would checkpoint the log into the wrong file.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            return Err(mixed);
        }
        ledger_sync::synchronize(&mut connection, &index, &mut ledger, options.opened_at)?;
        let file_identity =
            FileIdentity::read(&options.path).map_err(|e| open_errors::cannot_stat(&options.path, &e))?;
        let file_identity = Arc::new(file_identity);
        let pools = Pools::open(options, &index, &file_identity)?;
        let negative_filter = Arc::new(NegativeFilter::new(options.path.clone(), options.busy_timeout));
        let shared = WriterShared {
            index,
            negative_filter: Arc::clone(&negative_filter),
            revisions: Arc::clone(&revisions),
            forms: Arc::clone(&forms),
            metrics: Arc::clone(&metrics),
        };
        let writer = Writer::spawn(connection, options, Files { ledger, file_identity, opened_at }, shared)?;
        let (path, busy_timeout) = (options.path.clone(), options.busy_timeout);
        let is_server = AtomicBool::new(false);
        Ok(Self { path, busy_timeout, pools, writer, metrics, negative_filter, revisions, forms, lock, is_server })
    }

    /// The key that has this digest as a current or a former value.
    pub(super) async fn look_up(&self, digest: Digest) -> Result<Option<FoundKey>> {
        self.pools.lookups.look_up(vec![digest], move |lookup| lookup.find(&digest)).await
    }

    /// The same by either digest of a value, the imported digest first; also returns which one matched. If the value
    /// has ended, the imported digest does not count: the import could not detect that the value had ended.
    pub(super) async fn look_up_imported(&self, imported: Digest, ours: Digest) -> Result<Option<(FoundKey, Digest)>> {
        let find = move |lookup: &Lookup<'_>| {
            let has_ended = lookup.rows().is_ended(&ours)?;
            for digest in [imported, ours].into_iter().filter(|digest| !has_ended || *digest == ours) {
                if let Some(found) = lookup.find(&digest)? {
                    return Ok(Some((found, digest)));
                }
            }
            Ok(None)
        };
        self.pools.lookups.look_up(vec![imported, ours], find).await
    }

    /// As [`Store::write`](crate::store::Store::write).
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn FileWrites) -> Result<T> + Send + 'static,
    {
        let written = self.writer.submit(work)?.await;
        let written = written.map_err(|_| Error::Internal("the writer has stopped".to_owned()))??;
        if self.is_server.load(Ordering::Relaxed) && self.has_server() {
            self.revisions.wait_for_other_processes().await;
        }
        Ok(written)
    }

    pub(super) fn announce_server(&self) -> Result<()> {
        self.is_server.store(true, Ordering::Relaxed);
        self.lock.announce_server().map_err(|e| Error::unavailable("The store cannot be locked.", e))
    }

    pub(super) fn has_server(&self) -> bool {
        self.lock.has_server()
    }

    pub(super) fn may_hold(&self, digest: &Digest, now: Timestamp) -> bool {
        !self.revisions.is_up_to_date() || self.negative_filter.may_hold(digest, now)
    }

    pub(super) fn record_miss(&self, now: Timestamp) {
        self.negative_filter.record_miss(now);
    }

    /// Closes readers first: the connection that is closed last removes the log.
    pub(super) fn close(&self) {
        self.negative_filter.close();
        self.pools.close();
        self.writer.close(self.lock.is_last());
        self.lock.release();
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.negative_filter.close();
    }
}

/// Read-only access to a store's file, which a server may have open. Writes nothing. Blocks.
pub struct StoreView {
    path: PathBuf,
    connection: Connection,
    index: DigestIndex,
    ledger: Ledger,
}

impl StoreView {
    /// Opens the file.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the details in `detail`, where the file does not exist, is not a Keystead store, has
    /// another schema version or is damaged.
    pub fn open(path: &Path, busy_timeout: Duration) -> Result<Self> {
        let connection = open::open_view(path, busy_timeout)?;
        let index = DigestIndex::default();
        index.catch_up(&connection).map_err(|e| open_errors::unreadable(path, &e))?;
        Ok(Self { path: path.to_owned(), connection, index, ledger: Ledger::of(path) })
    }

    /// Whether the ledger of revocations beside the file has changes that the file lacks: the file is then an older
    /// copy, and keys that are valid in it may have been revoked.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the file or the ledger cannot be read.
    pub fn is_behind_ledger(&self) -> Result<bool> {
        if leftover_wal::exists(&self.path) {
            leftover_wal::expect_matching(&self.connection, &self.ledger, &self.path)?;
        }
        ledger_sync::is_behind(&self.connection, &self.ledger)
    }

    /// Whether a server has the store open.
    pub fn has_server(&self) -> bool {
        StoreLock::is_server_announced(&self.path)
    }

    /// Runs `work` in one read transaction.
    ///
    /// # Errors
    /// The error of `work`, or [`Error::Unavailable`] where the file cannot be read.
    pub fn read<T>(&self, work: impl FnOnce(&dyn FileReads) -> Result<T>) -> Result<T> {
        let transaction = self.connection.unchecked_transaction()?;
        work(&StoreTransaction::new(&transaction, &self.index, &[]))
    }

    /// The key that has this digest as a current value or as one of its last
    /// [`FORMER_VALUES`](crate::store::FORMER_VALUES).
    ///
    /// # Errors
    /// As [`StoreView::read`].
    pub fn lookup(&self, digest: &Digest) -> Result<Option<FoundKey>> {
        Lookup::begin(&self.connection, &self.index, &[*digest])?.find(digest)
    }
}
