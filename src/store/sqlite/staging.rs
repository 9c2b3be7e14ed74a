//! Keys from elsewhere, as they wait to be stored: on disk and not in memory, since there may be millions of them.
//!
//! They wait in a database of their own: in one that SQLite removes by itself and that nobody else can open, or, where they
//! are to be stored, in a file beside the store, from which the server takes them. It holds what the store will hold, and no
//! full key. The file is locked for as long as the import's process is there, and written no more once it is sealed.

use super::partial_file::{PartialFile, is_named, remove_leftover};
use super::{columns, connect};
use crate::domain::{
    AddressList, Algorithm, Digest, Error, Fingerprint, KeyForms, OrganizationId, ProjectId, RateLimit, Result,
    Timestamp,
};
use crate::store::NewApiKey;
use crate::store::file::companion::{companion, open_regular};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait before asking again whether another import is over.
const PAUSE: Duration = Duration::from_millis(20);

/// What waits of a key, in the order in which [`Staging::push`] binds it. It comes into the store's table under the same names.
pub(super) const KEY_COLUMNS: [(&str, &str); 12] = [
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
];

/// As what rows are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportOrder {
    /// Random: what there is of the import in the store has the same.
    pub token: [u8; 16],
    /// The BLAKE3 hash of the file that they come from, in hexadecimal digits.
    pub file: String,
    /// When somebody asked for it.
    pub at: Timestamp,
    /// Whether values that have ended may come back.
    pub allows_ended: bool,
}

/// A key from elsewhere that is not yet stored.
#[derive(Clone, Debug)]
pub struct ImportedApiKey {
    /// What any key has.
    pub new: NewApiKey,
    /// The SHA-256 digest of the same value, where the full key is known and its digest is another.
    pub sha256: Option<Digest>,
    /// Whether its value is known to be of our own form.
    pub is_ours: bool,
    /// Whether it is switched on.
    pub valid: bool,
    /// How often it may be used.
    pub rate_limit: Option<RateLimit>,
    /// Where it may be used from.
    pub allowed_addresses: Option<AddressList>,
}

/// StoreTransaction of an import.
pub struct Staging {
    connection: Connection,
    /// Where it is to be stored.
    order: Option<ImportOrder>,
    /// The place of each organization's first row, and how many it has.
    counts: HashMap<OrganizationId, (u64, u64)>,
    forms: KeyForms,
    has_full_keys: bool,
    /// Their places; `None` once some rows were taken away, until it is sealed.
    places: Option<Places>,
    _file: Option<PartialFile>,
    /// Where another process has it waiting: its file, whatever has the file's name by now.
    theirs: Option<File>,
}

impl Staging {
    /// Without any, and not to be stored.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where there is no place for temporary files.
    pub fn new() -> Result<Self> {
        Self::within(Connection::open("")?, None)
    }

