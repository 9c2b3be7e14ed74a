//! Messages for people, on standard error.

use crate::domain::escape_invisible;
use std::fmt::Display;
use std::io::{self, Write as _};

/// Says something on standard error. Where nobody reads that, what the command does goes on all the same.
pub(in crate::cli) fn say(line: impl Display) {
    // One write a line: others may write there, too.
    _ = io::stderr().lock().write_all(format!("{}\n", escape_invisible(&line.to_string())).as_bytes());
}
