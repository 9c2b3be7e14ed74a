//! What people and programs read on standard output, and how far something has come.

use super::Failed;
use super::terminal::{Terminal, Tone};
use crate::domain::escape_invisible;
use indicatif::{ProgressBar, ProgressStyle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, major, minor};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};
use zeroize::Zeroizing;

/// `/dev/null` (<https://www.kernel.org/doc/html/latest/admin-guide/devices.html>).
const NULL_DEVICE: (u32, u32) = (1, 3);

/// Prints a text for people. Characters that nobody sees, as names from older versions may have, are shown by their number.
pub(super) fn print(text: &str) -> Result<(), Failed> {
    write(escape_invisible(text).as_bytes())
}

pub(super) fn write(bytes: &[u8]) -> Result<(), Failed> {
    let mut out = io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|e| taken_nothing(&e))
}

/// Why standard output took nothing more. That nobody reads it any more ends a command without a word.
pub(super) fn taken_nothing(error: &io::Error) -> Failed {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failed::closed_pipe();
    }
    Failed::new(format!("Standard output took nothing more: {error}."))
}

/// Makes sure that somebody reads standard output, before something is made that is shown there once.
///
/// # Errors
/// Where it is a pipe or a terminal that nobody reads, or the null device. A process that is started with its standard
/// output closed finds the null device there: the runtime puts it in place before anything else is opened.
pub(super) fn expect_reader() -> Result<(), Failed> {
    let out = io::stdout();
    let status = rustix::fs::fstat(&out).map_err(io::Error::from)?;
    let is_null = FileType::from_raw_mode(status.st_mode) == FileType::CharacterDevice
        && (major(status.st_rdev), minor(status.st_rdev)) == NULL_DEVICE;
    let mut polled = [PollFd::new(&out, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec::default())).map_err(io::Error::from)?;
    let is_deserted = polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
    if is_null || is_deserted {
        let why = if is_null { "is closed or the null device" } else { "is read by nobody" };
        return Err(Failed::new(format!(
            "Standard output {why}, so the key would be lost; say --key-file. No key was made or changed."
        )));
    }
    Ok(())
}

/// Says something on standard error. Where nobody reads that, what the command does goes on all the same.
pub(super) fn say(line: impl Display) {
    // One write a line: others may write there, too.
    _ = io::stderr().lock().write_all(format!("{}\n", escape_invisible(&line.to_string())).as_bytes());
}

/// One object a line.
pub(super) fn print_json(object: &impl Serialize) -> Result<(), Failed> {
    // It may hold a key.
    let line = serde_json::to_vec(object).map(Zeroizing::new);
    let mut line = line.map_err(|e| Failed::new(format!("The answer cannot be written as JSON: {e}.")))?;
    line.push(b'\n');
    write(&line)
}

/// A full key, alone, so that a script can take it as it is.
pub(super) fn print_secret(secret: &str) -> Result<(), Failed> {
    write(Zeroizing::new(format!("{secret}\n")).as_bytes())
}

/// Names and values, one a line.
pub(super) fn lines(all: Vec<(&str, String)>) -> String {
    let width = all.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    all.into_iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

/// Names and values, one a line; the value of this name in this colour at a terminal.
pub(super) fn print_lines(all: Vec<(&str, String)>, (coloured, tone): (&str, Tone)) -> Result<(), Failed> {
    let shown = all.into_iter().map(|(name, value)| {
        let value = escape_invisible(&value).into_owned();
        (name, if name == coloured { painted(&value, tone) } else { value })
    });
    write(lines(shown.collect()).as_bytes())
}

/// The word in its colour where standard output is a terminal, and as it is elsewhere.
pub(super) fn painted(word: &str, tone: Tone) -> String {
    Terminal::of_output().map_or_else(|| word.to_owned(), |terminal| terminal.paint(word, tone))
}

/// A bar at a terminal, nothing elsewhere. `unit` is what is counted, such as `events`.
pub(super) fn progress(total: u64, unit: &str) -> ProgressBar {
    let progress = ProgressBar::new(total);
    let style =
        ProgressStyle::with_template(&format!("{{bar:40}} {{human_pos}} of {{human_len}} {unit}, {{eta}} left"));
    progress.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
