//! Staged rows of an import. They wait on disk, not in memory: there may be millions.
//!
//! They are in a database of their own: a temporary one for a dry run, otherwise a file beside the store, from which
//! the server reads. It has the digests that the store will have, and no full key. The import's process locks the file
//! while it lives. Once sealed, the file is not written any more.

mod queries;
mod row_numbers;

use super::partial_file::{PartialFile, is_named, remove_leftover};
use super::{columns, connect};
use crate::domain::{
    AddressList, Algorithm, Digest, Error, Fingerprint, KeyChange, KeyForms, Metadata, OrganizationId, Owner,
    Permissions, ProjectId, RateLimit, Result, Role, Timestamp,
};
use crate::store::NewApiKey;
use crate::store::file::companion::{companion, open_regular};
use row_numbers::RowNumbers;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait between two attempts while another import is in progress.
const PAUSE: Duration = Duration::from_millis(20);

/// The columns of a staged key, in the order in which [`Staging::push`] binds them. The store's table has the same
/// names.
pub(super) const KEY_COLUMNS: [(&str, &str); 16] = [
    ("organization_id", "INTEGER"),
    ("project_id", "INTEGER"),
    ("digest", "BLOB"),
    ("digest_algorithm", "INTEGER"),
    ("tail", "TEXT"),
    ("name", "TEXT"),
    ("valid", "INTEGER"),
    ("created_at", "INTEGER"),
    ("expires_at", "INTEGER"),
    ("rate_limit", "INTEGER"),
    ("rate_window_s", "INTEGER"),
    ("allowed_addresses", "TEXT"),
    ("role", "INTEGER"),
    ("permissions", "TEXT"),
    ("owner", "TEXT"),
    ("metadata", "TEXT"),
];

/// How the rows are to be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportOrder {
    /// Random; identifies the import in the store.
    pub token: [u8; 16],
    /// The BLAKE3 hash of the imported file, in hexadecimal digits.
    pub file: String,
    /// When it was requested.
    pub at: Timestamp,
    /// Whether ended values may become valid again.
    pub allows_ended: bool,
}

/// A key to import.
#[derive(Clone, Debug)]
pub struct ImportedApiKey {
    /// What every new key has.
    pub new: NewApiKey,
    /// The SHA-256 digest of the same value, where the full key is known and `new` has another digest.
    pub sha256: Option<Digest>,
    /// Whether its value is known to have Keystead's own form.
    pub is_ours: bool,
}

/// The staged rows of an import.
pub struct Staging {
    connection: Connection,
    /// `None` until sealed, and for a dry run.
    order: Option<ImportOrder>,
    /// The number of each organization's first row, and its count of rows.
    counts: HashMap<OrganizationId, (u64, u64)>,
    forms: KeyForms,
    has_full_keys: bool,
    /// `None` after rows were removed, until sealed.
    row_numbers: Option<RowNumbers>,
    _file: Option<PartialFile>,
    /// The file of another process's import, whatever file has its name by now.
    pending_file: Option<File>,
}

impl Staging {
    /// No rows, for a dry run.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where temporary files cannot be created.
    pub fn new() -> Result<Self> {
        Self::within(Connection::open("")?, None)
    }

    /// No rows, in a new file beside the store. Waits up to `patience` for another import.
    ///
    /// # Errors
    /// [`Error::Conflict`] where another import is in progress, [`Error::Unavailable`] where the file cannot be
    /// created.
    pub fn beside_store(store: &Path, mut patience: Duration) -> Result<Self> {
        let file = loop {
            match PartialFile::create(staging_path(store)) {
                Ok(file) => break file,
                Err(e) if e.kind() != io::ErrorKind::ResourceBusy => {
                    let path = staging_path(store);
                    let detail = format_args!("{} cannot be created: {e}", path.display());
                    return Err(Error::unavailable("The file for the rows of an import cannot be created.", detail));
                }
                Err(_) if patience.is_zero() => {
                    let sentence = "Another import is under way; wait for its end. Nothing was imported.";
                    return Err(Error::Conflict(sentence.to_owned()));
                }
                Err(_) => {
                    std::thread::sleep(PAUSE);
                    patience = patience.saturating_sub(PAUSE);
                }
            }
        };
        let connection = Connection::open(connect::absolute(file.path()))?;
        Self::within(connection, Some(file))
    }

