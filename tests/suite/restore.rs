//! Restores with a second problem: an old ledger, a write-ahead log without its store, or a name that is too long.

use super::helpers::*;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Restores the backup of this folder in an empty one, with a ledger.
fn restore_elsewhere(folder: &Path, ledger: &Path) -> (TempDir, Value) {
    let elsewhere = self::folder();
    fs::copy(ledger, elsewhere.path().join("keystead.revoked")).expect("the ledger");
    let backup = folder.join("backup.db");
    let restored = done_json(elsewhere.path(), &["restore", "--json", backup.to_str().expect("a path")]);
    (elsewhere, restored)
}

fn is_good(server: &Server, key: &str) -> bool {
    server.client_with(key).is_good()
}

/// Replaces a key's value at once; returns the new one.
fn rotate(client: &Client, id: i64) -> String {
    let key = client.post(&format!("/v2/organization/api-keys/{id}/rotate"), json!({})).json()["data"].take();
    key["value"].as_str().expect("a value").to_owned()
}

#[test]
fn a_restore_that_is_refused_in_an_empty_folder_leaves_it_empty() {
    let (folder, elsewhere) = (folder(), self::folder());
    done(folder.path(), &["init", "--organization", "Acme"]);
    done(folder.path(), &["backup", "backup.db"]);
    let backup = folder.path().join("backup.db");
    let output = run(elsewhere.path(), &["restore", backup.to_str().expect("a path")]);
    assert_failed_with(&output, 1, "keystead.revoked is missing. It says which keys were revoked");
    assert_eq!(fs::read_dir(elsewhere.path()).expect("a folder").count(), 0);
}

#[test]
fn a_ledger_older_than_the_backup_reactivates_nothing_and_still_revokes_its_keys() {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    let client = server.client();
    let [rotated, off, on, revoked] = std::array::from_fn(|_| client.mint("a"));
    let second = rotate(&client, rotated.0);
    client.set_valid(off.0, false);
    client.set_valid(off.0, true);
    client.set_valid(on.0, false);
    client.revoke(revoked.0);
    let old = folder.path().join("old.revoked");
    fs::copy(folder.path().join("keystead.revoked"), &old).expect("a copy");
    let third = rotate(&client, rotated.0);
    client.set_valid(off.0, false);
    client.set_valid(on.0, true);
    done(folder.path(), &["backup", "backup.db"]);
    assert!(server.stop().success());
    let (elsewhere, restored) = restore_elsewhere(folder.path(), &old);
    assert_eq!(restored["changedByLedger"], 0);
    for round in 0..2 {
        let server = Server::start_in(elsewhere.path(), &[]);
        for (what, key, expected) in [
            ("the first value", &rotated.1, false),
            ("the second", &second, false),
            ("the third", &third, true),
            ("switched off since", &off.1, false),
            ("switched on since", &on.1, true),
            ("revoked", &revoked.1, false),
        ] {
            assert_eq!(server.client_with(key).is_good(), expected, "{what} in round {round}");
        }
        assert!(server.stop().success());
    }
}

#[test]
fn changes_on_an_older_copy_override_earlier_entries_of_its_ledger() {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    let (id, first) = server.client().mint("a");
    assert!(server.stop().success());
    fs::copy(folder.path().join("keystead.db"), folder.path().join("copy")).expect("a copy");
    // The copy does not have these changes, and finds the key in its final state.
    let server = Server::start_in(folder.path(), &[]);
    server.client().set_valid(id, false);
    server.client().set_valid(id, true);
    assert!(server.stop().success());
    fs::copy(folder.path().join("copy"), folder.path().join("keystead.db")).expect("the copy");
    let server = Server::start_in(folder.path(), &[]);
    let old = folder.path().join("old.revoked");
    fs::copy(folder.path().join("keystead.revoked"), &old).expect("a copy");
    let second = rotate(&server.client(), id);
    done(folder.path(), &["backup", "backup.db"]);
    drop(server);
    let (elsewhere, _) = restore_elsewhere(folder.path(), &old);
    let server = Server::start_in(elsewhere.path(), &[]);
    assert!(!is_good(&server, &first) && is_good(&server, &second));
}

/// A store with a key that is in its backup, and a key that only its write-ahead log has, because the server was
/// killed.
fn killed() -> (TempDir, [String; 2]) {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    let (_, early) = server.client().mint("early");
    done(folder.path(), &["backup", "backup.db"]);
    let (_, late) = server.client().mint("late");
    server.kill();
    (folder, [early, late])
}

