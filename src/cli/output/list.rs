//! Prints lists as they are read, filtered: one JSON object per line, or tables for people.

use crate::cli::error::CommandError;
use crate::cli::output::table::{Cell, Column, table};
use crate::cli::output::terminal::Terminal;
use crate::cli::output::{print_json, say, write};
use crate::domain::{ApiKey, Name, has_full_key};
use clap::Args;
use serde::Serialize;
use std::fmt::Display;

/// The most rows of one table. A longer list gets further tables, so that its length takes no more memory.
const ROWS_PER_TABLE: usize = 1000;
/// Characters that people copy together with a key's last characters.
const MASKS: [char; 2] = ['*', '…'];

/// Filters of a list.
#[derive(Args, Debug)]
pub(in crate::cli) struct ListFilter {
    /// Only those with this text in their name; case is ignored
    #[arg(long, value_name = "TEXT", value_parser = parse_search)]
    search: Option<String>,
    /// Show this many at most
    #[arg(long, value_name = "COUNT", value_parser = parse_limit)]
    limit: Option<u64>,
}

/// Parses `--limit`.
pub(in crate::cli) fn parse_limit(text: &str) -> Result<u64, &'static str> {
    text.parse().ok().filter(|limit| *limit > 0).ok_or("it must be a whole number from 1")
}

/// Parses `--search`, in lower case.
fn parse_search(text: &str) -> Result<String, &'static str> {
    parse_text(text).map(|text| text.to_lowercase())
}

/// Parses a search text. Full keys are refused: every user of the machine can see a process's arguments.
pub(in crate::cli) fn parse_text(text: &str) -> Result<String, &'static str> {
    if has_full_key(text.as_bytes()) {
        return Err("never pass a full key as an argument; its last six characters find it, too");
    }
    Ok(text.to_owned())
}

impl ListFilter {
    /// Whether it searches.
    pub(in crate::cli) fn searches(&self) -> bool {
        self.search.is_some()
    }

    pub(in crate::cli) fn has_name(&self, name: &Name) -> bool {
        self.search.as_ref().is_none_or(|search| name.as_str().to_lowercase().contains(search))
    }

    pub(in crate::cli) fn has_key(&self, key: &ApiKey) -> bool {
        let Some(search) = &self.search else { return true };
        let of_tail = search.trim_start_matches(MASKS);
        let mut tails = [Some(key.value), key.shadow.as_ref().map(|it| it.fingerprint)].into_iter().flatten();
        let has_tail = !of_tail.is_empty() && tails.any(|it| it.tail.as_str().to_lowercase().contains(of_tail));
        has_tail || self.has_name(&key.name)
    }
}

/// A list that is being printed.
pub(in crate::cli) struct ListPrinter<const N: usize> {
    is_json: bool,
    columns: [Column; N],
    terminal: Option<Terminal>,
    rows: Vec<[Cell; N]>,
    is_begun: bool,
    limit: Option<u64>,
    listed: u64,
    is_cut: bool,
}

impl<const N: usize> ListPrinter<N> {
    pub(in crate::cli) fn new(is_json: bool, columns: [Column; N], filter: &ListFilter) -> Self {
        let terminal = Terminal::of_output();
        let (rows, limit) = (Vec::new(), filter.limit);
        Self { is_json, columns, terminal, rows, is_begun: false, limit, listed: 0, is_cut: false }
    }

    /// Adds an item. Returns `false` if no more items are needed.
    pub(in crate::cli) fn add<T: Serialize>(
        &mut self,
        record: impl FnOnce() -> T,
        row: impl FnOnce() -> [Cell; N],
    ) -> Result<bool, CommandError> {
        if self.limit.is_some_and(|limit| self.listed >= limit) {
            self.is_cut = true;
            return Ok(false);
        }
        self.listed += 1;
        if self.is_json {
            print_json(&record())?;
        } else {
            self.rows.push(row());
            if self.rows.len() >= ROWS_PER_TABLE {
                self.flush()?;
            }
        }
        Ok(true)
    }

    /// Whether no item was added.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.listed == 0
    }

    /// Prints the remaining rows. An empty list prints the headings alone.
    pub(in crate::cli) fn finish(mut self) -> Result<(), CommandError> {
        let is_all_printed = self.is_begun && self.rows.is_empty();
        if !self.is_json && !is_all_printed {
            self.flush()?;
        }
        if self.is_cut {
            say_cut(self.listed);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), CommandError> {
        self.is_begun = true;
        write(table(&self.columns, &std::mem::take(&mut self.rows), self.terminal.as_ref()).as_bytes())
    }
}

/// Tells that a list was cut by its limit.
pub(in crate::cli) fn say_cut(listed: impl Display) {
    say(format_args!("The list ends after {listed} and there are more: use a larger --limit to see them."));
}
