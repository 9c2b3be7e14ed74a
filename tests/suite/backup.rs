//! Backups and restores with the real program: nothing is lost, and revoked keys stay revoked.

use super::helpers::*;
use super::metrics::Reading;
use keystead::domain::{Digest, KeyForms};
use keystead::store::Store;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const WRITERS: usize = 4;
const MOMENTS: usize = 20;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[track_caller]
fn assert_done(output: &Output) {
    assert!(output.status.success(), "{}{}", stdout(output), stderr(output));
}

#[track_caller]
fn assert_refused(output: &Output, sentence: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", stdout(output));
    assert!(stderr(output).contains(sentence), "{}", stderr(output));
}

fn back_up(folder: &Path, to: &str) {
    assert_done(&run(folder, &["backup", to]));
}

/// A folder that has only the ledger of another one.
fn with_ledger_of(folder: &Path) -> TempDir {
    let empty = self::folder();
    fs::copy(folder.join("keystead.revoked"), empty.path().join("keystead.revoked")).expect("the ledger");
    empty
}

fn restore(folder: &Path, backup: &Path) -> Output {
    run(folder, &["restore", backup.to_str().expect("a path")])
}

fn is_good(server: &Server, key: &str) -> bool {
    server.client_with(key).is_good()
}

/// What the test knows about a key.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// How many backups had started when the creation of the key was acknowledged.
    backups: usize,
    /// Whether its revocation or deactivation was requested, and whether it was acknowledged.
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    None,
    Asked,
    Answered,
}

/// Creates keys, revokes a third of them, deactivates a third.
fn write(client: &Client, keys: &Mutex<HashMap<String, Known>>, backups: &AtomicUsize, is_over: &AtomicBool) {
    let end = |value: &str, end| keys.lock().expect("the keys").get_mut(value).expect("a key").end = end;
    for round in 0.. {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let (id, value) = client.mint("a");
        let known = Known { backups: backups.load(Ordering::SeqCst), end: End::None };
        keys.lock().expect("the keys").insert(value.clone(), known);
        if round % 3 == 0 {
            continue;
        }
        end(&value, End::Asked);
        let answer = if round % 3 == 1 { client.revoke(id) } else { client.set_valid(id, false) };
        assert_eq!(answer.status, 200);
        end(&value, End::Answered);
    }
}

#[test]
fn a_backup_under_load_has_every_key_from_before_it_and_its_restore_none_that_was_revoked_since() {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    let (keys, backups, is_over) = (Mutex::new(HashMap::new()), AtomicUsize::new(0), AtomicBool::new(false));
    let clients: Vec<Client> = (0..WRITERS).map(|_| server.client()).collect();
    std::thread::scope(|scope| {
        let _over = Over(&is_over);
        for client in &clients {
            scope.spawn(|| write(client, &keys, &backups, &is_over));
        }
        for moment in 0..MOMENTS {
            // The test varies this moment; it does not wait for a condition.
            std::thread::sleep(Duration::from_millis(29 * moment as u64 % 70));
            backups.fetch_add(1, Ordering::SeqCst);
            back_up(folder.path(), &format!("{moment}.db"));
        }
    });
    assert_eq!(server.stop().code(), Some(0));
    let keys = keys.into_inner().expect("the keys");
    assert!(keys.len() > MOMENTS * WRITERS, "there was load: {}", keys.len());
    let mut dead_again = 0;
    for moment in 0..MOMENTS {
        let elsewhere = with_ledger_of(folder.path());
        let output = restore(elsewhere.path(), &folder.path().join(format!("{moment}.db")));
        assert_done(&output);
        dead_again += usize::from(!stdout(&output).contains("; none of them was revoked or narrowed"));
        let store = open_store(&elsewhere.path().join("keystead.db"));
        for (value, known) in &keys {
            let is_good = is_switched_on(&store, value);
            assert!(known.end == End::None || !is_good, "{known:?} is good again after backup {moment}");
            assert!(known.backups > moment || known.end != End::None || is_good, "{known:?} is not in backup {moment}");
        }
        store.close();
        assert_done(&run(elsewhere.path(), &["audit", "verify"]));
    }
    assert!(dead_again > 0, "the ledger had something to do");
}

