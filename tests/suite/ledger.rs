//! The ledger of revocations: losses are noticed, and the ledger is rebuilt from the store if the store is newer.

use super::helpers::*;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A server's folder with a backup, and what happened to keys since. The last commit deleted a project with four keys.
struct Fixture {
    folder: TempDir,
    /// An organization key, before and after it was restricted.
    narrowed: (i64, String),
    revoked: String,
    off: String,
    rotated: String,
    of_project: Vec<String>,
    good: String,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start_in(folder.path(), &[]);
        let client = server.client();
        let [narrowed, revoked, off, rotated, good] = std::array::from_fn(|_| client.mint("a"));
        let project = client.post("/v2/projects", json!({"name": "Shop"})).data()["project"]["id"].take();
        let project = format!("/v2/projects/{}", project.as_str().expect("an id"));
        let mint = |_| {
            let key = client.post(&format!("{project}/api-keys"), json!({"name": "a"})).data();
            key["value"].as_str().unwrap_or_else(|| panic!("{key}")).to_owned()
        };
        let of_project: Vec<String> = (0..4).map(mint).collect();
        done(folder.path(), &["backup", "backup.db"]);
        let limits = json!({"valid": true, "rateLimit": {"limit": 3, "windowInSeconds": 60}, "allowedAddresses": ["192.0.2.0/24"]});
        assert_eq!(client.put(&format!("/v2/organization/api-keys/{}", narrowed.0), limits).status, 200);
        client.revoke(revoked.0);
        client.set_valid(off.0, false);
        client.post(&format!("/v2/organization/api-keys/{}/rotate", rotated.0), json!({}));
        assert_eq!(client.delete(&project).status, 200);
        assert_eq!(server.stop().code(), Some(0));
        let [revoked, off, rotated, good] = [revoked.1, off.1, rotated.1, good.1];
        Self { folder, narrowed, revoked, off, rotated, of_project, good }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Everything revoked since the backup is revoked; the other keys are valid.
    #[track_caller]
    fn check(&self, folder: &Path) {
        if folder != self.folder.path() {
            fs::copy(self.path("first-key"), folder.join("first-key")).expect("the first key");
        }
        let server = Server::start_in(folder, &[]);
        for dead in [&self.revoked, &self.off, &self.rotated].into_iter().chain(&self.of_project) {
            assert!(!server.client_with(dead).is_good(), "{}", server.log());
        }
        assert!(server.client_with(&self.good).is_good());
        let key = server.client().get(&format!("/v2/organization/api-keys/{}", self.narrowed.0)).data();
        assert_eq!(key["rateLimit"], json!({"limit": 3, "windowInSeconds": 60}), "{key}");
        assert_eq!(key["allowedAddresses"], json!(["192.0.2.0/24"]));
        let question = json!({"value": self.narrowed.1, "address": "198.51.100.1"});
        assert_eq!(server.client().post("/v2/verify", question).data()["valid"], false);
        assert!(done(folder, &["doctor", "--json"]).contains("matches the store"), "the next start mends it");
    }

    fn ledger(&self) -> Vec<u8> {
        fs::read(self.path("keystead.revoked")).expect("the ledger")
    }
}

/// The offsets of the lines that the last commit wrote.
fn last_commit(ledger: &[u8]) -> usize {
    let text = String::from_utf8_lossy(ledger);
    let lines: Vec<&str> = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).collect();
    let event = |line: &str| line.split(' ').nth(4).map(str::to_owned);
    let last = event(lines.last().expect("a line"));
    lines.iter().take_while(|line| event(line) != last).map(|line| line.len()).sum()
}

