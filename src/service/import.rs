//! Keys that come from elsewhere: in bounded transactions, and there all at once or not at all.

use super::Service;
use super::authority::Authority;
use crate::domain::{Error, KeyId, Result, Timestamp};
use crate::store::file::{FileReads, FileWrites, ImportOrder, ImportStage, ImportState, Staging};
use serde_json::json;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a transaction may take that takes an import on: for as long, all changes wait.
const STEP: Duration = Duration::from_millis(25);
/// The same where no server has the store open: only other commands wait.
const LONG_STEP: Duration = Duration::from_millis(250);
/// Keys that such a transaction begins with, and that it has at the least and at the most.
const KEYS: u32 = 1000;
const FEWEST: u32 = 16;
const MOST: u32 = 32_768;
/// How long to leave the store to other processes between two such transactions: they ask for it every millisecond.
const GAP: Duration = Duration::from_millis(2);
/// For how long a server, or the writer of this import, may leave it as it is before the command takes it on itself.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for an import of no more than [`SMALL`] keys, which is as little as any other change.
const LITTLE_PATIENCE: Duration = Duration::from_millis(300);
/// How often to look how far the server has come.
const LOOKS: Duration = Duration::from_millis(10);
const SMALL: u64 = 1000;

/// What is to be imported.
pub struct Import {
    /// The rows, beside the store.
    pub staged: Staging,
    /// The BLAKE3 hash of the file that they come from, in hexadecimal digits.
    pub file: String,
    /// Whether rows whose value is taken are left out; else nothing is imported where there are any.
    pub skips_taken: bool,
    /// Whether values that have ended may come back: the operator says so.
    pub allows_ended: bool,
    /// No more rows whose value is taken are looked for.
    pub most_taken: usize,
    /// Is told how far it has come.
    pub progress: Box<dyn Fn(ImportProgress) + Send>,
    /// Is asked for another process that calls [`Service::write_import`], where no server is there. This process may be stopped
    /// at any time; that one is not stopped with it, so it does not hold the store for long.
    pub start_writer: Box<dyn Fn() -> Option<Box<dyn ImportWriter>> + Send>,
}

/// A process that stores what was staged. Dropping it ends it.
pub trait ImportWriter: Send {
    /// Whether it is there still.
    fn is_there(&mut self) -> bool;
}

/// How far an import has come: of how many of its rows each step is done, one step after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportProgress {
    /// It was looked whether the store has their values.
    LookedFor(u64),
    /// They are in the store, for nobody yet.
    Stored(u64),
    /// They would be found by their values.
    Indexed(u64),
}

/// What became of an import.
pub struct ImportOutcome {
    /// What was imported, or would have been.
    pub staged: Staging,
    /// The rows whose value is taken.
    pub taken: TakenRows,
    /// The numbers of the first and the last key; `None` where nothing was imported.
    pub ids: Option<[KeyId; 2]>,
}

/// Rows whose value cannot become a key, by their places.
#[derive(Debug, Default)]
pub struct TakenRows {
    /// The store has the key already.
    pub known: Vec<u64>,
    /// The value was revoked or rotated out.
    pub ended: Vec<u64>,
}

impl TakenRows {
    /// Looks for up to `limit` of each.
    pub(super) fn of(
        reads: &dyn FileReads,
        staged: &Staging,
        allows_ended: bool,
        limit: usize,
        progress: &dyn Fn(u64),
    ) -> Result<Self> {
        let known = reads.known_already(staged, limit, progress)?;
        let mut ended = if allows_ended { Vec::new() } else { reads.ended_already(staged, limit)? };
        ended.retain(|place| known.binary_search(place).is_err());
        Ok(Self { known, ended })
    }

    /// All of them, in their order.
    pub fn places(&self) -> Vec<u64> {
        let mut places = [self.known.as_slice(), &self.ended].concat();
        places.sort_unstable();
        places
    }
}

/// What waits, for the transactions that take it on one after the other.
type Shared = Arc<Mutex<Staging>>;