/// Whether the key is valid, checked without a server because there are many keys.
fn is_switched_on(store: &Store, value: &str) -> bool {
    let digest = Digest::of_presented(value.as_bytes(), KeyForms::default()).expect("a key");
    let found = wait(store.lookup(digest, at(2_000_000_000_000))).expect("a read");
    found.is_some_and(|(found, _)| found.key.check(found.presented, at(2_000_000_000_000)).is_ok())
}

/// A store in the folder with this many keys beside the first one; returns the first key.
fn store_with(folder: &Path, count: usize) -> String {
    let first = stdout(&run(folder, &["init", "--organization", "Acme"])).trim().to_owned();
    let store = open_store(&folder.join("keystead.db"));
    let organization = insert_organization(&store, "Many").0.id;
    let secrets: Vec<_> = (0..count).map(|_| new_secret()).collect();
    for some in secrets.chunks(5_000) {
        insert_keys(&store, organization, some).expect("the keys are stored");
    }
    store.close();
    first
}

/// How far the program had come when it was killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    /// Its partial file is left.
    InTheMiddle,
    /// It was about to exit.
    Late,
    /// It had exited with success.
    Ended,
}

/// Runs the program and kills it this long after it created its partial file. A partial file from before does not
/// count.
fn cut_short(folder: &Path, arguments: &[&str], working_in: &str, after: Duration) -> Cut {
    let begun = || fs::metadata(folder.join(working_in)).and_then(|it| it.modified()).ok();
    let left = begun();
    let is_begun = || begun().is_some_and(|begun| Some(begun) != left);
    let mut child = keystead(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    eventually(Duration::from_secs(60), || is_begun() || child.try_wait().expect("a look").is_some());
    // The test varies the moment of the kill; it does not wait for a condition.
    std::thread::sleep(after);
    child.kill().expect("a kill");
    let output = child.wait_with_output().expect("an end");
    match output.status.signal() {
        Some(_) if is_begun() => Cut::InTheMiddle,
        Some(_) => Cut::Late,
        None => {
            assert_done(&output);
            assert!(!is_begun(), "an end leaves nothing of {working_in}");
            Cut::Ended
        }
    }
}

#[test]
fn a_backup_that_is_killed_leaves_no_file_or_a_whole_one() {
    let folder = folder();
    store_with(folder.path(), 20_000);
    let mut in_the_middle = 0;
    for kill in 0..MOMENTS {
        let name = format!("{kill}.db");
        let after = Duration::from_millis(13 * kill as u64 % 160);
        let cut = cut_short(folder.path(), &["backup", &name], &format!("{name}-unfinished"), after);
        let file = folder.path().join(&name);
        if file.exists() {
            assert_ne!(cut, Cut::InTheMiddle, "it has one name or the other");
            let elsewhere = with_ledger_of(folder.path());
            assert_done(&restore(elsewhere.path(), &file));
        } else {
            assert_eq!(cut, Cut::InTheMiddle, "what was said to be done is there");
            in_the_middle += 1;
            back_up(folder.path(), &name);
        }
    }
    assert!(in_the_middle > 0, "some were killed while the copy was made");
}

#[test]
fn a_killed_restore_leaves_the_old_store_or_the_new_one_and_revoked_keys_stay_revoked() {
    let folder = folder();
    let first = store_with(folder.path(), 20_000);
    fs::write(folder.path().join("first-key"), &first).expect("a file");
    let server = Server::start_in(folder.path(), &[]);
    let ((revoked, dead), (_, good)) = (server.client().mint("revoked"), server.client().mint("good"));
    back_up(folder.path(), "backup.db");
    assert_eq!(server.client().revoke(revoked).status, 200);
    let (_, late) = server.client().mint("late");
    assert_eq!(server.stop().code(), Some(0));
    let mut in_the_middle = 0;
    for kill in 0..MOMENTS {
        let after = Duration::from_millis(31 * kill as u64 % 400);
        let cut = cut_short(folder.path(), &["restore", "backup.db"], "keystead.db-restoring", after);
        in_the_middle += usize::from(cut == Cut::InTheMiddle);
        let server = Server::start_in(folder.path(), &[]);
        assert!(is_good(&server, &first) && is_good(&server, &good));
        assert!(!is_good(&server, &dead));
        assert_eq!(server.stop().code(), Some(0));
    }
    assert!(in_the_middle > 0, "some were killed before the new store was in place");
    assert_done(&restore(folder.path(), Path::new("backup.db")));
    let server = Server::start_in(folder.path(), &[]);
    assert!(is_good(&server, &good) && !is_good(&server, &dead) && !is_good(&server, &late));
}

#[test]
fn acknowledged_revocations_are_in_the_ledger_after_kill_9() {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    let client = server.client();
    let keys: Vec<(i64, String)> = (0..400).map(|_| client.mint("a")).collect();
    back_up(folder.path(), "backup.db");
    drop(server);
    let done = Mutex::new(Vec::new());
    for (kill, keys) in keys.chunks(keys.len() / MOMENTS).enumerate() {
        let server = Server::start_in(folder.path(), &[]);
        let has_begun = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for keys in keys.chunks(keys.len() / WRITERS) {
                let (client, done, has_begun) = (server.client(), &done, &has_begun);
                scope.spawn(move || end_until_the_end(&client, keys, done, has_begun));
            }
            eventually(Duration::from_secs(10), || has_begun.load(Ordering::SeqCst));
            // The test varies the moment of the kill; it does not wait for a condition.
            std::thread::sleep(Duration::from_micros(700 * kill as u64 % 5_000));
            server.kill();
        });
        let elsewhere = with_ledger_of(folder.path());
        assert_done(&restore(elsewhere.path(), &folder.path().join("backup.db")));
        let server = Server::start_in(elsewhere.path(), &[]);
        for value in done.lock().expect("what is done").iter() {
            assert!(!is_good(&server, value), "it was answered that this key is dead");
        }
    }
    assert!(done.lock().expect("what is done").len() >= MOMENTS, "something was done before each kill");
}

