//! The stores that are measured on, made by Keystead's own code.

use super::events;
use keystead::config::Config;
use keystead::domain::{KeyChange, KeyPrefix, Name, Organization, OrganizationId, Parent, Result, Secret, Timestamp};
use keystead::metrics::Metrics;
use keystead::store::file::{StoreFile, StoreOptions};
use keystead::store::{NewApiKey, Store};
use rusqlite::{Connection, OpenFlags};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Keys that are inserted by one transaction.
const JOB: usize = 10_000;
/// When all of it was made.
pub const CREATED_AT_MS: i64 = 1_733_353_200_000;
/// What the organization is called.
pub const ORGANIZATION_NAME: &str = "Benchmark";
/// What every key is called.
pub const KEY_NAME: &str = "CI/CD key";

/// Stores of one organization and so and so many keys: made once, then copied.
pub struct Stores {
    folder: TempDir,
    made: RefCell<BTreeSet<usize>>,
}

impl Stores {
    /// In Cargo's own folder, which is on a real disk where the system's temporary one may be in memory.
    pub fn new() -> Self {
        Self { folder: new_folder(), made: RefCell::default() }
    }

    /// A copy of the store with this many keys, which are those that [`secret`] gives for 0 and up. It is on disk, so
    /// that no write-back of it falls into what is measured.
    pub fn copy(&self, keys: usize) -> StoreFolder {
        let template = self.folder.path().join(format!("{keys}.db"));
        if self.made.borrow_mut().insert(keys) {
            make(&template, keys).expect("a store must be made");
        }
        copy(&template)
    }
}

fn copy(store: &Path) -> StoreFolder {
    let copy = StoreFolder::new();
    fs::copy(store, copy.path()).and_then(|_| File::open(copy.path())?.sync_all()).expect("a store must be copied");
    copy
}

/// A folder for one store, which goes with it.
pub struct StoreFolder(TempDir);

impl StoreFolder {
    /// Without a store yet.
    pub fn new() -> Self {
        Self(new_folder())
    }

    /// The store's file.
    pub fn path(&self) -> PathBuf {
        self.0.path().join("store.db")
    }

    /// A copy of the store, which nobody may have open. It is on disk.
    pub fn copy(&self) -> Self {
        copy(&self.path())
    }

    /// With so and so many events, all of the same kind, as the store's own code appends them.
    pub fn with_events(events: usize) -> Self {
        let folder = Self::new();
        let append = |store: Store| -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("an event loop must start");
            for begin in (0..events).step_by(JOB) {
                let mut numbers = begin + 1..=events.min(begin + JOB);
                let job =
                    store.write(move |writes| numbers.try_for_each(|it| writes.append_event(&events::numbered(it))));
                runtime.block_on(job)?;
            }
            store.close();
            Ok(())
        };
        open(&folder.path()).and_then(append).expect("a store must be made");
        folder
    }

    /// How many keys the file really holds.
    pub fn count_keys(&self) -> usize {
        self.count("SELECT count(*) FROM api_keys")
    }

    /// How many events of the audit log the file really holds.
    pub fn count_events(&self) -> usize {
        self.count("SELECT count(*) FROM audit_events")
    }

    fn count(&self, sql: &str) -> usize {
        let count = || -> rusqlite::Result<u32> {
            let connection = Connection::open_with_flags(self.path(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.busy_timeout(Duration::from_secs(30))?;
            connection.query_row(sql, [], |row| row.get(0))
        };
        count().expect("a store's rows must be countable") as usize
    }
}

/// The key with this number, the same in every store.
pub fn secret(number: usize) -> Secret {
    let digest = blake3::hash(&number.to_le_bytes());
    let random = digest.as_bytes().first_chunk().expect("a digest has 32 bytes");
    Secret::new(&prefix(), *random)
}

/// The organization of every store.
pub fn organization() -> OrganizationId {
    OrganizationId::from_random([7; 8])
}

/// [`CREATED_AT_MS`] as the store takes it.
pub fn created_at() -> Timestamp {
    Timestamp::from_unix_ms(CREATED_AT_MS).unwrap_or_default()
}

/// The settings as they are where nobody says anything.
pub fn defaults() -> Config {
    Config::defaults().expect("the defaults must be readable")
}

/// What all keys begin with.
pub fn prefix() -> KeyPrefix {
    KeyPrefix::parse(&defaults().keys.organization_prefix).expect("the default prefix must be one")
}

fn new_folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder must be made in Cargo's target folder")
}

/// The store in this file, as Keystead opens it by default.
///
/// # Errors
/// As [`StoreFile::open`].
pub fn open(path: &Path) -> Result<Store> {
    let defaults = defaults().store;
    let options = StoreOptions {
        path: path.to_owned(),
        busy_timeout: Duration::from_millis(defaults.busy_timeout_ms),
        readers: defaults.readers,
        write_queue: defaults.write_queue,
        write_batch: defaults.write_batch,
        watch_interval: Duration::from_millis(defaults.watch_interval_ms),
        // Nobody else opens it meanwhile.
        uptime: || Duration::ZERO,
        stopwatch: Instant::now,
        opened_at: Timestamp::default(),
    };
    let metrics = Arc::new(Metrics::new(Timestamp::default())?);
    StoreFile::open(&options, metrics).map(|file| file.store())
}

fn make(path: &Path, keys: usize) -> Result<()> {
    let store = open(path)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("an event loop must start");
    runtime.block_on(fill(&store, keys))?;
    store.close();
    Ok(())
}

async fn fill(store: &Store, keys: usize) -> Result<()> {
    let (created_at, organization) = (created_at(), organization());
    let name = Name::parse(ORGANIZATION_NAME)?;
    store.write(move |writes| writes.insert_organization(&Organization { id: organization, name, created_at })).await?;
    let name = Name::parse(KEY_NAME)?;
    for begin in (0..keys).step_by(JOB) {
        let name = name.clone();
        let insert = move |number| {
            let parent = Parent { organization, project: None };
            let value = secret(number).fingerprint();
            NewApiKey { parent, value, name: name.clone(), created_at, expires_at: None, change: KeyChange::default() }
        };
        let numbers = begin..keys.min(begin + JOB);
        store.write(move |writes| numbers.map(insert).try_for_each(|key| writes.insert_api_key(key).map(drop))).await?;
    }
    Ok(())
}
