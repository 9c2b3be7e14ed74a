//! The store in one SQLite file: a thread that writes, a pool of connections that read.

mod audit;
mod backup;
mod bloom;
mod by_digest;
mod checkup;
mod columns;
mod connect;
mod digest_index;
mod doubt;
mod effects;
mod ended;
mod fault;
mod file_rows;
mod hidden;
mod import;
mod integrity;
mod keys;
mod known;
mod ledger;
mod ledger_rows;
mod left_log;
mod lock;
mod lookup;
mod migrations;
mod open;
mod open_import;
mod organizations;
mod place;
mod readers;
mod reads;
mod refusals;
mod restore;
mod rows;
mod settle;
mod sizes;
pub(super) mod staging;
mod unfinished;
mod writer;
mod writes;

pub(super) use backup::back_up;
pub use checkup::Checkup;
pub use migrations::VERSION as SCHEMA;
pub use open::size;
pub use restore::restore;
pub use staging::{ImportOrder, ImportedApiKey, Staging};
pub use unfinished::remove_unfinished;
pub(super) use writer::is_in_doubt;

use crate::domain::{Digest, Error, Result, Timestamp};
use crate::metrics::Metrics;
use crate::store::Found;
use crate::store::file::contract::{FileReads, FileWrites};
use crate::store::file::options::Options;
use crate::store::forms::SharedForms;
use crate::store::validity::Validity;
use digest_index::DigestIndex;
use known::Known;
use ledger::Ledger;
use lock::Lock;
use lookup::Lookup;
use place::Place;
use readers::Pools;
use rows::Rows;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use writer::{Clock, Files, Shared, Writer};

/// An open store file.
pub(super) struct Sqlite {
    pub(super) path: PathBuf,
    pub(super) busy_timeout: Duration,
    pub(super) pools: Pools,
    writer: Writer,
    pub(super) metrics: Arc<Metrics>,
    known: Arc<Known>,
    pub(super) validity: Arc<Validity>,
    pub(super) forms: Arc<SharedForms>,
    lock: Lock,
    /// Whether this process has announced that it is a server.
    is_server: AtomicBool,
}

impl Sqlite {
    pub(super) fn open(options: &Options, metrics: Arc<Metrics>) -> Result<Self> {
        let clock = Clock::new(options.opened_at, options.stopwatch);
        let lock = open::share(&options.path, options.busy_timeout)?;
        let has_left_log = left_log::is_there(&options.path);
        let mut connection = open::store(options)?;
        let index = Arc::new(DigestIndex::default());
        index.catch_up(&connection).map_err(|e| refusals::unreadable(&options.path, &e))?;
        let (validity, forms) = (Arc::new(Validity::new(options.uptime)), Arc::new(SharedForms::default()));
        forms.add(import::forms(&connection).map_err(|e| refusals::unreadable(&options.path, &e))?);
        let mut ledger = Ledger::of(&options.path);
        if has_left_log && let Err(mixed) = left_log::expect_fitting(&connection, &ledger, &options.path) {
            // Whoever closes the store last would bring the log in for good.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            return Err(mixed);
        }
        settle::by_ledger(&mut connection, &index, &mut ledger, options.opened_at)?;
        let place = Place::of(&options.path).map_err(|e| refusals::not_found(&options.path, &e))?;
        let place = Arc::new(place);
        let pools = Pools::open(options, &index, &place)?;
        let known = Arc::new(Known::new(options.path.clone(), options.busy_timeout));
        let shared = Shared {
            index,
            known: Arc::clone(&known),
            validity: Arc::clone(&validity),
            forms: Arc::clone(&forms),
            metrics: Arc::clone(&metrics),
        };
        let writer = Writer::spawn(connection, options, Files { ledger, clock, place }, shared)?;
        let (path, busy_timeout) = (options.path.clone(), options.busy_timeout);
        let is_server = AtomicBool::new(false);
        Ok(Self { path, busy_timeout, pools, writer, metrics, known, validity, forms, lock, is_server })
    }

    /// The key that has this digest among its values, or had it as one of its last.
    pub(super) async fn look_up(&self, digest: Digest) -> Result<Option<Found>> {
        self.pools.lookups.look_up(vec![digest], move |lookup| lookup.find(&digest)).await
    }

    /// The same by either digest of a value, by the one that came with an import first, and by which. Whoever brought the key in
    /// by that could not be told that the value had ended, so it counts for nothing then.
    pub(super) async fn look_up_imported(&self, imported: Digest, ours: Digest) -> Result<Option<(Found, Digest)>> {
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
            self.validity.wait_for_others().await;
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
        !self.validity.has_looked() || self.known.may_hold(digest, now)
    }

    pub(super) fn found_nothing(&self, now: Timestamp) {
        self.known.found_nothing(now);
    }

    /// Readers first: the connection that is closed last takes the log away with it.
    pub(super) fn close(&self) {
        self.known.close();
        self.pools.close();
        self.writer.close(self.lock.is_last());
        self.lock.release();
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.known.close();
    }
}

/// A store's file that is only looked at: nothing is written, and a server may have it open. Blocks.
pub struct View {
    path: PathBuf,
    connection: Connection,
    index: DigestIndex,
    ledger: Ledger,
}

impl View {
    /// Opens the file.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the whole story in `detail`, where the file is not there, not ours, of another version
    /// or damaged.
    pub fn open(path: &Path, busy_timeout: Duration) -> Result<Self> {
        let connection = open::view(path, busy_timeout)?;
        let index = DigestIndex::default();
        index.catch_up(&connection).map_err(|e| refusals::unreadable(path, &e))?;
        Ok(Self { path: path.to_owned(), connection, index, ledger: Ledger::of(path) })
    }

    /// Whether the ledger of revocations beside the file knows of changes that the file does not have: the file is an older
    /// copy, and keys that are good in it may have been revoked.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the file or the ledger cannot be read.
    pub fn is_behind_ledger(&self) -> Result<bool> {
        if left_log::is_there(&self.path) {
            left_log::expect_fitting(&self.connection, &self.ledger, &self.path)?;
        }
        settle::is_behind(&self.connection, &self.ledger)
    }

    /// Whether a server has the store open.
    pub fn has_server(&self) -> bool {
        Lock::is_announced(&self.path)
    }

    /// Runs `work` in one read transaction.
    ///
    /// # Errors
    /// What `work` fails with, or [`Error::Unavailable`] where the file cannot be read.
    pub fn read<T>(&self, work: impl FnOnce(&dyn FileReads) -> Result<T>) -> Result<T> {
        let transaction = self.connection.unchecked_transaction()?;
        work(&Rows::new(&transaction, &self.index, &[]))
    }

    /// The key that has this digest among its values, or had it as one of its last
    /// [`FORMER_VALUES`](crate::store::FORMER_VALUES).
    ///
    /// # Errors
    /// As [`View::read`].
    pub fn lookup(&self, digest: &Digest) -> Result<Option<Found>> {
        Lookup::begin(&self.connection, &self.index, &[*digest])?.find(digest)
    }
}
