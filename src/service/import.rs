//! Imports: keys are stored in short transactions and published all at once or not at all.

use super::Service;
use super::authority::{Administer, Authority};
use crate::domain::{Error, KeyId, Result, Timestamp};
use crate::store::file::{FileReads, FileWrites, ImportOrder, ImportStage, ImportState, Staging};
use serde_json::json;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Target duration of one import transaction: all other writes wait for it.
const STEP: Duration = Duration::from_millis(25);
/// The same without a server: only other commands wait.
const LONG_STEP: Duration = Duration::from_millis(250);
/// Number of keys in the first transaction, then minimum and maximum.
const INITIAL_KEYS: u32 = 1000;
const MIN_KEYS: u32 = 16;
const MAX_KEYS: u32 = 32_768;
/// Pause between two import transactions: waiting processes retry every millisecond.
const GAP: Duration = Duration::from_millis(2);
/// How long the server, or the import's writer process, may make no progress before the command continues the
/// import itself.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for an import of at most [`SMALL`] keys.
const SMALL_PATIENCE: Duration = Duration::from_millis(300);
/// How often the command polls the progress.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
const SMALL: u64 = 1000;

/// An import to run.
pub struct Import {
    /// The staged rows, in a file beside the store.
    pub staged: Staging,
    /// BLAKE3 hash of the source file, in hexadecimal digits.
    pub file: String,
    /// Whether to skip rows whose value is taken; otherwise one such row cancels the import.
    pub skips_taken: bool,
    /// Whether values that were revoked or rotated out may be imported, by the operator's decision.
    pub allows_ended: bool,
    /// Maximum number of taken rows to report.
    pub max_taken: usize,
    /// Called with the progress.
    pub progress: Box<dyn Fn(ImportProgress) + Send>,
    /// Starts another process that calls [`Service::write_import`], if no server is running. That process
    /// keeps running when this one is suspended, so a suspended command does not hold the store.
    pub start_writer: Box<dyn Fn() -> Option<Box<dyn ImportWriter>> + Send>,
}

/// A process that stores the staged rows. Dropping it ends the process.
pub trait ImportWriter: Send {
    /// Whether the process is still running.
    fn is_there(&mut self) -> bool;
}

/// Progress of an import: the number of rows that a step has processed. Steps follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportProgress {
    /// Values looked up in the store.
    Checked(u64),
    /// Rows stored, not yet published.
    Stored(u64),
    /// Rows added to the digest index.
    Indexed(u64),
}

/// The result of an import.
pub struct ImportOutcome {
    /// The imported rows, or those that would have been.
    pub staged: Staging,
    /// The rows whose value is taken.
    pub taken: TakenRows,
    /// The numbers of the first and the last key; `None` if nothing was imported.
    pub ids: Option<[KeyId; 2]>,
}

/// Row numbers whose value cannot become a key.
#[derive(Debug, Default)]
pub struct TakenRows {
    /// The store already has the key.
    pub known: Vec<u64>,
    /// The value was revoked or rotated out.
    pub ended: Vec<u64>,
}

impl TakenRows {
    /// Finds up to `limit` of each kind.
    pub(super) fn of(
        reads: &dyn FileReads,
        staged: &Staging,
        allows_ended: bool,
        limit: usize,
        progress: &dyn Fn(u64),
    ) -> Result<Self> {
        let known = reads.already_stored(staged, limit, progress)?;
        let mut ended = if allows_ended { Vec::new() } else { reads.already_ended(staged, limit)? };
        ended.retain(|row| known.binary_search(row).is_err());
        Ok(Self { known, ended })
    }

    /// All row numbers in ascending order.
    pub fn row_numbers(&self) -> Vec<u64> {
        let mut row_numbers = [self.known.as_slice(), &self.ended].concat();
        row_numbers.sort_unstable();
        row_numbers
    }
}

/// The staged rows, shared by consecutive transactions.
type SharedStaging = Arc<Mutex<Staging>>;