/// The ways in which the last commit can be damaged.
fn damages(ledger: &[u8]) -> [(&'static str, Vec<u8>); 4] {
    let begin = last_commit(ledger);
    let mut flipped = ledger.to_vec();
    flipped[begin + 30] ^= 1;
    let line = ledger[begin..].iter().position(|byte| *byte == b'\n').expect("a line break") + begin + 1;
    [
        ("one byte of its first line changed", flipped),
        ("its first line cut out", [&ledger[..begin], &ledger[line..]].concat()),
        ("all of it cut off", ledger[..begin].to_vec()),
        ("all but its first line cut off", ledger[..line].to_vec()),
    ]
}

#[test]
fn a_restore_reactivates_nothing_when_the_last_commit_of_the_ledger_is_damaged() {
    let fixture = Fixture::new();
    let (store, ledger) = (fs::read(fixture.path("keystead.db")).expect("the store"), fixture.ledger());
    for (what, damaged) in damages(&ledger) {
        fs::write(fixture.path("keystead.db"), &store).expect("the store");
        fs::write(fixture.path("keystead.revoked"), damaged).expect("the ledger");
        let doctor = stdout(&run(fixture.folder.path(), &["doctor", "--json"]));
        assert!(!doctor.contains("matches the store"), "{what}: {doctor}");
        done(fixture.folder.path(), &["restore", "backup.db"]);
        fixture.check(fixture.folder.path());
    }
}

#[test]
fn a_start_rebuilds_a_truncated_or_missing_ledger() {
    let fixture = Fixture::new();
    let ledger = fixture.ledger();
    let cases = damages(&ledger).map(|(what, damaged)| (what, Some(damaged))).into_iter().chain([("gone", None)]);
    for (what, damaged) in cases {
        match damaged {
            Some(damaged) => fs::write(fixture.path("keystead.revoked"), damaged).expect("the ledger"),
            None => fs::remove_file(fixture.path("keystead.revoked")).expect("a removal"),
        }
        let server = Server::start_in(fixture.folder.path(), &[]);
        assert!(server.log().contains("from the store"), "{what}: {}", server.log());
        assert_eq!(server.stop().code(), Some(0));
        // It has everything that the lost one had.
        let elsewhere = tempfile::tempdir().expect("a folder");
        fs::copy(fixture.path("keystead.revoked"), elsewhere.path().join("keystead.revoked")).expect("the ledger");
        done(elsewhere.path(), &["restore", fixture.path("backup.db").to_str().expect("a path")]);
        fixture.check(elsewhere.path());
    }
}

#[test]
fn an_older_store_with_a_damaged_ledger_does_not_start_and_verifies_no_key() {
    let fixture = Fixture::new();
    let ledger = fixture.ledger();
    let [flipped, missing, cut, cut_behind_a_line] = damages(&ledger);
    let end = ledger.iter().rposition(|byte| *byte != 0).expect("a line break") + 1;
    let cut_in_a_line = ("cut in its last line", ledger[..end - 40].to_vec());
    fs::copy(fixture.path("backup.db"), fixture.path("keystead.db")).expect("the older store");
    let mut in_the_middle = ledger.clone();
    in_the_middle[last_commit(&ledger) - 40] ^= 1;
    let changed_before = ("a byte before it changed", in_the_middle);
    let mut second_line = ledger.clone();
    second_line[60] ^= 1;
    let no_latest = ("its second line changed, and cut off", second_line[..last_commit(&ledger)].to_vec());
    for (what, damaged) in [flipped, missing, cut, cut_behind_a_line, cut_in_a_line, changed_before, no_latest] {
        fs::write(fixture.path("keystead.revoked"), &damaged).expect("the ledger");
        let refused = |arguments: &[&str]| {
            let output = run_with_input(fixture.folder.path(), arguments, fixture.of_project[0].as_bytes());
            assert_failed_with(&output, 1, "keystead.revoked");
            assert!(!stdout(&output).contains("VALID"), "{what}");
        };
        refused(&["serve", "--listen", "127.0.0.1:0"]);
        refused(&["keys", "verify"]);
        refused(&["restore", "backup.db"]);
        assert_eq!(fixture.ledger(), damaged, "{what}: nothing was written");
        let output = run(fixture.folder.path(), &["restore", "--without-ledger", "backup.db"]);
        assert!(stderr(&output).contains("may be valid again"), "{what}: {}", stderr(&output));
        let server = Server::start_in(fixture.folder.path(), &[]);
        assert!(!server.client_with(&fixture.revoked).is_good(), "{what}: what can be read counts");
        assert_eq!(server.stop().code(), Some(0));
        fs::copy(fixture.path("backup.db"), fixture.path("keystead.db")).expect("the older store");
    }
}

/// The older store has commits that the rest of the ledger lacks, and is not the newest one anyway.
#[test]
fn an_older_store_is_never_mistaken_for_the_newest_when_the_ledger_is_truncated() {
    let fixture = Fixture::new();
    let server = Server::start_in(fixture.folder.path(), &[]);
    let [first, second] = std::array::from_fn(|_| server.client().mint("a"));
    server.client().revoke(first.0);
    done(fixture.folder.path(), &["backup", "later.db"]);
    server.client().revoke(second.0);
    assert_eq!(server.stop().code(), Some(0));
    let [older, newest] = ["later.db", "keystead.db"].map(|name| fs::read(fixture.path(name)).expect("a store"));
    let ledger = fixture.ledger();
    let end = ledger.iter().rposition(|byte| *byte != 0).expect("a line break") + 1;
    let lines: Vec<usize> = (0..end).filter(|at| ledger[*at] == b'\n').map(|at| at + 1).skip(1).collect();
    // Truncated after each line, and within each line.
    for line in &lines[..lines.len() - 1] {
        for (what, length, is_zeroed) in
            [("cut", *line, false), ("cut", line + 50, false), ("overwritten with zeros", *line, true)]
        {
            let mut damaged = ledger[..length].to_vec();
            if is_zeroed {
                // A crash can leave the last commit like this; it was not acknowledged.
                if length >= last_commit(&ledger) {
                    continue;
                }
                damaged.resize(ledger.len(), 0);
            }
            fs::write(fixture.path("keystead.db"), &older).expect("a copy");
            fs::write(fixture.path("keystead.revoked"), &damaged).expect("the ledger");
            let output = run_with_input(fixture.folder.path(), &["keys", "verify"], second.1.as_bytes());
            assert_failed_with(&output, 1, "keystead.revoked");
            // The newest store has everything that was lost.
            fs::write(fixture.path("keystead.db"), &newest).expect("a copy");
            let output = run_with_input(fixture.folder.path(), &["keys", "verify"], second.1.as_bytes());
            assert!(stdout(&output).contains("UNKNOWN"), "{what} at {length}: {}", stderr(&output));
        }
    }
    done(fixture.folder.path(), &["restore", "later.db"]);
    let server = Server::start_in(fixture.folder.path(), &[]);
    assert!(!server.client_with(&second.1).is_good());
}

/// SQLite applies the write-ahead log of a killed server to any file with the store's name. That file then has the
/// newest marks and the older keys.
#[test]
fn an_older_copy_is_not_mixed_with_the_log_that_a_killed_server_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let rows: String = (0..1000).map(|number| format!("key {number},sk_live_{number:016}\n")).collect();
    fs::write(path("keys.csv"), format!("name,key\n{rows}")).expect("a file");
    let dead = ["sk_live_0000000000000000", "sk_live_0000000000000999"];
    assert_eq!(Server::start_in(folder.path(), &[]).stop().code(), Some(0));
    done(folder.path(), &["import", "--organization-keys", "keys.csv"]);
    done(folder.path(), &["backup", "backup.db"]);
    fs::copy(path("keystead.db"), path("by-hand.db")).expect("a copy");
    done(folder.path(), &["keys", "revoke", "2", "--yes"]);
    let server = Server::start_in(folder.path(), &[]);
    server.client().revoke(1001);
    server.kill();
    let files = ["keystead.db", "keystead.db-wal", "keystead.revoked"]
        .map(|name| (name, fs::read(path(name)).expect("a file")));
    for copy in ["backup.db", "by-hand.db"] {
        for (name, bytes) in &files {
            fs::write(path(name), bytes).expect("a file");
        }
        fs::copy(path(copy), path("keystead.db")).expect("the older store");
        for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["keys", "verify"]] {
            let output = run_with_input(folder.path(), arguments, dead[0].as_bytes());
            assert_failed_with(&output, 1, "do not belong together");
            assert!(stderr(&output).contains("keystead restore FILE"), "{copy}: {}", stderr(&output));
        }
        let doctor = run(folder.path(), &["doctor"]);
        assert!(stdout(&doctor).contains("do not belong together"), "{copy}: {}", stdout(&doctor));
        done(folder.path(), &["restore", "backup.db"]);
        let server = Server::start_in(folder.path(), &[]);
        for dead in dead {
            assert!(!server.client_with(dead).is_good(), "{copy}");
        }
        assert!(server.client_with("sk_live_0000000000000001").is_good(), "{copy}");
        assert_eq!(server.stop().code(), Some(0));
    }
    // The newest store moves together with its write-ahead log.
    for (name, bytes) in &files {
        fs::write(path(name), bytes).expect("a file");
    }
    let server = Server::start_in(folder.path(), &[]);
    assert!(!server.client_with(dead[1]).is_good() && server.client_with("sk_live_0000000000000001").is_good());
}

