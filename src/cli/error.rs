//! The error of a command: a sentence for the operator, and the exit code.

use crate::cli::masking::mask;
use crate::cli::output::stderr::say;
use crate::config::ConfigError;
use crate::domain;
use std::process::ExitCode;

/// The exit code that shells report for a program killed by SIGPIPE: 128 plus the signal's number.
pub(in crate::cli) const CLOSED_PIPE: u8 = 141;

/// Why a command failed: a sentence for the operator. The sentence may repeat an argument, and an argument may hold a full key by
/// mistake: full keys are masked, so that they do not get into a log.
#[derive(Debug, thiserror::Error)]
#[error("{}", mask(.sentence).as_ref().unwrap_or(.sentence))]
pub struct CommandError {
    sentence: String,
    /// The excerpt of the configuration file that is shown below the sentence.
    excerpt: Option<String>,
    /// The reader of standard output closed it: nothing is reported.
    is_closed_pipe: bool,
}

impl CommandError {
    pub(in crate::cli) fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), excerpt: None, is_closed_pipe: false }
    }

    /// Whether the reader of standard output closed it.
    pub(in crate::cli) fn is_closed_pipe(&self) -> bool {
        self.is_closed_pipe
    }

    pub(in crate::cli) fn closed_pipe() -> Self {
        Self { is_closed_pipe: true, ..Self::new("Standard output was closed.") }
    }

    /// Prints the error on standard error and returns the exit code. After a closed pipe it prints nothing and returns the code
    /// that shells report for SIGPIPE.
    pub fn report(&self) -> ExitCode {
        if self.is_closed_pipe {
            return ExitCode::from(CLOSED_PIPE);
        }
        let excerpt = self.excerpt.as_ref().map(|excerpt| format!("\n{}", mask(excerpt).as_ref().unwrap_or(excerpt)));
        say(format_args!("keystead: {self}{}", excerpt.unwrap_or_default()));
        ExitCode::FAILURE
    }
}

/// Why a file cannot be read, in words where the operating system's words are hard to read.
pub(in crate::cli) fn why(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "you may not read it".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

/// Advice for a value that was revoked or rotated out. The commands that set up an organization have no `--allow-revoked`.
const ALLOW_REVOKED_ADVICE: &str =
    "To use it anyway, run keystead keys create or keystead keys rotate with --allow-revoked.";

/// The operator gets the full detail of an error, if it has any.
impl From<domain::Error> for CommandError {
    fn from(error: domain::Error) -> Self {
        let sentence = error.detail().map_or_else(|| error.to_string(), str::to_owned);
        match error {
            domain::Error::ValueEnded => Self::new(format!("{sentence} {ALLOW_REVOKED_ADVICE}")),
            _ => Self::new(sentence),
        }
    }
}

/// An error of input or output that says itself what it is about.
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