impl Service {
    /// Stores what was staged: all of it, or nothing. Nobody is held up for longer than a small transaction takes; where a
    /// server has the store open, that does all of it, whatever becomes of this process. `token` is random.
    ///
    /// # Errors
    /// [`Error::Conflict`] where a project is not there any more, or a value of it was taken or has ended meanwhile;
    /// [`Error::Unavailable`].
    pub async fn import(&self, import: Import, token: [u8; 16], now: Timestamp) -> Result<ImportOutcome> {
        let Import { mut staged, file, skips_taken, allows_ended, most_taken, progress, start_writer } = import;
        let looked = self.file.read_slice(move |reads| {
            let show = |count| progress(ImportProgress::LookedFor(count));
            let taken = TakenRows::of(reads, &staged, allows_ended, most_taken, &show)?;
            Ok((staged, taken, progress))
        });
        let nothing_imported = |error: Error| error.meaning(NOTHING_IMPORTED);
        let (found, taken, progress) = looked.await.map_err(nothing_imported)?;
        staged = found;
        let places = taken.places();
        if !places.is_empty() && (!skips_taken || places.len() >= most_taken) {
            return Ok(ImportOutcome { staged, taken, ids: None });
        }
        staged.remove(&places).map_err(nothing_imported)?;
        if staged.count() == 0 {
            return Ok(ImportOutcome { staged, taken, ids: None });
        }
        staged.seal(ImportOrder { token, file, at: now, allows_ended }).map_err(nothing_imported)?;
        let staged = Arc::new(Mutex::new(staged));
        let writer = if self.file.has_server() { None } else { start_writer() };
        let [first, last] = match self.wait_for_end(&staged, writer, &*progress).await {
            Err(error @ Error::Unavailable { .. }) => self.look_again(&staged, error).await?,
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

    /// Ends an import of this process whose future was dropped. Gives the numbers of its keys where it had been published by
    /// then; otherwise nothing of it is left, and nobody publishes it later.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn stop_import(&self, token: [u8; 16]) -> Result<Option<[KeyId; 2]>> {
        // Behind every transaction that took the import on while it was there.
        self.store.write(|writes| writes.touch()).await?;
        self.remove_abandoned().await?;
        let state = self.import_state().await?;
        let published = state.filter(|state| state.token == token && state.stage == ImportStage::Published);
        Ok(published.and_then(|state| KeyId::new(state.ids[0]).zip(KeyId::new(state.ids[1]))).map(<[KeyId; 2]>::from))
    }

    /// Does what another process wants to be imported, or removes what is left of it where that process is gone. To be called
    /// often by a server.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn carry_imports(&self) -> Result<()> {
        self.file.announce_server()?;
        let Some(staged) = self.file.waiting_import().await? else { return self.remove_abandoned().await };
        if self.import_state().await?.is_some_and(|state| state.is_of(&staged) && !state.is_hidden()) {
            return Ok(());
        }
        let (staged, mut pace) = (Arc::new(Mutex::new(staged)), Pace::default());
        while self.take_on(&staged, &mut pace, STEP).await? {
            tokio::time::sleep(GAP).await;
        }
        Ok(())
    }