#[test]
fn no_key_is_verified_while_another_file_replaces_the_running_servers_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let server = Server::start_in(folder.path(), &[]);
    let (id, key) = server.client().mint("a");
    done(folder.path(), &["backup", "older.db"]);
    for name in ["keystead.db-wal", "keystead.db-shm"] {
        fs::rename(path(name), path(&format!("aside-{name}"))).expect("another name");
    }
    fs::rename(path("keystead.db"), path("aside.db")).expect("another name");
    assert!(server.client_with(&key).is_good(), "nobody can change anything meanwhile");
    fs::rename(path("older.db"), path("keystead.db")).expect("its place");
    done(folder.path(), &["keys", "revoke", &id.to_string(), "--yes"]);
    let client = server.client_with(&key);
    assert_eq!(client.get("/v2/organization/api-keys").status, 503, "{}", server.log());
    for (gate, refused) in [("/auth/forward", 503), ("/auth/nginx", 403), ("/auth/envoy", 403)] {
        let answer = client.get(gate);
        assert_eq!(answer.status, refused, "{gate}");
        // At nginx's gate this status stands for a rate limit.
        assert_eq!(answer.header("retry-after").is_some(), gate != "/auth/nginx", "{gate}");
    }
    assert!(server.log().contains("keys are not verified"), "{}", server.log());
    drop(server);
    assert!(!Server::start_in(folder.path(), &[]).client_with(&key).is_good());
}