impl Service {
    /// Imports all staged rows or none. Other writes wait for one short transaction at most. A running server
    /// does the work, even if this process ends. `token` is random.
    ///
    /// # Errors
    /// [`Error::Conflict`] if a project was deleted, or a value was taken or revoked meanwhile;
    /// [`Error::Unavailable`].
    pub async fn import(&self, import: Import, token: [u8; 16], now: Timestamp) -> Result<ImportOutcome> {
        let Import { mut staged, file, skips_taken, allows_ended, max_taken, progress, start_writer } = import;
        let looked = self.file.read_slice(move |reads| {
            let show = |count| progress(ImportProgress::Checked(count));
            let taken = TakenRows::of(reads, &staged, allows_ended, max_taken, &show)?;
            Ok((staged, taken, progress))
        });
        let nothing_imported = |error: Error| error.meaning(NOTHING_IMPORTED);
        let (found, taken, progress) = looked.await.map_err(nothing_imported)?;
        staged = found;
        let row_numbers = taken.row_numbers();
        if !row_numbers.is_empty() && (!skips_taken || row_numbers.len() >= max_taken) {
            return Ok(ImportOutcome { staged, taken, ids: None });
        }
        staged.remove(&row_numbers).map_err(nothing_imported)?;
        if staged.count() == 0 {
            return Ok(ImportOutcome { staged, taken, ids: None });
        }
        staged.seal(ImportOrder { token, file, at: now, allows_ended }).map_err(nothing_imported)?;
        let staged = Arc::new(Mutex::new(staged));
        let writer = if self.file.has_server() { None } else { start_writer() };
        let [first, last] = match self.wait_for_end(&staged, writer, &*progress).await {
            Err(error @ Error::Unavailable { .. }) => self.recheck(&staged, error).await?,
            ended => ended?,
        };
        let staged = Arc::into_inner(staged).ok_or_else(|| Error::Internal("an import has no end".to_owned()))?;
        let staged = staged.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(ImportOutcome {
            staged,
            taken,
            ids: KeyId::new(first).zip(KeyId::new(last)).map(|(first, last)| [first, last]),
        })
    }