#[test]
fn a_write_ahead_log_without_its_store_is_refused_and_kept_until_the_store_is_back() {
    let (folder, [early, late]) = killed();
    let [store, log, aside] = ["keystead.db", "keystead.db-wal", "aside"].map(|name| folder.path().join(name));
    let kept = fs::read(&log).expect("the log");
    fs::rename(&store, &aside).expect("it goes");
    for is_empty in [false, true] {
        if is_empty {
            fs::write(&store, "").expect("an empty file");
        }
        for command in [
            &["serve", "--listen", "127.0.0.1:0"][..],
            &["init", "--organization", "Acme"],
            &["keys", "create", "a"],
            &["keys", "list"],
        ] {
            let sentence = if command[0] == "status" && !is_empty { "is missing" } else { "holds what was done last" };
            assert_failed_with(&run(folder.path(), command), 1, sentence);
            assert_eq!(fs::read(&log).expect("the log"), kept, "{command:?}");
            assert_eq!(store.exists(), is_empty, "{command:?}");
        }
    }
    fs::rename(&aside, &store).expect("it is back");
    let server = Server::start_in(folder.path(), &[]);
    assert!(is_good(&server, &early) && is_good(&server, &late));
}

#[test]
fn a_write_ahead_log_without_its_store_is_not_applied_to_the_restored_store() {
    let (folder, [early, late]) = killed();
    let [store, log] = ["keystead.db", "keystead.db-wal"].map(|name| folder.path().join(name));
    let kept = fs::read(&log).expect("the log");
    for is_empty in [false, true] {
        fs::remove_file(&store).expect("a removal");
        fs::write(&log, &kept).expect("the log");
        if is_empty {
            fs::write(&store, "").expect("an empty file");
        }
        let restored = done_json(folder.path(), &["restore", "backup.db", "--json"]);
        let replaced = restored["replaced"].as_str().expect("a path");
        assert!(replaced.ends_with("-wal"), "{replaced}");
        assert_eq!(fs::read(folder.path().join(replaced)).expect("the log"), kept);
        let server = Server::start_in(folder.path(), &[]);
        assert!(is_good(&server, &early) && !is_good(&server, &late));
        assert!(server.stop().success());
    }
}

#[test]
fn restores_within_one_second_keep_every_store_that_was_there() {
    let (folder, [_, late]) = killed();
    let restored = || done_json(folder.path(), &["restore", "backup.db", "--json"])["replaced"].take();
    let kept: Vec<Value> = (0..5).map(|_| restored()).collect();
    let kept: Vec<_> = kept.iter().map(|path| folder.path().join(path.as_str().expect("a path"))).collect();
    assert!(kept.iter().all(|path| path.exists()), "{kept:?}");
    assert_eq!(kept.iter().collect::<HashSet<_>>().len(), kept.len(), "{kept:?}");
    let old = self::folder();
    fs::copy(&kept[0], old.path().join("keystead.db")).expect("a copy");
    assert!(is_good(&Server::start_in(old.path(), &[]), &late), "the first one is the one that was there at first");
}

#[test]
fn a_restore_that_fails_at_the_last_step_leaves_every_file_in_place() {
    let (folder, _) = killed();
    // The name of its kept copy would be a few letters too long, but not that of the write-ahead log.
    let store = folder.path().join("s".repeat(225));
    let beside = |suffix: &str| folder.path().join("s".repeat(225) + suffix);
    fs::copy(folder.path().join("keystead.revoked"), beside(".revoked")).expect("the ledger");
    // A file that SQLite ignores.
    fs::create_dir(&store).expect("a folder");
    fs::write(store.join("file"), "a file").expect("a file");
    fs::write(beside("-wal"), "a log").expect("a file");
    fs::write(beside("-journal"), "a journal").expect("a file");
    fs::write(beside("-lock"), "").expect("a file");
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").map(|it| it.expect("it").file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let refused = run(folder.path(), &["restore", "backup.db", "--store", store.to_str().expect("a path")]);
    assert_failed_with(&refused, 1, "The store is unchanged");
    assert_eq!(names(), before);
    assert_eq!(fs::read(beside("-wal")).expect("the log"), b"a log");
}

#[test]
fn a_store_behind_a_symbolic_link_has_its_files_beside_the_link_target() {
    let (folder, elsewhere) = (folder(), self::folder());
    let link = folder.path().join("keystead.db");
    // One link leads to another, and no target exists yet.
    symlink("link.db", &link).expect("a link");
    symlink(elsewhere.path().join("real.db"), folder.path().join("link.db")).expect("a link");
    let key = done(folder.path(), &["init", "--organization", "Acme"]);
    let server = Server::start_in(folder.path(), &[]);
    let (id, dead) = server.client_with(key.trim()).mint("dead");
    let listed = done(folder.path(), &["keys", "list"]);
    assert!(listed.contains("dead"), "it is in the log alone: {listed}");
    done(folder.path(), &["backup", "backup.db"]);
    assert_eq!(server.client_with(key.trim()).revoke(id).status, 200);
    assert_failed_with(&run(folder.path(), &["restore", "backup.db"]), 1, "Stop it first");
    assert!(server.stop().success());
    let restored = done_json(folder.path(), &["restore", "backup.db", "--json"]);
    assert_eq!(restored["changedByLedger"], 1);
    assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
    let server = Server::start_in(folder.path(), &[]);
    assert!(is_good(&server, key.trim()) && !is_good(&server, &dead));
    assert!(server.stop().success());
    let names = |folder: &Path| {
        let names = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(folder.path()), ["backup.db", "keystead.db", "link.db", "log"]);
    let beside = names(elsewhere.path());
    assert!(
        beside.iter().all(|name| name.starts_with("real.")) && beside.contains(&"real.revoked".to_owned()),
        "{beside:?}"
    );
}

