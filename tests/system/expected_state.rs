//! The expected state of keys after the acknowledged changes, compared with the server, its store, its audit log and
//! its ledger.

use super::helpers::{Answer, Client, KEYS, Server, done, run, stderr};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const V2_KEYS: &str = "/v2/organization/api-keys";

/// A change of a key, or its creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Create,
    Revoke,
    Rotate,
    Deactivate,
}

impl Change {
    pub const ALL: [Self; 4] = [Self::Create, Self::Revoke, Self::Rotate, Self::Deactivate];
}

/// A server on a store at some path, and all its responses.
pub struct Watched {
    pub server: Server,
    pub admin: Client,
    store: PathBuf,
    /// By value: whether it must be valid, and the number of the key.
    fates: BTreeMap<String, (i64, bool)>,
    /// Keys without a change.
    fresh: Vec<(i64, String)>,
    /// A copy of the store from before the first change.
    backup: PathBuf,
    environment: Vec<(String, String)>,
    /// Not on the disk under test.
    folder: TempDir,
}

impl Watched {
    /// With keys for the changes.
    pub fn start(store_folder: &Path, count: usize, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store_folder.join("keystead.db");
        let mut environment: Vec<_> = environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        environment.push(("KEYSTEAD_STORE_PATH".to_owned(), store.to_str().expect("a path").to_owned()));
        let server = start(folder.path(), &environment);
        let first_key = fs::read_to_string(store_folder.join("first-key")).expect("the first key");
        let admin = server.client_with(first_key.trim());
        let fresh: Vec<_> = (0..count).map(|_| admin.mint("fresh")).collect();
        let backup = folder.path().join("backup.db");
        done(folder.path(), &["--store", store.to_str().expect("a path"), "backup", backup.to_str().expect("a path")]);
        let fates = fresh.iter().map(|(id, value)| (value.clone(), (*id, true))).collect();
        Self { server, admin, store, fates, fresh, backup, environment, folder }
    }

    /// Requests the change and records the response: a success, or a 503 with an error message.
    #[track_caller]
    pub fn ask(&mut self, change: Change) -> Answer {
        let place = self.fresh.len() - 1;
        let (id, value) = self.fresh[place].clone();
        let path = format!("{KEYS}/{id}");
        let answer = match change {
            Change::Create => self.admin.post(KEYS, json!({"name": "new"})),
            Change::Revoke => self.admin.delete(&path),
            Change::Rotate => self.admin.post(&format!("{V2_KEYS}/{id}/rotate"), json!({})),
            Change::Deactivate => self.admin.put(&path, json!({"valid": false})),
        };
        if answer.status != 200 {
            answer.refused_with(503);
            return answer;
        }
        if change != Change::Create {
            self.fresh.pop();
            self.fates.insert(value, (id, false));
        }
        if matches!(change, Change::Create | Change::Rotate) {
            let data = answer.data();
            let key = if data["apiKey"].is_object() { &data["apiKey"] } else { &data };
            let value = key["value"].as_str().expect("a value").to_owned();
            self.fates.insert(value, (key["id"].as_i64().expect("an id"), true));
        }
        answer
    }