    /// Without any, in a new file beside the store. Waits so long for another import.
    ///
    /// # Errors
    /// [`Error::Conflict`] where another import is under way, [`Error::Unavailable`] where the file cannot be made.
    pub fn beside_store(store: &Path, mut patience: Duration) -> Result<Self> {
        let file = loop {
            match PartialFile::create(file_beside(store)) {
                Ok(file) => break file,
                Err(e) if e.kind() != io::ErrorKind::ResourceBusy => {
                    let path = file_beside(store);
                    let detail = format_args!("{} cannot be created: {e}", path.display());
                    return Err(Error::unavailable("There is no place for the rows of an import.", detail));
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
        let connection = Connection::open(connect::plain(file.path()))?;
        Self::within(connection, Some(file))
    }

    fn within(connection: Connection, _file: Option<PartialFile>) -> Result<Self> {
        // What is lost in a crash was nothing yet. Negative: KiB; what is more goes to the disk, in pages larger than the
        // store's since they are read from one end to the other. A second thread sorts.
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
            places: Some(Places::default()),
            _file,
            theirs: None,
        })
    }

    /// What waits beside the store to be stored, where it is sealed and its process is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where that cannot be found out.
    pub(in crate::store) fn waiting(store: &Path) -> Result<Option<Self>> {
        let path = file_beside(store);
        let Some(file) = locked_by_others(&path)? else { return Ok(None) };
        // It is written no more once there is an order, so its locks are not asked for.
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
        // Before that it may be read by half.
        let Ok((order, forms)) = connection.query_row(sql, [], parse) else { return Ok(None) };
        let (counts, places) = (counts(&connection)?, Places::sealed(&connection)?);
        Ok(Some(Self {
            connection,
            order: Some(order),
            counts,
            forms,
            has_full_keys: false,
            places: Some(places),
            _file: None,
            theirs: Some(file),
        }))
    }

    /// Whether the process is there that has something waiting beside the store.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where that cannot be found out.
    pub(in crate::store) fn is_waiting(store: &Path) -> Result<bool> {
        Ok(locked_by_others(&file_beside(store))?.is_some())
    }

    /// Whether the process is there still that has this waiting. Another's import, which may have the file's name by then, is not
    /// taken for it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where that cannot be found out.
    pub fn is_still_pending(&self) -> Result<bool> {
        self.theirs.as_ref().map_or(Ok(true), is_locked_by_others)
    }

    /// Removes what a process left beside the store that is gone, if it left anything.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it cannot be removed.
    pub(in crate::store) fn remove_leftover(store: &Path) -> Result<()> {
        match remove_leftover(&file_beside(store)) {
            Err(e) if e.kind() != io::ErrorKind::ResourceBusy => {
                Err(Error::unavailable("What is left of an import cannot be removed.", e))
            }
            _ => Ok(()),
        }
    }

    /// As what it is to be stored, once it is sealed.
    pub fn order(&self) -> Option<&ImportOrder> {
        self.order.as_ref()
    }

    /// Ends what can be changed of it: from now on, it may be stored, also by another process.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the disk is full.
    pub fn seal(&mut self, order: ImportOrder) -> Result<()> {
        let places = match self.places.take() {
            Some(places) => places,
            None => self.count_places()?,
        };
        for run in &places.runs {
            self.connection.execute("INSERT INTO runs VALUES (?1, ?2)", *run)?;
        }
        self.places = Some(places);
        for (organization, (first, count)) in &self.counts {
            let counts = [organization.get(), first.cast_signed(), count.cast_signed()];
            self.connection.execute("INSERT INTO counts VALUES (?1, ?2, ?3)", counts)?;
        }
        self.connection.execute_batch("COMMIT")?;
        // Whoever finds the order finds all that was written before.
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

    fn count_places(&self) -> Result<Places> {
        let mut places = Places::default();
        self.for_each_row(|place| {
            places.push(place.cast_signed());
            Ok::<_, Error>(())
        })?;
        Ok(places)
    }

    /// Up to `limit` prefixes of digests and the places of their rows behind these, sorted, each with how many rows there are
    /// before its own. Once it is sealed.
    pub(super) fn sorted(&self, after: (i64, i64), limit: u32) -> Result<Vec<(i64, i64, i64)>> {
        let places = self.places.as_ref().ok_or_else(|| Error::Internal("an import is not sealed".to_owned()))?;
        let sql = "SELECT prefix, place FROM staged WHERE (prefix, place) > (?1, ?2) ORDER BY prefix, place LIMIT ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![after.0, after.1, limit])?;
        let mut sorted = Vec::new();
        while let Some(row) = rows.next()? {
            let at: i64 = row.get(1)?;
            sorted.push((row.get(0)?, at, places.rank(at)));
        }
        Ok(sorted)
    }

    /// Adds some. The place of each is its own choice, greater than that of the one before.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the disk is full.
    pub fn push(&mut self, keys: &[(u64, ImportedApiKey)]) -> Result<()> {
        let sql = format!("INSERT INTO staged VALUES (?, ?, ?{})", ", ?".repeat(KEY_COLUMNS.len()));
        let mut insert = self.connection.prepare_cached(&sql)?;
        for (place, key) in keys {
            let ImportedApiKey { new, sha256, is_ours, valid, rate_limit, allowed_addresses } = key;
            let NewApiKey { parent, value: Fingerprint { digest, tail }, name, created_at, expires_at } = new;
            let algorithm = digest.algorithm();
            insert.execute(params![
                place.cast_signed(),
                sha256.as_ref().map(Digest::as_bytes),
                digest.prefix(),
                parent.organization.get(),
                parent.project.map(ProjectId::get),
                digest.as_bytes(),
                columns::stored(algorithm),
                tail.as_str(),
                name.as_str(),
                valid,
                created_at.unix_ms(),
                expires_at.map(Timestamp::unix_ms),
                rate_limit.map(RateLimit::limit),
                rate_limit.map(RateLimit::window_s),
                allowed_addresses.as_ref().map(AddressList::to_string),
            ])?;
            if let Some(places) = &mut self.places {
                places.push(place.cast_signed());
            }
            self.forms = self.forms.or(KeyForms { external: !is_ours, sha256: algorithm == Algorithm::Sha256 });
            self.has_full_keys |= sha256.is_some();
            self.counts.entry(parent.organization).or_insert((*place, 0)).1 += 1;
        }
        Ok(())
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.values().map(|(_, count)| count).sum()
    }

    /// How many there are of each organization, in the order of their first rows.
    pub fn organizations(&self) -> Vec<(OrganizationId, u64)> {
        let mut counts: Vec<_> = self.counts.iter().filter(|(_, (_, count))| *count > 0).collect();
        counts.sort_unstable_by_key(|(_, (first, _))| *first);
        counts.into_iter().map(|(organization, (_, count))| (*organization, *count)).collect()
    }

    /// The projects that they go to, each with the place of its first row, in the order of these.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub fn projects(&self) -> Result<Vec<(OrganizationId, ProjectId, u64)>> {
        let mut statement = self.connection.prepare(
            "SELECT organization_id, project_id, min(place) FROM staged WHERE project_id IS NOT NULL GROUP BY 1, 2 ORDER BY 3",
        )?;
        let mut rows = statement.query([])?;
        let mut projects = Vec::new();
        while let Some(row) = rows.next()? {
            let ids = OrganizationId::new(row.get(0)?).zip(ProjectId::new(row.get(1)?));
            let first = place(row.get(2)?);
            projects.extend(ids.map(|(organization, project)| (organization, project, first)));
        }
        Ok(projects)
    }

    /// What they bring into a store.
    pub fn forms(&self) -> KeyForms {
        self.forms
    }

    /// Those whose value an earlier one has, with the place of that one, up to `limit` of them. To be asked once, after
    /// the last one was added and before anything else.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the disk is full.
    pub fn duplicates(&self, limit: usize) -> Result<Vec<(u64, u64)>> {
        // Whole digests would make it three times as large; they are looked at where their prefixes are the same.
        self.connection.execute_batch("CREATE INDEX by_prefix ON staged (prefix)")?;
        let mut duplicates = Vec::new();
        let mut same: Vec<(u64, Digest)> = Vec::new();
        let mut last = None;
        self.each_prefix(|place, prefix| {
            let Some((earlier, _)) = last.replace((place, prefix)).filter(|(_, it)| *it == prefix) else {
                same.clear();
                return Ok(true);
            };
            if same.is_empty() {
                same.push((earlier, self.digest(earlier)?));
            }
            let digest = self.digest(place)?;
            match same.iter().find(|(_, it)| *it == digest) {
                Some((earlier, _)) => duplicates.push((place, *earlier)),
                None => same.push((place, digest)),
            }
            Ok(duplicates.len() < limit)
        })?;
        if self.has_full_keys && self.forms.sha256 {
            self.connection.execute_batch("CREATE INDEX by_sha256 ON staged (sha256) WHERE sha256 IS NOT NULL")?;
            let mut statement = self.connection.prepare(
                "SELECT max(a.place, b.place), min(a.place, b.place) FROM staged a JOIN staged b ON b.sha256 = a.digest \
                 WHERE a.digest_algorithm = 1 LIMIT ?1",
            )?;
            let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
            while let Some(row) = rows.next()? {
                duplicates.push((place(row.get(0)?), place(row.get(1)?)));
            }
        }
        duplicates.sort_unstable();
        duplicates.dedup_by_key(|(place, _)| *place);
        Ok(duplicates)
    }

    /// Takes some away.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub fn remove(&mut self, places: &[u64]) -> Result<()> {
        let sql = "DELETE FROM staged WHERE place = ?1 RETURNING organization_id";
        let mut delete = self.connection.prepare_cached(sql)?;
        if !places.is_empty() {
            self.places = None;
        }
        for place in places {
            let organization = delete.query_row([place.cast_signed()], |row| row.get(0)).optional()?;
            if let Some(count) = organization.and_then(OrganizationId::new).and_then(|it| self.counts.get_mut(&it)) {
                count.1 -= 1;
            }
        }
        Ok(())
    }

