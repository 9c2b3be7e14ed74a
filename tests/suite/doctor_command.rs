//! `keystead doctor` on healthy and broken stores.

use super::audit::service_options;
use super::helpers::*;
use super::keys_command::store;
use super::store_opening::destroy;
use super::tls_server::write_pair;
use keystead::domain::Name;
use keystead::service::{FirstKey, Service};
use rusqlite::Connection;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The findings, and whether there was no problem. The table and the JSON object must agree.
#[track_caller]
fn examine(folder: &Path, more: &[&str]) -> (Vec<(String, String, String)>, bool) {
    let output = run(folder, &[&["doctor", "--json"], more].concat());
    let is_healthy = output.status.success();
    let report: Value = serde_json::from_str(&stdout(&output)).expect("one JSON object");
    assert_eq!(report["healthy"], is_healthy);
    assert!(is_healthy || stderr(&output).contains(" problem"), "{}", stderr(&output));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = report["checks"].as_array().expect("checks").iter().map(|check| {
        (text(&check["state"]), text(&check["what"]), format!("{} {}", text(&check["finding"]), text(&check["advice"])))
    });
    let mut checks: Vec<_> = checks.collect();
    let table = run(folder, &[&["doctor"], more].concat());
    assert_eq!(table.status.code(), output.status.code());
    let lines = stdout(&table);
    assert_eq!(lines.lines().count(), checks.len(), "{lines}");
    for (line, (state, what, _)) in lines.lines().zip(&checks) {
        assert!(line.starts_with(state.as_str()) && line[9..].starts_with(what.as_str()), "{line}");
    }
    // This finding depends on the file system of the test's folder.
    checks.retain(|check| check.1 != "file system");
    (checks, is_healthy)
}

/// Asserts that this is the only finding of its kind or worse.
#[track_caller]
fn assert_found(folder: &Path, more: &[&str], state: &str, what: &str, sentence: &str) {
    let (checks, is_healthy) = examine(folder, more);
    assert_eq!(is_healthy, state != "problem", "{checks:?}");
    let found: Vec<_> = checks.iter().filter(|check| check.0 == state).collect();
    assert_eq!(found.len(), 1, "{checks:?}");
    assert_eq!(found[0].1, what);
    assert!(found[0].2.contains(sentence), "{}", found[0].2);
}

fn all_is_well(checks: &[(String, String, String)]) -> bool {
    checks.len() >= 8 && checks.iter().all(|check| check.0 == "ok")
}

#[test]
fn a_healthy_store_has_no_findings_with_and_without_a_server_and_is_not_changed() {
    let (folder, _) = store();
    let path = folder.path().join("keystead.db");
    let before = fs::read(&path).expect("the store");
    let count = || fs::read_dir(folder.path()).expect("the folder").count();
    let files = count();
    for more in [&[][..], &["--thorough"]] {
        let (checks, is_healthy) = examine(folder.path(), more);
        assert!(is_healthy && all_is_well(&checks), "{checks:?}");
    }
    assert_eq!(fs::read(&path).expect("the store"), before);
    assert_eq!(count(), files);
    let server = Server::start_in(folder.path(), &[]);
    let (checks, is_healthy) = examine(folder.path(), &[]);
    assert!(is_healthy && all_is_well(&checks), "{checks:?}");
    assert!(
        checks.iter().any(|check| check.1 == "write-ahead log" && check.2.contains("The store is open")),
        "{checks:?}"
    );
    assert!(server.stop().success());
}

#[test]
fn a_write_ahead_log_left_by_a_killed_server_is_reported_with_a_warning_not_to_remove_it() {
    let (folder, key) = store();
    let server = Server::start_in(folder.path(), &[]);
    server.client_with(&key).mint("a");
    server.kill();
    assert_found(folder.path(), &[], "warning", "write-ahead log", "Never delete ");
    assert!(Server::start_in(folder.path(), &[]).stop().success());
    assert!(all_is_well(&examine(folder.path(), &[]).0));
}

