//! The flag for the reason of a change.

use crate::cli::error::CommandError;
use crate::domain::Reason;
use clap::Args;

/// Why something is changed, for the audit log.
#[derive(Args, Debug)]
pub(in crate::cli) struct ReasonArgument {
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl ReasonArgument {
    /// `None` if no reason was given.
    pub(in crate::cli) fn parse(&self) -> Result<Option<Reason>, CommandError> {
        Ok(self.reason.as_deref().map(Reason::parse).transpose()?)
    }
}
