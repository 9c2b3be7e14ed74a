//! `keystead backup`, and the scheduled backups of the server: copies of the store while it is in use.

use crate::cli::error::CommandError;
use crate::cli::output;
use crate::cli::output::progress;
use crate::cli::store::open::{open_service, service_options};
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::{Actor, Timestamp};
use crate::service::{
    BackupSummary, CopyProgress, Overview, PARTIAL_SUFFIX, Service, file_name_time, remove_partial_backup,
};
use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The name of a scheduled backup: this prefix, the time, and the suffix.
const PREFIX: &str = "keystead-";
const SUFFIX: &str = ".db";

const HELP: &str = "The copy gets its name when it is complete and checked; only you can read it.\nKeep it, and a copy \
    of keystead.revoked, on another machine.\n\nExample, every night from cron:\n  keystead backup \
    /mnt/backups/keystead-$(date +%F).db";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(in crate::cli) struct BackupArguments {
    /// The new file
    #[arg(value_name = "FILE", required_unless_present = "stdout")]
    file: Option<PathBuf>,
    /// Write the copy to standard output instead, for a pipeline
    #[arg(long, conflicts_with_all = ["file", "json"])]
    stdout: bool,
    /// Print one JSON object: the file, its size, the number of keys, the audit log's head
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(config: &Config, arguments: &BackupArguments) -> Result<(), CommandError> {
    if !config.store.path.exists() {
        // Fails with a sentence that says where the store should be and what to do.
        Overview::open(&service_options(config)?.store, clock_and_random::now())?;
    }
    let service = open_service(config)?;
    let outcome = match &arguments.file {
        Some(file) => to_file(&service, file, arguments.json).await,
        None => to_stdout(&service, &config.store.path).await,
    };
    service.close().await;
    outcome
}

async fn to_file(service: &Service, file: &Path, json: bool) -> Result<(), CommandError> {
    let backup = copy(service, file).await?;
    let head = backup.head.to_string();
    if json {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let object = json!({"file": file, "bytes": backup.bytes, "apiKeys": backup.keys, "head": head});
        return output::print_json(&object);
    }
    output::print(&format!(
        "{}: {} keys, {} bytes, checked; audit log head {head}\n",
        file.display(),
        backup.keys,
        backup.bytes
    ))
}

/// Copies to a temporary file first, since SQLite does not write pages in order.
async fn to_stdout(service: &Service, store: &Path) -> Result<(), CommandError> {
    let file = TemporaryFile(store.with_file_name(format!(".keystead-backup-{}", std::process::id())));
    copy(service, &file.0).await?;
    let copied = File::open(&file.0).and_then(|mut file| io::copy(&mut file, &mut io::stdout().lock()));
    copied.map(|_| ()).map_err(|e| output::stdout_error(&e))
}

async fn copy(service: &Service, to: &Path) -> Result<BackupSummary, CommandError> {
    let bar = progress::bar(Some(0), "pages");
    let shown = bar.clone();
    let backup =
        service.back_up(to, Actor::Operator, clock_and_random::now(), move |progress| show(&shown, progress)).await;
    bar.finish_and_clear();
    Ok(backup?)
}

pub(in crate::cli) fn show(bar: &ProgressBar, CopyProgress { done, total }: CopyProgress) {
    bar.set_length(total);
    bar.set_position(done);
}

/// A file that is deleted when dropped.
struct TemporaryFile(PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

/// Makes a backup if the newest one in the folder is older than `every_ms`, then deletes the oldest beyond `kept`. Backups named
/// for a time in the future are ignored and kept.
pub(in crate::cli) async fn make_due(
    service: &Service,
    folder: &Path,
    every_ms: i64,
    kept: usize,
) -> Result<(), CommandError> {
    let now = clock_and_random::now();
    let wrong = |e: io::Error| CommandError::new(format!("{} cannot be read: {e}", folder.display()));
    let (names, yet_to_come) = names(folder, now).map_err(wrong)?;
    if let Some(newest) = names.last().and_then(|name| made_at(name)) {
        service.note_backup(newest);
        if newest.unix_ms() + every_ms > now.unix_ms() {
            return Ok(());
        }
    }
    for name in yet_to_come {
        let name = folder.join(name);
        log::warn!("{} is named for a time in the future and is ignored: move it away", name.display());
    }
    remove_all_unfinished(folder).map_err(wrong)?;
    let file = folder.join(name(&file_name_time(now)));
    let backup = service.back_up(&file, Actor::Keystead, now, |_| ()).await?;
    log::info!("backed up to {}: {} bytes, number of keys: {}", file.display(), backup.bytes, backup.keys);
    let (names, _) = self::names(folder, now).map_err(wrong)?;
    for old in &names[..names.len().saturating_sub(kept)] {
        let old = folder.join(old);
        match fs::remove_file(&old) {
            Ok(()) => log::info!("{} was deleted: more backups existed than are kept", old.display()),
            Err(error) => log::warn!("{} could not be deleted: {error}", old.display()),
        }
    }
    Ok(())
}

/// Deletes unfinished backups of servers that were killed.
fn remove_all_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(backup) = name.strip_suffix(PARTIAL_SUFFIX).filter(|name| made_at(name).is_some()) {
            match remove_partial_backup(&folder.join(backup)) {
                // Another server of the same store is writing it.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                other => other?,
            }
        }
    }
    Ok(())
}

fn name(time: &str) -> String {
    format!("{PREFIX}{time}{SUFFIX}")
}

/// The scheduled backups in the folder, oldest first, and those named for a time in the future. Other files are ignored.
fn names(folder: &Path, now: Timestamp) -> io::Result<(Vec<String>, Vec<String>)> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let found = entry?.file_name().to_string_lossy().into_owned();
        if made_at(&found).is_some() {
            names.push(found);
        }
    }
    names.sort_unstable();
    let made = names.partition_point(|name| made_at(name) <= Some(now));
    let yet_to_come = names.split_off(made);
    Ok((names, yet_to_come))
}

/// The time in the name of a scheduled backup; `None` for other names.
fn made_at(name: &str) -> Option<Timestamp> {
    let (date, time) = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.split_once('T')?;
    let part = |text: &str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
    let [year, month, day] = [part(date, 0, 4)?, part(date, 4, 6)?, part(date, 6, 8)?];
    let [hour, minute, second] = [part(time, 0, 2)?, part(time, 2, 4)?, part(time, 4, 6)?];
    let at = Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))?;
    (self::name(&file_name_time(at)) == name).then_some(at)
}
