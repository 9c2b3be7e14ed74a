//! The program: arguments in, exit code out.

use keystead::cli::Invocation;
use log::LevelFilter;
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = Invocation::from_process().and_then(|invocation| {
        start_logging(invocation.log_level());
        invocation.run()
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("keystead: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Logs to standard error. The libraries below never get to say more than warnings: at finer levels some of them log
/// requests as they come, and with them credentials.
fn start_logging(level: LevelFilter) {
    env_logger::Builder::new()
        .filter_level(level.min(LevelFilter::Warn))
        .filter_module("keystead", level)
        .format_timestamp_millis()
        .format_target(false)
        .init();
    // A panic's own message may hold what was being worked on; its place is enough to find it.
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(location) => log::error!("panicked at {location}"),
        None => log::error!("panicked"),
    }));
}