#[test]
fn files_that_others_can_read_or_replace_are_reported() {
    let (folder, _) = store();
    let path = folder.path().join("keystead.db");
    let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
    set(&path, 0o644);
    assert_found(folder.path(), &[], "warning", "permissions", "is open to others (mode 644). chmod 600");
    set(&path, 0o600);
    for (name, mode) in [("keystead.revoked", 0o620), ("keystead.db-lock", 0o604)] {
        set(&folder.path().join(name), mode);
        let sentence = format!("{name} is open to others (mode {mode:o}). chmod 600");
        assert_found(folder.path(), &[], "warning", "permissions", &sentence);
        set(&folder.path().join(name), 0o600);
    }
    set(folder.path(), 0o777);
    assert_found(folder.path(), &[], "problem", "permissions", "chmod o-w");
    set(folder.path(), 0o1777);
    assert_found(folder.path(), &[], "warning", "permissions", "Every user can create files");
    set(folder.path(), 0o770);
    assert_found(folder.path(), &[], "warning", "permissions", "whole group");
    set(folder.path(), 0o700);
    fs::write(folder.path().join("first-key"), "").expect("a file");
    assert_found(folder.path(), &[], "warning", "permissions", "first-key. Keep the key in a safe place");
}

#[test]
fn private_keys_that_everybody_can_read_are_named() {
    let (folder, _) = store();
    write_pair(folder.path());
    // RFC 8410, section 10.3.
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
               -----END PRIVATE KEY-----\n";
    fs::write(folder.path().join("signing.pem"), pem).expect("a key");
    let settings = "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n[audit]\nsigning_key = \"signing.pem\"";
    fs::write(folder.path().join("config.toml"), settings).expect("settings");
    for (name, setting) in [("key.pem", "tls.key"), ("signing.pem", "audit.signing_key")] {
        let set = |name, mode| {
            fs::set_permissions(folder.path().join(name), Permissions::from_mode(mode)).expect("a mode");
        };
        set("key.pem", 0o640);
        set("signing.pem", 0o600);
        assert!(all_is_well(&examine(folder.path(), &[]).0));
        set(name, 0o644);
        let sentence = format!("Every user of this machine can read {name} ({setting}). chmod o-r {name}");
        assert_found(folder.path(), &[], "warning", "permissions", &sentence);
    }
}

#[test]
fn a_missing_foreign_or_truncated_store_is_a_problem() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_found(folder.path(), &[], "problem", "store", "is missing. Set --store");
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0);
    fs::write(folder.path().join("keystead.db"), "shopping list").expect("a file");
    fs::set_permissions(folder.path().join("keystead.db"), Permissions::from_mode(0o600)).expect("a mode");
    assert_found(folder.path(), &[], "problem", "store", "is not a Keystead store");
    let (folder, _) = store();
    let path = folder.path().join("keystead.db");
    let bytes = fs::read(&path).expect("the store");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("half a store");
    assert_found(folder.path(), &[], "problem", "store", "keystead restore FILE");
}

#[test]
fn damage_is_reported_once_and_not_as_a_wrong_clock_or_a_changed_event() {
    for table in ["api_keys", "audit_events"] {
        let (folder, _) = store();
        destroy(&folder.path().join("keystead.db"), table);
        assert_found(folder.path(), &[], "problem", "store", "is damaged: ");
        let (checks, _) = examine(folder.path(), &[]);
        assert!(!checks.iter().any(|check| check.1 == "clock" || check.1 == "audit log"), "{checks:?}");
    }
}

#[test]
fn the_action_comes_before_the_details_of_damage_and_the_details_are_limited() {
    let (folder, _) = store();
    let path = folder.path().join("keystead.db");
    let file = Connection::open(&path).expect("the file");
    let filler = "CREATE TABLE filler (x); WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers \
                  WHERE n < 100) INSERT INTO filler SELECT randomblob(4000) FROM numbers;";
    file.execute_batch(filler).expect("a larger store");
    drop(file);
    let mut bytes = fs::read(&path).expect("the file");
    let end = bytes.len();
    bytes[end - 50 * 4096..].fill(0xff);
    fs::write(&path, &bytes).expect("a damaged file");
    let output = run(folder.path(), &["doctor"]);
    let text = stdout(&output);
    let line = text.lines().find(|line| line.starts_with("problem  store")).expect("a problem");
    let advice = "The file is damaged. Stop every process that uses the store, keep a copy of it together with its -wal file, and \
                  restore a backup: keystead restore FILE. In detail: ";
    let (_, details) = line.split_once(advice).unwrap_or_else(|| panic!("{line}"));
    assert!(details.matches("; ").count() == 3 && details.contains("; and ") && details.ends_with(" more."), "{line}");
    // A refused backup reports it in one line, too.
    fs::rename(&path, folder.path().join("bad.db")).expect("another name");
    let output = run(folder.path(), &["restore", "bad.db", "--store", "other.db", "--without-ledger"]);
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    assert!(!stderr(&output).contains("***"), "{}", stderr(&output));
}

