//! Why a command failed: a sentence for the operator, and the exit code.

use crate::cli::masking::mask;
use crate::cli::output::stderr::say;
use crate::config::ConfigError;
use crate::domain;
use std::process::ExitCode;

/// What a shell says of a program that SIGPIPE ended: 128 and the signal's number.
pub(in crate::cli) const CLOSED_PIPE: u8 = 141;

/// Why a command did not do what it was asked to: a sentence for the operator. Somebody may have put a full key into an
/// argument by mistake, which the sentence repeats: it is masked, so that it does not get into a log as well.
#[derive(Debug, thiserror::Error)]
#[error("{}", mask(.sentence).as_ref().unwrap_or(.sentence))]
pub struct CommandError {
    sentence: String,
    /// What is shown below the sentence.
    excerpt: Option<String>,
    /// Whether nobody reads standard output any more: there is nothing to say about that.
    is_closed_pipe: bool,
}

impl CommandError {
    pub(in crate::cli) fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), excerpt: None, is_closed_pipe: false }
    }

    /// Whether standard output was closed by its reader.
    pub(in crate::cli) fn is_closed_pipe(&self) -> bool {
        self.is_closed_pipe
    }

    pub(in crate::cli) fn closed_pipe() -> Self {
        Self { is_closed_pipe: true, ..Self::new("Standard output was closed.") }
    }

    /// Tells the operator, and gives the exit code. A closed pipe ends the program as `SIGPIPE` ends others: without a word,
    /// and with the code that a shell gives to that.
    pub fn report(&self) -> ExitCode {
        if self.is_closed_pipe {
            return ExitCode::from(CLOSED_PIPE);
        }
        let excerpt = self.excerpt.as_ref().map(|excerpt| format!("\n{}", mask(excerpt).as_ref().unwrap_or(excerpt)));
        say(format_args!("keystead: {self}{}", excerpt.unwrap_or_default()));
        ExitCode::FAILURE
    }
}

/// Who may bring a value back that has ended: not the commands that set up an organization with its first key.
const TAKES_ENDED: &str = "If you mean it, keystead keys create and keystead keys rotate take it with --allow-revoked.";

/// The operator reads the whole story, where there is one.
impl From<domain::Error> for CommandError {
    fn from(error: domain::Error) -> Self {
        let sentence = error.detail().map_or_else(|| error.to_string(), str::to_owned);
        match error {
            domain::Error::ValueEnded => Self::new(format!("{sentence} {TAKES_ENDED}")),
            _ => Self::new(sentence),
        }
    }
}

/// Of what was read from or written to a place that the error names.
impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self::new(format!("Reading failed: {error}."))
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self { excerpt: error.excerpt().map(str::to_owned), ..Self::new(error.to_string()) }
    }
}