    /// Hands over every place, in order, for as long as `take` does not fail.
    ///
    /// # Errors
    /// [`Error::Unavailable`], and what `take` fails with.
    pub fn for_each_row<E: From<crate::domain::Error>>(
        &self,
        mut take: impl FnMut(u64) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let unavailable = crate::domain::Error::from;
        let mut statement = self.connection.prepare("SELECT place FROM staged ORDER BY place").map_err(unavailable)?;
        let mut rows = statement.query([]).map_err(unavailable)?;
        while let Some(row) = rows.next().map_err(unavailable)? {
            take(place(row.get(0).map_err(unavailable)?))?;
        }
        Ok(())
    }

    /// The digest at a place.
    pub(super) fn digest(&self, place: u64) -> Result<Digest> {
        let sql = "SELECT digest, digest_algorithm FROM staged WHERE place = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let (bytes, algorithm) =
            statement.query_row([place.cast_signed()], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
        Ok(Digest::of(columns::stored_algorithm(algorithm).unwrap_or(Algorithm::Blake3), bytes))
    }

    /// Hands over every place and its digest's prefix, by that, as the digest index has them, for as long as more are
    /// wanted.
    pub(super) fn each_prefix(&self, mut take: impl FnMut(u64, i64) -> Result<bool>) -> Result<()> {
        let mut statement = self.connection.prepare("SELECT place, prefix FROM staged ORDER BY prefix, place")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if !take(place(row.get(0)?), row.get(1)?)? {
                break;
            }
        }
        Ok(())
    }