    /// Cancels an import of this process whose future was dropped. Returns the numbers of its keys if it was
    /// published before; otherwise its rows are deleted and cannot be published later.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn stop_import(&self, token: [u8; 16]) -> Result<Option<[KeyId; 2]>> {
        // This write is queued behind every pending transaction of the import.
        self.store.write(|writes| writes.touch()).await?;
        self.remove_abandoned().await?;
        let state = self.import_state().await?;
        let published = state.filter(|state| state.token == token && state.stage == ImportStage::Published);
        Ok(published.and_then(|state| KeyId::new(state.ids[0]).zip(KeyId::new(state.ids[1]))).map(<[KeyId; 2]>::from))
    }

    /// Continues another process's import, or deletes its rows if that process is gone. A server calls this
    /// often.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn carry_imports(&self) -> Result<()> {
        self.file.announce_server()?;
        let Some(staged) = self.file.pending_import().await? else { return self.remove_abandoned().await };
        if self.import_state().await?.is_some_and(|state| state.is_for(&staged) && !state.is_unpublished()) {
            return Ok(());
        }
        let (staged, mut pace) = (Arc::new(Mutex::new(staged)), Pace::default());
        while self.advance(&staged, &mut pace, STEP).await? {
            tokio::time::sleep(GAP).await;
        }
        Ok(())
    }

    /// Continues another process's import until it is done, that process is gone, or a server takes over.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn write_import(&self) -> Result<()> {
        let Some(staged) = self.file.pending_import().await? else { return Ok(()) };
        let (staged, mut pace) = (Arc::new(Mutex::new(staged)), Pace::default());
        while !self.file.has_server() && self.advance(&staged, &mut pace, LONG_STEP).await? {
            tokio::time::sleep(GAP).await;
        }
        self.remove_abandoned().await
    }

    /// Waits for the publication and returns the numbers of the keys. If no other process makes progress,
    /// this one continues the import.
    async fn wait_for_end(
        &self,
        staged: &SharedStaging,
        mut writer: Option<Box<dyn ImportWriter>>,
        progress: &(dyn Fn(ImportProgress) + Send),
    ) -> Result<[i64; 2]> {
        let count = lock(staged).count();
        let patience = if count > SMALL { PATIENCE } else { SMALL_PATIENCE };
        let (mut pace, mut seen, mut moved_at) = (Pace::default(), None, (self.stopwatch)());
        loop {
            let state = self.import_state().await?;
            if let Some(state) = state.filter(|state| state.is_for(&lock(staged))) {
                progress(match state.stored.unsigned_abs() {
                    stored if stored < count => ImportProgress::Stored(stored),
                    _ => ImportProgress::Indexed(state.indexed.unsigned_abs()),
                });
                match state.stage {
                    ImportStage::Published => return Ok(state.ids),
                    ImportStage::Removed => return Err(self.why_it_failed(staged).await?),
                    ImportStage::UnderWay | ImportStage::Failed => {}
                }
            }
            if seen != Some(state) {
                (seen, moved_at) = (Some(state), (self.stopwatch)());
            }
            let waited = (self.stopwatch)().saturating_duration_since(moved_at);
            let has_server = self.file.has_server();
            if waited < patience && (has_server || writer.as_mut().is_some_and(|writer| writer.is_there())) {
                tokio::time::sleep(POLL_INTERVAL).await;
                continue;
            }
            self.advance(staged, &mut pace, if has_server { STEP } else { LONG_STEP }).await?;
            // This process's own progress must not count as a server's.
            seen = Some(self.import_state().await?);
            tokio::time::sleep(GAP).await;
        }
    }

    /// Determines the result after an error of this process: a server may have published the import or be
    /// about to.
    async fn recheck(&self, staged: &SharedStaging, error: Error) -> Result<[i64; 2]> {
        let has_server = self.file.has_server();
        let state = self.import_state().await.map(|state| state.filter(|state| state.is_for(&lock(staged))));
        match state.map(|state| state.map(|state| (state.stage, state.ids))) {
            Ok(Some((ImportStage::Published, ids))) => Ok(ids),
            Ok(Some((ImportStage::Removed, _))) => Err(self.why_it_failed(staged).await?),
            _ if has_server => {
                let detail = format!("{UNCERTAIN} ({})", error.detail().unwrap_or_default());
                Err(Error::unavailable(UNCERTAIN, detail))
            }
            // No other process could have published it.
            Ok(_) if !self.store.has_uncertain_outcome(&error) => Err(error.meaning(NOTHING_IMPORTED)),
            _ => Err(error),
        }
    }

    async fn why_it_failed(&self, staged: &SharedStaging) -> Result<Error> {
        let staged = Arc::clone(staged);
        self.file.read_slice(move |reads| conflict_sentence(reads, &lock(&staged)).map(Error::Conflict)).await
    }

    /// Runs one transaction; returns whether there is more to do.
    async fn advance(&self, staged: &SharedStaging, pace: &mut Pace, step: Duration) -> Result<bool> {
        let (staged, keys, begun) = (Arc::clone(staged), pace.keys, (self.stopwatch)());
        let goes_on = self.file.write(move |writes| advance(writes, &lock(&staged), keys)).await?;
        pace.took((self.stopwatch)().saturating_duration_since(begun), step);
        Ok(goes_on)
    }

    /// Deletes the rows of an import whose process is gone.
    async fn remove_abandoned(&self) -> Result<()> {
        self.file.remove_leftover_import()?;
        let Some(state) = self.import_state().await?.filter(ImportState::is_unpublished) else { return Ok(()) };
        let mut pace = Pace::default();
        while !self.file.has_pending_import()? {
            let (keys, begun) = (pace.keys, (self.stopwatch)());
            if self.file.write(move |writes| writes.remove_import(&state.token, keys)).await? {
                break;
            }
            pace.took((self.stopwatch)().saturating_duration_since(begun), STEP);
            tokio::time::sleep(GAP).await;
        }
        Ok(())
    }

    async fn import_state(&self) -> Result<Option<ImportState>> {
        self.file.read(|reads| reads.import_state()).await
    }
}

