//! `keystead import`: imports keys that were created elsewhere, all of them or none.
//!
//! The file is read once, from beginning to end. Its rows are staged on disk (`Staging`), so that the store is not locked while
//! rows are read and checked. Then a server that has the store open stores the staged rows, or else another process that this
//! one starts: this process may be stopped at any time.

pub(in crate::cli) mod columns;
mod organization_keys;
mod report;
mod row;
pub(in crate::cli) mod source;
mod steps;
pub(in crate::cli) mod writer;

use crate::cli::error::CommandError;
use crate::cli::output;
use crate::cli::store::open::{apply_change, service_options};
use crate::cli::system::clock_and_random;
use crate::cli::system::signals::Signals;
use crate::config::Config;
use crate::domain::{Error, KeyId, OrganizationId};
use crate::service::{self, ImportExportView, ImportOutcome, ImportedApiKey, NOTHING_IMPORTED, Service, Staging};
use clap::Args;
use indicatif::ProgressBar;
use organization_keys::OrganizationKeys;
use report::ImportReport;
use row::{RowParser, find_organization};
use source::{RowFormat, RowSource};
use std::mem;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;
use steps::ImportSteps;

/// With more bad rows than this, it is probably the wrong file, and the import stops.
const MAX_BAD_ROWS: usize = 10_000;
/// How many rows are staged together; progress is shown after each batch.
const BATCH: u64 = 1024;
/// How many batches may wait to be staged.
const BATCHES_IN_FLIGHT: usize = 4;

type Batch = Vec<(u64, ImportedApiKey)>;

