//! The terminal at standard output: its width and colours.

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use std::io::{self, IsTerminal as _};

/// The width of a terminal that does not report one.
const USUAL_WIDTH: usize = 80;

/// A terminal at standard output.
pub(in crate::cli) struct Terminal {
    /// The width in columns.
    pub(in crate::cli) width: usize,
    has_colour: bool,
    is_dumb: bool,
}

/// What a state means, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Tone {
    /// All is well.
    Good,
    /// In progress, or worth a look.
    Notice,
    /// Deactivated on purpose.
    Off,
    /// Over, or wrong.
    Bad,
}

impl Terminal {
    /// The terminal at standard output; `None` for a pipe or a file. Without colours if `NO_COLOR` is set or `TERM` is `dumb`.
    pub(in crate::cli) fn of_output() -> Option<Self> {
        let out = io::stdout();
        if !out.is_terminal() {
            return None;
        }
        let width = rustix::termios::tcgetwinsize(&out).map_or(0, |size| usize::from(size.ws_col));
        // In CI, the library would use colours even on a dumb terminal.
        let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
        let has_colour = !is_dumb && AutoStream::choice(&out) != ColorChoice::Never;
        Some(Self { width: if width == 0 { USUAL_WIDTH } else { width }, has_colour, is_dumb })
    }

    #[cfg(test)]
    pub(in crate::cli) fn colourless(width: usize) -> Self {
        Self { width, has_colour: false, is_dumb: false }
    }

    /// What the two parts of a bar are made of.
    pub(in crate::cli) fn bars(&self) -> [&'static str; 2] {
        if self.is_dumb { ["#", "-"] } else { ["█", "▒"] }
    }

    /// The text in its colour, if the terminal has colours.
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
