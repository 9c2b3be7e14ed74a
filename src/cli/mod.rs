//! The command line: arguments, and one file a command.

mod ambient;
mod announce;
mod audit;
mod backup;
mod certificate;
mod change_words;
mod changes;
mod chores;
mod chosen;
mod clock_watch;
mod descriptors;
mod destination;
mod doctor;
mod export;
mod folder;
mod handover;
mod healthcheck;
mod import;
mod init;
mod key_file;
mod keys;
mod listeners;
mod listing;
mod logging;
mod looking;
mod manual;
mod organizations;
mod output;
mod private_file;
mod probe;
mod progress;
mod projects;
mod records;
mod restore;
mod restrictions;
mod rotate;
mod rows;
mod scan;
mod serve;
mod signals;
mod signature;
mod status;
mod systemd;
mod table;
mod terminal;
mod typed_key;
mod update;
mod verify;

use crate::config::{Config, ConfigError, Listeners};
use crate::domain::{self, KeyPrefix};
use crate::metrics::Metrics;
use crate::service::{self, BruteForceLimit, ChangeLimit, Service, StoreOptions};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The place where a team keeps its own API keys.
#[derive(Debug, Parser)]
#[command(name = "keystead", version, about, long_about = LONG_ABOUT, after_help = EXIT_CODES)]
struct CommandLine {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    serve: serve::Serve,
    #[command(subcommand)]
    command: Option<Command>,
}

const LONG_ABOUT: &str = "The place where a team keeps its own API keys: one process, one file.\n\nWithout a command, \
    keystead serves. Every setting is described in config.toml; flags win over the\nenvironment \
    (KEYSTEAD_...), the environment over the file.";

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed with a sentence, 2 wrong arguments. keys verify ends with 1 unless \
    the key is good,\nhealthcheck unless the server is ready. 141: whoever read standard output closed it, as head does.";
/// What a shell says of a program that SIGPIPE ended: 128 and the signal's number.
const CLOSED_PIPE: u8 = 141;

/// The flags of [`Global`].
const GLOBAL: [&str; 2] = ["--store", "--config"];

/// How many links that stand for each other are followed.
const LINKS: usize = 40;

#[derive(Args, Debug)]
struct Global {
    /// The file that holds everything [default: keystead.db]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Store and settings")]
    store: Option<PathBuf>,
    /// The configuration file [default: config.toml where there is one]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Store and settings")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer requests (what happens without a command, too)
    Serve(serve::Serve),
    /// Create the store, an organization and its first key
    Init(init::Init),
    /// Mint, show, change, rotate, revoke and verify keys
    Keys(keys::Keys),
    /// Create, show and rename organizations
    Organizations(organizations::Organizations),
    /// Create, show, change and remove projects
    Projects(projects::Projects),
    /// Look at the record of what was done
    Audit(audit::Audit),
    /// Copy the store while it is used
    Backup(backup::Backup),
    /// Put a backup in the store's place; revoked keys stay revoked
    Restore(restore::Restore),
    /// Show what there is: the server, the store, its keys
    Status(status::Status),
    /// Find keys that lie open in files, and say which are live
    Scan(scan::Scan),
    /// Find out what is wrong, and say what to do
    Doctor(doctor::Doctor),
    /// Ask the running server whether it is ready: exit code 0 or 1
    Healthcheck(healthcheck::Healthcheck),
    /// Take in keys that were made elsewhere, all of them or none
    Import(import::Import),
    /// Store the rows of an import that another process has staged
    #[command(name = import::writer::NAME, hide = true)]
    ImportWriter,
    /// Write all organizations, projects and keys, without anything that could be used as a key
    Export(export::Export),
    /// Print a script that completes commands and flags in a shell
    Completions(manual::Completions),
    /// Write the manual's pages, one a command
    Man(manual::Man),
}

/// What the program was asked to do.
pub struct Invocation {
    /// Some commands need none, and one says what is wrong with it.
    config: Result<Config, Failed>,
    /// The flag `--store`.
    store: Option<PathBuf>,
    command: Command,
}

/// Why a command did not do what it was asked to: a sentence for the operator. Somebody may have put a full key into an
/// argument by mistake, which the sentence repeats: it is masked, so that it does not get into a log as well.
#[derive(Debug, thiserror::Error)]
#[error("{}", scan::mask(.sentence).as_ref().unwrap_or(.sentence))]
pub struct Failed {
    sentence: String,
    /// What is shown below the sentence.
    picture: Option<String>,
    /// Whether nobody reads standard output any more: there is nothing to say about that.
    is_closed_pipe: bool,
}

impl Failed {
    fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), picture: None, is_closed_pipe: false }
    }

    fn closed_pipe() -> Self {
        Self { is_closed_pipe: true, ..Self::new("Standard output was closed.") }
    }

    /// Tells the operator, and gives the exit code. A closed pipe ends the program as `SIGPIPE` ends others: without a word,
    /// and with the code that a shell gives to that.
    pub fn report(&self) -> ExitCode {
        if self.is_closed_pipe {
            return ExitCode::from(CLOSED_PIPE);
        }
        let picture =
            self.picture.as_ref().map(|picture| format!("\n{}", scan::mask(picture).as_ref().unwrap_or(picture)));
        output::say(format_args!("keystead: {self}{}", picture.unwrap_or_default()));
        ExitCode::FAILURE
    }
}

/// Who may bring a value back that has ended: not the commands that set up an organization with its first key.
const TAKES_ENDED: &str = "If you mean it, keystead keys create and keystead keys rotate take it with --allow-revoked.";

