//! Which files are opened, which are refused, and the error messages.

use super::helpers::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

struct Folder {
    folder: tempfile::TempDir,
    path: PathBuf,
}

/// A folder with a store that is set up and closed.
fn store() -> Folder {
    let folder = empty();
    assert!(run(folder.folder.path(), &["init", "--organization", "Acme"]).status.success());
    folder
}

fn empty() -> Folder {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    Folder { folder, path }
}

/// Both commands refuse the file with this error message, and leave it unchanged.
#[track_caller]
fn assert_refused(folder: &Folder, sentence: &str) {
    let before = fs::read(&folder.path).ok();
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["init", "--organization", "Acme"]] {
        let output = run(folder.folder.path(), arguments);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains(sentence) && stderr(&output).contains("keystead.db"), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
    assert!(fs::read(&folder.path).ok() == before, "the file was changed");
}

/// Overwrites the first page of a table or an index.
pub fn destroy(path: &Path, name: &str) {
    let file = rusqlite::Connection::open(path).expect("the file");
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let root: u32 = file.query_row(root, [name], |row| row.get(0)).expect("a page");
    drop(file);
    let mut bytes = fs::read(path).expect("the file");
    bytes[(root as usize - 1) * 4096..root as usize * 4096].fill(0xff);
    fs::write(path, &bytes).expect("a damaged file");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    let text = empty();
    fs::write(&text.path, "shopping list: milk, eggs".repeat(20)).expect("a file");
    assert_refused(&text, "is not a Keystead store; nothing was changed.");

    let short = empty();
    fs::write(&short.path, "x").expect("a file");
    assert_refused(&short, "is not a Keystead store; nothing was changed.");

    let other = empty();
    let file = rusqlite::Connection::open(&other.path).expect("a file");
    file.execute_batch(
        "PRAGMA journal_mode = WAL; CREATE TABLE shopping (item TEXT); INSERT INTO shopping VALUES ('milk')",
    )
    .expect("another program's data");
    drop(file);
    assert_refused(&other, "is not a Keystead store; nothing was changed.");
}

#[test]
fn a_file_from_version_1_is_migrated_at_start_with_all_that_is_in_it() {
    let old = empty();
    let secret = new_secret();
    let fingerprint = secret.fingerprint();
    let file = rusqlite::Connection::open(&old.path).expect("a file");
    file.execute_batch(include_str!("../../src/store/sqlite/schemas/1.sql")).expect("the schema");
    file.execute("INSERT INTO organizations VALUES (7, 'Acme', 1700000000000)", []).expect("an organization");
    let insert = "INSERT INTO api_keys VALUES (12, 7, ?1, ?2, 'Old key', 1, 1700000000000)";
    file.execute(insert, rusqlite::params![fingerprint.digest.as_bytes(), fingerprint.tail.as_str()]).expect("a key");
    file.execute("INSERT INTO api_key_uses VALUES (12, 1700000000001)", []).expect("a use");
    drop(file);
    let server = Server::start_in(old.folder.path(), &[]);
    assert!(server.log().contains(&format!("schema 1 migrated to {}", schema_version())), "{}", server.log());
    let store = rusqlite::Connection::open(&old.path).expect("the file");
    let used: i64 = store
        .query_row("SELECT last_used_at FROM key_values WHERE key_id = 12 AND kind = 0", [], |row| row.get(0))
        .expect("the use");
    assert_eq!(used, 1_700_000_000_001);
    let key = server.client_with(secret.expose()).get("/v2/organization/api-keys/12").data();
    assert_eq!((&key["name"], &key["expiresAt"]), (&"Old key".into(), &serde_json::Value::Null));
}

#[test]
fn a_file_from_a_newer_version_is_refused_and_left_as_it_is() {
    let newer = store();
    let file = rusqlite::Connection::open(&newer.path).expect("the file");
    file.pragma_update(None, "user_version", 99).expect("a version");
    drop(file);
    let sentence = format!("was written by a newer Keystead (schema 99, this one knows {})", schema_version());
    assert_refused(&newer, &sentence);
}