/// Revokes, deactivates and rotates keys in turn until the server is killed.
fn end_until_the_end(client: &Client, keys: &[(i64, String)], done: &Mutex<Vec<String>>, has_begun: &AtomicBool) {
    for (id, value) in keys {
        let path = format!("{KEYS}/{id}");
        let answer = match id % 3 {
            0 => client.try_ask("DELETE", &path, None),
            1 => client.try_ask("PUT", &path, Some(json!({"valid": false}))),
            _ => client.try_ask("POST", &format!("/v2/organization/api-keys/{id}/rotate"), Some(json!({}))),
        };
        let Ok(answer) = answer else { return };
        assert!(answer.status < 300, "{}", answer.text);
        done.lock().expect("what is done").push(value.clone());
        has_begun.store(true, Ordering::SeqCst);
    }
}

/// Rotates a key; returns the new value.
fn rotate(client: &Client, id: i64, body: Value) -> String {
    let answer = client.post(&format!("/v2/organization/api-keys/{id}/rotate"), body);
    assert!(answer.status < 300, "{}", answer.text);
    let key = answer.json()["data"].take();
    let value = key["shadowValue"].as_str().or(key["value"].as_str()).expect("a value").to_owned();
    assert!(value.starts_with("confident_org_"), "{value}");
    value
}