/// The operator reads the whole story, where there is one.
impl From<domain::Error> for Failed {
    fn from(error: domain::Error) -> Self {
        let sentence = error.detail().map_or_else(|| error.to_string(), str::to_owned);
        match error {
            domain::Error::ValueEnded => Self::new(format!("{sentence} {TAKES_ENDED}")),
            _ => Self::new(sentence),
        }
    }
}

/// Of what was read from or written to a place that the error names.
impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::new(format!("Reading failed: {error}."))
    }
}

impl From<ConfigError> for Failed {
    fn from(error: ConfigError) -> Self {
        Self { picture: error.picture().map(str::to_owned), ..Self::new(error.to_string()) }
    }
}

impl Invocation {
    /// From the process's arguments and environment. Ends the process, as is usual, for `--help`, `--version` and
    /// arguments that are wrong (exit code 2).
    pub fn from_process() -> Self {
        let CommandLine { global, serve, command } = CommandLine::try_parse().unwrap_or_else(|error| refuse(&error));
        let command = whole_command(serve, command).unwrap_or_else(|error| refuse(&error));
        expect_change(&command).unwrap_or_else(|error| refuse(&error));
        expect_one_value_each(std::env::args_os().skip(1)).unwrap_or_else(|error| refuse(&error));
        let store = global.store.clone().map(followed);
        Self { config: configure(global, &command), store, command }
    }

    /// Begins to log, as the settings say where they can be read.
    pub fn start_logging(&self) {
        logging::start(self.config.as_ref().ok().map(|config| &config.log));
    }

    /// Does it.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn run(self) -> Result<(), Failed> {
        let config = match (&self.command, self.config) {
            (Command::Completions(arguments), _) => return manual::complete(arguments),
            (Command::Man(arguments), _) => return manual::write(arguments),
            (Command::Doctor(arguments), config) => return doctor::run(config, self.store, arguments),
            (_, config) => config?,
        };
        for name in passed_over()? {
            log::warn!("the environment variable {name} is no setting of Keystead, and is passed over");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Failed::new(format!("The operating system gives no event loop: {e}.")))?;
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
        // The store is closed, and threads that go on only read it, for nobody: a scheduled backup, say, that a stop found under
        // way and that would take minutes. What there is of it is removed before the next one.
        runtime.shutdown_background();
        outcome
    }
}

/// The command, with what stands before it. Nothing that was said is dropped.
fn whole_command(before: serve::Serve, command: Option<Command>) -> Result<Command, clap::Error> {
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

/// Ends the process with what is wrong with the arguments, where a full key is masked as in [`Failed`], or the help that was
/// asked for.
fn refuse(error: &clap::Error) -> ! {
    let said = match scan::mask(&error.to_string()) {
        Some(sentence) => write!(io::stderr(), "{sentence}"),
        None => error.print(),
    };
    // Help that nobody reads to its end; a sentence that nobody reads changes nothing.
    let is_closed_pipe = !error.use_stderr() && said.is_err_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
    std::process::exit(if is_closed_pipe { CLOSED_PIPE.into() } else { error.exit_code() })
}

/// The settings: defaults, the file, the environment, then flags.
fn configure(global: Global, command: &Command) -> Result<Config, Failed> {
    let environment = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let environment = environment.map(|(name, value)| (name, value.to_string_lossy().into_owned()));
    let (mut config, mut sources) = Config::load(global.config.as_deref(), environment)?;
    if let Some(path) = global.store {
        config.store.path = path;
        sources.add_flag("store.path", "--store");
    }
    if let Command::Serve(serve::Serve { listen }) = command
        && let Some(listen) = Listeners::new(listen.clone())
    {
        config.server.listen = listen;
    }
    config.store.path = followed(config.store.path);
    config.check().map_err(|error| sources.locate(error))?;
    Ok(config)
}

/// Environment variables that have the name of a setting without being one. Bytes that are no UTF-8 are replaced, and full keys
/// masked.
fn passed_over() -> Result<Vec<String>, Failed> {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let masked = |name: String| scan::mask(&name).unwrap_or(name);
    Ok(Config::passed_over(names)?.into_iter().map(masked).collect())
}

/// What a link stands for, and anything else as it is. The store's log, lock and ledger lie beside the file itself, where
/// SQLite looks for the log.
fn followed(mut path: PathBuf) -> PathBuf {
    // Links may stand for links; the operating system follows as many.
    for _ in 0..LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().map(|folder| folder.join(&target)).unwrap_or(target);
    }
    path
}

/// The service on the store, beside whatever other processes do with it. To be closed before the end.
fn open_service(config: &Config) -> Result<Service, Failed> {
    folder::expect(&config.store.path)?;
    let metrics = Arc::new(Metrics::new(ambient::now())?);
    Ok(Service::open(&service_options(config)?, metrics)?)
}

fn service_options(config: &Config) -> Result<service::ServiceOptions, Failed> {
    Ok(service::ServiceOptions {
        store: StoreOptions {
            path: config.store.path.clone(),
            busy_timeout: Duration::from_millis(config.store.busy_timeout_ms),
            readers: config.store.readers,
            write_queue: config.store.write_queue,
            write_batch: config.store.write_batch,
            watch_interval: Duration::from_millis(config.store.watch_interval_ms),
            uptime: ambient::uptime,
            stopwatch: ambient::monotonic,
            opened_at: ambient::now(),
        },
        organization_key_prefix: KeyPrefix::parse(&config.keys.organization_prefix)?,
        project_key_prefix: KeyPrefix::parse(&config.keys.project_prefix)?,
        cache_capacity: config.cache.capacity,
        brute_force: BruteForceLimit {
            burst: config.brute_force.burst,
            per_minute: config.brute_force.per_minute,
            addresses: config.brute_force.addresses,
            counts_loopback: config.brute_force.loopback,
        },
        change_limit: ChangeLimit { burst: config.changes.burst, per_minute: config.changes.per_minute },
    })
}
