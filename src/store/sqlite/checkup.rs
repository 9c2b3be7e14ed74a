//! Examines a store's file that may not be openable, for `doctor`.

use super::integrity::HEADING;
use super::ledger::{Ledger, Record};
use super::{connect, ledger_sync, leftover_wal, open_errors};
use crate::domain::{Error, Result};
use crate::store::file::companion::{companion, open_regular};
use crate::store::file::ledger::{LedgerComparison, LedgerSummary};
use rusqlite::Connection;
use rustix::process::{Flock, FlockType, fcntl_getlk};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Maximum number of errors that SQLite reports.
const COMPLAINTS: u32 = 20;
/// Offsets in the shared-memory file of the log: the number of its pages, and how many of them are checkpointed
/// (<https://sqlite.org/walformat.html>, sections 2.1 and 2.2).
const PAGES: u64 = 16;
const PAGES_MOVED: u64 = 96;
/// Bytes of a page and of its header in the log.
const PAGE: u64 = 4096 + 24;
/// A store's file that may be damaged or have another schema. Nothing is written. Blocks.
pub struct Checkup {
    path: PathBuf,
    busy_timeout: Duration,
}

impl Checkup {
    /// Examines this file.
    pub fn new(path: &Path, busy_timeout: Duration) -> Self {
        Self { path: path.to_owned(), busy_timeout }
    }

    /// The bytes of the log that are not checkpointed; `None` unless another process has the store open. This process
    /// must not have it open, not even as a [`StoreView`](super::StoreView).
    pub fn uncheckpointed_bytes(&self) -> Option<u64> {
        // Every user of a log holds a lock on its shared-memory file (<https://sqlite.org/walformat.html>, section
        // 2.3), which has these numbers. The size of the log does not show them, since the log is overwritten from its
        // beginning. Closing the shared-memory file releases every lock of this process on it, so nothing may be open
        // here.
        let shared_memory = open_regular(&companion(&self.path, "-shm")).ok()??;
        fcntl_getlk(&shared_memory, &Flock::from(FlockType::WriteLock)).ok()??;
        let number = |at| {
            let mut bytes = [0; 4];
            shared_memory.read_exact_at(&mut bytes, at).map(|()| u64::from(u32::from_ne_bytes(bytes)))
        };
        let pages = match (number(PAGES), number(PAGES_MOVED)) {
            (Ok(all), Ok(moved)) => all.saturating_sub(moved),
            // The file is long enough once the log has pages.
            _ => 0,
        };
        Some(pages * PAGE)
    }

    /// The schema version.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the details in `detail`, where the file does not exist, is not a Keystead store, or
    /// is damaged.
    pub fn schema(&self) -> Result<u32> {
        let schema = self.connect()?.pragma_query_value(None, "user_version", |row| row.get(0));
        schema.map_err(|e| open_errors::unreadable(&self.path, &e))
    }

    /// What is wrong with the file's pages and, where `is_thorough`, with foreign keys; empty for a sound file. Reads
    /// the whole file.
    ///
    /// # Errors
    /// As [`Checkup::schema`].
    pub fn complaints(&self, is_thorough: bool) -> Result<Vec<String>> {
        let unreadable = |e: rusqlite::Error| open_errors::unreadable(&self.path, &e);
        let connection = self.connect()?;
        let name = if is_thorough { "integrity_check" } else { "quick_check" };
        let mut complaints = Vec::new();
        let check = connection.pragma(None, name, COMPLAINTS, |row| {
            complaints.push(row.get::<_, String>(0)?);
            Ok(())
        });
        check.map_err(unreadable)?;
        // One error may have many lines.
        complaints = complaints.iter().flat_map(|complaint| complaint.lines()).map(str::to_owned).collect();
        complaints.retain(|complaint| complaint != "ok" && complaint != HEADING);
        if is_thorough && complaints.is_empty() {
            let check = connection.pragma_query(None, "foreign_key_check", |row| {
                let table: String = row.get(0)?;
                complaints.push(format!("a row of {table} refers to a row that does not exist"));
                Ok(())
            });
            check.map_err(unreadable)?;
        }
        Ok(complaints)
    }

    /// The path of the ledger of revocations.
    pub fn ledger_path(&self) -> PathBuf {
        Ledger::of(&self.path).path().to_owned()
    }

    /// Compares the store with its ledger of revocations, and summarizes the ledger. Reads the whole ledger.
    ///
    /// # Errors
    /// As [`Checkup::schema`].
    pub fn ledger(&self) -> Result<(LedgerComparison, LedgerSummary)> {
        let ledger = Ledger::of(&self.path);
        let connection = self.connect()?;
        if leftover_wal::exists(&self.path) {
            leftover_wal::expect_matching(&connection, &ledger, &self.path)?;
        }
        let (comparison, damaged) = ledger_sync::compare_patiently(&connection, &ledger)?;
        let mut keys = 0;
        let counted = ledger.for_each(|row, _| {
            keys += usize::from(matches!(row, Record::Key(_)));
            Ok::<_, io::Error>(())
        });
        counted.map_err(|e| ledger_sync::unusable(&ledger, e))?;
        Ok((comparison, LedgerSummary { keys, damaged }))
    }

    fn connect(&self) -> Result<Connection> {
        if !self.path.exists() {
            return Err(Error::unavailable(
                "The store is missing.",
                format_args!("{} is missing.", self.path.display()),
            ));
        }
        connect::open_read_only(&self.path, self.busy_timeout)
    }
}