#[test]
fn a_large_write_ahead_log_causes_a_warning_only_while_a_reader_blocks_checkpoints() {
    let (folder, _) = store();
    let path = folder.path().join("keystead.db");
    let [writer, reader] = [(); 2].map(|()| Connection::open(&path).expect("the store"));
    writer.execute_batch("PRAGMA wal_autocheckpoint = 0; CREATE TABLE filler (x)").expect("a table");
    let fill = "DELETE FROM filler; INSERT INTO filler VALUES (randomblob(17000000))";
    writer.execute_batch(fill).expect("a large log");
    reader.execute_batch("BEGIN; SELECT * FROM filler LIMIT 0; SELECT count(*) FROM api_keys").expect("a reader");
    writer.execute_batch(fill).expect("a larger log");
    writer.execute_batch(fill).expect("a larger log");
    let checkpoint = || writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).expect("a checkpoint");
    checkpoint();
    let [log, main] =
        ["-wal", ""].map(|suffix| fs::metadata(format!("{}{suffix}", path.display())).expect("a file").len());
    assert!(log > main, "{log} {main}");
    assert_found(
        folder.path(),
        &[],
        "warning",
        "write-ahead log",
        "cannot be checkpointed. A process has been reading the store",
    );
    reader.execute_batch("COMMIT").expect("the reader's end");
    checkpoint();
    let (checks, is_healthy) = examine(folder.path(), &[]);
    let is_told = checks.iter().any(|check| check.2.contains("The store is open, and all data is in its file."));
    assert!(is_healthy && all_is_well(&checks) && is_told, "{checks:?}");
}

#[test]
fn a_store_that_is_not_a_regular_file_is_reported_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("place")).expect("a folder");
    for place in ["/dev/null", "place"] {
        assert_found(folder.path(), &["--store", place], "problem", "store", "is not a regular file. Set --store");
        let text = stdout(&run(folder.path(), &["doctor", "--store", place]));
        assert!(!text.contains("chmod"), "{text}");
    }
}

#[test]
fn a_path_that_is_refused_gets_no_lock_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("place")).expect("a folder");
    fs::write(folder.path().join("list"), "shopping list").expect("a file");
    for (place, sentence) in [("place", "is not a regular file"), ("list", "is not a Keystead store")] {
        for command in [&["serve"][..], &["init", "--organization", "Acme", "--key-file", "key"], &["backup", "b.db"]] {
            let output = run(folder.path(), &[command, &["--store", place]].concat());
            assert_failed_with(&output, 1, sentence);
            assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 2, "{command:?} left something");
        }
    }
}

#[test]
fn a_damaged_page_is_found_and_the_rest_is_still_checked() {
    let (folder, _) = store();
    destroy(&folder.path().join("keystead.db"), "key_values");
    assert_found(folder.path(), &[], "problem", "store", "is damaged: ");
    let (checks, _) = examine(folder.path(), &[]);
    assert!(checks.iter().any(|check| check.1 == "audit log" && check.0 == "ok"), "{checks:?}");
}

#[test]
fn an_inconsistent_index_is_found_by_the_thorough_check() {
    let (folder, _) = store();
    let file = Connection::open(folder.path().join("keystead.db")).expect("the file");
    // It is filled under another definition, and then gets its own back.
    file.execute_batch(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, '(organization_id, project_id)', '(project_id, organization_id)')
         WHERE name = 'api_keys_by_scope';
         PRAGMA writable_schema = RESET;
         REINDEX api_keys_by_scope;
         PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, '(project_id, organization_id)', '(organization_id, project_id)')
         WHERE name = 'api_keys_by_scope';
         PRAGMA writable_schema = RESET;",
    )
    .expect("a store with an index that is wrong");
    drop(file);
    assert!(all_is_well(&examine(folder.path(), &[]).0), "every page is whole");
    assert_found(folder.path(), &["--thorough"], "problem", "store", "api_keys_by_scope");
}

#[test]
fn an_older_schema_is_a_warning_and_a_newer_one_a_problem() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let file = Connection::open(&path).expect("a file");
    file.execute_batch(include_str!("../../src/store/sqlite/schemas/3.sql")).expect("an older store");
    drop(file);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
    assert_found(folder.path(), &[], "warning", "schema", "It is the one of an older version, 3");
    let (folder, _) = store();
    let file = Connection::open(folder.path().join("keystead.db")).expect("a file");
    file.pragma_update(None, "user_version", 99).expect("a newer store");
    drop(file);
    assert_found(folder.path(), &[], "problem", "schema", "Run the newer version, or restore a backup");
}