#[test]
fn a_ledger_removed_under_a_running_server_is_logged_and_rebuilt() {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    let [(_, good), (id, dead)] = std::array::from_fn(|_| server.client().mint("a"));
    done(folder.path(), &["backup", "backup.db"]);
    let ledger = folder.path().join("keystead.revoked");
    fs::remove_file(&ledger).expect("a removal");
    assert_eq!(server.client().revoke(id).status, 200);
    assert_eq!(server.log().matches("keystead.revoked was removed while the store was open").count(), 1);
    drop(server);
    let (elsewhere, _) = restore_elsewhere(folder.path(), &ledger);
    let server = Server::start_in(elsewhere.path(), &[]);
    assert!(is_good(&server, &good) && !is_good(&server, &dead));
}

#[test]
fn key_ids_in_the_ledger_are_not_reused_on_an_older_copy() {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    assert!(server.stop().success());
    fs::copy(folder.path().join("keystead.db"), folder.path().join("copy")).expect("a copy");
    let server = Server::start_in(folder.path(), &[]);
    let (revoked, _) = server.client().mint("revoked");
    assert_eq!(server.client().revoke(revoked).status, 200);
    assert!(server.stop().success());
    fs::copy(folder.path().join("copy"), folder.path().join("keystead.db")).expect("the copy");
    let server = Server::start_in(folder.path(), &[]);
    assert_eq!(server.client().mint("new").0, revoked + 1);
}

#[test]
fn a_restore_reports_its_changes_and_leaves_no_work_for_the_next_start() {
    let folder = folder();
    let server = Server::start_in(folder.path(), &[]);
    let client = server.client();
    let ids: Vec<i64> = (0..3).map(|_| client.mint("a").0).collect();
    done(folder.path(), &["backup", "backup.db"]);
    assert!(server.stop().success());
    let finding = "It is intact and matches the store";
    for (revoked, sentence) in [
        (0, "audit log; none of them was revoked or restricted since then.\n"),
        (1, "audit log; 1 of them was revoked or restricted since then, and is so again.\n"),
        (3, "audit log; 3 of them were revoked or restricted since then, and are so again.\n"),
    ] {
        for id in &ids[..revoked] {
            // The restore before this one may have revoked it already.
            run(folder.path(), &["keys", "revoke", &id.to_string(), "--yes"]);
        }
        let said = done(folder.path(), &["restore", "backup.db"]);
        assert!(said.contains(sentence), "{said}");
        let doctor = done(folder.path(), &["doctor"]);
        assert!(doctor.contains(finding) && !doctor.contains("warning  ledger"), "{doctor}");
        fs::remove_file(folder.path().join("log")).expect("the log");
        let server = Server::start_in(folder.path(), &[]);
        assert!(!server.log().contains("WARN"), "{}", server.log());
        assert!(server.stop().success());
    }
}

#[test]
fn a_restore_replaces_no_socket_or_device() {
    let folder = folder();
    done(folder.path(), &["init", "--organization", "Acme", "--key-file", "key"]);
    done(folder.path(), &["backup", "backup.db"]);
    let _socket = UnixListener::bind(folder.path().join("place")).expect("a socket");
    let output = run(folder.path(), &["restore", "backup.db", "--store", "place", "--without-ledger"]);
    assert_failed_with(&output, 1, "place is not a regular file; set --store (or store.path) to another one.");
    assert!(!folder.path().join("place-lock").exists());
}

#[test]
fn a_restore_beside_the_ledger_of_another_copy_revokes_what_either_of_them_revoked() {
    let folder = folder();
    let [store, ledger] = ["keystead.db", "keystead.revoked"].map(|name| folder.path().join(name));
    let server = Server::start_in(folder.path(), &[]);
    let [one, other, kept] = std::array::from_fn(|_| server.client().mint("a"));
    done(folder.path(), &["backup", "backup.db"]);
    assert!(server.stop().success());
    done(folder.path(), &["keys", "revoke", &one.0.to_string(), "--yes"]);
    let of_one = fs::read(&ledger).expect("the ledger");
    fs::copy(folder.path().join("backup.db"), &store).expect("the backup");
    fs::remove_file(&ledger).expect("a removal");
    done(folder.path(), &["keys", "revoke", &other.0.to_string(), "--yes"]);
    fs::write(&ledger, of_one).expect("the other ledger");
    let restored = done_json(folder.path(), &["restore", "backup.db", "--json"]);
    assert_eq!(restored["changedByLedger"], 2);
    let server = Server::start_in(folder.path(), &[]);
    let good = [&one, &other, &kept].map(|(_, key)| is_good(&server, key));
    assert_eq!(good, [false, false, true]);
}