    /// Does what another process wants to be imported until that is done, that process is gone, or a server is there, which
    /// goes on with it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn write_import(&self) -> Result<()> {
        let Some(staged) = self.file.waiting_import().await? else { return Ok(()) };
        let (staged, mut pace) = (Arc::new(Mutex::new(staged)), Pace::default());
        while !self.file.has_server() && self.take_on(&staged, &mut pace, LONG_STEP).await? {
            tokio::time::sleep(GAP).await;
        }
        self.remove_abandoned().await
    }

    /// Waits until it is published, and gives the numbers of its keys. Where nobody goes on with it, this process does.
    async fn wait_for_end(
        &self,
        staged: &Shared,
        mut writer: Option<Box<dyn ImportWriter>>,
        progress: &(dyn Fn(ImportProgress) + Send),
    ) -> Result<[i64; 2]> {
        let count = lock(staged).count();
        let patience = if count > SMALL { PATIENCE } else { LITTLE_PATIENCE };
        let (mut pace, mut seen, mut moved_at) = (Pace::default(), None, (self.stopwatch)());
        loop {
            let state = self.import_state().await?;
            if let Some(state) = state.filter(|state| state.is_of(&lock(staged))) {
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
                tokio::time::sleep(LOOKS).await;
                continue;
            }
            self.take_on(staged, &mut pace, if has_server { STEP } else { LONG_STEP }).await?;
            // What this process did itself is no sign of a server that goes on.
            seen = Some(self.import_state().await?);
            tokio::time::sleep(GAP).await;
        }
    }

    /// What became of an import that this process could not take on: a server may have published it, or be about to.
    async fn look_again(&self, staged: &Shared, error: Error) -> Result<[i64; 2]> {
        let has_server = self.file.has_server();
        let state = self.import_state().await.map(|state| state.filter(|state| state.is_of(&lock(staged))));
        match state.map(|state| state.map(|state| (state.stage, state.ids))) {
            Ok(Some((ImportStage::Published, ids))) => Ok(ids),
            Ok(Some((ImportStage::Removed, _))) => Err(self.why_it_failed(staged).await?),
            _ if has_server => {
                let detail = format!("{UNCERTAIN} ({})", error.detail().unwrap_or_default());
                Err(Error::unavailable(UNCERTAIN, detail))
            }
            // Nobody else could have published it.
            Ok(_) if !self.store.is_in_doubt(&error) => Err(error.meaning(NOTHING_IMPORTED)),
            _ => Err(error),
        }
    }

    async fn why_it_failed(&self, staged: &Shared) -> Result<Error> {
        let staged = Arc::clone(staged);
        self.file.read_slice(move |reads| came_between(reads, &lock(&staged)).map(Error::Conflict)).await
    }

    /// One transaction towards the end; says whether there is more to do.
    async fn take_on(&self, staged: &Shared, pace: &mut Pace, step: Duration) -> Result<bool> {
        let (staged, keys, begun) = (Arc::clone(staged), pace.keys, (self.stopwatch)());
        let goes_on = self.file.write(move |writes| take_on(writes, &lock(&staged), keys)).await?;
        pace.took((self.stopwatch)().saturating_duration_since(begun), step);
        Ok(goes_on)
    }

    /// Removes what is left of an import whose process is gone.
    async fn remove_abandoned(&self) -> Result<()> {
        self.file.remove_left_import()?;
        let Some(state) = self.import_state().await?.filter(ImportState::is_hidden) else { return Ok(()) };
        let mut pace = Pace::default();
        while !self.file.is_import_waiting()? {
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

/// What a cause means that kept an import from being published.
pub const NOTHING_IMPORTED: &str = "Nothing was imported.";
const UNCERTAIN: &str = "It is not certain what became of the import. When the server goes on, look with keystead audit list before you try again.";

/// What came between, in a sentence that says which row it was.
fn came_between(reads: &dyn FileReads, staged: &Staging) -> Result<String> {
    let allows_ended = staged.order().is_some_and(|order| order.allows_ended);
    let taken = TakenRows::of(reads, staged, allows_ended, 1, &|_| ())?;
    if let Some(row) = taken.known.first() {
        return Ok(format!("The key of row {row} was brought into the store meanwhile; nothing was imported."));
    }
    if let Some(row) = taken.ended.first() {
        return Ok(format!(
            "The key of row {row} was revoked or rotated out meanwhile; nothing was imported. --allow-revoked takes it in."
        ));
    }
    for (organization, project, row) in staged.projects()? {
        if reads.project(organization, project)?.is_none() {
            return Ok(format!("The project of row {row} was removed meanwhile; nothing was imported."));
        }
    }
    Ok("A key of the import was in the store meanwhile and is gone again; nothing was imported: try again.".to_owned())
}

/// Takes an import on from wherever it is, by up to so many keys, while its process is there; says whether there is more to do.
fn take_on(writes: &mut dyn FileWrites, staged: &Staging, keys: u32) -> Result<bool> {
    if !staged.still_waits()? {
        return Ok(false);
    }
    match writes.import_state()? {
        Some(state) if state.is_hidden() && (state.stage == ImportStage::Failed || !state.is_of(staged)) => {
            // Whoever has the file is the only one whose import can go on.
            let is_gone = writes.remove_import(&state.token, keys)?;
            return Ok(!is_gone || !state.is_of(staged));
        }
        Some(state) if state.is_of(staged) => match state.stage {
            ImportStage::UnderWay if state.is_whole() => return publish(writes, staged).map(|()| false),
            ImportStage::UnderWay => writes.carry_import(staged, keys)?,
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
        writes.append_event(&Authority::operator(organization, order.at).on_import(&change)?)?;
    }
    Ok(())
}

/// How many keys a transaction has, by how long the one before took.
struct Pace {
    keys: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { keys: KEYS }
    }
}

impl Pace {
    /// Takes note of how long a transaction took that should take this long.
    fn took(&mut self, time: Duration, step: Duration) {
        let wanted = u128::from(self.keys) * step.as_micros() / time.as_micros().max(1);
        // Not more than twice as many at once: what took no time may have had nothing to do.
        self.keys = u32::try_from(wanted).unwrap_or(MOST).min(2 * self.keys).clamp(FEWEST, MOST);
    }
}

fn lock(staged: &Shared) -> MutexGuard<'_, Staging> {
    staged.lock().unwrap_or_else(PoisonError::into_inner)
}