#[test]
fn revocations_in_another_file_apply_when_the_running_servers_store_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let server = Server::start_in(folder.path(), &[]);
    let (id, key) = server.client().mint("a");
    let (_, other) = server.client().mint("b");
    done(folder.path(), &["backup", "copy.db"]);
    let files = ["keystead.db", "keystead.db-wal", "keystead.db-shm"];
    for name in files {
        fs::rename(path(name), path(&format!("aside-{name}"))).expect("another name");
    }
    fs::rename(path("copy.db"), path("keystead.db")).expect("its place");
    done(folder.path(), &["keys", "revoke", &id.to_string(), "--yes"]);
    for name in files {
        fs::rename(path(&format!("aside-{name}")), path(name)).expect("its own name");
    }
    let status = |key: &str| server.client_with(key).get("/v2/organization").status;
    assert_ne!(status(&key), 200, "{}", server.log());
    eventually(Duration::from_secs(5), || status(&other) == 200);
    assert_eq!(status(&key), 401, "{}", server.log());
}

#[test]
fn a_ledger_that_is_not_a_file_or_a_broken_link_is_reported_and_no_key_is_verified() {
    let folder = tempfile::tempdir().expect("a folder");
    done(folder.path(), &["init", "--organization", "Acme", "--key-file", "admin.key"]);
    let ledger = folder.path().join("keystead.revoked");
    fs::remove_file(&ledger).expect("a ledger");
    let verdicts = |sentence: &str| {
        for command in [&["keys", "verify", "--key-file", "admin.key"][..], &["serve", "--listen", "127.0.0.1:0"]] {
            let output = run(folder.path(), command);
            assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
            assert!(stderr(&output).contains(sentence), "{}", stderr(&output));
        }
        assert!(stdout(&run(folder.path(), &["doctor"])).contains(sentence));
    };
    std::os::unix::fs::symlink("nowhere", &ledger).expect("a link");
    verdicts("it is a link that leads nowhere");
    fs::remove_file(&ledger).expect("a link");
    assert!(Command::new("mkfifo").arg(&ledger).status().expect("mkfifo").success());
    verdicts("it is not a regular file");
}

