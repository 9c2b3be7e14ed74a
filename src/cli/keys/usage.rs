//! `keystead keys usage`: how often a key was used and refused, one line a day.

use crate::cli::error::CommandError;
use crate::cli::output::usage_chart::UsageDays;
use crate::cli::output::views::describe;
use crate::cli::resolve::{KeyNumber, api_key};
use crate::cli::store::open::open_overview;
use crate::config::Config;
use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(in crate::cli) struct UsageArguments {
    #[command(flatten)]
    key: KeyNumber,
    #[command(flatten)]
    days: UsageDays,
}

const HELP: &str = "Days are in UTC. A use is counted within a second. Counts are kept for usage.retention_days.\n\n\
    Examples:\n  keystead keys usage 12\n  keystead keys usage 12 --days 90 --json";

pub(in crate::cli) fn run(config: &Config, arguments: &UsageArguments) -> Result<(), CommandError> {
    let UsageArguments { key, days } = arguments;
    let key = api_key(config, key.id)?;
    days.show(&open_overview(config)?, key.parent.organization, Some(key.id), &describe(&key))
}