#[test]
fn a_clock_a_year_off_shows() {
    let (folder, _) = store();
    let year_ms = 365 * 86_400_000_i64;
    let file = Connection::open(folder.path().join("keystead.db")).expect("the file");
    let sql = "INSERT INTO key_values (key_id, kind, number, last_used_at) SELECT 1, 0, 0, at + ?1 FROM audit_events WHERE number = 1";
    file.execute(sql, [year_ms]).expect("a use that is yet to come");
    drop(file);
    assert_found(folder.path(), &[], "problem", "clock", "which is in the future. One of the two is wrong.");

    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::open(&service_options(&folder.path().join("keystead.db")), metrics()).expect("a service");
    let name = || Name::parse("a").expect("a name");
    let first = FirstKey { organization: name(), organization_random: [1; 8], name: name(), secret: new_secret() };
    wait(service.initialize(&first, at(1_709_164_800_000))).expect("an organization");
    wait(service.close());
    assert_found(folder.path(), &[], "warning", "clock", "If the store was used since, this clock is ahead");
}

#[test]
fn a_changed_event_is_reported_as_a_problem() {
    let (folder, _) = store();
    let file = Connection::open(folder.path().join("keystead.db")).expect("the file");
    file.execute("UPDATE audit_events SET actor_name = 'nobody' WHERE number = 2", []).expect("a change");
    drop(file);
    assert_found(folder.path(), &[], "problem", "audit log", "event 2 was changed or replaced");
}

#[test]
fn wrong_settings_are_reported_and_the_store_is_still_checked() {
    let (folder, _) = store();
    for (name, mine) in [("keystead.db", "mine.db"), ("keystead.revoked", "mine.revoked")] {
        fs::rename(folder.path().join(name), folder.path().join(mine)).expect("another name");
    }
    let mine = ["--store", "mine.db"];
    for (settings, sentence) in [
        ("nonsense", "The configuration file config.toml is wrong"),
        ("[forward_auth]\ncredential_headers = [\"Cookie\"]", "Cookie is not one of"),
        ("[dev]\nclock = true\n[server]\nlisten = \"0.0.0.0:8080\"", "refused unless the server listens on loopback"),
    ] {
        fs::write(folder.path().join("config.toml"), settings).expect("settings");
        let (checks, is_healthy) = examine(folder.path(), &mine);
        let wrong = checks.iter().find(|check| check.0 == "problem").expect("a problem");
        assert!(!is_healthy && wrong.1 == "settings" && wrong.2.contains(sentence), "{checks:?}");
        assert!(checks.iter().any(|check| check.1 == "audit log" && check.0 == "ok"), "{checks:?}");
    }
    fs::write(folder.path().join("config.toml"), "[audit]\nsigning_key = \"gone\"").expect("settings");
    assert_found(folder.path(), &mine, "problem", "signing key", "gone (audit.signing_key) cannot be used");
    fs::write(folder.path().join("config.toml"), "[dev]\nclock = true").expect("settings");
    assert_found(folder.path(), &mine, "warning", "settings", "can move the server's clock");
}

#[test]
fn a_ledger_that_is_missing_damaged_or_ahead_of_its_store_is_named() {
    let (folder, key) = store();
    let [path, ledger] = ["keystead.db", "keystead.revoked"].map(|name| folder.path().join(name));
    let early = fs::read(&path).expect("the store");
    let server = Server::start_in(folder.path(), &[]);
    for _ in 0..2 {
        let (id, _) = server.client_with(&key).mint("a");
        server.client_with(&key).revoke(id);
    }
    assert!(server.stop().success());
    assert!(all_is_well(&examine(folder.path(), &[]).0));

    let late = fs::read(&path).expect("the store");
    fs::write(&path, &early).expect("the store");
    assert_found(folder.path(), &[], "warning", "ledger", "The server updates the store when it starts.");
    fs::write(&path, &late).expect("the store");
    let whole = fs::read(&ledger).expect("the ledger");
    let mut damaged = whole.clone();
    damaged[50] ^= 1;
    fs::write(&ledger, &damaged).expect("the ledger");
    let findings = ["1 of its lines cannot be read", "rewrites it from the store"];
    findings.iter().for_each(|finding| assert_found(folder.path(), &[], "problem", "ledger", finding));
    let end = whole.iter().rposition(|byte| *byte == b'\n').expect("a line");
    fs::write(&ledger, &whole[..end - 1]).expect("the ledger");
    findings.iter().for_each(|finding| assert_found(folder.path(), &[], "problem", "ledger", finding));
    let mut older = whole.clone();
    let begin = older[..end].iter().rposition(|byte| *byte == b'\n').expect("the line before");
    older[begin + 1..].fill(0);
    fs::write(&ledger, older).expect("the ledger");
    assert_found(folder.path(), &[], "warning", "ledger", "It lacks changes that the store has");
    fs::write(&path, &early).expect("the store");
    fs::write(&ledger, damaged).expect("the ledger");
    assert_found(folder.path(), &[], "problem", "ledger", "The server does not start");
    fs::write(&path, &late).expect("the store");
    fs::write(&ledger, "no ledger".repeat(100)).expect("the ledger");
    assert_found(folder.path(), &[], "problem", "ledger", "it is not a ledger of revoked keys");
    fs::remove_file(&ledger).expect("a removal");
    assert_found(folder.path(), &[], "warning", "ledger", "keystead.revoked is missing");
}

