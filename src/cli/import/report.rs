//! Reports what became of each row, and a summary.

use super::MAX_BAD_ROWS;
use crate::cli::error::CommandError;
use crate::cli::output::{say, stdout_error};
use crate::service::{Staging, TakenRows};
use serde_json::{Value, json};
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};

/// The error of a row whose key was revoked or rotated out.
const ENDED: &str = "The key was revoked or rotated out; skip it with --skip-bad-rows, or accept it with \
                     --allow-revoked.";

/// Prints one line per row on standard output and a summary on standard error. At a terminal, where the two would mix, only bad
/// rows get a line by default.
pub(super) struct ImportReport {
    out: BufWriter<StdoutLock<'static>>,
    is_json: bool,
    shows_all: bool,
    wrong: usize,
    passed_over: u64,
}

impl ImportReport {
    pub(super) fn new(is_json: bool, is_verbose: bool) -> Self {
        let out = io::stdout();
        let shows_all = is_json || is_verbose || !out.is_terminal();
        Self { out: BufWriter::new(out.lock()), is_json, shows_all, wrong: 0, passed_over: 0 }
    }

    /// Reports a bad row.
    pub(super) fn wrong(&mut self, row: u64, line: Option<u64>, sentence: &str) -> Result<(), CommandError> {
        self.wrong += 1;
        let place = line.map(|line| format!(" (line {line})")).unwrap_or_default();
        let object = || match line {
            Some(line) => json!({"row": row, "line": line, "outcome": "refused", "error": sentence}),
            None => json!({"row": row, "outcome": "refused", "error": sentence}),
        };
        self.write(object, || format!("Row {row}{place} is refused: {sentence}"))?;
        self.flush()
    }

    /// Reports rows whose keys the store has, or that were revoked or rotated out.
    pub(super) fn taken(&mut self, taken: &TakenRows) -> Result<(), CommandError> {
        let known = taken.known.iter().map(|row| (row, "The store already has this key."));
        let ended = taken.ended.iter().map(|row| (row, ENDED));
        known.chain(ended).try_for_each(|(row, sentence)| self.wrong(*row, None, sentence))
    }

    /// Reports a row that is not a key.
    pub(super) fn passed_over(&mut self, row: u64) -> Result<(), CommandError> {
        self.passed_over += 1;
        if !self.shows_all {
            return Ok(());
        }
        self.write(
            || json!({"row": row, "outcome": "passed_over"}),
            || format!("Row {row} is skipped: it is an organization or a project."),
        )
    }

    pub(super) fn is_clean(&self) -> bool {
        self.wrong == 0
    }

    /// # Errors
    /// If there are too many bad rows to go on.
    pub(super) fn check_not_too_many(&mut self) -> Result<(), CommandError> {
        if self.wrong < MAX_BAD_ROWS {
            return Ok(());
        }
        self.flush()?;
        Err(CommandError::new(format!(
            "{MAX_BAD_ROWS} rows cannot be imported, and the import stopped there: this may be the wrong file. Nothing was \
             imported."
        )))
    }

    /// The error of an import that was refused because of bad rows.
    pub(super) fn refused(&mut self) -> Result<(), CommandError> {
        self.flush()?;
        Err(CommandError::new(format!(
            "{} cannot be imported; nothing was changed. Correct {}, or skip {} with --skip-bad-rows.",
            rows(self.wrong as u64),
            if self.wrong == 1 { "it" } else { "them" },
            if self.wrong == 1 { "it" } else { "them" },
        )))
    }

    /// The result of a dry run.
    pub(super) fn would_import(&mut self, staged: &Staging, skips: bool) -> Result<(), CommandError> {
        if self.shows_all {
            staged.for_each_row(|row| {
                self.write(|| json!({"row": row, "outcome": "good"}), || format!("Row {row} can be imported."))
            })?;
        }
        self.flush()?;
        self.summarize_passed_over();
        let count = rows(staged.count());
        match self.wrong {
            0 => say(format_args!("{count} can be imported. Nothing was changed.")),
            wrong if skips => {
                let wrong = rows(wrong as u64);
                return Err(CommandError::new(format!(
                    "{count} can be imported, {wrong} would be skipped as bad. Nothing was changed."
                )));
            }
            wrong => {
                let wrong = rows(wrong as u64);
                return Err(CommandError::new(format!(
                    "{wrong} cannot be imported, so none would be without --skip-bad-rows; with it, {count} would. Nothing \
                     was changed."
                )));
            }
        }
        Ok(())
    }

    /// The result of an import: the numbers of the new keys, first and last.
    pub(super) fn imported(&mut self, staged: &Staging, ids: Option<(i64, i64)>) -> Result<(), CommandError> {
        let count = staged.count();
        let keys = match ids {
            None => "There was nothing to import".to_owned(),
            Some((only, last)) if only == last => format!("1 key was imported: {only}"),
            Some((first, last)) => format!("{count} keys were imported: {first} to {last}"),
        };
        let printed = if self.shows_all { self.numbers(staged, ids) } else { Ok(()) };
        printed.and_then(|()| self.flush()).map_err(|error| match error.is_closed_pipe() {
            true => error,
            false => CommandError::new(format!("{keys}; but then: {error}")),
        })?;
        self.summarize_passed_over();
        if self.wrong > 0 {
            return Err(CommandError::new(format!("{keys}; {} skipped as bad.", were(self.wrong as u64))));
        }
        say(format_args!("{keys}."));
        Ok(())
    }

    /// Reports the number of each new key.
    fn numbers(&mut self, staged: &Staging, ids: Option<(i64, i64)>) -> Result<(), CommandError> {
        let mut next = ids.map_or(0, |(first, _)| first);
        staged.for_each_row(|row| {
            let id = next;
            next += 1;
            self.write(
                || json!({"row": row, "outcome": "imported", "id": id}),
                || format!("Row {row} is API key {id}."),
            )
        })
    }

    /// Counts the skipped rows, if they have no lines of their own.
    fn summarize_passed_over(&self) {
        if self.passed_over > 0 && !self.shows_all {
            say(format_args!("{} skipped: organizations and projects.", were(self.passed_over)));
        }
    }

    fn write(&mut self, object: impl Fn() -> Value, text: impl Fn() -> String) -> Result<(), CommandError> {
        let written = if self.is_json { writeln!(self.out, "{}", object()) } else { writeln!(self.out, "{}", text()) };
        written.map_err(|e| stdout_error(&e))
    }

    fn flush(&mut self) -> Result<(), CommandError> {
        self.out.flush().map_err(|e| stdout_error(&e))
    }
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

fn were(count: u64) -> String {
    if count == 1 { "1 row was".to_owned() } else { format!("{count} rows were") }
}