    /// Waits until the server has no more writes of its own: last uses take it half a second.
    pub fn wait_for_rest(&self) {
        let file = rusqlite::Connection::open(&self.store).expect("the file");
        let version = || file.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).expect("a version");
        let (mut last, mut since) = (version(), Instant::now());
        while since.elapsed() < Duration::from_millis(1500) {
            let now = version();
            if now != last {
                (last, since) = (now, Instant::now());
            }
            std::thread::yield_now();
        }
    }

    /// The key that the next change is for.
    pub fn next_fresh(&self) -> Client {
        self.server.client_with(&self.fresh.last().expect("a key").1)
    }

    /// Reads and verifications are served as before.
    #[track_caller]
    pub fn check_reads(&self) {
        let (_, value) = self.fresh.last().expect("a key");
        assert!(self.next_fresh().is_good());
        let listed = self.admin.get(KEYS).data()["apiKeys"].as_array().expect("a list").len();
        assert!(listed >= self.fresh.len());
        let digest = blake3::hash(value.as_bytes()).to_hex().to_string();
        let verdict = self.admin.post("/v1/verify", json!({ "digest": digest }));
        assert_eq!(verdict.status, 200, "{verdict:?}");
        let key = ("X-API-Key", value.as_str());
        for gate in ["/auth/nginx", "/auth/forward", "/auth/envoy"] {
            assert!(matches!(self.admin.send("GET", gate, &[key], b"").status, 200 | 204), "{gate}");
            let wrong = self.admin.send("GET", gate, &[("X-API-Key", "nonsense")], b"");
            assert_eq!(wrong.status, 401, "{gate}");
        }
        assert_eq!(self.admin.get("/healthz").status, 200);
    }

    /// Whether the server agrees with its responses.
    #[track_caller]
    pub fn check_answers(&self) {
        check(&self.server, &self.fates, "the server");
    }

    /// kill -9, and a new start.
    pub fn kill(self) -> Self {
        let Self { server, admin, environment, folder, .. } = self;
        let key = admin.key().to_owned();
        server.kill();
        let server = start(folder.path(), &environment);
        let admin = server.client_with(&key);
        Self { server, admin, environment, folder, ..self }
    }

    /// Records the outcome of a change that was uncertain.
    pub fn look_again(&mut self) {
        let last = self.next_fresh();
        if !last.is_good() {
            let (id, value) = self.fresh.pop().expect("a key");
            self.fates.insert(value, (id, false));
        }
    }

    /// Whether the responses, the store, its audit log and its ledger agree.
    #[track_caller]
    pub fn check_all(self) {
        self.check_answers();
        let Self { server, store, fates, backup, folder, .. } = self;
        assert!(server.stop().success());
        let verdict = run(folder.path(), &["--store", store.to_str().expect("a path"), "audit", "verify"]);
        assert!(verdict.status.success(), "{}", stderr(&verdict));
        let file = rusqlite::Connection::open(&store).expect("the file");
        let integrity: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
        assert_eq!(integrity, "ok");
        let there: BTreeMap<i64, bool> = rows_of(&file, "SELECT id, valid FROM api_keys");
        let by_events = replay(&file);
        assert_eq!(there, by_events, "every change has its event and every event its change");
        drop(file);
        // The ledger alone, with the copy from before.
        let other = folder.path().join("other");
        fs::create_dir(&other).expect("a folder");
        fs::copy(&backup, other.join("keystead.db")).expect("a copy");
        fs::copy(store.with_extension("revoked"), other.join("keystead.revoked")).expect("a copy");
        let known: Vec<i64> =
            rows_of::<i64>(&rusqlite::Connection::open(&backup).expect("the backup"), "SELECT id, id FROM api_keys")
                .into_keys()
                .collect();
        let copy = Server::start_in(&other, &[]);
        let of_copy = fates.into_iter().filter(|(_, (id, _))| known.contains(id)).collect();
        check(&copy, &of_copy, "the ledger");
    }
}

fn start(folder: &Path, environment: &[(String, String)]) -> Server {
    let environment: Vec<_> = environment.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    Server::start_in(folder, &environment)
}

#[track_caller]
fn check(server: &Server, fates: &BTreeMap<String, (i64, bool)>, who: &str) {
    for (value, (id, is_good)) in fates {
        assert_eq!(server.client_with(value).is_good(), *is_good, "{who} about a value of key {id}");
    }
}

/// The keys that must exist and whether they are active, by the audit log alone.
fn replay(file: &rusqlite::Connection) -> BTreeMap<i64, bool> {
    let mut statement = file
        .prepare(
            "SELECT CAST(substr(resource, 9) AS INTEGER), change FROM audit_events \
             WHERE resource LIKE 'api_key/%' AND action LIKE 'api_key.%' ORDER BY number",
        )
        .expect("a statement");
    let events = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).expect("rows");
    let mut keys = BTreeMap::new();
    for event in events {
        let (id, change) = event.expect("a row");
        let after = &serde_json::from_str::<Value>(&change).expect("a change")["after"];
        match after["valid"].as_bool() {
            Some(valid) => _ = keys.insert(id, valid),
            None if after.is_null() => _ = keys.remove(&id),
            None => {}
        }
    }
    keys
}

fn rows_of<T: rusqlite::types::FromSql>(file: &rusqlite::Connection, sql: &str) -> BTreeMap<i64, T> {
    let mut statement = file.prepare(sql).expect("a statement");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}