#[test]
fn a_key_that_was_typed_as_the_stores_path_is_not_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = format!("confident_org_{}", "0123456789abcdef".repeat(2));
    for command in [&["doctor"][..], &["doctor", "--json"], &["status"], &["status", "--json"]] {
        let output = run(folder.path(), &[command, &["--store", &key]].concat());
        let said = stdout(&output) + &stderr(&output);
        assert!(said.contains("***************abcdef") && !said.contains(&key), "{command:?}: {said}");
    }
}

#[test]
fn a_backup_folder_that_is_not_there_is_a_problem() {
    let (folder, _) = store();
    let config = |backups: &str| {
        fs::write(folder.path().join("config.toml"), format!("[backup]\nfolder = \"{backups}\"\n")).expect("a file");
    };
    config("backups");
    assert_found(
        folder.path(),
        &[],
        "problem",
        "backups",
        "backups (backup.folder) is not a folder, so no backups are made.",
    );
    fs::create_dir(folder.path().join("backups")).expect("a folder");
    let (checks, is_healthy) = examine(folder.path(), &[]);
    assert!(is_healthy && checks.iter().any(|check| check.1 == "backups" && check.0 == "ok"), "{checks:?}");
}

#[test]
fn trusted_proxies_that_include_every_address_are_reported() {
    let (folder, _) = store();
    for network in ["0.0.0.0/0", "::/0", "128.0.0.0/1", "2000::/3", "::ffff:0:0/96"] {
        fs::write(
            folder.path().join("config.toml"),
            format!("[server]\ntrusted_proxies = [\"10.0.0.1\", \"{network}\"]"),
        )
        .expect("settings");
        assert_found(folder.path(), &[], "warning", "settings", "can claim any address in X-Forwarded-For");
    }
    let settings = "[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"fc00::/7\", \"unix:\", \"203.0.113.7\"]";
    fs::write(folder.path().join("config.toml"), settings).expect("settings");
    assert!(all_is_well(&examine(folder.path(), &[]).0));
}

#[test]
fn another_store_s_ledger_in_the_folder_is_named_and_so_is_another_store_with_the_same_ledger() {
    let (folder, _) = store();
    // A backup beside the store and the program itself are harmless.
    fs::copy(folder.path().join("keystead.db"), folder.path().join("copy.db")).expect("a copy");
    fs::write(folder.path().join("keystead"), "a program").expect("a file");
    assert!(all_is_well(&examine(folder.path(), &[]).0));
    fs::copy(folder.path().join("keystead.db"), folder.path().join("keystead")).expect("a copy");
    assert_found(folder.path(), &[], "problem", "ledger", "would use the same ledger of revocations");
    fs::remove_file(folder.path().join("keystead")).expect("a removal");
    done(folder.path(), &["init", "--organization", "Other", "--store", "other.db"]);
    assert_found(folder.path(), &[], "warning", "ledger", "other.revoked. Give each store a folder of its own.");
}

#[test]
fn a_lost_or_empty_store_with_a_ledger_is_distinguished_from_a_new_one() {
    let (folder, _) = store();
    let path = folder.path().join("keystead.db");
    fs::remove_file(&path).expect("the store");
    assert_found(folder.path(), &[], "problem", "store", "so a store was lost. Leave the ledger where it is");
    fs::write(&path, "").expect("an empty file");
    assert_found(folder.path(), &[], "problem", "store", "so a store was lost. Leave the ledger where it is");
    fs::remove_file(folder.path().join("keystead.revoked")).expect("the ledger");
    assert_found(folder.path(), &[], "problem", "store", "is empty. Set --store");
}
