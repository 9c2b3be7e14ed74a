//! Standard output and standard error, for people and for programs.

pub(in crate::cli) mod confirm;
pub(in crate::cli) mod export_target;
pub(in crate::cli) mod list;
pub(in crate::cli) mod progress;
pub(in crate::cli) mod stderr;
pub(in crate::cli) mod table;
pub(in crate::cli) mod table_rows;
pub(in crate::cli) mod terminal;
pub(in crate::cli) mod usage_chart;
pub(in crate::cli) mod views;

pub(in crate::cli) use stderr::say;

use crate::cli::error::CommandError;
use crate::cli::output::terminal::{Terminal, Tone};
use crate::domain::escape_invisible;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags};
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write};
use zeroize::Zeroizing;

/// Prints a text for people. Invisible characters, which names from older versions may have, are shown by their number.
pub(in crate::cli) fn print(text: &str) -> Result<(), CommandError> {
    write(escape_invisible(text).as_bytes())
}

pub(in crate::cli) fn write(bytes: &[u8]) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|e| stdout_error(&e))
}

/// The error of a failed write to standard output. A closed pipe ends the command without a message.
pub(in crate::cli) fn stdout_error(error: &io::Error) -> CommandError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return CommandError::closed_pipe();
    }
    CommandError::new(format!("Standard output cannot be written to: {error}."))
}

/// Checks that standard output has a reader, before something is created that is shown there only once.
///
/// # Errors
/// If it is a pipe or terminal without a reader, cannot be written to, or is a device that discards what it gets, such as the
/// null device. (If a process is started with its standard output closed, the Rust runtime opens the null device there.)
pub(in crate::cli) fn require_stdout_reader() -> Result<(), CommandError> {
    let out = io::stdout();
    let status = rustix::fs::fstat(&out).map_err(io::Error::from)?;
    let is_device = FileType::from_raw_mode(status.st_mode) == FileType::CharacterDevice && !out.is_terminal();
    let is_read_only = rustix::fs::fcntl_getfl(&out).map_err(io::Error::from)? & OFlags::RWMODE == OFlags::RDONLY;
    let mut polled = [PollFd::new(&out, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec::default())).map_err(io::Error::from)?;
    let is_deserted = polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
    let why = match (is_device, is_read_only, is_deserted) {
        (true, _, _) => "is closed, or a device that discards everything",
        (_, true, _) => "cannot be written to",
        (_, _, true) => "has no reader",
        (false, false, false) => return Ok(()),
    };
    Err(CommandError::new(format!(
        "Standard output {why}, so the key would be lost; use --key-file. No key was created or changed."
    )))
}

/// Whether standard output and standard error lead to the same place, such as one terminal or one journal.
pub(in crate::cli) fn is_seen_with_log() -> bool {
    let file = |status: rustix::fs::Stat| (status.st_dev, status.st_ino);
    let (out, log) = (rustix::fs::fstat(io::stdout()), rustix::fs::fstat(io::stderr()));
    matches!((out, log), (Ok(out), Ok(log)) if file(out) == file(log))
}

/// Prints one JSON object on a line.
pub(in crate::cli) fn print_json(object: &impl Serialize) -> Result<(), CommandError> {
    // The object may hold a key.
    let line = serde_json::to_vec(object).map(Zeroizing::new);
    let mut line = line.map_err(|e| CommandError::new(format!("The answer cannot be written as JSON: {e}.")))?;
    line.push(b'\n');
    write(&line)
}

/// Prints a full key alone on its line, for scripts.
pub(in crate::cli) fn print_secret(secret: &str) -> Result<(), CommandError> {
    write(Zeroizing::new(format!("{secret}\n")).as_bytes())
}

/// Names and values, one pair per line.
pub(in crate::cli) fn lines(all: Vec<(&str, String)>) -> String {
    let width = all.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    all.into_iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

/// Prints names and values, one pair per line; at a terminal, the value of one name is coloured.
pub(in crate::cli) fn print_lines(
    all: Vec<(&str, String)>,
    (coloured, tone): (&str, Tone),
) -> Result<(), CommandError> {
    let shown = all.into_iter().map(|(name, value)| {
        let value = escape_invisible(&value).into_owned();
        (name, if name == coloured { painted(&value, tone) } else { value })
    });
    write(lines(shown.collect()).as_bytes())
}

/// The word in its colour if standard output is a terminal, else unchanged.
pub(in crate::cli) fn painted(word: &str, tone: Tone) -> String {
    Terminal::of_output().map_or_else(|| word.to_owned(), |terminal| terminal.paint(word, tone))
}

/// The text with its line breaks replaced by spaces.
pub(in crate::cli) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