#[test]
fn a_ledger_of_the_earlier_format_is_migrated() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/schema5");
    let key = |number: u32| format!("confident_org_{number:032x}");
    let of_project = format!("confident_proj_{:032x}", 7);
    for (what, is_first_restored) in [("started, then restored", false), ("restored", true)] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["keystead.db", "keystead.revoked", "backup.db"] {
            fs::copy(files.join(name), path(name)).expect("a copy");
        }
        fs::write(path("first-key"), key(1)).expect("the key");
        let check = || {
            let server = Server::start_in(folder.path(), &[]);
            let is_good = |key: &str| server.client_with(key).is_good();
            let goods = [key(1), key(5), key(8)].map(|key| is_good(&key));
            let deads = [key(2), key(3), key(4), of_project.clone()].map(|key| is_good(&key));
            assert_eq!((goods, deads), ([true; 3], [false; 4]), "{what}: {}", server.log());
            assert_eq!(server.stop().code(), Some(0));
            assert!(
                fs::read(path("keystead.revoked")).expect("the ledger").starts_with(b"keystead revoked keys, form 2\n")
            );
        };
        if !is_first_restored {
            check();
        }
        done(folder.path(), &["restore", "backup.db"]);
        check();
    }
}

/// The files are from the last version with schema 6; the output of its `keys list --json` is in keys.json. Last uses
/// were set back and the end of the rotation was set to the year 2100 by hand, so that the state of each key does not
/// change.
#[test]
fn a_store_of_schema_6_is_migrated_with_everything_about_each_value() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/schema6");
    let [of_organization, of_project, imported]: [fn(u32) -> String; 3] = [
        |number| format!("confident_org_{number:032x}"),
        |number| format!("confident_proj_{number:032x}"),
        |number| format!("sk_live_{number:024}"),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    for (from, to) in
        [("keystead.db", "keystead.db"), ("keystead.db", "backup.db"), ("keystead.revoked", "keystead.revoked")]
    {
        fs::copy(files.join(from), path(to)).expect("a copy");
    }
    fs::write(path("first-key"), of_organization(1)).expect("the key");
    let listed = || stdout(&run(folder.path(), &["keys", "list", "--json"]));
    // Keys from before there were roles have the default ones.
    let with_defaults = |line: &str| {
        let role = if line.contains("\"projectId\":null") { "admin" } else { "verifier" };
        let known = line.strip_suffix('}').expect("an object");
        format!("{known},\"role\":\"{role}\",\"permissions\":[],\"owner\":null,\"metadata\":{{}}}}\n")
    };
    let before = fs::read_to_string(files.join("keys.json")).expect("the list");
    let before: String = before.lines().map(with_defaults).collect();
    let check = |what: &str| {
        let server = Server::start_in(folder.path(), &[]);
        assert!(
            server.log().contains(&format!("schema 6 migrated to {}", schema_version())),
            "{what}: {}",
            server.log()
        );
        assert_eq!(listed(), before, "{what}");
        for (value, address, code) in [
            (of_project(3), "::1", "VALID"),
            (of_organization(4), "::1", "VALID"), // the outgoing value of a rotation
            (of_organization(14), "::1", "VALID"),
            (of_organization(5), "::1", "ROTATED_OUT"),
            (of_organization(15), "::1", "VALID"),
            (of_organization(6), "::1", "UNKNOWN"), // it was revoked
            (of_organization(7), "10.0.0.1", "VALID"),
            (of_organization(7), "::1", "ADDRESS_REFUSED"),
            (of_organization(8), "::1", "DEACTIVATED"),
            (imported(9), "::1", "VALID"),  // by SHA-256, never used
            (imported(10), "::1", "VALID"), // by SHA-256, used
            (imported(11), "::1", "ROTATED_OUT"),
            (of_project(21), "::1", "VALID"),
            (imported(12), "::1", "UNKNOWN"), // it was revoked
        ] {
            let verdict = server.client().post("/v2/verify", json!({"value": value, "address": address})).data();
            assert_eq!(verdict["code"], code, "{what}: {value} from {address}");
        }
        let again = [imported(12), of_organization(6), imported(11), of_organization(5)];
        let rows = again.iter().map(|value| format!("a,{value}\n")).collect::<String>();
        fs::write(path("keys.csv"), format!("name,key\n{rows}")).expect("a file");
        let refused = stdout(&run(folder.path(), &["import", "--organization-keys", "--dry-run", "keys.csv"]));
        assert_eq!(refused.matches("was revoked or rotated out").count(), again.len(), "{what}: {refused}");
        server
    };
    let server = check("started");
    // Later changes count for the earlier file, too.
    assert_eq!(server.client().post("/v2/organization/api-keys/4/rotate/complete", json!({})).status, 200);
    assert!(!server.client_with(&of_organization(4)).is_good() && server.client_with(&of_organization(14)).is_good());
    assert_eq!(server.stop().code(), Some(0));
    done(folder.path(), &["restore", "backup.db"]);
    let server = Server::start_in(folder.path(), &[]);
    assert!(!server.client_with(&of_organization(4)).is_good() && server.client_with(&of_organization(14)).is_good());
    let verdict = server.client().post("/v2/verify", json!({"value": imported(9)})).data();
    assert_eq!(verdict["code"], "VALID");
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn a_rebuilt_ledger_has_imported_keys_and_concurrent_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    let values: Vec<String> = (1..=3).map(|number| format!("sk_live_{number:024}")).collect();
    let rows = values.iter().map(|value| format!("a,{value}\n")).collect::<String>();
    fs::write(folder.path().join("keys.csv"), format!("name,key\n{rows}")).expect("a file");
    done(folder.path(), &["import", "--organization-keys", "keys.csv"]);
    done(folder.path(), &["backup", "backup.db"]);
    fs::remove_file(folder.path().join("keystead.revoked")).expect("a removal");
    // Number 1 is the first key.
    done(folder.path(), &["keys", "revoke", "2", "--yes"]);
    assert_eq!(server.client().revoke(3).status, 200);
    drop(server);
    done(folder.path(), &["restore", "backup.db"]);
    let server = Server::start_in(folder.path(), &[]);
    let is_good = |value: &String| server.client().post("/v2/verify", json!({"value": value})).data()["valid"] == true;
    assert_eq!(values.iter().map(is_good).collect::<Vec<_>>(), [false, false, true]);
}