#[test]
fn a_restore_applies_every_change_to_keys_since_the_backup() {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    let client = server.client();
    let [revoked, off, off_and_on, rotated, in_grace, completed, cancelled, both, untouched] =
        std::array::from_fn(|_| client.mint("a"));
    back_up(folder.path(), "backup.db");
    client.revoke(revoked.0);
    client.set_valid(off.0, false);
    client.set_valid(off_and_on.0, false);
    client.set_valid(off_and_on.0, true);
    let new = rotate(&client, rotated.0, json!({}));
    let shadow = rotate(&client, in_grace.0, json!({"gracePeriodInHours": 1}));
    let complete = rotate(&client, completed.0, json!({"gracePeriodInHours": 1}));
    let path = |id, what| format!("/v2/organization/api-keys/{id}/rotate/{what}");
    assert_eq!(client.post(&path(completed.0, "complete"), json!({})).status, 200);
    let dropped = rotate(&client, cancelled.0, json!({"gracePeriodInHours": 1}));
    assert_eq!(client.post(&path(cancelled.0, "cancel"), json!({})).status, 200);
    let switched_off = rotate(&client, both.0, json!({}));
    client.set_valid(both.0, false);
    let (last, _) = client.mint("later");
    drop(server);

    let elsewhere = with_ledger_of(folder.path());
    let output =
        run(elsewhere.path(), &["restore", "--json", folder.path().join("backup.db").to_str().expect("a path")]);
    assert_done(&output);
    let object: Value = serde_json::from_str(&stdout(&output)).expect("one JSON object");
    assert_eq!((&object["apiKeys"], &object["changedByLedger"]), (&json!(10), &json!(6)));
    fs::copy(folder.path().join("first-key"), elsewhere.path().join("first-key")).expect("the key");
    let server = Server::start_in(elsewhere.path(), &[]);
    for (what, key, expected) in [
        ("revoked", &revoked.1, false),
        ("off", &off.1, false),
        ("off and on again", &off_and_on.1, true),
        ("rotated, old", &rotated.1, false),
        ("rotated, new", &new, true),
        ("in its grace, outgoing", &in_grace.1, true),
        ("in its grace, new", &shadow, true),
        ("completed, old", &completed.1, false),
        ("completed, new", &complete, true),
        ("cancelled, old", &cancelled.1, true),
        ("cancelled, new", &dropped, false),
        ("rotated and off, old", &both.1, false),
        ("rotated and off, new", &switched_off, false),
        ("untouched", &untouched.1, true),
    ] {
        assert_eq!(is_good(&server, key), expected, "{what}");
    }
    let client = server.client();
    let code = client.post("/v1/verify", json!({"value": rotated.1})).data()["code"].take();
    assert_eq!(code, "ROTATED_OUT");
    assert!(client.mint("new").0 >= revoked.0.max(last), "numbers of keys that are known are not given out again");
    let events = client.get("/v2/organization/audit-logs?limit=100").text;
    assert!(events.contains("api_key.revoked") && events.contains("api_key.rotated"), "{events}");
    let restored = stdout(&run(elsewhere.path(), &["audit", "list", "--action", "store.restored", "--json"]));
    assert!(restored.contains("backup.db"), "{restored}");
}

#[test]
fn an_older_copy_that_is_put_back_by_hand_does_not_reactivate_a_key() {
    let folder = folder();
    let store = folder.path().join("keystead.db");
    let server = Server::start_in(folder.path(), &[]);
    let (id, dead) = server.client().mint("dead");
    let (rotated, old) = server.client().mint("rotated");
    assert_eq!(server.stop().code(), Some(0));
    fs::copy(&store, folder.path().join("copy")).expect("a copy");
    let server = Server::start_in(folder.path(), &[]);
    server.client().revoke(id);
    let new = rotate(&server.client(), rotated, json!({}));
    assert_eq!(server.stop().code(), Some(0));
    for round in 0..3 {
        if round != 1 {
            fs::copy(folder.path().join("copy"), &store).expect("the copy");
        }
        let server = Server::start_in(folder.path(), &[]);
        assert!(!is_good(&server, &dead) && !is_good(&server, &old) && is_good(&server, &new), "round {round}");
        assert_eq!(server.stop().code(), Some(0));
    }
    let log = fs::read_to_string(folder.path().join("log")).expect("the log");
    assert_eq!(log.matches("set to their last recorded state: 2").count(), 2, "{log}");
}

