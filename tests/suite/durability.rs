//! Acknowledged changes survive a crash of the process.

use super::helpers::*;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const WRITERS: usize = 8;
const KILLS: usize = 20;

/// What the test knows about the state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExpectedState {
    Valid,
    Deactivated,
    Revoked,
    /// A change was requested and not acknowledged: from the first state to the second.
    Between(&'static ExpectedState, &'static ExpectedState),
}

impl ExpectedState {
    fn allows(self, found: Self) -> bool {
        match self {
            Self::Between(before, after) => found == *before || found == *after,
            certain => found == certain,
        }
    }
}

/// What a user of the key sees in this state.
fn find(server: &Server, value: &str) -> ExpectedState {
    let answer = server.client_with(value).get(ORGANIZATION);
    match answer.status {
        200 => ExpectedState::Valid,
        _ if answer.refused_with(401).contains("deactivated") => ExpectedState::Deactivated,
        _ => ExpectedState::Revoked,
    }
}

/// Creates keys, and deactivates or revokes two thirds of them, until the server is killed.
fn write_until_the_end(client: &Client, expected: &Mutex<HashMap<String, ExpectedState>>, is_writing: &AtomicBool) {
    let set = |value: &str, state| expected.lock().expect("the expected").insert(value.to_owned(), state);
    for round in 0.. {
        let Ok(answer) = client.try_ask("POST", KEYS, Some(json!({"name": "a"}))) else { return };
        let key = answer.data()["apiKey"].take();
        let (id, value) = (key["id"].as_i64().expect("an id"), key["value"].as_str().expect("a value"));
        set(value, ExpectedState::Valid);
        is_writing.store(true, Ordering::SeqCst);
        let path = format!("{KEYS}/{id}");
        let (answer, outcome) = match round % 3 {
            0 => continue,
            1 => {
                set(value, ExpectedState::Between(&ExpectedState::Valid, &ExpectedState::Deactivated));
                (client.try_ask("PUT", &path, Some(json!({"valid": false}))), ExpectedState::Deactivated)
            }
            _ => {
                set(value, ExpectedState::Between(&ExpectedState::Valid, &ExpectedState::Revoked));
                (client.try_ask("DELETE", &path, None), ExpectedState::Revoked)
            }
        };
        let Ok(answer) = answer else { return };
        assert_eq!(answer.status, 200);
        set(value, outcome);
    }
}

#[test]
fn after_kill_9_under_load_every_acknowledged_change_holds_and_none_is_partial() {
    let folder = tempfile::tempdir().expect("a folder");
    let expected = Mutex::new(HashMap::new());
    for kill in 0..KILLS {
        let server = Server::start_in(folder.path(), &[]);
        let is_writing = AtomicBool::new(false);
        let clients: Vec<Client> = (0..WRITERS).map(|_| server.client()).collect();
        std::thread::scope(|scope| {
            for client in &clients {
                scope.spawn(|| write_until_the_end(client, &expected, &is_writing));
            }
            eventually(Duration::from_secs(10), || is_writing.load(Ordering::SeqCst));
            // The test varies the moment of the kill; it does not wait for a condition.
            std::thread::sleep(Duration::from_millis(17 * kill as u64 % 150));
            server.kill();
        });
        check(folder.path(), &expected.lock().expect("the expected"));
    }
    assert!(expected.into_inner().expect("the expected").len() > KILLS * WRITERS, "there was load");
}

fn check(folder: &std::path::Path, expected: &HashMap<String, ExpectedState>) {
    let server = Server::start_in(folder, &[]);
    for (value, state) in expected {
        let found = find(&server, value);
        assert!(state.allows(found), "{state:?} became {found:?}");
    }
    let store = rusqlite::Connection::open(server.store_path()).expect("the file");
    let integrity: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(integrity, "ok");
    let whole = "SELECT count(*) FROM api_keys WHERE length(digest) = 32 AND length(tail) = 6 AND name = 'a'";
    let whole: u32 = store.query_row(whole, [], |row| row.get(0)).expect("a count");
    let all: u32 =
        store.query_row("SELECT count(*) FROM api_keys WHERE id > 1", [], |row| row.get(0)).expect("a count");
    assert_eq!(whole, all, "a key whose answer never came is whole or absent");
    assert_eq!(replay(&store), stored(&store), "every change has its event and every event its change");
    let verdict = run(folder, &["audit", "verify"]);
    assert!(verdict.status.success(), "{}", stderr(&verdict));
    // For each writer and kill, at most one key was created without an acknowledgement.
    let alive = expected.values().filter(|state| **state != ExpectedState::Revoked).count();
    assert!(all as usize <= alive + WRITERS * KILLS, "{all} keys, {alive} known");
}

/// The keys that must exist and whether they are active, by the audit log alone.
fn replay(store: &rusqlite::Connection) -> BTreeMap<i64, bool> {
    let sql = "SELECT CAST(substr(resource, 9) AS INTEGER), json_extract(change, '$.after.valid') FROM audit_events \
               WHERE resource LIKE 'api_key/%' ORDER BY number";
    let mut keys = BTreeMap::new();
    for (id, valid) in rows::<Option<bool>>(store, sql) {
        match valid {
            Some(valid) => keys.insert(id, valid),
            None => keys.remove(&id),
        };
    }
    keys
}

fn stored(store: &rusqlite::Connection) -> BTreeMap<i64, bool> {
    rows(store, "SELECT id, valid FROM api_keys").into_iter().collect()
}

fn rows<T: rusqlite::types::FromSql>(store: &rusqlite::Connection, sql: &str) -> Vec<(i64, T)> {
    let mut statement = store.prepare(sql).expect("a statement");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}
