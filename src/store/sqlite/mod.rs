//! The store in one SQLite file: a thread that writes, a pool of connections that read.

mod audit;
mod digest_index;
mod fault;
mod migrations;
mod open;
mod readers;
mod rows;
mod writer;

pub(super) use open::size;

use super::{Options, Reads, Validity};
use crate::domain::Result;
use crate::metrics::Metrics;
use digest_index::DigestIndex;
use readers::Readers;
use rows::Rows;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use writer::Writer;

/// An open store file.
pub(super) struct Sqlite {
    path: PathBuf,
    readers: Arc<Readers>,
    writer: Writer,
}

impl Sqlite {
    pub(super) fn open(options: &Options, validity: Arc<Validity>, metrics: Arc<Metrics>) -> Result<Self> {
        let connection = open::store(options)?;
        let index = Arc::new(DigestIndex::default());
        index.catch_up(&connection).map_err(|e| open::unreadable(&options.path, &e))?;
        let readers = Arc::new(Readers::open(options, Arc::clone(&index))?);
        let writer = Writer::spawn(connection, options, index, validity, metrics)?;
        Ok(Self { path: options.path.clone(), readers, writer })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn readers(&self) -> Arc<Readers> {
        Arc::clone(&self.readers)
    }

    pub(super) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Readers first: the connection that is closed last takes the log away with it.
    pub(super) fn close(&self) {
        self.readers.close();
        self.writer.close();
    }
}

/// A file that is only looked at.
pub(super) struct View {
    connection: Connection,
    index: DigestIndex,
}

impl View {
    pub(super) fn open(path: &Path, busy_timeout: Duration) -> Result<Self> {
        let connection = open::view(path, busy_timeout)?;
        let index = DigestIndex::default();
        index.catch_up(&connection).map_err(|e| open::unreadable(path, &e))?;
        Ok(Self { connection, index })
    }

    pub(super) fn read<T>(&self, work: impl FnOnce(&dyn Reads) -> Result<T>) -> Result<T> {
        let transaction = self.connection.unchecked_transaction()?;
        work(&Rows::new(&transaction, &self.index, &[]))
    }
}