/// A folder with a copy of all files of a server's folder.
fn copy_of(folder: &Path, names: &[(&str, &str)]) -> TempDir {
    let elsewhere = tempfile::tempdir().expect("a folder");
    for (from, to) in names {
        fs::copy(folder.join(from), elsewhere.path().join(to)).expect("a copy");
    }
    elsewhere
}

#[test]
fn an_older_copy_of_the_ledger_undoes_no_change_made_after_a_restore() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let server = Server::start_in(folder.path(), &[]);
    let [(switched, off), (revoked, dead)] = std::array::from_fn(|_| server.client().mint("a"));
    done(folder.path(), &["backup", "before.db"]);
    server.client().set_valid(switched, false);
    server.client().set_valid(switched, true);
    fs::copy(path("keystead.revoked"), path("older.revoked")).expect("a copy");
    drop(server);
    done(folder.path(), &["restore", "before.db"]);
    let server = Server::start_in(folder.path(), &[]);
    server.client().set_valid(switched, false);
    server.client().revoke(revoked);
    done(folder.path(), &["backup", "after.db"]);
    assert_eq!(server.stop().code(), Some(0));
    let names = ["after.db", "before.db", "first-key"].map(|name| (name, name));
    let elsewhere = copy_of(folder.path(), &[&names[..], &[("older.revoked", "keystead.revoked")]].concat());
    for (restored, is_revoked) in [("after.db", true), ("before.db", true)] {
        done(elsewhere.path(), &["restore", restored]);
        let server = Server::start_in(elsewhere.path(), &[]);
        assert!(!server.client_with(&off).is_good(), "{restored}: {}", server.log());
        assert_eq!(!server.client_with(&dead).is_good(), is_revoked, "{restored}: {}", server.log());
        assert_eq!(server.stop().code(), Some(0));
    }
    // The same, beside the running store's file.
    fs::copy(path("older.revoked"), path("keystead.revoked")).expect("the older ledger");
    let server = Server::start_in(folder.path(), &[]);
    assert!(!server.client_with(&off).is_good() && !server.client_with(&dead).is_good(), "{}", server.log());
}