#[test]
fn read_only_commands_accept_no_revoked_key_in_an_older_copy_of_the_store() {
    let folder = folder();
    let store = folder.path().join("keystead.db");
    let server = Server::start_in(folder.path(), &[]);
    let (id, dead) = server.client().mint("dead");
    assert_eq!(server.stop().code(), Some(0));
    fs::copy(&store, folder.path().join("copy")).expect("a copy");
    let server = Server::start_in(folder.path(), &[]);
    server.client().revoke(id);
    assert_eq!(server.stop().code(), Some(0));
    fs::copy(folder.path().join("copy"), &store).expect("the copy");
    let contents =
        || ["keystead.db", "keystead.revoked"].map(|name| fs::read(folder.path().join(name)).expect("a file"));
    let before = contents();
    let behind = "older than its ledger of revocations";
    for (arguments, code) in [(&["keys", "verify"][..], 1), (&["keys", "verify", "--json"], 1), (&["scan"], 1)] {
        let output = run_with_input(folder.path(), arguments, dead.as_bytes());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(behind), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("start the server once"), "{arguments:?}: {}", stderr(&output));
        assert!(!stdout(&output).contains("VALID") && !stdout(&output).contains("LIVE"), "{}", stdout(&output));
    }
    for arguments in [&["keys", "list"][..], &["keys", "get", &id.to_string()], &["export"], &["projects", "list"]] {
        let output = run(folder.path(), arguments);
        assert!(output.status.success() && stderr(&output).contains(behind), "{arguments:?}: {}", stderr(&output));
    }
    assert_eq!(contents(), before, "nothing was written");
    let [_, ledger] = &before;
    let path = folder.path().join("keystead.revoked");
    for length in [0, 1, 29, 30, 60] {
        fs::write(&path, &ledger[..length]).expect("a ledger that was cut");
        let output = run_with_input(folder.path(), &["keys", "verify"], dead.as_bytes());
        assert!(output.status.code() == Some(1) && !stdout(&output).contains("VALID"), "cut at {length}");
    }
    fs::write(&path, ledger).expect("the ledger");
    assert_eq!(Server::start_in(folder.path(), &[]).stop().code(), Some(0));
    let output = run_with_input(folder.path(), &["keys", "verify"], dead.as_bytes());
    assert!(stdout(&output).contains("UNKNOWN") && !stderr(&output).contains(behind), "{}", stderr(&output));
}

#[test]
fn after_the_write_ahead_log_was_removed_a_revoked_key_stays_revoked_and_others_work() {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    let ((revoked, dead), (_, good)) = (server.client().mint("revoked"), server.client().mint("good"));
    // A stop checkpoints everything into the main file. Later changes stay in the write-ahead log until this server's
    // next checkpoint, after an hour.
    assert_eq!(server.stop().code(), Some(0));
    let server = Server::start_in(folder.path(), &[("KEYSTEAD_STORE_WATCH_INTERVAL_MS", "3600000")]);
    assert_eq!(server.client().revoke(revoked).status, 200);
    server.kill();
    for name in ["keystead.db-wal", "keystead.db-shm"] {
        fs::remove_file(folder.path().join(name)).expect("a removal");
    }
    let server = Server::start_in(folder.path(), &[]);
    assert!(!is_good(&server, &dead) && is_good(&server, &good) && server.client().is_good());
    let log = server.log();
    assert_eq!(log.matches("set to their last recorded state: 1").count(), 1, "{log}");
}

