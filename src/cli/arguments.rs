//! The command line's grammar: all commands, the global flags, and the checks that clap cannot express.

use crate::cli::audit;
use crate::cli::error::CLOSED_PIPE;
use crate::cli::export;
use crate::cli::import;
use crate::cli::keys;
use crate::cli::manual;
use crate::cli::masking::mask;
use crate::cli::organizations;
use crate::cli::organizations::projects;
use crate::cli::scan;
use crate::cli::server::{healthcheck, serve};
use crate::cli::store::{backup, doctor, init, restore, status};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;

/// The place where a team keeps its own API keys.
#[derive(Debug, Parser)]
#[command(name = "keystead", version, about, long_about = LONG_ABOUT, after_help = EXIT_CODES)]
pub(in crate::cli) struct CommandLine {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    serve: serve::ServeArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

const LONG_ABOUT: &str = "The place where a team keeps its own API keys: one process, one file.\n\nWithout a command, \
    keystead serves. Every setting is described in config.toml; flags win over the\nenvironment \
    (KEYSTEAD_...), the environment over the file.";

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed with a sentence, 2 wrong arguments. keys verify ends with 1 unless \
    the key is good,\nhealthcheck unless the server is ready. 141: whoever read standard output closed it, as head does.";

/// The flags of [`Global`].
const GLOBAL: [&str; 2] = ["--store", "--config"];

#[derive(Args, Debug)]
pub(in crate::cli) struct Global {
    /// The file that holds everything [default: keystead.db]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Store and settings")]
    pub(in crate::cli) store: Option<PathBuf>,
    /// The configuration file [default: config.toml where there is one]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Store and settings")]
    pub(in crate::cli) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Answer requests (what happens without a command, too)
    Serve(serve::ServeArguments),
    /// Create the store, an organization and its first key
    Init(init::InitArguments),
    /// Mint, show, change, rotate, revoke and verify keys
    Keys(keys::KeysArguments),
    /// Create, show and rename organizations
    Organizations(organizations::OrganizationsArguments),
    /// Create, show, change and remove projects
    Projects(projects::ProjectsArguments),
    /// Look at the record of what was done
    Audit(audit::AuditArguments),
    /// Copy the store while it is used
    Backup(backup::BackupArguments),
    /// Put a backup in the store's place; revoked keys stay revoked
    Restore(restore::RestoreArguments),
    /// Show what there is: the server, the store, its keys
    Status(status::StatusArguments),
    /// Find keys that lie open in files, and say which are live
    Scan(scan::ScanArguments),
    /// Find out what is wrong, and say what to do
    Doctor(doctor::DoctorArguments),
    /// Ask the running server whether it is ready: exit code 0 or 1
    Healthcheck(healthcheck::HealthcheckArguments),
    /// Take in keys that were made elsewhere, all of them or none
    Import(import::ImportArguments),
    /// Store the rows of an import that another process has staged
    #[command(name = import::writer::NAME, hide = true)]
    ImportWriter,
    /// Write all organizations, projects and keys, without anything that could be used as a key
    Export(export::ExportArguments),
    /// Print a script that completes commands and flags in a shell
    Completions(manual::CompletionsArguments),
    /// Write the manual's pages, one a command
    Man(manual::ManArguments),
}

impl CommandLine {
    /// Parses the process's arguments. Prints help, the version or a usage error, and ends the process, where that is due.
    pub(in crate::cli) fn from_process() -> (Global, Command) {
        let Self { global, serve, command } = Self::try_parse().unwrap_or_else(|error| exit_with(&error));
        let command = whole_command(serve, command).unwrap_or_else(|error| exit_with(&error));
        expect_change(&command).unwrap_or_else(|error| exit_with(&error));
        expect_one_value_each(std::env::args_os().skip(1)).unwrap_or_else(|error| exit_with(&error));
        (global, command)
    }
}

/// The command, with what stands before it. Nothing that was said is dropped.
fn whole_command(before: serve::ServeArguments, command: Option<Command>) -> Result<Command, clap::Error> {
    let wrong = |why| Err(CommandLine::command().error(ErrorKind::ArgumentConflict, why));
    match command {
        None => Ok(Command::Serve(before)),
        Some(command) if before.listen.is_empty() => Ok(command),
        Some(Command::Serve(after)) if after.listen.is_empty() => Ok(Command::Serve(before)),
        Some(Command::Serve(_)) => wrong("--listen stands before serve and after it; say all of them after it"),
        Some(_) => wrong("--listen before a command goes with serve only"),
    }
}

/// Makes sure that a command that changes something is told what.
fn expect_change(command: &Command) -> Result<(), clap::Error> {
    let Command::Keys(keys) = command else { return Ok(()) };
    keys.expect_change().map_err(|why| {
        let mut all = CommandLine::command();
        all.build();
        // The error tells how its command is called.
        let update = all.find_subcommand("keys").and_then(|keys| keys.find_subcommand("update")).cloned();
        update.unwrap_or(all).error(ErrorKind::MissingRequiredArgument, why)
    })
}

/// What may stand before a command and after it must not say two different things: one of them would be dropped.
fn expect_one_value_each(arguments: impl Iterator<Item = OsString>) -> Result<(), clap::Error> {
    let mut given: Vec<(&str, OsString)> = Vec::new();
    let mut arguments = arguments.take_while(|argument| argument != "--");
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        let Some(name) = GLOBAL.into_iter().find(|name| text.starts_with(name)) else { continue };
        let value = match text[name.len()..].strip_prefix('=') {
            Some(value) => OsString::from(value),
            None if text.len() == name.len() => arguments.next().unwrap_or_default(),
            None => continue,
        };
        if given.iter().any(|(other, earlier)| *other == name && *earlier != value) {
            let why = format!("{name} is given twice, with different values; give it once");
            return Err(CommandLine::command().error(ErrorKind::ArgumentConflict, why));
        }
        given.push((name, value));
    }
    Ok(())
}

/// Ends the process with what is wrong with the arguments, where a full key is masked as in [`CommandError`](crate::cli::error::CommandError), or the help that was
/// asked for.
fn exit_with(error: &clap::Error) -> ! {
    let said = match mask(&error.to_string()) {
        Some(sentence) => write!(io::stderr(), "{sentence}"),
        None => error.print(),
    };
    // Help that nobody reads to its end; a sentence that nobody reads changes nothing.
    let is_closed_pipe = !error.use_stderr() && said.is_err_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
    std::process::exit(if is_closed_pipe { CLOSED_PIPE.into() } else { error.exit_code() })
}
