//! The promises of a store in a file beyond the contract: group commit, the digest index, the write-ahead log.

use super::helpers::*;
use super::store_contract::{InFile, fixture, hold_writer, is_found, queue, revision, rotate};
use keystead::domain::{Digest, KeyId, Name, Organization, OrganizationId, Origin, Parent, Permissions, Secret};
use keystead::metrics::{Metrics, Via};
use keystead::service::Service;
use keystead::store::NewApiKey;
use std::path::Path;
use std::time::{Duration, Instant};

#[track_caller]
pub fn assert_measured(metrics: &Metrics, sample: &str) {
    let text = metrics.text().expect("the metrics");
    assert!(text.lines().any(|line| line == sample), "{sample} is not in {text}");
}

/// How many commits the write-ahead log of the file holds: frames that carry the size of the file after them
/// (<https://sqlite.org/fileformat2.html>, section 4.1).
fn commits(path: &Path) -> usize {
    let log = std::fs::read(path.with_extension("db-wal")).expect("the log");
    let frames = log[32..].chunks_exact(24 + 4096);
    frames.filter(|frame| frame[4..8] != [0; 4] && frame[8..16] == log[16..24]).count()
}

#[test]
fn writes_that_wait_share_one_commit() {
    let f = fixture::<InFile>();
    let (release, held) = hold_writer(&f.store);
    let before = commits(&f.place.path());
    let jobs: Vec<_> = (0..20)
        .map(|_| {
            let new = new_key(f.organization, &new_secret());
            queue(f.store.write(move |writes| writes.insert_api_key(new)))
        })
        .collect();
    assert_measured(&f.metrics, "keystead_store_queue_depth 20");
    drop(release);
    wait(held).expect("a commit");
    for job in jobs {
        wait(job).expect("a commit");
    }
    assert_eq!(commits(&f.place.path()), before + 1);
    // The organization with its key, the job that blocked the writer, and these.
    assert_measured(&f.metrics, "keystead_store_queue_depth 0");
    assert_measured(&f.metrics, r#"keystead_store_commits_total{outcome="ok"} 3"#);
    assert_measured(&f.metrics, r#"keystead_store_batch_size_bucket{le="1"} 2"#);
    assert_measured(&f.metrics, "keystead_store_batch_size_sum 22");
}

#[test]
fn a_use_of_a_key_that_is_gone_is_not_kept_and_an_older_one_never_replaces_a_newer() {
    let f = fixture::<InFile>();
    let (organization, id, gone) = (f.organization, KeyId::new(1).expect("an id"), KeyId::new(99).expect("an id"));
    let digest = new_secret().fingerprint().digest;
    for ms in [5, 3] {
        wait(f.store.write(move |writes| writes.record_last_used(&[(id, digest, at(ms)), (gone, digest, at(ms))])))
            .expect("a commit");
    }
    let parent = Parent { organization, project: None };
    let key = wait(f.store.read(move |reads| reads.api_key(parent, id))).expect("a read").expect("the key");
    assert_eq!(key.last_used(), Some(at(5)));
    let file = rusqlite::Connection::open(f.place.path()).expect("the file");
    let kept: i64 = file.query_row("SELECT count(*) FROM key_values", [], |row| row.get(0)).expect("a count");
    assert_eq!(kept, 1);
}

#[test]
fn a_stop_loses_no_last_used_times_that_were_being_written() {
    const KEYS: usize = 2_500;
    let f = fixture::<InFile>();
    let secrets: Vec<_> = (0..KEYS).map(|_| new_secret()).collect();
    insert_keys(&f.store, f.organization, &secrets).expect("keys");
    let options = keystead::service::ServiceOptions {
        cache_capacity: 2 * KEYS,
        ..super::audit::service_options(&f.place.path())
    };
    let service = Service::open(&options, metrics()).expect("the service");
    wait(async {
        for secret in &secrets {
            let credential = secret.expose().as_bytes();
            service
                .authenticate(credential, &Permissions::default(), Origin::default(), Via::Authentication, moment(5))
                .await
                .expect("a good key");
        }
        // Stopped after the first of several parts was queued.
        drop(queue(service.flush_uses()));
        service.close().await;
    });
    let file = rusqlite::Connection::open(f.place.path()).expect("the file");
    let used: i64 = file.query_row("SELECT count(*) FROM key_values", [], |row| row.get(0)).expect("a count");
    assert_eq!(used, KEYS as i64);
}

/// The index has every value of a key once, former values included, and nothing else.
pub fn assert_index_is_exact(path: &Path) {
    let file = rusqlite::Connection::open(path).expect("the file");
    let values = "SELECT id, digest FROM api_keys UNION ALL SELECT key_id, digest FROM key_values WHERE kind > 0";
    let mut keys = file.prepare(values).expect("a statement");
    let keys = keys.query_map([], |row| Ok((Digest::from_bytes(row.get(1)?).prefix(), row.get(0)?))).expect("rows");
    let mut keys: Vec<(i64, i64)> = keys.map(|row| row.expect("a row")).collect();
    let mut index =
        file.prepare("SELECT prefix, key_id FROM digest_index ORDER BY prefix, key_id").expect("a statement");
    let index = index.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    let index: Vec<(i64, i64)> = index.map(|row| row.expect("a row")).collect();
    keys.sort_unstable();
    assert!(keys == index, "{} keys, {} entries", keys.len(), index.len());
}

#[test]
fn every_key_is_found_by_its_digest_while_runs_go_into_the_file_and_after_a_crash_and_a_stop() {
    let f = fixture::<InFile>();
    let mut secrets = Vec::new();
    // Three runs and a part of a fourth. In every 16th batch, keys of all ages are looked up and one is revoked.
    for batch in 0..108 {
        let new: Vec<Secret> = (0..1_000).map(|_| new_secret()).collect();
        let keys = insert_keys(&f.store, f.organization, &new).expect("keys");
        secrets.extend(keys.into_iter().zip(new));
        if batch % 16 == 0 {
            let (revoked, secret) = secrets.swap_remove(secrets.len() / 2);
            wait(f.store.write(move |writes| writes.delete_api_key(&revoked))).expect("a commit");
            assert!(!is_found(&f.store, &secret));
            // One key whose digest is in memory, and one whose digest is in the file by now.
            for place in [secrets.len() - 1, batch] {
                let replaced = rotate(&f.store, &mut secrets[place]);
                assert!(!is_found(&f.store, &replaced) && is_found(&f.store, &secrets[place].1));
            }
            for (key, secret) in secrets.iter().step_by(997) {
                assert!(is_found(&f.store, secret), "key {}", key.id.get());
            }
        }
    }
    let file = rusqlite::Connection::open(f.place.path()).expect("the file");
    let through: i64 =
        file.query_row("SELECT indexed_through FROM digest_index_state", [], |row| row.get(0)).expect("the state");
    assert!((32_768..108_001).contains(&through), "runs were under way: {through}");
    // A crash: the same file without the data from memory.
    let after_crash = open_store(&f.place.path());
    assert!(secrets.iter().step_by(97).all(|(_, secret)| is_found(&after_crash, secret)));
    after_crash.close();
    f.store.close();
    assert_index_is_exact(&f.place.path());
    let after_stop = open_store(&f.place.path());
    assert!(secrets.iter().step_by(97).all(|(_, secret)| is_found(&after_stop, secret)));
    assert!(!is_found(&after_stop, &new_secret()));
}

#[test]
fn commits_of_other_processes_are_noticed_while_one_of_them_blocks_the_writer() {
    let f = fixture::<InFile>();
    let digest = insert_organization(&f.store, "Another").1.value.digest;
    let other = rusqlite::Connection::open(f.place.path()).expect("the file");
    other.execute_batch("BEGIN IMMEDIATE").expect("the file is held");
    let held_up = queue(f.store.write(|_| Ok(())));
    let before = revision(&f.store, digest).expect("a key");
    assert!(f.store.is_current(&digest, before));
    other.execute_batch("UPDATE api_keys SET valid = 0; COMMIT; BEGIN IMMEDIATE").expect("a commit");
    eventually(Duration::from_secs(2), || !f.store.is_current(&digest, before));
    other.execute_batch("ROLLBACK").expect("the end");
    wait(held_up).expect("a commit");
}

#[test]
fn the_write_ahead_log_gives_its_disk_back_while_the_store_stays_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let size = || std::fs::metadata(folder.path().join("keystead.db-wal")).map_or(0, |it| it.len());
    let store = open_store(&path);
    let (organization, _, _) = insert_organization(&store, "A");
    let fill = |seed: u8| {
        let name = Name::parse(&"x".repeat(255)).expect("a name");
        let new = |_| NewApiKey { name: name.clone(), ..new_key(organization.id, &new_secret()) };
        let news: Vec<NewApiKey> = (0..30_000).map(new).collect();
        // A commit that marks the ledger is checkpointed at the next look, not within a minute.
        let another = Organization { id: OrganizationId::from_random([seed; 8]), ..organization.clone() };
        let fill = wait(store.write(move |writes| {
            writes.insert_organization(&another)?;
            news.into_iter().try_for_each(|new| writes.insert_api_key(new).map(drop))
        }));
        fill.expect("keys");
    };
    // Nothing is written after it.
    fill(1);
    eventually(Duration::from_secs(10), || size() < 1 << 20);
    // A reader keeps the write-ahead log, and no one waits for it.
    let reader = rusqlite::Connection::open(&path).expect("the file");
    reader.execute_batch("BEGIN; SELECT count(*) FROM api_keys").expect("a read");
    fill(2);
    let begun = Instant::now();
    for _ in 0..5 {
        insert_organization(&store, "A");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(size() > 8 << 20, "{}", size());
    reader.execute_batch("COMMIT").expect("the end of a read");
    insert_organization(&store, "A");
    eventually(Duration::from_secs(10), || size() <= 4 << 20);
    drop(store);
    let store = open_store(&path);
    let keys =
        wait(store.read(|reads| reads.count_api_keys(None, u32::MAX, at(1_700_000_000_000)))).expect("a count").0;
    assert_eq!(keys.active, 60_007);
}
