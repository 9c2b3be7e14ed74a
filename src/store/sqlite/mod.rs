//! The store in one SQLite file: a thread that writes, a pool of connections that read.

mod audit;
mod backup;
mod bloom;
mod by_digest;
mod checkup;
mod columns;
mod digest_index;
mod doubt;
mod effects;
mod fault;
mod import;
mod keys;
mod known;
mod ledger;
mod ledger_rows;
mod left_log;
mod lock;
mod migrations;
mod open;
mod open_import;
mod organizations;
mod place;
mod readers;
mod reads;
mod restore;
mod rows;
mod settle;
mod sizes;
mod staging;
mod unfinished;
mod writer;
mod writes;

pub(super) use backup::back_up;
pub(super) use checkup::Checkup;
pub(super) use migrations::VERSION as SCHEMA;
pub(super) use open::size;
pub(super) use restore::restore;
pub use staging::{ImportOrder, Staging};
pub(super) use unfinished::remove_left;

use super::{Options, OwnedSettle, Reads, SharedForms, Validity};
use crate::domain::{Digest, Error, Result, Timestamp};
use crate::metrics::Metrics;
use digest_index::DigestIndex;
use known::Known;
use ledger::Ledger;
use lock::Lock;
use place::Place;
use readers::Pools;
use rows::Rows;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
pub(super) use writer::is_in_doubt;
use writer::{Files, Shared, Writer};

/// An open store file.
pub(super) struct Sqlite {
    path: PathBuf,
    busy_timeout: Duration,
    pools: Pools,
    writer: Writer,
    known: Arc<Known>,
    lock: Lock,
}

impl Sqlite {
    pub(super) fn open(
        options: &Options,
        validity: Arc<Validity>,
        forms: Arc<SharedForms>,
        metrics: Arc<Metrics>,
        settle: Box<OwnedSettle>,
    ) -> Result<Self> {
        let lock = open::share(&options.path, options.busy_timeout)?;
        let has_left_log = left_log::is_there(&options.path);
        let mut connection = open::store(options)?;
        let index = Arc::new(DigestIndex::default());
        index.catch_up(&connection).map_err(|e| open::unreadable(&options.path, &e))?;
        forms.add(import::forms(&connection).map_err(|e| open::unreadable(&options.path, &e))?);
        let mut ledger = Ledger::of(&options.path);
        if has_left_log && let Err(mixed) = left_log::expect_fitting(&connection, &ledger, &options.path) {
            // Whoever closes the store last would bring the log in for good.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            return Err(mixed);
        }
        settle::by_ledger(&mut connection, &index, &mut ledger, &*settle)?;
        let place = Place::of(&options.path).map_err(|e| open::not_found(&options.path, &e))?;
        let place = Arc::new(place);
        let pools = Pools::open(options, &index, &place)?;
        let known = Arc::new(Known::new(options.path.clone(), options.busy_timeout));
        let shared = Shared { index, known: Arc::clone(&known), validity, forms, metrics };
        let writer = Writer::spawn(connection, options, Files { ledger, settle, place }, shared)?;
        Ok(Self { path: options.path.clone(), busy_timeout: options.busy_timeout, pools, writer, known, lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    pub(super) fn pools(&self) -> &Pools {
        &self.pools
    }

    pub(super) fn writer(&self) -> &Writer {
        &self.writer
    }

    pub(super) fn announce_server(&self) -> Result<()> {
        self.lock.announce_server().map_err(|e| Error::unavailable("The store cannot be locked.", e))
    }

    pub(super) fn has_server(&self) -> bool {
        self.lock.has_server()
    }

    pub(super) fn may_hold(&self, digest: &Digest, now: Timestamp) -> bool {
        self.known.may_hold(digest, now)
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

/// A file that is only looked at.
pub(super) struct View {
    path: PathBuf,
    connection: Connection,
    index: DigestIndex,
    ledger: Ledger,
}

impl View {
    pub(super) fn open(path: &Path, busy_timeout: Duration) -> Result<Self> {
        let connection = open::view(path, busy_timeout)?;
        let index = DigestIndex::default();
        index.catch_up(&connection).map_err(|e| open::unreadable(path, &e))?;
        Ok(Self { path: path.to_owned(), connection, index, ledger: Ledger::of(path) })
    }

    pub(super) fn is_behind_ledger(&self) -> Result<bool> {
        if left_log::is_there(&self.path) {
            left_log::expect_fitting(&self.connection, &self.ledger, &self.path)?;
        }
        settle::is_behind(&self.connection, &self.ledger)
    }

    pub(super) fn has_server(&self) -> bool {
        Lock::is_announced(&self.path)
    }

    pub(super) fn read<T>(&self, work: impl FnOnce(&dyn Reads) -> Result<T>) -> Result<T> {
        let transaction = self.connection.unchecked_transaction()?;
        work(&Rows::new(&transaction, &self.index, &[]))
    }
}
