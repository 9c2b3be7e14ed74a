//! What the store promises: its contract, group commit, the digest index.

use super::helpers::*;
use keystead::domain::{
    Action, Actor, ApiKey, Digest, Error, EventFilter, KeyCounts, KeyId, Name, NewEvent, Organization, OrganizationId,
    Origin, Scope, Secret,
};
use keystead::metrics::{Metrics, Via};
use keystead::service::Service;
use keystead::store::{NewApiKey, Options, Store, Writes};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

struct Fixture {
    store: Store,
    metrics: Arc<Metrics>,
    organization: OrganizationId,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let metrics = metrics();
    // No time passes: what was read is believed until a commit makes it outdated.
    let options = Options { uptime: || Duration::ZERO, ..store_options(&path) };
    let store = Store::open(&options, Arc::clone(&metrics), |_, _| Ok(false)).expect("the store opens");
    let organization = insert_organization(&store, "Acme").0.id;
    Fixture { store, metrics, organization, path, _folder: folder }
}

#[track_caller]
fn assert_measured(metrics: &Metrics, sample: &str) {
    let text = metrics.text().expect("the metrics");
    assert!(text.lines().any(|line| line == sample), "{sample} is not in {text}");
}

fn rename(writes: &mut dyn Writes, id: OrganizationId, name: &str) -> Result<bool, Error> {
    writes.rename_organization(id, &Name::parse(name)?)
}

fn name(store: &Store, id: OrganizationId) -> String {
    let found = wait(store.read(move |reads| reads.organization(id))).expect("a read");
    found.expect("an organization").name.as_str().to_owned()
}

fn is_found(store: &Store, secret: &Secret) -> bool {
    let digest = secret.fingerprint().digest;
    let found = wait(store.read(move |reads| reads.api_key_by_digest(&digest))).expect("a read");
    found.is_some_and(|found| found.key.value == secret.fingerprint())
}

/// Holds the writer in a job until the returned sender is dropped, so that what is queued meanwhile shares a commit.
fn hold_writer(store: &Store) -> (mpsc::Sender<()>, impl Future<Output = Result<(), Error>>) {
    let (release, held) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    let job = store.write(move |_| {
        begun.send(()).expect("the test waits");
        _ = held.recv();
        Ok(())
    });
    let mut job = Box::pin(job);
    // Polled once, the job is queued.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(job.as_mut().poll(&mut context).is_pending());
    has_begun.recv().expect("the job begins");
    (release, job)
}

