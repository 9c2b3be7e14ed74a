//! `keystead healthcheck`: the server's readiness as an exit code, for service managers and containers.

use crate::cli::error::CommandError;
use crate::cli::output::print;
use crate::cli::server::readiness_probe::{ProbeResult, ask, server_address, url};
use crate::config::{Config, ListenAddress};
use clap::Args;
use std::time::Duration;

const EXIT_CODES: &str = "Exit codes: 0 the server is ready, 1 it is not ready or does not answer in time.";

#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(in crate::cli) struct HealthcheckArguments {
    /// Where the server listens: ADDR:PORT or unix:PATH [default: the first of server.listen]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<ListenAddress>,
    /// How long to wait for the answer, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: u64,
}

pub(in crate::cli) fn run(config: &Config, arguments: &HealthcheckArguments) -> Result<(), CommandError> {
    let named = arguments.listen.as_ref();
    let server = format!("The server at {}", url(config, server_address(config, named)));
    match ask(config, named, Duration::from_millis(arguments.timeout_ms)) {
        ProbeResult::Ready => print(&format!("{server} is ready.\n")),
        ProbeResult::NotReady(why) => Err(CommandError::new(format!("{server} is not ready: {why}"))),
        ProbeResult::Silent(why) => Err(CommandError::new(format!("{server} does not answer: {why}."))),
    }
}
