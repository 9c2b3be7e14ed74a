//! The program: arguments in, exit code out.

use keystead::cli::Invocation;
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = Invocation::from_process().and_then(|invocation| {
        invocation.start_logging();
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