/// Queues a job without waiting for it.
fn queue<T>(job: impl Future<Output = Result<T, Error>>) -> impl Future<Output = Result<T, Error>> {
    let mut job = Box::pin(job);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(job.as_mut().poll(&mut context).is_pending());
    job
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
    let f = fixture();
    let (release, held) = hold_writer(&f.store);
    let before = commits(&f.path);
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
    assert_eq!(commits(&f.path), before + 1);
    // The organization with its key, the job that held the writer, and these.
    assert_measured(&f.metrics, "keystead_store_queue_depth 0");
    assert_measured(&f.metrics, r#"keystead_store_commits_total{outcome="ok"} 3"#);
    assert_measured(&f.metrics, r#"keystead_store_batch_size_bucket{le="1"} 2"#);
    assert_measured(&f.metrics, "keystead_store_batch_size_sum 22");
}

#[test]
fn a_write_that_fails_is_undone_and_those_that_share_its_commit_stand() {
    let f = fixture();
    let (release, held) = hold_writer(&f.store);
    let id = f.organization;
    let first = queue(f.store.write(move |writes| rename(writes, id, "First")));
    let fails = queue(f.store.write(move |writes| {
        rename(writes, id, "Never")?;
        Err::<(), _>(Error::Conflict("no".to_owned()))
    }));
    let panics = queue(f.store.write(move |writes| {
        rename(writes, id, "Never")?;
        panic!("in a job, on purpose");
        #[allow(unreachable_code, reason = "gives the closure its type")]
        Ok(())
    }));
    let new = new_key(id, &new_secret());
    let last = queue(f.store.write(move |writes| writes.insert_api_key(new)));
    drop(release);
    wait(held).expect("a commit");
    assert!(wait(first).expect("a commit"));
    assert!(matches!(wait(fails), Err(Error::Conflict(_))));
    assert!(matches!(wait(panics), Err(Error::Internal(_))));
    assert_eq!(wait(last).expect("a commit").id.get(), 2);
    assert_eq!(name(&f.store, id), "First");
}

#[test]
fn keys_are_counted_by_what_they_are_at_a_time() {
    let f = fixture();
    let ends = [None, Some(at(2_000)), Some(at(2_000)), Some(at(3_000))];
    let news = ends.map(|expires_at| NewApiKey { expires_at, ..new_key(f.organization, &new_secret()) });
    let switch_one_off = move |writes: &mut dyn Writes| {
        for new in news {
            let key = writes.insert_api_key(new)?;
            if key.id.get() == 3 {
                writes.update_api_key(&key, &ApiKey { valid: false, ..key.clone() })?;
            }
        }
        Ok(())
    };
    wait(f.store.write(switch_one_off)).expect("a commit");
    for (ms, active, expired) in [(1_999, 4, 0), (2_000, 3, 1), (3_000, 2, 2)] {
        let counts = wait(f.store.read(move |reads| reads.count_api_keys(None, u32::MAX, at(ms)))).expect("a count").0;
        assert_eq!(counts, KeyCounts { active, deactivated: 1, expired }, "{ms}");
    }
}

#[test]
fn a_write_whose_caller_has_gone_away_is_done_and_harms_nobody() {
    let f = fixture();
    let (release, held) = hold_writer(&f.store);
    let id = f.organization;
    drop(queue(f.store.write(move |writes| rename(writes, id, "Orphan"))));
    drop(release);
    wait(held).expect("a commit");
    wait(f.store.write(|_| Ok(()))).expect("the writer lives");
    assert_eq!(name(&f.store, id), "Orphan");
}

#[test]
fn a_write_too_many_is_refused_at_once() {
    let f = fixture();
    let (release, held) = hold_writer(&f.store);
    let waiting: Vec<_> = (0..64).map(|_| queue(f.store.write(|_| Ok(())))).collect();
    let refused = wait(f.store.write(|_| Ok(())));
    assert!(matches!(refused, Err(Error::Unavailable { sentence, .. }) if sentence.contains("try again")));
    assert_measured(&f.metrics, "keystead_store_queue_depth 64");
    drop(release);
    wait(held).expect("a commit");
    for job in waiting {
        wait(job).expect("a commit");
    }
}

#[test]
fn a_read_sees_one_state_of_the_store_throughout() {
    let f = fixture();
    let id = f.organization;
    let (store, organization) = (&f.store, f.organization);
    std::thread::scope(|scope| {
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let names = scope.spawn(move || {
            wait(store.read(move |reads| {
                let first = reads.organization(organization)?;
                begun.send(()).expect("the test waits");
                _ = may_go_on.recv();
                Ok((first, reads.organization(organization)?))
            }))
        });
        has_begun.recv().expect("the read begins");
        wait(store.write(move |writes| rename(writes, id, "Changed"))).expect("a commit");
        drop(go_on);
        let (first, second) = names.join().expect("the reader").expect("a read");
        assert_eq!(first, second);
    });
    assert_eq!(name(&f.store, f.organization), "Changed");
}

#[test]
fn a_stamp_changes_with_whatever_takes_validity_away_and_with_nothing_else() {
    let f = fixture();
    let (organization, secret) = (f.organization, new_secret());
    let key = insert_keys(&f.store, organization, std::slice::from_ref(&secret)).expect("a key").remove(0);
    // The watch takes note of the fixture's commits first.
    let digest = secret.fingerprint().digest;
    let mut before = f.store.stamp(&digest);
    let mut changes = |what: &str, expected: bool| {
        assert_ne!(f.store.is_current(&digest, before), expected, "{what}");
        before = f.store.stamp(&digest);
    };
    let id = key.id;
    insert_keys(&f.store, organization, &[new_secret()]).expect("a key");
    changes("minting", false);
    wait(f.store.write(move |writes| writes.record_uses(&[(id, digest, at(5))]))).expect("a commit");
    changes("a use", false);
    let before = key.clone();
    let after = ApiKey { valid: false, ..key.clone() };
    wait(f.store.write(move |writes| writes.update_api_key(&before, &after))).expect("a commit");
    changes("deactivating", true);
    wait(f.store.write(move |writes| rename(writes, organization, "New"))).expect("a commit");
    changes("renaming", true);
    let revoked = key.clone();
    let undone = wait(f.store.write(move |writes| {
        writes.delete_api_key(&revoked)?;
        Err::<(), _>(Error::Conflict("no".to_owned()))
    }));
    assert!(undone.is_err());
    changes("a revocation that was undone", false);
    wait(f.store.write(move |writes| writes.delete_api_key(&key))).expect("a commit");
    changes("revoking", true);
}

#[test]
fn a_use_of_a_key_that_is_gone_is_not_kept_and_an_older_one_never_replaces_a_newer() {
    let f = fixture();
    let (organization, id, gone) = (f.organization, KeyId::new(1).expect("an id"), KeyId::new(99).expect("an id"));
    let digest = new_secret().fingerprint().digest;
    for ms in [5, 3] {
        wait(f.store.write(move |writes| writes.record_uses(&[(id, digest, at(ms)), (gone, digest, at(ms))])))
            .expect("a commit");
    }
    let scope = Scope { organization, project: None };
    let key = wait(f.store.read(move |reads| reads.api_key(scope, id))).expect("a read").expect("the key");
    assert_eq!(key.last_used(), Some(at(5)));
    let file = rusqlite::Connection::open(&f.path).expect("the file");
    let kept: i64 = file.query_row("SELECT count(*) FROM key_values", [], |row| row.get(0)).expect("a count");
    assert_eq!(kept, 1);
}

#[test]
fn a_stop_loses_no_last_used_times_that_were_being_written() {
    const KEYS: usize = 2_500;
    let f = fixture();
    let secrets: Vec<_> = (0..KEYS).map(|_| new_secret()).collect();
    insert_keys(&f.store, f.organization, &secrets).expect("keys");
    let options = keystead::service::Options { cache_capacity: 2 * KEYS, ..super::audit::service_options(&f.path) };
    let service = Service::open(&options, metrics()).expect("the service");
    wait(async {
        for secret in &secrets {
            let credential = secret.expose().as_bytes();
            service
                .authenticate(credential, Origin::default(), Via::Authentication, moment(5))
                .await
                .expect("a good key");
        }
        // Stopped after the first of several parts was queued.
        drop(queue(service.flush_uses()));
        service.close().await;
    });
    let file = rusqlite::Connection::open(&f.path).expect("the file");
    let used: i64 = file.query_row("SELECT count(*) FROM key_values", [], |row| row.get(0)).expect("a count");
    assert_eq!(used, KEYS as i64);
}

/// Gives the key another value; the former one comes back.
fn rotate(store: &Store, (key, secret): &mut (ApiKey, Secret)) -> Secret {
    let new = new_secret();
    let (before, after) = (key.clone(), ApiKey { value: new.fingerprint(), ..key.clone() });
    *key = after.clone();
    wait(store.write(move |writes| writes.update_api_key(&before, &after))).expect("a commit");
    std::mem::replace(secret, new)
}

/// Every value of a key, former ones among them, is in the index once, and nothing else is.
fn assert_index_is_exact(path: &Path) {
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
    let f = fixture();
    let mut secrets = Vec::new();
    // Three runs and a bit; every 16th batch some keys of all ages are looked up and one is revoked.
    for batch in 0..108 {
        let new: Vec<Secret> = (0..1_000).map(|_| new_secret()).collect();
        let keys = insert_keys(&f.store, f.organization, &new).expect("keys");
        secrets.extend(keys.into_iter().zip(new));
        if batch % 16 == 0 {
            let (revoked, secret) = secrets.swap_remove(secrets.len() / 2);
            wait(f.store.write(move |writes| writes.delete_api_key(&revoked))).expect("a commit");
            assert!(!is_found(&f.store, &secret));
            // One whose digest is in memory, one whose digest is in the file by now.
            for place in [secrets.len() - 1, batch] {
                let replaced = rotate(&f.store, &mut secrets[place]);
                assert!(!is_found(&f.store, &replaced) && is_found(&f.store, &secrets[place].1));
            }
            for (key, secret) in secrets.iter().step_by(997) {
                assert!(is_found(&f.store, secret), "key {}", key.id.get());
            }
        }
    }
    let file = rusqlite::Connection::open(&f.path).expect("the file");
    let through: i64 =
        file.query_row("SELECT indexed_through FROM digest_index_state", [], |row| row.get(0)).expect("the state");
    assert!((32_768..108_001).contains(&through), "runs were under way: {through}");
    // A crash: the same file with nothing that was in memory.
    let after_crash = open_store(&f.path);
    assert!(secrets.iter().step_by(97).all(|(_, secret)| is_found(&after_crash, secret)));
    after_crash.close();
    f.store.close();
    assert_index_is_exact(&f.path);
    let after_stop = open_store(&f.path);
    assert!(secrets.iter().step_by(97).all(|(_, secret)| is_found(&after_stop, secret)));
    assert!(!is_found(&after_stop, &new_secret()));
}

#[test]
fn two_processes_that_mint_in_turn_find_each_others_keys_at_once() {
    let f = fixture();
    let other = open_store(&f.path);
    let mut secrets = Vec::new();
    for round in 0..200 {
        let secret = new_secret();
        let minter = if round % 3 == 0 { &other } else { &f.store };
        insert_keys(minter, f.organization, std::slice::from_ref(&secret)).expect("a key");
        assert!(is_found(&f.store, &secret) && is_found(&other, &secret), "round {round}");
        secrets.push(secret);
    }
    // What one of them has in memory, the other one changes.
    for (minter, changer) in [(&f.store, &other), (&other, &f.store)] {
        let secret = new_secret();
        let key = insert_keys(minter, f.organization, std::slice::from_ref(&secret)).expect("a key").remove(0);
        let mut key = (key, secret);
        let replaced = rotate(changer, &mut key);
        assert!([minter, changer].iter().all(|store| !is_found(store, &replaced) && is_found(store, &key.1)));
        secrets.push(key.1);
    }
    f.store.close();
    other.close();
    assert_index_is_exact(&f.path);
    assert!(secrets.iter().all(|secret| is_found(&open_store(&f.path), secret)));
}

#[test]
fn two_processes_that_write_at_the_same_time_lose_nothing() {
    let f = fixture();
    let other = open_store(&f.path);
    let secrets: Vec<Secret> = std::thread::scope(|scope| {
        let writers = [&f.store, &other].map(|store| {
            scope.spawn(move || {
                let secrets: Vec<Secret> = (0..150).map(|_| new_secret()).collect();
                for secret in &secrets {
                    insert_keys(store, f.organization, std::slice::from_ref(secret)).expect("a key");
                }
                secrets
            })
        });
        writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect()
    });
    assert!(secrets.iter().all(|secret| is_found(&f.store, secret) && is_found(&other, secret)));
    f.store.close();
    other.close();
    assert_index_is_exact(&f.path);
}

#[test]
fn what_others_committed_is_noticed_while_one_of_them_holds_up_the_writer() {
    let f = fixture();
    let digest = new_secret().fingerprint().digest;
    let other = rusqlite::Connection::open(&f.path).expect("the file");
    other.execute_batch("BEGIN IMMEDIATE").expect("the file is held");
    let held_up = queue(f.store.write(|_| Ok(())));
    let before = f.store.stamp(&digest);
    assert!(f.store.is_current(&digest, before));
    other.execute_batch("UPDATE api_keys SET valid = 0; COMMIT; BEGIN IMMEDIATE").expect("a commit");
    eventually(Duration::from_secs(2), || !f.store.is_current(&digest, before));
    other.execute_batch("ROLLBACK").expect("the end");
    wait(held_up).expect("a commit");
}

#[test]
fn events_are_found_by_the_whole_number_or_the_whole_name_of_their_actor() {
    let f = fixture();
    for (id, name) in [(7, "CI"), (8, "7"), (9, "7 eleven"), (10, "07")] {
        let event = NewEvent {
            at: at(0),
            organization: None,
            project: None,
            actor: Actor::Key(KeyId::new(id).expect("an id"), Name::parse(name).expect("a name")),
            action: Action::KeyCreated,
            resource: String::new(),
            change: String::new(),
            origin: Origin::default(),
        };
        wait(f.store.write(move |writes| writes.append_event(&event))).expect("a commit");
    }
    for (actor, expected) in
        [("7", vec![8, 7]), ("7 eleven", vec![9]), ("07", vec![10]), ("10", vec![10]), ("7.0", vec![])]
    {
        let filter = EventFilter { actor: Some(actor.to_owned()), ..EventFilter::default() };
        let found = wait(f.store.read(move |reads| reads.events(&filter, None, 10))).expect("a read");
        let found: Vec<_> = found.iter().filter_map(|event| event.what.actor.key()).map(KeyId::get).collect();
        assert_eq!(found, expected, "{actor}");
    }
}

#[test]
fn a_store_that_was_closed_refuses_work_with_a_sentence() {
    let f = fixture();
    f.store.close();
    assert!(matches!(wait(f.store.write(|_| Ok(()))), Err(Error::Unavailable { .. })));
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
        // What marks the ledger has the log brought in at the next look, and not within a minute.
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
    // Somebody who reads keeps the log as it is, and nobody waits for that.
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
