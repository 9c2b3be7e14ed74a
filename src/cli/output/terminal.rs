//! The terminal that standard output is, where it is one: how wide it is, and what it shows in colour.

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use std::io::{self, IsTerminal as _};

/// How wide a terminal is that does not say it.
const USUAL_WIDTH: usize = 80;

/// A terminal that people read.
pub(in crate::cli) struct Terminal {
    /// How many columns it has.
    pub(in crate::cli) width: usize,
    has_colour: bool,
}

/// How a state is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Tone {
    /// All is well.
    Good,
    /// Something goes on, or is to be looked at.
    Notice,
    /// It was switched off on purpose.
    Off,
    /// It is over, or wrong.
    Bad,
}

impl Terminal {
    /// Standard output; `None` where it is a pipe or a file. It has no colour where `NO_COLOR` is set or `TERM` is `dumb`.
    pub(in crate::cli) fn of_output() -> Option<Self> {
        let out = io::stdout();
        if !out.is_terminal() {
            return None;
        }
        let width = rustix::termios::tcgetwinsize(&out).map_or(0, |size| usize::from(size.ws_col));
        // The library shows colours to a machine that tests, whatever its terminal is called.
        let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
        let has_colour = !is_dumb && AutoStream::choice(&out) != ColorChoice::Never;
        Some(Self { width: if width == 0 { USUAL_WIDTH } else { width }, has_colour })
    }

    #[cfg(test)]
    pub(in crate::cli) fn colourless(width: usize) -> Self {
        Self { width, has_colour: false }
    }

    /// The text in its colour, where there are colours.
    pub(in crate::cli) fn paint(&self, text: &str, tone: Tone) -> String {
        if !self.has_colour {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Notice => AnsiColor::Yellow.on_default(),
            Tone::Off => Style::new().dimmed(),
            Tone::Bad => AnsiColor::Red.on_default(),
        };
        format!("{style}{text}{style:#}")
    }
}
