//! What people and programs read on standard output, and how far something has come.

use super::Failed;
use crate::domain::escape_invisible;
use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags};
use serde::Serialize;
use std::fmt::{self, Display};
use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;
use unicode_width::UnicodeWidthStr as _;
use zeroize::Zeroizing;

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

/// Makes sure that standard output leads somewhere, before something is made that is shown there once.
///
/// # Errors
/// Where it is a pipe or a terminal that nobody reads, cannot be written to, or is a device that keeps nothing, such as the null
/// device. A process that is started with its standard output closed finds the null device there: the runtime puts it in
/// place before anything else is opened.
pub(super) fn expect_reader() -> Result<(), Failed> {
    let out = io::stdout();
    let status = rustix::fs::fstat(&out).map_err(io::Error::from)?;
    let is_device = FileType::from_raw_mode(status.st_mode) == FileType::CharacterDevice && !out.is_terminal();
    let is_read_only = rustix::fs::fcntl_getfl(&out).map_err(io::Error::from)? & OFlags::RWMODE == OFlags::RDONLY;
    let mut polled = [PollFd::new(&out, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec::default())).map_err(io::Error::from)?;
    let is_deserted = polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
    let why = match (is_device, is_read_only, is_deserted) {
        (true, _, _) => "is closed, or a device that keeps nothing",
        (_, true, _) => "cannot be written to",
        (_, _, true) => "is read by nobody",
        (false, false, false) => return Ok(()),
    };
    Err(Failed::new(format!(
        "Standard output {why}, so the key would be lost; say --key-file. No key was made or changed."
    )))
}

/// Whether standard output goes where the log goes, such as to one terminal or one journal: whoever reads the one reads the
/// other.
pub(super) fn is_seen_with_log() -> bool {
    let file = |status: rustix::fs::Stat| (status.st_dev, status.st_ino);
    let (out, log) = (rustix::fs::fstat(io::stdout()), rustix::fs::fstat(io::stderr()));
    matches!((out, log), (Ok(out), Ok(log)) if file(out) == file(log))
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

/// A head line and the rows, in columns as wide as they need to be: a terminal shows some characters twice as wide as others.
pub(super) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let visible = |row: [String; N]| row.map(|cell| escape_invisible(&cell).into_owned());
    let rows: Vec<[String; N]> =
        std::iter::once(head.map(str::to_owned)).chain(rows.into_iter().map(visible)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell}{:1$}", "", width - cell.width()));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// How many rows a table has at the most; more go to another one, so that a list of any length takes no more memory.
const ROWS: usize = 1000;

/// What is listed, as it comes: an object a line for programs, tables for people.
pub(super) struct Listing<const N: usize> {
    is_json: bool,
    head: [&'static str; N],
    rows: Vec<[String; N]>,
    is_begun: bool,
}

impl<const N: usize> Listing<N> {
    pub(super) fn new(is_json: bool, head: [&'static str; N]) -> Self {
        Self { is_json, head, rows: Vec::new(), is_begun: false }
    }

    pub(super) fn add<T: Serialize>(&mut self, record: T, row: impl FnOnce(T) -> [String; N]) -> Result<(), Failed> {
        if self.is_json {
            return print_json(&record);
        }
        self.rows.push(row(record));
        if self.rows.len() < ROWS { Ok(()) } else { self.flush() }
    }

    /// Prints what is left; where there was nothing at all, the head tells that.
    pub(super) fn finish(mut self) -> Result<(), Failed> {
        if self.is_json || (self.is_begun && self.rows.is_empty()) { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), Failed> {
        self.is_begun = true;
        print(&table(self.head, std::mem::take(&mut self.rows)))
    }
}

/// Names and values, one a line.
pub(super) fn lines(all: Vec<(&str, String)>) -> String {
    let width = all.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    all.into_iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

/// From when on a bar says how long it will take: sooner, nobody knows the rate.
const RATE_KNOWN: Duration = Duration::from_secs(1);

/// A bar at a terminal, nothing elsewhere. `total` is `None` where nobody knows it; `unit` is what is counted, such as `events`.
/// One bar is for what goes on at one rate: what comes after that at another rate gets one of its own, when it begins.
pub(super) fn progress(total: Option<u64>, unit: &str) -> ProgressBar {
    // A terminal shows no more than a line has room for: the bar gives way.
    let (progress, template) = match total {
        Some(total) => (ProgressBar::new(total), "{wide_bar} {human_pos} of {human_len} {msg}{left}"),
        None => (ProgressBar::no_length(), "{human_pos} {msg}"),
    };
    let left = |state: &ProgressState, out: &mut dyn fmt::Write| {
        if let Some(left) = time_left(state.elapsed(), state.pos(), state.len().unwrap_or_default()) {
            // What cannot be drawn is not drawn.
            _ = write!(out, ", {} left", HumanDuration(left));
        }
    };
    let style = ProgressStyle::with_template(template).map(|style| style.with_key("left", left));
    progress.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(unit.to_owned())
}

/// How long the rest takes at the rate of what was done in this time, a second at the least; `None` while that is not known.
fn time_left(elapsed: Duration, done: u64, total: u64) -> Option<Duration> {
    let rest = total.checked_sub(done).filter(|rest| *rest > 0 && done > 0 && elapsed >= RATE_KNOWN)?;
    let left = Duration::try_from_secs_f64(elapsed.as_secs_f64() / done as f64 * rest as f64).ok()?;
    Some(left.max(Duration::from_secs(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_goes_by_the_rate_so_far_and_is_not_told_before_there_is_one() {
        let left = |ms, done, total| time_left(Duration::from_millis(ms), done, total);
        assert_eq!(left(2_000, 100, 400), Some(Duration::from_secs(6)));
        assert_eq!(left(10_000, 399, 400), Some(Duration::from_secs(1)), "less than that is no time");
        assert_eq!(left(999, 100, 400), None, "too soon");
        assert_eq!(left(60_000, 0, 400), None, "nothing is done");
        assert_eq!(left(60_000, 400, 400), None, "nothing is left");
        assert_eq!(left(60_000, 5, 0), None, "nobody knows how much there is");
        assert_eq!(left(u64::MAX, 1, u64::MAX), None, "longer than there are seconds");
    }
}