#[test]
fn restore_refuses_to_lose_data_and_states_what_to_do() {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    let (id, dead) = server.client().mint("dead");
    back_up(folder.path(), "backup.db");
    let ledger = folder.path().join("keystead.revoked");
    let refused = |backup: &str, sentence| {
        let before = fs::read(folder.path().join("keystead.db")).expect("the store");
        assert_refused(&run(folder.path(), &["restore", backup]), sentence);
        assert_eq!(fs::read(folder.path().join("keystead.db")).expect("the store"), before);
        assert!(!folder.path().join("keystead.db-restoring").exists());
    };
    // The server may checkpoint meanwhile.
    let restored = run(folder.path(), &["restore", "backup.db"]);
    assert_refused(&restored, "Another keystead process has keystead.db open. Stop it first");
    server.client().revoke(id);
    assert_eq!(server.stop().code(), Some(0));
    fs::write(folder.path().join("note"), "no store").expect("a file");
    fs::write(folder.path().join("empty"), "").expect("a file");
    let backup = fs::read(folder.path().join("backup.db")).expect("the backup");
    fs::write(folder.path().join("short"), &backup[..backup.len() / 2]).expect("a file");
    let mut damaged = backup.clone();
    damaged[4096..8192].fill(0xff);
    fs::write(folder.path().join("damaged"), damaged).expect("a file");
    let mut newer = backup;
    newer[63] = 99;
    fs::write(folder.path().join("newer"), newer).expect("a file");
    for (file, sentence) in [
        ("missing", "is missing"),
        ("note", "is not a Keystead store; nothing was changed. Name a file that keystead backup wrote"),
        ("empty", "is empty"),
        ("short", "is damaged"),
        ("damaged", "is damaged"),
        ("newer", "was written by a newer Keystead (schema 99"),
        ("keystead.db", "is the store itself"),
    ] {
        refused(file, sentence);
    }
    let kept = fs::read(&ledger).expect("the ledger");
    let mut changed = kept.clone();
    changed[5] ^= 1;
    for bytes in [None, Some(changed)] {
        match &bytes {
            None => fs::remove_file(&ledger).expect("a removal"),
            Some(bytes) => fs::write(&ledger, bytes).expect("a ledger"),
        }
        refused("backup.db", "--without-ledger restores without");
    }
    let output = run(folder.path(), &["restore", "backup.db", "--without-ledger"]);
    assert_done(&output);
    assert!(stderr(&output).contains("keys that were revoked since the backup may be valid again"));
    let said = stdout(&output);
    assert!(said.contains("may be as they were before") && !said.contains("none of them"), "{said}");
    let server = Server::start_in(folder.path(), &[]);
    assert!(!is_good(&server, &dead), "the store that was replaced knew");
    assert!(server.stop().success());
    // No file is left that has the revocation.
    fs::remove_file(folder.path().join("keystead.db")).expect("a removal");
    fs::write(&ledger, "no ledger").expect("a file");
    assert_done(&run(folder.path(), &["restore", "backup.db", "--without-ledger"]));
    assert!(folder.path().join("keystead.revoked-damaged").exists() && !ledger.exists(), "nothing of it could be read");
    let server = Server::start_in(folder.path(), &[]);
    assert!(is_good(&server, &dead), "that is what the warning is about");
    assert!(server.log().contains("keystead.revoked is missing; a new one is made from the store"));
}

#[test]
fn the_store_that_a_backup_replaces_is_kept_also_where_it_is_damaged() {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    let (_, early) = server.client().mint("early");
    back_up(folder.path(), "backup.db");
    let (_, late) = server.client().mint("late");
    // The server is killed, so that only the write-ahead log has the late key.
    server.kill();
    let replaced = |output: &Output| -> PathBuf {
        assert_done(output);
        let object: Value = serde_json::from_str(&stdout(output)).expect("one JSON object");
        folder.path().join(object["replaced"].as_str().expect("a path"))
    };
    let aside = replaced(&run(folder.path(), &["restore", "backup.db", "--json"]));
    let server = Server::start_in(folder.path(), &[]);
    assert!(is_good(&server, &early) && !is_good(&server, &late));
    drop(server);
    let old = self::folder();
    fs::copy(&aside, old.path().join("keystead.db")).expect("a copy");
    assert!(is_good(&Server::start_in(old.path(), &[]), &late), "what is kept is whole");

    fs::remove_file(&aside).expect("a removal");
    fs::write(folder.path().join("keystead.db"), "damaged").expect("a file");
    let aside = replaced(&run(folder.path(), &["restore", "backup.db", "--json"]));
    assert_eq!(fs::read(aside).expect("what is kept"), b"damaged");
    assert!(is_good(&Server::start_in(folder.path(), &[]), &early));
}

#[test]
fn a_restore_interrupted_between_two_renames_is_not_mistaken_for_a_new_store() {
    let folder = folder();
    store_with(folder.path(), 1);
    fs::rename(folder.path().join("keystead.db"), folder.path().join("keystead.db-restoring")).expect("a name");
    assert_refused(&run(folder.path(), &["serve", "--listen", "127.0.0.1:0"]), "a keystead restore was cut short");
}