#[test]
fn a_damaged_file_is_refused_with_advice() {
    let cut = store();
    let whole = fs::read(&cut.path).expect("the file");
    fs::write(&cut.path, &whole[..whole.len() - 4096]).expect("a shorter file");
    _ = fs::remove_file(cut.path.with_extension("db-wal"));
    assert_refused(&cut, "is damaged");

    let overwritten = store();
    let mut bytes = fs::read(&overwritten.path).expect("the file");
    bytes[100..4096].fill(0xff);
    fs::write(&overwritten.path, &bytes).expect("a damaged file");
    assert_refused(&overwritten, "is damaged");

    let keyless = store();
    destroy(&keyless.path, "api_keys");
    assert_refused(&keyless, "is damaged");

    let unversioned = store();
    let file = rusqlite::Connection::open(&unversioned.path).expect("the file");
    file.pragma_update(None, "user_version", 0).expect("a version");
    drop(file);
    assert_refused(&unversioned, "keystead restore FILE");
}

#[test]
fn damage_found_later_is_answered_with_an_error_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    server.client().mint("a");
    assert!(server.stop().success());
    destroy(&folder.path().join("keystead.db"), "api_keys_by_scope");
    let server = Server::start_in(folder.path(), &[]);
    let sentence = server.client().get(KEYS).refused_with(503);
    assert_eq!(sentence, "The store is damaged; its operator must repair it.");
    assert!(server.log().contains("malformed"), "{}", server.log());
}

#[test]
fn a_store_that_is_emptied_under_a_server_is_named_once_in_its_log() {
    let store = store();
    let server = Server::start_in(store.folder.path(), &[("KEYSTEAD_STORE_WATCH_INTERVAL_MS", "10")]);
    fs::File::options().write(true).open(&store.path).expect("the store").set_len(0).expect("it is emptied");
    let complaints = || server.log().matches("other processes' changes cannot be watched").count();
    eventually(Duration::from_secs(5), || complaints() > 0);
    // Each command takes longer than the watch interval.
    for _ in 0..20 {
        run(server.folder(), &["status"]);
    }
    assert_eq!(complaints(), 1, "{}", server.log());
}

#[test]
fn a_store_that_is_a_named_pipe_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("keystead.db");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    for command in [&["keys", "list"][..], &["init", "--organization", "Acme"], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = run(folder.path(), command);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("is not a regular file"), "{}", stderr(&output));
    }
}

#[test]
fn lists_end_when_a_name_ends_in_white_space() {
    let store = store();
    let connection = rusqlite::Connection::open(&store.path).expect("the store");
    connection.execute("UPDATE organizations SET name = 'O '", []).expect("a name");
    drop(connection);
    assert_eq!(done(store.folder.path(), &["organizations", "list", "--json"]).lines().count(), 1);
    assert_eq!(done(store.folder.path(), &["export"]).lines().count(), 2);
}

#[test]
fn an_older_store_is_not_migrated_while_a_server_has_it_open() {
    let server = Server::start();
    let file = rusqlite::Connection::open(Path::new(server.folder()).join("keystead.db")).expect("the store");
    let version = || file.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0)).expect("a version");
    let older = version() - 1;
    // As a server of the previous version has it.
    file.pragma_update(None, "user_version", older).expect("a version");
    for command in [&["backup", "b.db"][..], &["init", "--organization", "B"], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = run(server.folder(), command);
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let sentence = format!("has the older schema {older}, and a server of the version that wrote it has it open");
        assert!(stderr(&output).contains(&sentence), "{command:?}: {}", stderr(&output));
        assert_eq!(version(), older, "{command:?}");
    }
    assert!(server.client().is_good());
}

#[test]
fn a_folder_or_a_path_that_cannot_be_written_is_refused() {
    let folder = empty();
    fs::create_dir(&folder.path).expect("a folder");
    assert_refused(&folder, "is not a regular file");

    let output = run(folder.folder.path(), &["init", "--organization", "Acme", "--store", "missing/keystead.db"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("missing does not exist. Create it with mkdir."), "{}", stderr(&output));
}

#[test]
fn an_empty_file_is_set_up_like_a_missing_one() {
    let folder = empty();
    fs::write(&folder.path, "").expect("a file");
    assert!(run(folder.folder.path(), &["init", "--organization", "Acme"]).status.success());
}

#[test]
fn only_its_owner_can_read_the_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    server.client().mint("a");
    for file in ["keystead.db", "keystead.db-wal", "keystead.db-shm"] {
        assert_eq!(mode(&folder.path().join(file)), 0o600, "{file}");
    }
    assert!(server.stop().success());
    let path = folder.path().join("keystead.db");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("permissions");
    let server = Server::start_in(folder.path(), &[]);
    assert_eq!(mode(&path), 0o600);
    assert!(server.log().contains("was open to others (mode 644)"), "{}", server.log());
}