    fn within(connection: Connection, _file: Option<PartialFile>) -> Result<Self> {
        // A crash may lose everything here. Negative cache size: KiB; more goes to disk, in pages larger than the
        // store's since they are read sequentially. A second thread sorts.
        let columns = KEY_COLUMNS.map(|(name, kind)| format!("{name} {kind}")).join(", ");
        connection.execute_batch(&format!(
            "PRAGMA page_size = 32768; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;
            PRAGMA threads = 1;
            CREATE TABLE staged (
                place INTEGER PRIMARY KEY, sha256 BLOB, prefix INTEGER, {columns}
            ) STRICT;
            CREATE TABLE runs (first INTEGER, before INTEGER) STRICT;
            CREATE TABLE counts (organization_id INTEGER, first INTEGER, count INTEGER) STRICT;
            CREATE TABLE orders (
                token BLOB, file TEXT, at INTEGER, allows_ended INTEGER, has_foreign INTEGER, has_sha256 INTEGER
            ) STRICT;
            BEGIN"
        ))?;
        let (counts, forms) = (HashMap::new(), KeyForms::default());
        Ok(Self {
            connection,
            order: None,
            counts,
            forms,
            has_full_keys: false,
            row_numbers: Some(RowNumbers::default()),
            _file,
            pending_file: None,
        })
    }

    /// The sealed import beside the store, if its process is alive.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the file cannot be read.
    pub(in crate::store) fn open_pending(store: &Path) -> Result<Option<Self>> {
        let path = staging_path(store);
        let Some(file) = locked_by_others(&path)? else { return Ok(None) };
        // A sealed file is not written any more, so SQLite's locks are not needed.
        let connection = connect::immutable(&path)?;
        if !is_named(&file, &path) {
            return Ok(None);
        }
        let sql = "SELECT token, file, at, allows_ended, has_foreign, has_sha256 FROM orders";
        let parse = |row: &Row<'_>| {
            let at = Timestamp::from_unix_ms(row.get(2)?).unwrap_or_default();
            let order = ImportOrder { token: row.get(0)?, file: row.get(1)?, at, allows_ended: row.get(3)? };
            Ok((order, KeyForms { external: row.get(4)?, sha256: row.get(5)? }))
        };
        // An unsealed file may be half written.
        let Ok((order, forms)) = connection.query_row(sql, [], parse) else { return Ok(None) };
        let (counts, row_numbers) = (counts(&connection)?, RowNumbers::sealed(&connection)?);
        Ok(Some(Self {
            connection,
            order: Some(order),
            counts,
            forms,
            has_full_keys: false,
            row_numbers: Some(row_numbers),
            _file: None,
            pending_file: Some(file),
        }))
    }

    /// Whether an import waits beside the store and its process is alive.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the file cannot be read.
    pub(in crate::store) fn has_pending(store: &Path) -> Result<bool> {
        Ok(locked_by_others(&staging_path(store))?.is_some())
    }

    /// Whether this import's process is still alive. A newer import under the same file name does not count.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the file cannot be read.
    pub fn is_still_pending(&self) -> Result<bool> {
        self.pending_file.as_ref().map_or(Ok(true), is_locked_by_others)
    }

    /// Deletes the import file beside the store if its process is gone.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it cannot be deleted.
    pub(in crate::store) fn remove_leftover(store: &Path) -> Result<()> {
        match remove_leftover(&staging_path(store)) {
            Err(e) if e.kind() != io::ErrorKind::ResourceBusy => {
                Err(Error::unavailable("The file of an interrupted import cannot be deleted.", e))
            }
            _ => Ok(()),
        }
    }

    /// How to import the rows; `None` until sealed.
    pub fn order(&self) -> Option<&ImportOrder> {
        self.order.as_ref()
    }

    /// Seals the rows: they cannot be changed any more, and may be imported, also by another process.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the disk is full.
    pub fn seal(&mut self, order: ImportOrder) -> Result<()> {
        let row_numbers = match self.row_numbers.take() {
            Some(row_numbers) => row_numbers,
            None => self.count_rows()?,
        };
        for run in &row_numbers.runs {
            self.connection.execute("INSERT INTO runs VALUES (?1, ?2)", *run)?;
        }
        self.row_numbers = Some(row_numbers);
        for (organization, (first, count)) in &self.counts {
            let counts = [organization.get(), first.cast_signed(), count.cast_signed()];
            self.connection.execute("INSERT INTO counts VALUES (?1, ?2, ?3)", counts)?;
        }
        self.connection.execute_batch("COMMIT")?;
        // Written last: a reader that finds the order finds all rows.
        self.connection.execute(
            "INSERT INTO orders VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                order.token,
                order.file,
                order.at.unix_ms(),
                order.allows_ended,
                self.forms.external,
                self.forms.sha256
            ],
        )?;
        self.order = Some(order);
        Ok(())
    }

    fn count_rows(&self) -> Result<RowNumbers> {
        let mut row_numbers = RowNumbers::default();
        self.for_each_row(|number| {
            row_numbers.push(number.cast_signed());
            Ok::<_, Error>(())
        })?;
        Ok(row_numbers)
    }

    /// Adds rows. The caller numbers them; each number is greater than the one before.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the disk is full.
    pub fn push(&mut self, keys: &[(u64, ImportedApiKey)]) -> Result<()> {
        let sql = format!("INSERT INTO staged VALUES (?, ?, ?{})", ", ?".repeat(KEY_COLUMNS.len()));
        let mut insert = self.connection.prepare_cached(&sql)?;
        for (number, key) in keys {
            let ImportedApiKey { new, sha256, is_ours } = key;
            let NewApiKey { parent, value: Fingerprint { digest, tail }, name, created_at, expires_at, change } = new;
            let KeyChange { name: _, valid, rate_limit, allowed_addresses, role, permissions, owner, metadata } =
                change;
            let rate_limit = rate_limit.flatten();
            let algorithm = digest.algorithm();
            insert.execute(params![
                number.cast_signed(),
                sha256.as_ref().map(Digest::as_bytes),
                digest.prefix(),
                parent.organization.get(),
                parent.project.map(ProjectId::get),
                digest.as_bytes(),
                columns::stored(algorithm),
                tail.as_str(),
                name.as_str(),
                valid.unwrap_or(true),
                created_at.unix_ms(),
                expires_at.map(Timestamp::unix_ms),
                rate_limit.map(RateLimit::limit),
                rate_limit.map(RateLimit::window_s),
                allowed_addresses.as_ref().and_then(Option::as_ref).map(AddressList::to_string),
                role.filter(|role| *role != Role::default_for(*parent)).map(columns::stored_role),
                permissions.as_ref().filter(|it| !it.is_empty()).map(Permissions::as_str),
                owner.as_ref().and_then(Option::as_ref).map(Owner::as_str),
                metadata.as_ref().filter(|it| !it.is_empty()).map(Metadata::as_str),
            ])?;
            if let Some(row_numbers) = &mut self.row_numbers {
                row_numbers.push(number.cast_signed());
            }
            self.forms = self.forms.or(KeyForms { external: !is_ours, sha256: algorithm == Algorithm::Sha256 });
            self.has_full_keys |= sha256.is_some();
            self.counts.entry(parent.organization).or_insert((*number, 0)).1 += 1;
        }
        Ok(())
    }

    /// The number of rows.
    pub fn count(&self) -> u64 {
        self.counts.values().map(|(_, count)| count).sum()
    }

    /// The number of rows of each organization, in the order of their first rows.
    pub fn organizations(&self) -> Vec<(OrganizationId, u64)> {
        let mut counts: Vec<_> = self.counts.iter().filter(|(_, (_, count))| *count > 0).collect();
        counts.sort_unstable_by_key(|(_, (first, _))| *first);
        counts.into_iter().map(|(organization, (_, count))| (*organization, *count)).collect()
    }

    /// The forms of keys and digests among the rows.
    pub fn forms(&self) -> KeyForms {
        self.forms
    }

    /// Removes rows.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub fn remove(&mut self, row_numbers: &[u64]) -> Result<()> {
        let sql = "DELETE FROM staged WHERE place = ?1 RETURNING organization_id";
        let mut delete = self.connection.prepare_cached(sql)?;
        if !row_numbers.is_empty() {
            self.row_numbers = None;
        }
        for number in row_numbers {
            let organization = delete.query_row([number.cast_signed()], |row| row.get(0)).optional()?;
            if let Some(count) = organization.and_then(OrganizationId::new).and_then(|it| self.counts.get_mut(&it)) {
                count.1 -= 1;
            }
        }
        Ok(())
    }

    /// The database with the rows.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// The counts of sealed rows.