#[derive(Args, Debug)]
pub(in crate::cli) struct ImportArguments {
    /// The file with one key per row, '-' for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The format of the file [default: by its name]
    #[arg(long, value_enum)]
    format: Option<RowFormat>,
    /// The organization for rows that name none, by id or name [default: the only one]
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Option<String>,
    /// Also import keys without a project; those without a role are admins
    #[arg(long)]
    organization_keys: bool,
    /// Report what would happen to each row, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Skip bad rows, and import the others
    #[arg(long)]
    skip_bad_rows: bool,
    /// Also accept keys that were revoked or rotated out; they become valid again
    #[arg(long)]
    allow_revoked: bool,
    /// Print a line for each row even at a terminal
    #[arg(long)]
    verbose: bool,
    /// Print one JSON object per row
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(config: &Config, arguments: &ImportArguments) -> Result<(), CommandError> {
    let content = ImportExportView::open(&service_options(config)?.store)?;
    let default = default_organization(&content, arguments.organization.as_deref())?;
    let mut organization_keys = OrganizationKeys::new(arguments.organization_keys, arguments.dry_run);
    organization_keys.confirm(&arguments.file, arguments.format)?;
    let mut source = RowSource::open(&arguments.file, arguments.format)?;
    let mut report = ImportReport::new(arguments.json, arguments.verbose);
    let steps = ImportSteps::new(arguments.dry_run);

    let staging = staging(config, arguments.dry_run)?;
    let mut reader = RowParser::new(&content, default, clock_and_random::now());
    let mut staged = read(&mut source, &mut reader, &mut organization_keys, &mut report, steps, staging)?;
    let twins = staged.duplicates(MAX_BAD_ROWS).map_err(nothing_imported)?;
    for (row, earlier) in &twins {
        report.wrong(*row, None, &format!("Row {earlier} has the same key."))?;
    }
    staged.remove(&twins.iter().map(|(row, _)| *row).collect::<Vec<_>>()).map_err(nothing_imported)?;
    report.check_not_too_many()?;
    if !report.is_clean() && !arguments.skip_bad_rows && !arguments.dry_run {
        return report.refused();
    }

    if arguments.dry_run {
        let progress = steps.looking(staged.count());
        let show = |count| progress.set_position(count);
        let taken = content.taken(&staged, arguments.allow_revoked, MAX_BAD_ROWS, &show)?;
        progress.finish_and_clear();
        report.taken(&taken)?;
        report.check_not_too_many()?;
        staged.remove(&taken.row_numbers())?;
        organization_keys.say_admins();
        let imports = report.would_import(&staged, arguments.skip_bad_rows);
        let are_allowed = organization_keys.check_all();
        if let (Err(_), Err(why)) = (&imports, &are_allowed) {
            output::say(why);
        }
        return imports.and(are_allowed);
    }
    // Close the file before opening it for writing: SQLite's locks belong to the process, and closing any handle drops them.
    drop(content);
    let ImportOutcome { staged, taken, ids } = import(config, arguments, staged, source.hash()).await?;
    report.taken(&taken)?;
    report.check_not_too_many()?;
    match ids {
        None if !report.is_clean() && !arguments.skip_bad_rows => report.refused(),
        ids => {
            if ids.is_some() {
                organization_keys.say_admins();
            }
            report.imported(&staged, ids.map(|[first, last]| (KeyId::get(first), KeyId::get(last))))
        }
    }
}

/// The organization that is named, or the only one; `None` if each row must name its own.
fn default_organization(
    content: &ImportExportView,
    named: Option<&str>,
) -> Result<Option<OrganizationId>, CommandError> {
    if let Some(text) = named {
        return find_organization(content, text).map(|it| Some(it.id)).map_err(|sentence| {
            CommandError::new(format!("--organization does not name the target. {sentence} Nothing was imported."))
        });
    }
    match content.organizations_called(None)?.as_slice() {
        [] => Err(CommandError::new("The store has no organization yet; create one with keystead init.")),
        [only] => Ok(Some(only.id)),
        _ => Ok(None),
    }
}

/// The error of rows that could not be staged.
fn nothing_imported(error: Error) -> CommandError {
    error.meaning(NOTHING_IMPORTED).into()
}

/// The staging file: beside the store, or a temporary one for a dry run.
fn staging(config: &Config, is_dry_run: bool) -> Result<Staging, CommandError> {
    let patience = Duration::from_millis(config.store.busy_timeout_ms);
    let staging = if is_dry_run { Staging::new() } else { Staging::beside_store(&config.store.path, patience) };
    staging.map_err(nothing_imported)
}

/// Reads all rows. Bad rows are reported; another thread stages the others.
fn read(
    source: &mut RowSource,
    reader: &mut RowParser<'_>,
    organization_keys: &mut OrganizationKeys,
    report: &mut ImportReport,
    steps: ImportSteps,
    staging: Staging,
) -> Result<Staging, CommandError> {
    let (batches, waiting) = mpsc::sync_channel(BATCHES_IN_FLIGHT);
    thread::scope(|scope| {
        let staging = scope.spawn(|| stage(staging, waiting));
        let read = read_batches(source, reader, organization_keys, report, &steps.reading(source.total()), &batches);
        drop(batches);
        let staged = staging.join().unwrap_or_else(|panic| resume_unwind(panic));
        read?;
        staged.map_err(nothing_imported)
    })
}

fn stage(mut staged: Staging, batches: Receiver<Batch>) -> Result<Staging, Error> {
    batches.iter().try_for_each(|batch| staged.push(&batch))?;
    Ok(staged)
}

/// Reads until the end of the file, or until staging has failed.
fn read_batches(
    source: &mut RowSource,
    reader: &mut RowParser<'_>,
    organization_keys: &mut OrganizationKeys,
    report: &mut ImportReport,
    progress: &ProgressBar,
    batches: &SyncSender<Batch>,
) -> Result<(), CommandError> {
    let mut batch = Batch::new();
    while let Some(row) = source.next()? {
        let (number, line) = (row.number, row.line);
        let fields = row.fields.inspect(|fields| organization_keys.count(fields));
        match fields.and_then(|fields| reader.key(&fields)) {
            Ok(Some(key)) => {
                organization_keys.check(number, &key)?;
                batch.push((number, key));
            }
            Ok(None) => progress.suspend(|| report.passed_over(number))?,
            Err(sentence) => {
                progress.suspend(|| report.wrong(number, Some(line), &sentence))?;
                report.check_not_too_many()?;
            }
        }
        if number.is_multiple_of(BATCH) {
            progress.set_position(source.read());
            if batches.send(mem::take(&mut batch)).is_err() {
                break;
            }
        }
    }
    // Sending fails only after staging failed, which reports its own error.
    let _ = batches.send(batch);
    progress.finish_and_clear();
    Ok(())
}

async fn import(
    config: &Config,
    arguments: &ImportArguments,
    staged: Staging,
    file: String,
) -> Result<ImportOutcome, CommandError> {
    let progress = Box::new(ImportSteps::new(false).show(staged.count()));
    let import = service::Import {
        staged,
        file,
        skips_taken: arguments.skip_bad_rows,
        allows_ended: arguments.allow_revoked,
        max_taken: MAX_BAD_ROWS,
        progress,
        start_writer: writer::start(&config.store.path),
    };
    let token = clock_and_random::random()?;
    let mut signals = Signals::listen()?;
    apply_change(config, async |service| {
        tokio::select! {
            outcome = service.import(import, token, clock_and_random::now()) => Ok(outcome?),
            signal = signals.next() => Err(stopped(service, token, signal).await),
        }
    })
    .await
}

/// Stops the import after a signal, and returns what became of it.
async fn stopped(service: &Service, token: [u8; 16], signal: &str) -> CommandError {
    output::say(format_args!("Stopped by {signal}. The imported part is being removed, which may take some seconds."));
    match service.stop_import(token).await {
        Ok(None) => CommandError::new(NOTHING_IMPORTED),
        Ok(Some([first, last])) => CommandError::new(format!(
            "The import was complete before the signal arrived: its keys have the numbers {} to {}.",
            first.get(),
            last.get()
        )),
        Err(error) => error.into(),
    }
}
