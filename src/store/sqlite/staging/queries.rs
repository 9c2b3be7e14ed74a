//! Reads staged rows in the order of their numbers or of their digests, and finds duplicates among them.

use super::{Staging, to_row_number};
use crate::domain::{Algorithm, Digest, Error, OrganizationId, ProjectId, Result};
use crate::store::sqlite::columns;
use rusqlite::params;

impl Staging {
    /// The projects of the rows, each with its first row, in the order of these.
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
            let first = to_row_number(row.get(2)?);
            projects.extend(ids.map(|(organization, project)| (organization, project, first)));
        }
        Ok(projects)
    }

    /// Rows whose value an earlier row has, each with that earlier row, up to `limit`. Call it once, after the last row
    /// was added and before anything else.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the disk is full.
    pub fn duplicates(&self, limit: usize) -> Result<Vec<(u64, u64)>> {
        // An index over whole digests would be three times as large. Whole digests are compared where prefixes are
        // equal.
        self.connection.execute_batch("CREATE INDEX by_prefix ON staged (prefix)")?;
        let mut duplicates = Vec::new();
        let mut same: Vec<(u64, Digest)> = Vec::new();
        let mut last = None;
        self.each_prefix(|number, prefix| {
            let Some((earlier, _)) = last.replace((number, prefix)).filter(|(_, it)| *it == prefix) else {
                same.clear();
                return Ok(true);
            };
            if same.is_empty() {
                same.push((earlier, self.digest(earlier)?));
            }
            let digest = self.digest(number)?;
            match same.iter().find(|(_, it)| *it == digest) {
                Some((earlier, _)) => duplicates.push((number, *earlier)),
                None => same.push((number, digest)),
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
                duplicates.push((to_row_number(row.get(0)?), to_row_number(row.get(1)?)));
            }
        }
        duplicates.sort_unstable();
        duplicates.dedup_by_key(|(number, _)| *number);
        Ok(duplicates)
    }

    /// Up to `limit` digest prefixes and row numbers after `after`, sorted, each with the count of rows before it.
    /// Requires sealed rows.
    pub(in crate::store::sqlite) fn sorted(&self, after: (i64, i64), limit: u32) -> Result<Vec<(i64, i64, i64)>> {
        let row_numbers =
            self.row_numbers.as_ref().ok_or_else(|| Error::Internal("an import is not sealed".to_owned()))?;
        let sql = "SELECT prefix, place FROM staged WHERE (prefix, place) > (?1, ?2) ORDER BY prefix, place LIMIT ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![after.0, after.1, limit])?;
        let mut sorted = Vec::new();
        while let Some(row) = rows.next()? {
            let at: i64 = row.get(1)?;
            sorted.push((row.get(0)?, at, row_numbers.rank(at)));
        }
        Ok(sorted)
    }

    /// Calls `take` with each row number, in order, until it fails.
    ///
    /// # Errors
    /// [`Error::Unavailable`], and the errors of `take`.
    pub fn for_each_row<E: From<crate::domain::Error>>(
        &self,
        mut take: impl FnMut(u64) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let unavailable = crate::domain::Error::from;
        let mut statement = self.connection.prepare("SELECT place FROM staged ORDER BY place").map_err(unavailable)?;
        let mut rows = statement.query([]).map_err(unavailable)?;
        while let Some(row) = rows.next().map_err(unavailable)? {
            take(to_row_number(row.get(0).map_err(unavailable)?))?;
        }
        Ok(())
    }

    /// The digest of a row.
    pub(in crate::store::sqlite) fn digest(&self, number: u64) -> Result<Digest> {
        let sql = "SELECT digest, digest_algorithm FROM staged WHERE place = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let (bytes, algorithm) =
            statement.query_row([number.cast_signed()], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
        Ok(Digest::of(columns::stored_algorithm(algorithm).unwrap_or(Algorithm::Blake3), bytes))
    }

    /// Calls `take` with each row number and digest prefix, sorted by prefix as the digest index is, until it returns
    /// `false`.
    pub(in crate::store::sqlite) fn each_prefix(&self, mut take: impl FnMut(u64, i64) -> Result<bool>) -> Result<()> {
        let mut statement = self.connection.prepare("SELECT place, prefix FROM staged ORDER BY prefix, place")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if !take(to_row_number(row.get(0)?), row.get(1)?)? {
                break;
            }
        }
        Ok(())
    }

    /// Calls `take` with each row number and the SHA-256 digest of its full key, sorted by digest, until it returns
    /// `false`.
    pub(in crate::store::sqlite) fn each_sha256(
        &self,
        mut take: impl FnMut(u64, Digest) -> Result<bool>,
    ) -> Result<()> {
        let mut statement =
            self.connection.prepare("SELECT place, sha256 FROM staged WHERE sha256 IS NOT NULL ORDER BY sha256")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if !take(to_row_number(row.get(0)?), Digest::of(Algorithm::Sha256, row.get(1)?))? {
                break;
            }
        }
        Ok(())
    }
}
