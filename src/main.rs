//! The program: arguments in, exit code out.

use keystead::cli::Invocation;
use std::process::ExitCode;

fn main() -> ExitCode {
    let invocation = Invocation::from_process();
    invocation.start_logging();
    match invocation.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