/// The consequence of an error before the publication.
pub const NOTHING_IMPORTED: &str = "Nothing was imported.";
const UNCERTAIN: &str = "The result of the import is unknown. When the server responds again, check it with keystead audit list before you retry.";

/// Describes the conflicting row.
fn conflict_sentence(reads: &dyn FileReads, staged: &Staging) -> Result<String> {
    let allows_ended = staged.order().is_some_and(|order| order.allows_ended);
    let taken = TakenRows::of(reads, staged, allows_ended, 1, &|_| ())?;
    if let Some(row) = taken.known.first() {
        return Ok(format!("The key of row {row} was added to the store meanwhile; nothing was imported."));
    }
    if let Some(row) = taken.ended.first() {
        return Ok(format!(
            "The key of row {row} was revoked or rotated out meanwhile; nothing was imported. Use --allow-revoked to import it."
        ));
    }
    for (organization, project, row) in staged.projects()? {
        if reads.project(organization, project)?.is_none() {
            return Ok(format!("The project of row {row} was deleted meanwhile; nothing was imported."));
        }
    }
    Ok("A key of the import was in the store meanwhile and is gone again; nothing was imported. Try again.".to_owned())
}

/// Continues the import by up to `keys` keys if its process is still there; returns whether there is more to
/// do.
fn advance(writes: &mut dyn FileWrites, staged: &Staging, keys: u32) -> Result<bool> {
    if !staged.is_still_pending()? {
        return Ok(false);
    }
    match writes.import_state()? {
        Some(state) if state.is_unpublished() && (state.stage == ImportStage::Failed || !state.is_for(staged)) => {
            // Only the import that owns the file can continue; any other is deleted.
            let is_gone = writes.remove_import(&state.token, keys)?;
            return Ok(!is_gone || !state.is_for(staged));
        }
        Some(state) if state.is_for(staged) => match state.stage {
            ImportStage::UnderWay if state.is_whole() => return publish(writes, staged).map(|()| false),
            ImportStage::UnderWay => writes.advance_import(staged, keys)?,
            ImportStage::Failed | ImportStage::Published | ImportStage::Removed => return Ok(false),
        },
        _ => writes.begin_import(staged)?,
    }
    Ok(true)
}

fn publish(writes: &mut dyn FileWrites, staged: &Staging) -> Result<()> {
    let [first, last] = writes.publish_import(staged)?.map(KeyId::get);
    let Some(order) = staged.order() else { return Ok(()) };
    for (organization, count) in staged.organizations() {
        let change = json!({"count": count, "first": first, "last": last, "file": order.file});
        writes.append_event(&Authority::<Administer>::operator(organization, order.at).on_import(&change)?)?;
    }
    Ok(())
}

/// Number of keys per transaction, adapted to the duration of the previous one.
struct Pace {
    keys: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { keys: INITIAL_KEYS }
    }
}

impl Pace {
    /// Adapts the number of keys to the duration of a transaction.
    fn took(&mut self, time: Duration, step: Duration) {
        let wanted = u128::from(self.keys) * step.as_micros() / time.as_micros().max(1);
        // Grow by a factor of two at most: a very short transaction may have had nothing to do.
        self.keys = u32::try_from(wanted).unwrap_or(MAX_KEYS).min(2 * self.keys).clamp(MIN_KEYS, MAX_KEYS);
    }
}

fn lock(staged: &SharedStaging) -> MutexGuard<'_, Staging> {
    staged.lock().unwrap_or_else(PoisonError::into_inner)
}