#[test]
fn the_file_has_our_application_id() {
    let folder = store();
    let file = rusqlite::Connection::open(&folder.path).expect("the file");
    let pragma =
        |name: &str| file.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).expect(name);
    assert_eq!(pragma("application_id"), i64::from(u32::from_be_bytes(*b"KEYS")).into());
    assert_eq!(pragma("user_version"), schema_version().into());
    assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
    let header = fs::read(&folder.path).expect("the file");
    assert_eq!(&header[68..72], b"KEYS", "also for file(1) and the like");
    let strict: i64 = file
        .query_row(
            "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite_%'",
            [],
            |row| row.get(0),
        )
        .expect("a count");
    assert_eq!(strict, 0, "every table is strict");
}

#[test]
fn processes_that_start_at_once_on_no_store_set_it_up_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().expect("a folder");
        let start = || {
            keystead(folder.path())
                .args(["init", "--organization", "Acme"])
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .expect("the program runs")
        };
        let outputs = [start(), start(), start(), start()].map(|child| child.wait_with_output().expect("an end"));
        let winners = outputs.iter().filter(|output| output.status.success()).count();
        assert_eq!(winners, 1);
        for loser in outputs.iter().filter(|output| !output.status.success()) {
            assert!(stderr(loser).contains("already initialized"), "{}", stderr(loser));
        }
        let key = outputs.iter().map(stdout).find(|text| !text.is_empty()).expect("a key");
        assert!(Server::start_in(folder.path(), &[]).client_with(key.trim()).is_good());
    }
}

#[test]
fn a_clock_behind_the_newest_event_is_reported_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(run(folder.path(), &["init", "--organization", "Acme"]).status.success());
    let file = rusqlite::Connection::open(folder.path().join("keystead.db")).expect("the file");
    // As if it had been done in the year 2100.
    file.execute("UPDATE audit_events SET at = 4102444800000 WHERE number = 3", []).expect("a change");
    drop(file);
    let server = Server::start_in(folder.path(), &[]);
    eventually(std::time::Duration::from_secs(5), || {
        server.log().contains("the newest event is from 2100-01-01T00:00:00.000Z, which is in the future")
    });
}

#[test]
fn a_file_name_with_a_special_meaning_in_sqlite_is_refused_and_creates_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in [":memory:", "file:keystead.db", "file:keystead.db?mode=memory"] {
        for arguments in
            [&["init", "--organization", "Acme"][..], &["serve", "--listen", "127.0.0.1:0"], &["keys", "list"]]
        {
            let output = run(folder.path(), &[arguments, &["--store", name]].concat());
            let sentence = "The setting store.path (the flag --store) is wrong. SQLite does not read ";
            assert_failed_with(&output, 1, sentence);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0, "{name}");
    }
    // Elsewhere it is an ordinary file name.
    done(folder.path(), &["init", "--organization", "Acme", "--store", "./file:it.db"]);
    done(folder.path(), &["backup", "file:copy", "--store", "./file:it.db"]);
    done(folder.path(), &["restore", "file:copy", "--without-ledger", "--store", "./:memory:"]);
    assert!(done(folder.path(), &["keys", "list", "--store", "./:memory:"]).contains("First key"));
    assert!(folder.path().join("file:copy").is_file());
}

#[test]
fn a_second_server_on_a_store_reports_the_first_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Server::start_in(folder.path(), &[]);
    assert!(!first.log().contains("another server"), "{}", first.log());
    let second = Server::start_in(folder.path(), &[]);
    assert!(second.log().contains("another server has keystead.db open"), "{}", second.log());
}
