//! What became of each row, and in the end of all of them.

use super::MOST_WRONG;
use crate::cli::error::CommandError;
use crate::cli::output::{say, stdout_error};
use crate::service::{Staging, TakenRows};
use serde_json::{Value, json};
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};

/// What is wrong with a row whose value has ended.
const ENDED: &str = "The key was revoked or rotated out; leave it out with --skip-bad-rows, or take it in with \
                     --allow-revoked.";

/// A line a row on standard output, a summary on standard error. At a terminal, where both would be mixed, only wrong rows have
/// a line unless all are asked for.
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

    /// The row cannot be imported.
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

    /// Rows whose values cannot become keys.
    pub(super) fn taken(&mut self, taken: &TakenRows) -> Result<(), CommandError> {
        let known = taken.known.iter().map(|row| (row, "The store has this key already."));
        let ended = taken.ended.iter().map(|row| (row, ENDED));
        known.chain(ended).try_for_each(|(row, sentence)| self.wrong(*row, None, sentence))
    }

    /// The row is not about a key.
    pub(super) fn passed_over(&mut self, row: u64) -> Result<(), CommandError> {
        self.passed_over += 1;
        if !self.shows_all {
            return Ok(());
        }
        self.write(
            || json!({"row": row, "outcome": "passed_over"}),
            || format!("Row {row} is passed over: it is an organization or a project."),
        )
    }

    pub(super) fn is_clean(&self) -> bool {
        self.wrong == 0
    }

    /// # Errors
    /// Where it is of no use to go on.
    pub(super) fn check_not_too_many(&mut self) -> Result<(), CommandError> {
        if self.wrong < MOST_WRONG {
            return Ok(());
        }
        self.flush()?;
        Err(CommandError::new(format!(
            "{MOST_WRONG} rows cannot be imported, and no more were looked for: this may be the wrong file. Nothing was \
             imported."
        )))
    }

    /// Nothing was imported because of the rows that were reported.
    pub(super) fn refused(&mut self) -> Result<(), CommandError> {
        self.flush()?;
        Err(CommandError::new(format!(
            "{} cannot be imported; nothing was changed. Correct {}, or leave {} out with --skip-bad-rows.",
            rows(self.wrong as u64),
            if self.wrong == 1 { "it" } else { "them" },
            if self.wrong == 1 { "it" } else { "them" },
        )))
    }

    /// A dry run came to its end with these.
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
                    "{count} can be imported, {wrong} would be left out. Nothing was changed."
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

    /// These are keys now, with the numbers from the first to the last.
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
            return Err(CommandError::new(format!("{keys}; {} left out.", were(self.wrong as u64))));
        }
        say(format_args!("{keys}."));
        Ok(())
    }

    /// Which number each row has from the first one on.
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

    /// Where they have no lines.
    fn summarize_passed_over(&self) {
        if self.passed_over > 0 && !self.shows_all {
            say(format_args!("{} passed over: organizations and projects.", were(self.passed_over)));
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
