//! The command line: parses the arguments, loads the settings and runs the command.

mod arguments;
mod audit;
mod error;
mod export;
mod import;
mod keys;
mod manual;
mod masking;
mod organizations;
mod output;
mod resolve;
mod scan;
mod server;
mod settings;
mod store;
mod system;
mod usage_tips;

pub use error::CommandError;

use crate::config::Config;
use arguments::{Command, CommandLine};
use clap::CommandFactory as _;
use organizations::projects;
use server::{healthcheck, logging, serve};
use std::path::PathBuf;
use store::{backup, doctor, init, restore, status};

/// A parsed command line.
pub struct Invocation {
    /// Some commands need no settings, and `doctor` reports what is wrong with them.
    config: Result<Config, CommandError>,
    /// The flag `--store`.
    store: Option<PathBuf>,
    command: Command,
}

impl Invocation {
    /// Reads the process's arguments and environment. Ends the process after `--help`, `--version` or a usage error (exit code 2).
    pub fn from_process() -> Self {
        let (global, command) = CommandLine::from_process();
        let store = global.store.clone().map(settings::resolve_symlinks);
        let listen =
            if let Command::Serve(serve::ServeArguments { listen }) = &command { listen.clone() } else { Vec::new() };
        let flags = settings::SettingFlags { config: global.config, store: global.store, listen };
        Self { config: settings::load_settings(flags), store, command }
    }

    /// Starts the log, with the settings if they could be read.
    pub fn start_logging(&self) {
        logging::start(self.config.as_ref().ok().map(|config| &config.log));
    }

    /// Runs the command.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn run(self) -> Result<(), CommandError> {
        let config = match (&self.command, self.config) {
            (Command::Completions(arguments), _) => return manual::complete(arguments, CommandLine::command()),
            (Command::Man(arguments), _) => return manual::write(arguments, CommandLine::command()),
            (Command::Doctor(arguments), config) => return doctor::run(config, self.store, arguments),
            (_, config) => config?,
        };
        for name in settings::unknown_variables()? {
            log::warn!("the environment variable {name} is not a setting of Keystead and is ignored");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| CommandError::new(format!("The operating system provides no event loop: {e}.")))?;
        let outcome = match self.command {
            Command::Serve(_) => runtime.block_on(serve::run(&config)),
            Command::Init(arguments) => runtime.block_on(init::run(&config, &arguments)),
            Command::Keys(arguments) => runtime.block_on(keys::run(&config, arguments)),
            Command::Organizations(arguments) => runtime.block_on(organizations::run(&config, arguments)),
            Command::Projects(arguments) => runtime.block_on(projects::run(&config, arguments)),
            Command::Audit(arguments) => audit::run(&config, arguments),
            Command::Backup(arguments) => runtime.block_on(backup::run(&config, &arguments)),
            Command::Restore(arguments) => restore::run(&config, arguments),
            Command::Scan(arguments) => runtime.block_on(scan::run(&config, arguments)),
            Command::Status(arguments) => status::run(&config, &arguments),
            Command::Healthcheck(arguments) => healthcheck::run(&config, &arguments),
            Command::Import(arguments) => runtime.block_on(import::run(&config, &arguments)),
            Command::ImportWriter => runtime.block_on(import::writer::run(&config)),
            Command::Export(arguments) => export::run(&config, &arguments),
            Command::Completions(_) | Command::Man(_) | Command::Doctor(_) => Ok(()),
        };
        // The store is closed. Threads that still run, such as a scheduled backup, only read it and must not delay the exit. The
        // next backup removes their unfinished files.
        runtime.shutdown_background();
        outcome
    }
}