fn counts(connection: &Connection) -> Result<HashMap<OrganizationId, (u64, u64)>> {
    let mut statement = connection.prepare("SELECT organization_id, first, count FROM counts")?;
    let mut rows = statement.query([])?;
    let mut counts = HashMap::new();
    while let Some(row) = rows.next()? {
        if let Some(organization) = OrganizationId::new(row.get(0)?) {
            counts.insert(organization, (to_row_number(row.get(1)?), to_row_number(row.get(2)?)));
        }
    }
    Ok(counts)
}

/// The file, if a living process has it locked.
fn locked_by_others(path: &Path) -> Result<Option<File>> {
    let Some(file) = open_regular(path).map_err(unreadable)? else { return Ok(None) };
    Ok(is_locked_by_others(&file)?.then_some(file))
}

fn is_locked_by_others(file: &File) -> Result<bool> {
    match file.try_lock_shared() {
        // Unlocked for the next check, and for a process that creates a new file here.
        Ok(()) => file.unlock().map(|()| false).map_err(unreadable),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(unreadable(e)),
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::unavailable("The rows of an import cannot be read.", error)
}

fn staging_path(store: &Path) -> PathBuf {
    companion(store, "-import")
}

/// SQLite's integers are signed; row numbers are not.
fn to_row_number(number: i64) -> u64 {
    number.cast_unsigned()
}
