//! Keys from elsewhere, as they wait to be stored: on disk and not in memory, since there may be millions of them.
//!
//! They wait in a database of their own that SQLite removes by itself and that nobody else can open. It holds what the
//! store will hold, and no full key.

use super::import;
use crate::domain::{AddressList, Algorithm, Digest, Forms, OrganizationId, ProjectId, RateLimit, Result, Timestamp};
use crate::store::ImportedApiKey;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::HashMap;

/// Rows of an import.
pub struct Staging {
    connection: Connection,
    /// The place of each organization's first row, and how many it has.
    counts: HashMap<OrganizationId, (u64, u64)>,
    forms: Forms,
    has_full_keys: bool,
}

impl Staging {
    /// Without any.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::domain::Error::Unavailable) where there is no place for temporary files.
    pub fn new() -> Result<Self> {
        let connection = Connection::open("")?;
        // What is lost in a crash was nothing yet. Negative: KiB; what is more goes to the disk, in pages larger than the
        // store's since they are read from one end to the other.
        connection.execute_batch(
            "PRAGMA page_size = 32768; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;
            CREATE TABLE staged (
                place INTEGER PRIMARY KEY,
                organization_id INTEGER, project_id INTEGER, digest BLOB, digest_algorithm INTEGER, tail TEXT, name TEXT,
                valid INTEGER, created_at INTEGER, expires_at INTEGER, rate_limit INTEGER, rate_window_s INTEGER,
                allowed_addresses TEXT, sha256 BLOB, prefix INTEGER
            ) STRICT;
            BEGIN",
        )?;
        Ok(Self { connection, counts: HashMap::new(), forms: Forms::default(), has_full_keys: false })
    }

    /// Adds some. The place of each is its own choice, greater than that of the one before.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::domain::Error::Unavailable) where the disk is full.
    pub fn push(&mut self, keys: &[(u64, ImportedApiKey)]) -> Result<()> {
        let sql = "INSERT INTO staged VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
        let mut insert = self.connection.prepare_cached(sql)?;
        for (place, key) in keys {
            let new = &key.new;
            let algorithm = new.value.digest.algorithm();
            insert.execute(params![
                place.cast_signed(),
                new.scope.organization.get(),
                new.scope.project.map(ProjectId::get),
                new.value.digest.as_bytes(),
                import::stored(algorithm),
                new.value.tail.as_str(),
                new.name.as_str(),
                key.valid,
                new.created_at.unix_ms(),
                new.expires_at.map(Timestamp::unix_ms),
                key.rate_limit.map(RateLimit::limit),
                key.rate_limit.map(RateLimit::window_s),
                key.allowed_addresses.as_ref().map(AddressList::to_string),
                key.sha256.as_ref().map(Digest::as_bytes),
                new.value.digest.prefix(),
            ])?;
            self.forms = self.forms.or(Forms { foreign: !key.is_ours, sha256: algorithm == Algorithm::Sha256 });
            self.has_full_keys |= key.sha256.is_some();
            self.counts.entry(new.scope.organization).or_insert((*place, 0)).1 += 1;
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

    /// What they bring into a store.
    pub fn forms(&self) -> Forms {
        self.forms
    }

    /// Those whose value an earlier one has, with the place of that one, up to `limit` of them. To be asked once, after
    /// the last one was added and before anything else.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::domain::Error::Unavailable) where the disk is full.
    pub fn twins(&self, limit: usize) -> Result<Vec<(u64, u64)>> {
        // Whole digests would make it three times as large; they are looked at where their prefixes are the same.
        self.connection.execute_batch("CREATE INDEX by_prefix ON staged (prefix)")?;
        let mut twins = Vec::new();
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
                Some((earlier, _)) => twins.push((place, *earlier)),
                None => same.push((place, digest)),
            }
            Ok(twins.len() < limit)
        })?;
        if self.has_full_keys && self.forms.sha256 {
            self.connection.execute_batch("CREATE INDEX by_sha256 ON staged (sha256) WHERE sha256 IS NOT NULL")?;
            let mut statement = self.connection.prepare(
                "SELECT max(a.place, b.place), min(a.place, b.place) FROM staged a JOIN staged b ON b.sha256 = a.digest \
                 WHERE a.digest_algorithm = 1 LIMIT ?1",
            )?;
            let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
            while let Some(row) = rows.next()? {
                twins.push((place(row.get(0)?), place(row.get(1)?)));
            }
        }
        twins.sort_unstable();
        twins.dedup_by_key(|(place, _)| *place);
        Ok(twins)
    }

    /// Takes some away.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::domain::Error::Unavailable).
    pub fn remove(&mut self, places: &[u64]) -> Result<()> {
        let sql = "DELETE FROM staged WHERE place = ?1 RETURNING organization_id";
        let mut delete = self.connection.prepare_cached(sql)?;
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
    /// [`Error::Unavailable`](crate::domain::Error::Unavailable), and what `take` fails with.
    pub fn each_place<E: From<crate::domain::Error>>(
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
        Ok(Digest::of(import::algorithm(algorithm).unwrap_or(Algorithm::Blake3), bytes))
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

fn place(number: i64) -> u64 {
    number.cast_unsigned()
}