    /// Hands over every place and the SHA-256 digest of its full key, by that, for as long as more are wanted.
    pub(super) fn each_sha256(&self, mut take: impl FnMut(u64, Digest) -> Result<bool>) -> Result<()> {
        let mut statement =
            self.connection.prepare("SELECT place, sha256 FROM staged WHERE sha256 IS NOT NULL ORDER BY sha256")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if !take(place(row.get(0)?), Digest::of(Algorithm::Sha256, row.get(1)?))? {
                break;
            }
        }
        Ok(())
    }

    /// Where they are, for whoever stores them.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// What each organization has, of rows that are sealed.
fn counts(connection: &Connection) -> Result<HashMap<OrganizationId, (u64, u64)>> {
    let mut statement = connection.prepare("SELECT organization_id, first, count FROM counts")?;
    let mut rows = statement.query([])?;
    let mut counts = HashMap::new();
    while let Some(row) = rows.next()? {
        if let Some(organization) = OrganizationId::new(row.get(0)?) {
            counts.insert(organization, (place(row.get(1)?), place(row.get(2)?)));
        }
    }
    Ok(counts)
}

/// The file, where a process that is there has it locked.
fn locked_by_others(path: &Path) -> Result<Option<File>> {
    let Some(file) = open_regular(path).map_err(unreadable)? else { return Ok(None) };
    Ok(is_locked_by_others(&file)?.then_some(file))
}

fn is_locked_by_others(file: &File) -> Result<bool> {
    match file.try_lock_shared() {
        // For the next look, and for whoever makes a new one in its place.
        Ok(()) => file.unlock().map(|()| false).map_err(unreadable),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(unreadable(e)),
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::unavailable("The rows of an import cannot be read.", error)
}

fn file_beside(store: &Path) -> PathBuf {
    companion(store, "-import")
}

/// Which places there are, as runs without a gap: there are as many as rows that were left out.
#[derive(Default)]
struct Places {
    /// The first place of each run, and how many places there are before it.
    runs: Vec<(i64, i64)>,
    next: i64,
    count: i64,
}

impl Places {
    /// Those of rows that are sealed.
    fn sealed(connection: &Connection) -> Result<Self> {
        let mut statement = connection.prepare("SELECT first, before FROM runs ORDER BY first")?;
        let runs = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { runs: runs.collect::<rusqlite::Result<_>>()?, ..Self::default() })
    }

    fn push(&mut self, place: i64) {
        if self.runs.is_empty() || place != self.next {
            self.runs.push((place, self.count));
        }
        (self.next, self.count) = (place + 1, self.count + 1);
    }

    /// How many places there are before this one, which is one of them.
    fn rank(&self, place: i64) -> i64 {
        let run = self.runs.partition_point(|(first, _)| *first <= place);
        let (first, before) = run.checked_sub(1).map_or((place, 0), |run| self.runs[run]);
        before + place - first
    }
}

fn place(number: i64) -> u64 {
    number.cast_unsigned()
}