#[test]
fn a_ledger_put_back_under_a_running_server_is_replayed_before_the_next_change() {
    // How many commits it is ahead: one of them can be from a killed process.
    for ahead in [1, 3] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let server = Server::start_in(folder.path(), &[]);
        let [(revoked, dead), (other, _)] = std::array::from_fn(|_| server.client().mint("a"));
        done(folder.path(), &["backup", "before.db"]);
        fs::copy(path("keystead.revoked"), path("older.revoked")).expect("a copy");
        server.client().revoke(revoked);
        for turn in 1..ahead {
            server.client().set_valid(other, turn % 2 == 0);
        }
        assert_eq!(server.stop().code(), Some(0));
        fs::rename(path("keystead.revoked"), path("good.revoked")).expect("a name");
        fs::rename(path("older.revoked"), path("keystead.revoked")).expect("a name");
        fs::copy(path("before.db"), path("keystead.db")).expect("the older store");
        let server = Server::start_in(folder.path(), &[]);
        assert!(server.client_with(&dead).is_good(), "nobody knows");
        fs::copy(path("good.revoked"), path("keystead.revoked")).expect("the ledger");
        let what_to_do = "the running server updates the store with its next change";
        let say = |command: &[&str]| stderr(&run_with_input(folder.path(), command, dead.as_bytes()));
        // The server reports it soon after its start.
        eventually(Duration::from_secs(5), || say(&["keys", "verify"]).contains(what_to_do));
        for command in [&["keys", "verify"][..], &["scan"], &["keys", "list"], &["export"]] {
            let said = say(command);
            assert!(said.contains(what_to_do) && !said.contains("start the server"), "{command:?}: {said}");
        }
        let refused = server.client().set_valid(other, false);
        assert_eq!(refused.status, 503, "{ahead}: {}", server.log());
        assert!(!server.client_with(&dead).is_good(), "{ahead}: {}", server.log());
        assert_eq!(server.client().set_valid(other, false).status, 200, "{ahead}: {}", server.log());
        drop(server);
        done(folder.path(), &["restore", "before.db"]);
        assert!(!Server::start_in(folder.path(), &[]).client_with(&dead).is_good(), "{ahead}");
    }
}

#[test]
fn a_rebuilt_ledger_revokes_no_key_that_another_copy_of_the_store_created() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let server = Server::start_in(folder.path(), &[]);
    server.client().set_valid(server.client().mint("a").0, false);
    done(folder.path(), &["backup", "older.db"]);
    let [(_, good), (revoked, dead)] = std::array::from_fn(|_| server.client().mint("a"));
    done(folder.path(), &["backup", "newer.db"]);
    server.client().revoke(revoked);
    assert_eq!(server.stop().code(), Some(0));
    done(folder.path(), &["restore", "older.db"]);
    let mut ledger = fs::read(path("keystead.revoked")).expect("the ledger");
    ledger[40] ^= 1;
    fs::write(path("keystead.revoked"), ledger).expect("the ledger");
    let server = Server::start_in(folder.path(), &[]);
    assert!(server.log().contains("is damaged"), "{}", server.log());
    assert_eq!(server.stop().code(), Some(0));
    done(folder.path(), &["restore", "newer.db"]);
    let server = Server::start_in(folder.path(), &[]);
    assert!(server.client_with(&good).is_good() && !server.client_with(&dead).is_good(), "{}", server.log());
}

#[test]
fn a_damaged_ledger_still_has_the_reactivation_of_a_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let server = Server::start_in(folder.path(), &[]);
    let (id, key) = server.client().mint("a");
    server.client().set_valid(id, false);
    done(folder.path(), &["backup", "off.db"]);
    server.client().set_valid(id, true);
    assert_eq!(server.stop().code(), Some(0));
    let mut ledger = fs::read(path("keystead.revoked")).expect("the ledger");
    ledger[40] ^= 1;
    fs::write(path("keystead.revoked"), ledger).expect("the ledger");
    assert_eq!(Server::start_in(folder.path(), &[]).stop().code(), Some(0));
    done(folder.path(), &["restore", "off.db"]);
    assert!(Server::start_in(folder.path(), &[]).client_with(&key).is_good());
}