#[test]
fn a_backup_is_private_and_self_contained_and_overwrites_nothing() {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    let (_, key) = server.client().mint("a");
    let output = run(folder.path(), &["backup", "backup.db", "--json"]);
    assert_done(&output);
    let object: Value = serde_json::from_str(&stdout(&output)).expect("one JSON object");
    let file = folder.path().join("backup.db");
    let metadata = fs::metadata(&file).expect("the backup");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!((&object["apiKeys"], object["bytes"].as_u64()), (&json!(2), Some(metadata.len())));
    let head = object["head"].as_str().expect("a head");
    let verdict = run(folder.path(), &["audit", "verify", "--store", "backup.db", "--expect", head]);
    assert_done(&verdict);
    assert_refused(&run(folder.path(), &["backup", "backup.db"]), "backup.db already exists");
    assert_refused(&run(folder.path(), &["backup", "no/such/folder/backup.db"]), "cannot be created");
    let unfinished = folder.path().join("other.db-unfinished");
    fs::write(&unfinished, "half").expect("a file");
    let writing = fs::File::open(&unfinished).expect("the file");
    writing.try_lock().expect("a lock");
    assert_refused(&run(folder.path(), &["backup", "other.db"]), "another process is writing it");
    assert_eq!(fs::read(&unfinished).expect("the file"), b"half", "it is another backup's");
    writing.unlock().expect("the lock");
    assert_done(&run(folder.path(), &["backup", "other.db"]));
    let recorded = stdout(&run(folder.path(), &["audit", "list", "--action", "store.backed_up", "--json"]));
    assert!(recorded.contains("backup.db") && recorded.contains("operator"), "{recorded}");
    let piped = run(folder.path(), &["backup", "--stdout"]);
    assert_done(&piped);
    let elsewhere = with_ledger_of(folder.path());
    fs::write(elsewhere.path().join("piped"), &piped.stdout).expect("a file");
    assert_done(&restore(elsewhere.path(), Path::new("piped")));
    assert!(is_good(&Server::start_in(elsewhere.path(), &[]), &key));
    let names: Vec<String> = fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert!(!names.iter().any(|name| name.contains("unfinished") || name.starts_with('.')), "{names:?}");
    let nothing = self::folder();
    assert_refused(&run(nothing.path(), &["backup", "backup.db"]), "keystead.db is missing. Set --store (or");
    assert!(!nothing.path().join("keystead.db").exists());
}

