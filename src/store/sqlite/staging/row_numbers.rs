//! The numbers of the staged rows, as runs without a gap.

use crate::domain::Result;
use rusqlite::Connection;

/// Row numbers as runs; the number of runs is about the number of rows that were left out.
#[derive(Default)]
pub(super) struct RowNumbers {
    /// The first number of each run, and the count of rows before it.
    pub(super) runs: Vec<(i64, i64)>,
    next: i64,
    count: i64,
}

impl RowNumbers {
    /// The runs of sealed rows.
    pub(super) fn sealed(connection: &Connection) -> Result<Self> {
        let mut statement = connection.prepare("SELECT first, before FROM runs ORDER BY first")?;
        let runs = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { runs: runs.collect::<rusqlite::Result<_>>()?, ..Self::default() })
    }

    pub(super) fn push(&mut self, number: i64) {
        if self.runs.is_empty() || number != self.next {
            self.runs.push((number, self.count));
        }
        (self.next, self.count) = (number + 1, self.count + 1);
    }

    /// The count of rows before this one.
    pub(super) fn rank(&self, number: i64) -> i64 {
        let run = self.runs.partition_point(|(first, _)| *first <= number);
        let (first, before) = run.checked_sub(1).map_or((number, 0), |run| self.runs[run]);
        before + number - first
    }
}
