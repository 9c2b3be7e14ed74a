//! Messages for people, on standard error.

use crate::domain::escape_invisible;
use std::fmt::Display;
use std::io::{self, Write as _};

/// Prints a message on standard error. A failed write is ignored: the command goes on.
pub(in crate::cli) fn say(line: impl Display) {
    // One write per line, so that lines of other processes do not mix with it.
    _ = io::stderr().lock().write_all(format!("{}\n", escape_invisible(&line.to_string())).as_bytes());
}
