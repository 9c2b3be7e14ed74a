//! The grammar of the command line: all commands, the global flags, and the checks that clap cannot express.

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
use crate::cli::usage_tips::with_tips;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;

/// A server and command line that keep a team's API keys in one file
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

const LONG_ABOUT: &str = "A server and command line that keep a team's API keys in one file.\n\nWithout a command, \
    keystead runs the server. config.toml describes every setting. Flags override environment\nvariables \
    (KEYSTEAD_...), which override the file.";

const EXIT_CODES: &str = "Exit codes: 0 success, 1 failure with an error message, 2 wrong arguments.\nkeys verify exits with \
    1 unless the key is valid, healthcheck unless the server is ready.\n141: the reader of standard output closed it, as \
    head does.";

/// The flags of [`Global`].
const GLOBAL: [&str; 2] = ["--store", "--config"];

#[derive(Args, Debug)]
pub(in crate::cli) struct Global {
    /// The SQLite file that holds the store [default: keystead.db]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Store and settings")]
    pub(in crate::cli) store: Option<PathBuf>,
    /// The configuration file [default: config.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Store and settings")]
    pub(in crate::cli) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Run the server (also the default without a command)
    Serve(serve::ServeArguments),
    /// Create the store, an organization and its first key
    Init(init::InitArguments),
    /// Create, show, change, rotate, revoke and verify keys
    Keys(keys::KeysArguments),
    /// Create, show and rename organizations
    Organizations(organizations::OrganizationsArguments),
    /// Create, show, change and delete projects
    Projects(projects::ProjectsArguments),
    /// Verify, show and export the audit log
    Audit(audit::AuditArguments),
    /// Copy the store while it is in use
    Backup(backup::BackupArguments),
    /// Replace the store with a backup; revoked keys stay revoked
    Restore(restore::RestoreArguments),
    /// Show the state of the server, the store and its keys
    Status(status::StatusArguments),
    /// Find leaked keys in files, and say which of them are live
    Scan(scan::ScanArguments),
    /// Find problems, and say how to fix them
    Doctor(doctor::DoctorArguments),
    /// Ask the running server whether it is ready: exit code 0 or 1
    Healthcheck(healthcheck::HealthcheckArguments),
    /// Import keys that were created elsewhere: all of them or none
    Import(import::ImportArguments),
    /// Store the rows of an import that another process has staged
    #[command(name = import::writer::NAME, hide = true)]
    ImportWriter,
    /// Export all organizations, projects and keys, without anything that could be used as a key
    Export(export::ExportArguments),
    /// Print a completion script for a shell
    Completions(manual::CompletionsArguments),
    /// Write the manual pages, one for each command
    Man(manual::ManArguments),
}

impl CommandLine {
    /// Parses the process's arguments. Ends the process after `--help`, `--version` or a usage error.
    pub(in crate::cli) fn from_process() -> (Global, Command) {
        let Self { global, serve, command } =
            Self::try_parse().unwrap_or_else(|error| exit_with(&with_tips(error, &Self::command())));
        let command = whole_command(serve, command).unwrap_or_else(|error| exit_with(&error));
        require_change(&command).unwrap_or_else(|error| exit_with(&error));
        require_one_value_each(std::env::args_os().skip(1)).unwrap_or_else(|error| exit_with(&error));
        (global, command)
    }
}

/// Combines a command with the `--listen` flags before it. Fails rather than ignore a flag.
fn whole_command(before: serve::ServeArguments, command: Option<Command>) -> Result<Command, clap::Error> {
    let wrong = |why| Err(CommandLine::command().error(ErrorKind::ArgumentConflict, why));
    match command {
        None => Ok(Command::Serve(before)),
        Some(command) if before.listen.is_empty() => Ok(command),
        Some(Command::Serve(after)) if after.listen.is_empty() => Ok(Command::Serve(before)),
        Some(Command::Serve(_)) => wrong("--listen stands both before and after serve; write all of them after it"),
        Some(_) => wrong("--listen before a command is allowed for serve only"),
    }
}

/// Fails if a command that changes something is given nothing to change.
fn require_change(command: &Command) -> Result<(), clap::Error> {
    let Command::Keys(keys) = command else { return Ok(()) };
    keys.require_change().map_err(|why| {
        let mut all = CommandLine::command();
        all.build();
        // The error then shows the usage of this subcommand.
        let update = all.find_subcommand("keys").and_then(|keys| keys.find_subcommand("update")).cloned();
        update.unwrap_or(all).error(ErrorKind::MissingRequiredArgument, why)
    })
}

/// Fails if a global flag has two different values, one before the command and one after it: clap would ignore one of them.
fn require_one_value_each(arguments: impl Iterator<Item = OsString>) -> Result<(), clap::Error> {
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
            let why = format!("{name} is given twice with different values; give it once");
            return Err(CommandLine::command().error(ErrorKind::ArgumentConflict, why));
        }
        given.push((name, value));
    }
    Ok(())
}

/// Prints help or a usage error and ends the process. Full keys are masked, as in [`CommandError`](crate::cli::error::CommandError).
fn exit_with(error: &clap::Error) -> ! {
    let said = match mask(&error.to_string()) {
        Some(sentence) => write!(io::stderr(), "{sentence}"),
        None => error.print(),
    };
    // Only help on a closed pipe has the exit code of SIGPIPE; a usage error keeps its own.
    let is_closed_pipe = !error.use_stderr() && said.is_err_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
    std::process::exit(if is_closed_pipe { CLOSED_PIPE.into() } else { error.exit_code() })
}
