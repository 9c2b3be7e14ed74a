//! Finding out what is wrong with a file that may not be opened.

use super::ledger::{Ledger, Row};
use super::{left_log, open, settle};
use crate::domain::{Error, Result};
use crate::store::files::{beside, open_regular};
use crate::store::{Agreement, LedgerSummary};
use rusqlite::Connection;
use rustix::process::{Flock, FlockType, fcntl_getlk};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many complaints SQLite makes at the most.
const COMPLAINTS: u32 = 20;
/// A file, whatever its schema and its state.
pub(in crate::store) struct Checkup {
    path: PathBuf,
    busy_timeout: Duration,
}

impl Checkup {
    pub(in crate::store) fn new(path: &Path, busy_timeout: Duration) -> Self {
        Self { path: path.to_owned(), busy_timeout }
    }

    /// Whether another process has the file open: every user of a write-ahead log holds a lock on its companion
    /// (<https://sqlite.org/walformat.html>, section 2.3).
    pub(in crate::store) fn is_in_use(&self) -> bool {
        // Closing it takes away every lock that this process has on it, so nothing may be open here.
        let Ok(Some(shared_memory)) = open_regular(&beside(&self.path, "-shm")) else { return false };
        fcntl_getlk(&shared_memory, &Flock::from(FlockType::WriteLock)).is_ok_and(|lock| lock.is_some())
    }

    pub(in crate::store) fn schema(&self) -> Result<u32> {
        let schema = self.connect()?.pragma_query_value(None, "user_version", |row| row.get(0));
        schema.map_err(|e| open::unreadable(&self.path, &e))
    }

    pub(in crate::store) fn complaints(&self, is_thorough: bool) -> Result<Vec<String>> {
        let unreadable = |e: rusqlite::Error| open::unreadable(&self.path, &e);
        let connection = self.connect()?;
        let name = if is_thorough { "integrity_check" } else { "quick_check" };
        let mut complaints = Vec::new();
        let check = connection.pragma(None, name, COMPLAINTS, |row| {
            complaints.push(row.get::<_, String>(0)?);
            Ok(())
        });
        check.map_err(unreadable)?;
        complaints.retain(|complaint| complaint != "ok");
        if is_thorough && complaints.is_empty() {
            let check = connection.pragma_query(None, "foreign_key_check", |row| {
                let table: String = row.get(0)?;
                complaints.push(format!("a row of {table} refers to one that is not there"));
                Ok(())
            });
            check.map_err(unreadable)?;
        }
        Ok(complaints)
    }

    pub(in crate::store) fn ledger_path(&self) -> PathBuf {
        Ledger::of(&self.path).path().to_owned()
    }

    pub(in crate::store) fn ledger(&self) -> Result<(Agreement, LedgerSummary)> {
        let ledger = Ledger::of(&self.path);
        let connection = self.connect()?;
        if left_log::is_there(&self.path) {
            left_log::expect_fitting(&connection, &ledger, &self.path)?;
        }
        let (agreement, damaged) = settle::compare_patiently(&connection, &ledger)?;
        let mut keys = 0;
        let counted = ledger.each(|row, _| {
            keys += usize::from(matches!(row, Row::Key(_)));
            Ok::<_, io::Error>(())
        });
        counted.map_err(|e| settle::unusable(&ledger, e))?;
        Ok((agreement, LedgerSummary { keys, damaged }))
    }

    fn connect(&self) -> Result<Connection> {
        if !self.path.exists() {
            return Err(Error::unavailable(
                "The store is not there.",
                format_args!("{} is not there.", self.path.display()),
            ));
        }
        open::look(&self.path, self.busy_timeout)
    }
}