#[test]
fn the_server_makes_backups_when_they_are_due_and_keeps_as_many_as_it_was_told() {
    let folder = folder();
    let backups = folder.path().join("backups");
    fs::create_dir(&backups).expect("a folder");
    let unfinished = "keystead-20250103T000000Z.db-unfinished";
    for name in
        ["keystead-20250101T000000Z.db", "keystead-20250102T000000Z.db", "mine.db", "keystead-mine.db", unfinished]
    {
        fs::write(backups.join(name), "x").expect("a file");
    }
    let environment = [
        ("KEYSTEAD_BACKUP_FOLDER", "backups"),
        ("KEYSTEAD_BACKUP_KEEP", "2"),
        ("KEYSTEAD_METRICS_LISTEN", "127.0.0.1:0"),
    ];
    let names = || {
        let mut names: Vec<String> = fs::read_dir(&backups)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let server = Server::start_in(folder.path(), &environment);
    eventually(Duration::from_secs(10), || server.log().contains("backed up to"));
    eventually(Duration::from_secs(10), || !names().contains(&"keystead-20250101T000000Z.db".to_owned()));
    let after = names();
    assert!(after.len() == 4 && !after.contains(&unfinished.to_owned()), "{after:?}");
    assert!(
        after.contains(&"keystead-20250102T000000Z.db".to_owned()) && after.contains(&"keystead-mine.db".to_owned())
    );
    assert_eq!(server.stop().code(), Some(0));
    let mut server = Server::start_in(folder.path(), &environment);
    let watcher = Client::new(&server.metrics_base(), "");
    let head = |server: &Server| server.log().matches("audit log head").count();
    eventually(Duration::from_secs(10), || head(&server) > 2);
    assert_eq!(names(), after, "the newest is not old enough for another one");
    let made = Reading::of(&watcher).value("keystead_backup_last_success_timestamp_seconds");
    assert!(made > 1_700_000_000.0, "its name says when it was made: {made}");
}

#[test]
fn a_key_that_came_with_another_digest_is_good_after_a_restore_whichever_it_is_known_by() {
    // printf %s sk_live_0123456789 | sha256sum
    const KEY: &str = "sk_live_0123456789";
    const SHA256: &str = "79d11b86a8bc0dc92c5457b0e35b08cd6811e2cb696bf39671b69d162fa8048b";
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    fs::write(folder.path().join("keys.csv"), format!("name,digest,algorithm\nold,{SHA256},sha256\n")).expect("a file");
    assert_done(&run(folder.path(), &["import", "--organization-keys", "keys.csv"]));
    back_up(folder.path(), "before.db");
    let client = server.client();
    client.set_valid(2, false);
    client.set_valid(2, true);
    back_up(folder.path(), "between.db");
    assert!(is_good(&server, KEY), "and it is known by its BLAKE3 digest from now on");
    back_up(folder.path(), "after.db");
    drop(server);
    for backup in ["before.db", "between.db", "after.db"] {
        let elsewhere = with_ledger_of(folder.path());
        assert_done(&restore(elsewhere.path(), &folder.path().join(backup)));
        let server = Server::start_in(elsewhere.path(), &[]);
        assert!(is_good(&server, KEY) && is_good(&server, KEY), "{backup}");
    }
}

fn assert_nothing_of_a_store(folder: &Path, when: &str) {
    for name in ["keystead.db", "keystead.db-wal", "keystead.db-shm", "keystead.db-journal", "first-key"] {
        assert!(!folder.join(name).exists(), "{when}: {name}");
    }
}

#[test]
fn a_new_store_that_is_refused_for_its_ledger_leaves_no_file_of_its_own() {
    let head = "keystead revoked keys, form 2\n";
    for ledger in ["something else", &format!("{head}damaged\ndamaged\n")] {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("keystead.revoked"), ledger).expect("a ledger");
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["init", "--organization", "Acme"]] {
            assert_refused(&run(folder.path(), command), "keystead.revoked cannot be used");
            assert_nothing_of_a_store(folder.path(), &format!("{command:?} beside {ledger}"));
        }
        // The test's empty file from before is not ours, so it stays.
        fs::write(folder.path().join("keystead.db"), "").expect("an empty file");
        let init = run(folder.path(), &["init", "--organization", "Acme"]);
        assert_refused(&init, "keystead.revoked cannot be used");
        assert_eq!(fs::metadata(folder.path().join("keystead.db")).expect("the file").len(), 0);
    }
}

#[test]
fn a_missing_store_with_a_ledger_is_not_mistaken_for_a_new_store() {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    let (_, key) = server.client().mint("a");
    back_up(folder.path(), "backup.db");
    server.kill();
    for name in ["keystead.db", "keystead.db-wal", "keystead.db-shm", "first-key"] {
        fs::remove_file(folder.path().join(name)).expect("a removal");
    }
    let sentence = "The store is missing or empty, but its ledger keystead.revoked exists, so a store was lost.";
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["init", "--organization", "Acme"]] {
        assert_refused(&run(folder.path(), command), sentence);
        assert_nothing_of_a_store(folder.path(), &format!("{command:?}"));
    }
    assert_done(&restore(folder.path(), Path::new("backup.db")));
    assert!(is_good(&Server::start_in(folder.path(), &[]), &key));
    for name in ["keystead.db", "keystead.revoked"] {
        fs::remove_file(folder.path().join(name)).expect("a removal");
    }
    let output = run(folder.path(), &["init", "--organization", "Acme"]);
    assert_done(&output);
}

#[test]
fn commits_are_checkpointed_into_the_main_file_soon() {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    let count = |table: &str| {
        // As if someone had removed the write-ahead log.
        fs::copy(server.store_path(), folder.path().join("alone.db")).expect("a copy");
        let alone = rusqlite::Connection::open(folder.path().join("alone.db")).expect("the copy");
        alone.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap_or_default()
    };
    eventually(Duration::from_secs(10), || count("organizations") == 1 && count("api_keys") == 1);
}
