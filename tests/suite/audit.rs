//! The audit log: it has every change and no secret, and tampering is detected.

use super::helpers::*;
use flate2::read::MultiGzDecoder;
use keystead::domain::{Action, Actor, KeyId, Link, Name, NewEvent, OrganizationId, Origin};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LOGS: &str = "/v2/organization/audit-logs";
const KEYS_2: &str = "/v2/organization/api-keys";

/// The events that match the query, newest first.
fn events(client: &Client, query: &str) -> Vec<Value> {
    client.get(&format!("{LOGS}?{query}")).data()["auditLogs"].as_array().expect("events").clone()
}

/// Makes one change of every kind; returns all secrets that were shown.
fn do_everything(server: &Server) -> Vec<String> {
    let admin = server.client();
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let mut secrets = vec![admin.key().to_owned()];
    admin.put(ORGANIZATION, json!({"name": "Acme"})).data();
    let created = admin.post("/v2/projects", json!({"name": "Web shop"})).data();
    secrets.push(text(&created["apiKey"]["value"]));
    let project = format!("/v2/projects/{}", text(&created["project"]["id"]));
    admin.put(&project, json!({"description": "What customers see."})).data();
    let key = admin.post(&format!("{project}/api-keys"), json!({"name": "a", "expiresInDays": 9})).data();
    secrets.push(text(&key["value"]));
    let (id, value) = admin.mint("CI/CD key");
    secrets.push(value);
    let path = format!("{KEYS_2}/{id}");
    admin.set_valid(id, false).data();
    let narrowed =
        json!({"valid": true, "rateLimit": {"limit": 5, "windowInSeconds": 60}, "allowedAddresses": ["10.0.0.0/8"]});
    admin.put(&path, narrowed).data();
    for end in ["complete", "cancel"] {
        let rotated = admin.post(&format!("{path}/rotate"), json!({"gracePeriodInHours": 1})).data();
        secrets.push(text(&rotated["shadowValue"]));
        admin.send("POST", &format!("{path}/rotate/{end}"), &[("X-API-Key", admin.key())], b"").data();
    }
    secrets.push(text(&admin.post(&format!("{path}/rotate"), json!({})).data()["value"]));
    admin.revoke(id).data();
    admin.delete(&project).data();
    secrets
}

#[test]
fn every_change_is_recorded_with_who_did_what_to_what() {
    let server = Server::start();
    let admin = server.client();
    do_everything(&server);
    let mut events = events(&admin, "limit=1000");
    events.reverse();
    let actions: Vec<&str> = events.iter().map(|event| event["action"].as_str().expect("an action")).collect();
    let rotations = ["api_key.rotated", "api_key.rotation_completed", "api_key.rotated", "api_key.rotation_cancelled"];
    let expected = [
        "organization.created",
        "api_key.created",
        "organization.renamed",
        "project.created",
        "api_key.created",
        "project.updated",
        "api_key.created",
        "api_key.created",
        "api_key.updated",
        "api_key.updated",
    ];
    let expected = expected.iter().chain(&rotations).chain(&["api_key.rotated", "api_key.revoked", "project.deleted"]);
    assert_eq!(actions, expected.copied().collect::<Vec<_>>());

    assert_eq!((&events[0]["actorName"], &events[0]["actorKeyId"]), (&json!("operator"), &Value::Null));
    for event in &events[2..] {
        assert_eq!((&event["actorName"], &event["actorKeyId"]), (&json!("First key"), &json!(1)));
        assert!(event["clientAddress"] == "127.0.0.1" && event["requestId"].is_string(), "{event}");
        assert!(event["userAgent"].as_str().is_some_and(|agent| agent.starts_with("ureq/")), "{event}");
    }
    let change = |index: usize| &events[index]["change"];
    assert_eq!(change(2), &json!({"before": {"name": "My organization"}, "after": {"name": "Acme"}}));
    assert_eq!(change(3)["before"], Value::Null);
    assert_eq!((&change(8)["before"]["valid"], &change(8)["after"]["valid"]), (&json!(true), &json!(false)));
    assert_eq!(change(9)["after"]["allowedAddresses"], json!(["10.0.0.0/8"]));
    assert!(change(10)["after"]["shadowValue"].as_str().is_some_and(|it| it.starts_with("******")));
    assert_eq!(change(15)["after"], Value::Null, "revoked");
    assert_eq!(change(16)["before"]["apiKeys"], json!(2), "the project took two keys with it");
    assert_eq!(events[4]["projectId"], events[3]["projectId"]);
    assert_eq!(events[3]["resource"], json!(format!("project/{}", events[3]["projectId"].as_str().expect("an id"))));
}

#[test]
fn requests_that_fail_or_change_nothing_are_not_in_the_audit_log() {
    let server = Server::start();
    let admin = server.client();
    let (id, _) = admin.mint("a");
    let before = events(&admin, "").len();
    admin.set_valid(id, true).data();
    admin.put(ORGANIZATION, json!({"name": "My organization"})).data();
    admin.post(&format!("{KEYS_2}/{id}/rotate/complete"), json!({})).refused_with(409);
    admin.revoke(999).refused_with(404);
    let headers = [("X-API-Key", admin.key()), ("Content-Type", "application/json"), ("Idempotency-Key", "once")];
    for _ in 0..2 {
        admin.send("POST", KEYS_2, &headers, br#"{"name": "b"}"#).data();
    }
    assert_eq!(events(&admin, "").len(), before + 1, "the one key that came to be");
}

#[test]
fn no_secret_is_in_any_event() {
    let server = Server::start();
    let secrets = do_everything(&server);
    let log = run(server.folder(), &["audit", "export"]);
    assert!(log.status.success(), "{}", stderr(&log));
    let log = stdout(&log);
    assert!(log.lines().count() > 15 && secrets.len() == 7);
    for secret in secrets {
        let digits = secret.rsplit('_').next().expect("digits");
        assert!(!log.contains(&digits[..26]), "only the tail of {secret} may be known");
        let digest = blake3::hash(secret.as_bytes()).to_hex();
        assert!(!log.contains(&digest[..]), "nor its digest");
    }
}

#[test]
fn the_user_agent_and_the_request_id_are_recorded_and_truncated() {
    let server = Server::start();
    let admin = server.client();
    let long = "x".repeat(1000);
    let headers = [
        ("X-API-Key", admin.key()),
        ("Content-Type", "application/json"),
        ("User-Agent", long.as_str()),
        ("X-Request-Id", "req-42"),
    ];
    admin.send("POST", KEYS, &headers, br#"{"name": "a"}"#).data();
    let event = events(&admin, "limit=1").remove(0);
    assert_eq!((&event["userAgent"], &event["requestId"]), (&json!("x".repeat(256)), &json!("req-42")));
}

#[test]
fn the_last_page_says_that_it_is_the_last_also_where_it_is_full() {
    let server = Server::start();
    let admin = server.client();
    admin.mint("a key");
    let whole = admin.get(LOGS).data()["auditLogs"].as_array().expect("events").len();
    let full = admin.get(&format!("{LOGS}?limit={whole}")).data();
    assert_eq!((full["auditLogs"].as_array().expect("events").len(), &full["nextCursor"]), (whole, &Value::Null));
    assert!(admin.get(&format!("{LOGS}?limit={}", whole - 1)).data()["nextCursor"].is_string());
}

#[test]
fn the_log_is_paged_newest_first_and_filtered() {
    let server = Server::start();
    let admin = server.client();
    for number in 0..7 {
        admin.mint(&format!("key {number}"));
    }
    let (mut numbers, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&format!("{LOGS}?limit=4&{cursor}")).data();
        numbers.extend(page["auditLogs"].as_array().expect("events").iter().map(|event| event["number"].as_i64()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("cursor={next}");
    }
    assert_eq!(numbers, (2..=10).rev().map(Some).collect::<Vec<_>>(), "all but that of the whole store");
    let count = |query: &str| events(&admin, query).len();
    assert_eq!((count("action=api_key.created"), count("action=api_key.revoked")), (8, 0));
    assert_eq!((count("actor=1"), count("actor=First+key"), count("actor=operator"), count("actor=2")), (7, 7, 2, 0));
    assert_eq!((count("resource=api_key/3"), count("searchTerm=KEY+3"), count("searchTerm=nobody")), (1, 1, 0));
    assert_eq!((count("startTime=2020-01-01"), count("endTime=2020-01-01T00:00:00Z")), (9, 0));
    for wrong in ["limit=0", "limit=1001", "limit=x", "cursor=x", "startTime=yesterday", "action=nothing"] {
        admin.get(&format!("{LOGS}?{wrong}")).refused_with(400);
    }
}

#[test]
fn an_organization_sees_only_its_own_events_and_a_project_key_sees_none() {
    let server = Server::start();
    let store = open_store(&server.store_path());
    let (_, _, secret) = insert_organization(&store, "Other");
    let other = server.client_with(secret.expose());
    assert_eq!(events(&other, ""), Vec::<Value>::new());
    other.mint("theirs");
    assert_eq!(events(&other, "").len(), 1);
    assert!(events(&server.client(), "").iter().all(|event| event["change"]["after"]["name"] != json!("theirs")));
    let project = server.client().post("/v2/projects", json!({"name": "a"})).data();
    server.client_with(project["apiKey"]["value"].as_str().expect("a value")).get(LOGS).refused_with(403);
}

#[test]
fn an_export_is_counted_and_then_fetched_as_gzipped_csv() {
    let server = Server::start();
    let admin = server.client();
    for number in 0..1100 {
        admin.mint(&format!("=key, \"{number}\""));
    }
    let begun = admin.post(&format!("{LOGS}/exports"), json!({"searchTerm": "api_key.created"}));
    assert_eq!(begun.status, 202, "{}", begun.text);
    let begun = begun.json()["data"].take();
    let path = format!("{LOGS}/exports/{}", begun["id"].as_str().expect("an id"));
    eventually(Duration::from_secs(10), || admin.get(&path).data()["status"] == json!("COMPLETED"));
    admin.mint("too late for it");
    let export = admin.get(&path).data();
    assert_eq!(
        (&export["rowCount"], &export["exportType"], &export["userId"]),
        (&json!(1101), &json!("AUDIT_LOGS"), &json!("1"))
    );
    assert!(export["completedAt"].is_string() && export["projectId"].is_null() && export["errorMessage"].is_null());

    let (head, body) = admin.fetch(&format!("{path}/download"));
    assert_eq!(head.header("content-type"), Some("application/gzip"));
    let mut csv = String::new();
    MultiGzDecoder::new(&body[..]).read_to_string(&mut csv).expect("gzip");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.headers().expect("a head").iter().take(3).collect::<Vec<_>>(), ["number", "at", "action"]);
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    assert_eq!((rows.len(), &rows[0][0], &rows[1100][0]), (1101, "1103", "3"));
    assert!(rows[0][8].contains(r#"=key, \"1099\""#), "{:?}", &rows[0]);
}

#[test]
fn an_export_that_cannot_be_is_refused() {
    let server = Server::start();
    let admin = server.client();
    let path = format!("{LOGS}/exports");
    for wrong in [
        json!({"searchTerm": "nobody"}),
        json!({"startTime": "2020-01-01T00:00:00Z"}),
        json!({"startTime": "2020-01-02T00:00:00Z", "endTime": "2020-01-01T00:00:00Z"}),
        json!({"startTime": "2020-01-01T00:00:00Z", "endTime": "2020-01-01T00:00:00Z"}),
        json!({"startTime": 5, "endTime": 6}),
    ] {
        admin.post(&path, wrong).refused_with(400);
    }
    admin.get(&format!("{path}/exp_00000000000000000000000000000000")).refused_with(404);
    admin.get(&format!("{path}/exp_00000000000000000000000000000000/download")).refused_with(404);
}

/// A stopped store with an event of every kind, for tampering.
struct Tampered {
    folder: tempfile::TempDir,
    original: PathBuf,
}

impl Tampered {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start_in(folder.path(), &[]);
        do_everything(&server);
        assert!(server.stop().success());
        Self { original: folder.path().join("keystead.db"), folder }
    }

    fn newest(&self) -> i64 {
        let file = Connection::open(&self.original).expect("the file");
        file.query_row("SELECT max(number) FROM audit_events", [], |row| row.get(0)).expect("a number")
    }

    /// The result of the check on a copy with this change.
    #[track_caller]
    fn verdict(&self, tamper: impl FnOnce(&Connection)) -> std::result::Result<String, String> {
        let copy = self.folder.path().join("copy.db");
        std::fs::copy(&self.original, &copy).expect("a copy");
        let file = Connection::open(&copy).expect("the copy");
        file.pragma_update(None, "journal_mode", "DELETE").expect("no log beside it");
        tamper(&file);
        drop(file);
        verify(&copy, &[])
    }

    #[track_caller]
    fn assert_broken_at(&self, number: i64, what: &str, sql: &str) {
        let verdict = self.verdict(|file| file.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}")));
        let sentence = verdict.expect_err(sql);
        assert!(sentence.contains(&format!("event {number} {what}")), "{sql}: {sentence}");
    }
}

/// The outcome of `keystead audit verify`: its output or its error.
fn verify(store: &Path, more: &[&str]) -> std::result::Result<String, String> {
    let store = store.to_str().expect("a path");
    let arguments: Vec<&str> = ["audit", "verify", "--store", store].iter().chain(more).copied().collect();
    let output = run(Path::new("/"), &arguments);
    match output.status.code() {
        Some(0) => Ok(stdout(&output)),
        Some(1) => Err(stderr(&output)),
        other => panic!("{other:?}: {}", stderr(&output)),
    }
}

#[test]
fn a_change_of_any_field_of_any_event_is_found_where_it_is() {
    let tampered = Tampered::new();
    let newest = tampered.newest();
    assert!(tampered.verdict(|_| {}).expect("it is whole").contains(&format!("1 to {newest}: all intact")));
    let columns = "at organization_id project_id actor_key_id actor_name action resource change client_address user_agent \
                   request_id";
    for number in 1..=newest {
        for column in columns.split(' ') {
            let other = if ["at", "organization_id", "project_id", "actor_key_id"].contains(&column) {
                format!("coalesce({column} + 1, 7)")
            } else {
                format!("coalesce({column}, '') || 'x'")
            };
            let sql = format!("UPDATE audit_events SET {column} = {other} WHERE number = {number}");
            tampered.assert_broken_at(number, "was changed or replaced", &sql);
        }
        let sql = format!("UPDATE audit_events SET hash = zeroblob(32) WHERE number = {number}");
        tampered.assert_broken_at(number, "was changed or replaced", &sql);
    }
}

#[test]
fn an_event_that_was_removed_moved_or_added_is_found_where_it_is() {
    let tampered = Tampered::new();
    let newest = tampered.newest();
    for number in 1..newest {
        let next = number + 1;
        let gone = format!("DELETE FROM audit_events WHERE number = {number}");
        tampered.assert_broken_at(number, &format!("is missing: event {next} follows instead"), &gone);
        let closed = format!(
            "{gone}; UPDATE audit_events SET number = -number WHERE number > {number}; \
             UPDATE audit_events SET number = -number - 1 WHERE number < 0"
        );
        tampered.assert_broken_at(number, "was changed or replaced", &closed);
        let swapped = format!(
            "UPDATE audit_events SET number = -1 WHERE number = {number}; \
             UPDATE audit_events SET number = {number} WHERE number = {next}; \
             UPDATE audit_events SET number = {next} WHERE number = -1"
        );
        tampered.assert_broken_at(number, "was changed or replaced", &swapped);
        let added = format!(
            "UPDATE audit_events SET number = -number WHERE number > {number}; \
             UPDATE audit_events SET number = -number + 1 WHERE number < 0; \
             INSERT INTO audit_events SELECT {next}, at, organization_id, project_id, actor_key_id, actor_name, action, \
             resource, change, client_address, user_agent, request_id, hash FROM audit_events WHERE number = {number}"
        );
        tampered.assert_broken_at(next, "was changed or replaced", &added);
    }
}

#[test]
fn a_forged_pruning_event_hides_no_missing_events() {
    let tampered = Tampered::new();
    let newest = tampered.newest();
    let file = Connection::open(&tampered.original).expect("the file");
    for (number, through) in (1..=newest).flat_map(|number| [(number, number), (number, newest)]) {
        let hash = "SELECT lower(hex(hash)) FROM audit_events WHERE number = ?1";
        let hash: String = file.query_row(hash, [through], |row| row.get(0)).expect("a hash");
        let claim = format!(
            "UPDATE audit_events SET action = 'audit.pruned', change = '{{\"through\":\"{through}:{hash}\"}}' \
             WHERE number = {number}"
        );
        tampered.assert_broken_at(number, "was changed or replaced", &claim);
        let verdict = tampered.verdict(|file| {
            file.execute_batch(&format!("{claim}; DELETE FROM audit_events WHERE number = 1")).expect("a change");
        });
        assert!(verdict.is_err() || number == 1, "{number} says that all through {through} is gone");
    }
}

#[test]
fn an_event_before_the_beginning_is_found() {
    let tampered = Tampered::new();
    for number in [0, -1, i64::MIN] {
        let early = format!(
            "INSERT INTO audit_events SELECT {number}, at, organization_id, project_id, actor_key_id, actor_name, action, \
             resource, change, client_address, user_agent, request_id, hash FROM audit_events WHERE number = 1"
        );
        tampered.assert_broken_at(1, &format!("is missing: event {number} follows instead"), &early);
    }
}

#[test]
fn a_value_of_another_type_or_length_is_as_wrong_as_another_value() {
    let tampered = Tampered::new();
    for change in
        ["hash = x''", "hash = zeroblob(31)", "change = CAST(x'ff' AS TEXT)", "user_agent = CAST(x'ff' AS TEXT)"]
    {
        let sql = format!("PRAGMA ignore_check_constraints = ON; UPDATE audit_events SET {change} WHERE number = 5");
        tampered.assert_broken_at(5, "was changed or replaced", &sql);
    }
    // Digits stored as text have the same bytes as the number.
    let loosened = "PRAGMA writable_schema = ON; \
                    UPDATE sqlite_schema SET sql = replace(replace(sql, 'STRICT', ''), 'at              INTEGER', 'at BLOB') \
                    WHERE name = 'audit_events'; PRAGMA writable_schema = RESET; \
                    UPDATE audit_events SET at = CAST(at AS TEXT) WHERE number = 5";
    tampered.assert_broken_at(5, "was changed or replaced", loosened);
}

#[test]
fn every_byte_of_an_event_counts() {
    let tampered = Tampered::new();
    let number = 10;
    for column in ["actor_name", "action", "resource", "change", "client_address", "user_agent", "hash"] {
        let length: i64 = Connection::open(&tampered.original)
            .expect("the file")
            .query_row(&format!("SELECT length({column}) FROM audit_events WHERE number = {number}"), [], |row| {
                row.get(0)
            })
            .expect("a length");
        assert!(length > 5, "{column}");
        for at in (1..=length).step_by(if column == "change" { 17 } else { 3 }) {
            // One bit of one byte.
            let byte = format!("substr({column}, {at}, 1)");
            let other = if column == "hash" {
                format!("CASE {byte} WHEN x'00' THEN x'01' ELSE x'00' END")
            } else {
                format!("char(unicode({byte}) ^ 1)")
            };
            let sql = format!(
                "UPDATE audit_events SET {column} = CAST(substr({column}, 1, {at} - 1) || {other} || substr({column}, {at} + 1) \
                 AS {}) WHERE number = {number}",
                if column == "hash" { "BLOB" } else { "TEXT" }
            );
            let sql = sql.replace(" ^ 1", " + 1");
            tampered.assert_broken_at(number, "was changed or replaced", &sql);
        }
    }
}

#[test]
fn a_truncated_or_rewritten_log_is_detected_by_a_head_that_was_kept_elsewhere() {
    let tampered = Tampered::new();
    let head = stdout(&run(tampered.folder.path(), &["audit", "head"])).trim().to_owned();
    let newest = tampered.newest();
    assert!(head.starts_with(&format!("{newest}:")), "{head}");
    assert!(verify(&tampered.original, &["--expect", &head]).is_ok());
    let copy = tampered.folder.path().join("copy.db");
    let shortened = tampered.verdict(|file| {
        file.execute("DELETE FROM audit_events WHERE number = ?1", [newest]).expect("a deletion");
    });
    assert!(shortened.is_ok(), "a chain alone cannot tell");
    let sentence = verify(&copy, &["--expect", &head]).expect_err("the end is missing");
    assert!(sentence.contains(&format!("it has the events 1 to {}, and not {newest}", newest - 1)), "{sentence}");
    let other = format!("{newest}:{}", "0".repeat(64));
    let sentence = verify(&tampered.original, &["--expect", &other]).expect_err("another hash");
    assert!(sentence.contains(&format!("event {newest} has another hash")), "{sentence}");
    // An older head is valid too, and an invalid head is distinguished from a broken log.
    let server = Server::start_in(tampered.folder.path(), &[]);
    server.client().mint("one more");
    assert!(
        verify(&tampered.original, &["--expect", &head])
            .expect("a live file")
            .contains(&format!("1 to {}", newest + 1))
    );
    let output = run(tampered.folder.path(), &["audit", "verify", "--expect", "nonsense"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_log_is_listed_and_exported_on_the_command_line() {
    let tampered = Tampered::new();
    let list = |more: &[&str]| {
        let arguments: Vec<&str> = ["audit", "list"].iter().chain(more).copied().collect();
        let output = run(tampered.folder.path(), &arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let table = list(&["--limit", "3"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(lines[0].starts_with("NUMBER  AT ") && lines[1].contains("project.deleted"), "{table}");
    assert_eq!(list(&["--action", "api_key.revoked", "--json"]).lines().count(), 1);
    assert_eq!(list(&["--actor", "operator", "--json"]).lines().count(), 3, "the store's own among them");
    assert_eq!(list(&["--from", "2999-01-01"]).lines().count(), 0);
    let csv = stdout(&run(tampered.folder.path(), &["audit", "export", "--format", "csv"]));
    let rows = csv::Reader::from_reader(csv.as_bytes()).records().map(|row| row.expect("a row")).collect::<Vec<_>>();
    let numbers: BTreeSet<String> = rows.iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(numbers.len(), usize::try_from(tampered.newest()).expect("a count"));
}

#[test]
fn a_list_of_events_shows_each_changed_field_with_its_old_and_new_value() {
    let server = Server::start();
    let folder = server.folder();
    let (id, first) = server.client().mint("CI");
    server.client().put(&format!("{KEYS}/{id}"), json!({"rateLimit": {"limit": 5, "windowInSeconds": 60}})).data();
    done(folder, &["keys", "deactivate", &id.to_string()]);
    let second = done(folder, &["keys", "rotate", &id.to_string(), "--yes"]);
    done(folder, &["organizations", "rename", "My organization", "Acme"]);
    let grants = ["--role", "none", "--permission", "b:*,c", "--no-owner", "--metadata", r#"{"plan":"basic"}"#];
    let given = ["--permission", "a,c", "--owner", "Ann", "--reason", "Ann asked, twice"];
    done(folder, &[&["keys", "update", &id.to_string()], &given[..]].concat());
    done(folder, &[&["keys", "update", &id.to_string()], &grants[..]].concat());
    done(folder, &["keys", "revoke", &id.to_string(), "--yes", "--reason", "The laptop was stolen."]);
    let table = done(folder, &["audit", "list"]);
    let rows: Vec<&str> = table.lines().collect();
    let heads: Vec<&str> = rows[0].split_whitespace().collect();
    assert_eq!(heads, ["NUMBER", "AT", "ACTION", "RESOURCE", "BY", "FROM", "NAME", "CHANGE"]);
    let resource = format!("api_key/{id}");
    let tail = |key: &str| format!("…{}", &key.trim()[key.trim().len() - 6..]);
    let (first, second) = (tail(&first), tail(&second));
    for (place, resource, end) in [
        (
            1,
            resource.as_str(),
            format!(
                "CI value {second}, role none, limit 5 in 60s, metadata {{\"plan\":\"basic\"}}, permissions b:* c, \
                 deactivated, reason: The laptop was stolen."
            ),
        ),
        (
            2,
            resource.as_str(),
            "CI granted b:*, withdrawn a, role admin → none, owner Ann → none, metadata none → {\"plan\":\"basic\"}"
                .to_owned(),
        ),
        (3, resource.as_str(), "CI granted a c, owner none → Ann, reason: Ann asked, twice".to_owned()),
        (4, "organization/", "Acme name My organization → Acme".to_owned()),
        (5, resource.as_str(), format!("CI value {first} → {second}")),
        (6, resource.as_str(), "CI deactivated".to_owned()),
        (7, resource.as_str(), "CI limit none → 5 in 60s".to_owned()),
        (8, resource.as_str(), format!("CI value {first}, role admin")),
    ] {
        let row = rows[place].split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(row.contains(resource) && row.ends_with(&end), "{end}\n{table}");
    }
    // JSON keeps all of it.
    let event = done_json(folder, &["audit", "list", "--limit", "1", "--json"]);
    let limit = json!({"limit": 5, "windowInSeconds": 60});
    assert_eq!((&event["change"]["before"]["name"], &event["change"]["before"]["rateLimit"]), (&json!("CI"), &limit));
    let key = new_secret().expose().to_owned();
    for wrong in [&["list", "--limit", "0"][..], &["list", "--text", &key], &["export", "--text", &key]] {
        let output = run(folder, &[&["audit"], wrong].concat());
        assert_failed_with(&output, 2, "invalid value");
        assert!(!stderr(&output).contains(&key), "{}", stderr(&output));
    }
    let cut = run(folder, &["audit", "list", "--limit", "1"]);
    assert!(stderr(&cut).contains("The list ends after 1 and there are more"), "{}", stderr(&cut));
}

#[test]
fn texts_that_a_spreadsheet_would_take_for_formulas_are_defused_in_csv_and_can_be_read_back() {
    let server = Server::start();
    let cells = [
        ("=a", "'=a"),
        ("'=a", "''=a"),
        ("＝b", "'＝b"),
        ("＋b", "'＋b"),
        ("－b", "'－b"),
        ("＠b", "'＠b"),
        ("'c", "'c"),
    ];
    for (name, _) in cells {
        let (_, value) = server.client().mint(name);
        server.client_with(&value).mint("by it");
    }
    let export = done(server.folder(), &["audit", "export", "--format", "csv"]);
    let mut reader = csv::Reader::from_reader(export.as_bytes());
    let names: Vec<String> = reader.records().map(|record| record.expect("a row")[5].to_owned()).collect();
    for (name, cell) in cells {
        assert!(names.iter().any(|it| it == cell), "{name}: {names:?}");
        assert_eq!(keystead::spreadsheet::unescape_formula(cell), name);
    }
}

#[test]
fn a_store_that_is_not_there_or_of_another_version_is_not_made_or_changed_by_a_look() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(folder.path(), &["audit", "verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("is missing"), "{}", stderr(&output));
    assert!(!folder.path().join("keystead.db").exists());
    let old = folder.path().join("old.db");
    Connection::open(&old)
        .expect("a file")
        .execute_batch(include_str!("../../src/store/sqlite/schemas/3.sql"))
        .expect("3");
    assert!(verify(&old, &[]).expect_err("it is older").contains("has the older schema 3"));
    let files = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(files, 1, "nothing was left beside it");
}

#[test]
fn a_migration_is_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    Connection::open(&path)
        .expect("a file")
        .execute_batch(include_str!("../../src/store/sqlite/schemas/3.sql"))
        .expect("3");
    let _server = Server::start_in(folder.path(), &[]);
    let log = stdout(&run(folder.path(), &["audit", "list", "--action", "store.migrated", "--json"]));
    let event: Value = serde_json::from_str(&log).expect("one event");
    assert_eq!(event["change"], json!({"before": {"schema": 3}, "after": {"schema": schema_version()}}));
    assert_eq!((&event["number"], &event["actorName"]), (&json!(1), &json!("keystead")));
}

#[test]
fn failed_authentications_are_sampled_by_address_with_a_count_of_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[("KEYSTEAD_SERVER_TRUSTED_PROXIES", "127.0.0.1")]);
    let admin = server.client();
    let (id, value) = admin.mint("a");
    admin.set_valid(id, false).data();
    let fail = |key: &str, address: &str| {
        let headers = [("X-API-Key", key), ("X-Forwarded-For", address)];
        assert!([401, 429].contains(&admin.send("GET", ORGANIZATION, &headers, b"").status));
    };
    for _ in 0..30 {
        fail("confident_org_00000000000000000000000000000000", "203.0.113.7");
    }
    fail(&value, "203.0.113.7");
    for number in 0..50 {
        fail("wrong", &format!("198.51.100.{number}"));
    }
    // The counts are written once a minute, and at a stop.
    assert!(server.stop().success());
    let log = stdout(&run(folder.path(), &["audit", "export", "--action", "authentication.failed"]));
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    assert_eq!(events.len(), 21, "{log}");
    let of = |address: Value| events.iter().filter(move |event| event["clientAddress"] == address).collect::<Vec<_>>();
    let known = of(json!("203.0.113.7"));
    let (unknown, deactivated): (Vec<&Value>, Vec<&Value>) =
        known.into_iter().partition(|event| event["organizationId"].is_null());
    assert_eq!(unknown[0]["change"], json!({"reason": "The API key is not valid.", "count": 30}));
    assert_eq!(deactivated[0]["change"], json!({"reason": "The API key is deactivated.", "count": 1}));
    assert_eq!(deactivated[0]["resource"], json!(format!("api_key/{id}")));
    assert_eq!(of(Value::Null)[0]["change"]["count"], json!(32), "those for which there was no room");
    assert!(!log.contains(&value[value.len() - 32..]));
    assert!(verify(&folder.path().join("keystead.db"), &[]).is_ok());
}

#[test]
fn the_head_is_logged_and_signed_where_there_is_a_key() {
    // RFC 8410, section 10.3: an example key.
    let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let public = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("signing.pem"), key).expect("a key");
    let server = Server::start_in(folder.path(), &[("KEYSTEAD_AUDIT_SIGNING_KEY", "signing.pem")]);
    server.client().mint("a");
    let output =
        keystead(folder.path()).args(["audit", "head"]).env("KEYSTEAD_AUDIT_SIGNING_KEY", "signing.pem").output();
    let printed = stdout(&output.expect("the program runs"));
    let (head, signature) = printed.trim().split_once(" signature ").expect("a signature");
    let public =
        ed25519_dalek::VerifyingKey::from_bytes(&hex_bytes(public).try_into().expect("32 bytes")).expect("a key");
    let signature = ed25519_dalek::Signature::from_slice(&hex_bytes(signature)).expect("a signature");
    public.verify_strict(format!("keystead audit head {head}").as_bytes(), &signature).expect("it is signed");
    eventually(Duration::from_secs(5), || server.log().contains("audit log head: 3:"));
    let folder_path = server.folder().to_owned();
    assert!(server.stop().success());
    let log = std::fs::read_to_string(folder_path.join("log")).expect("the log");
    assert!(log.contains(format!("audit log head: {printed}").trim()), "at a stop, too: {log}");
    std::fs::write(folder.path().join("signing.pem"), "nonsense").expect("a file");
    let output = keystead(folder.path()).arg("serve").env("KEYSTEAD_AUDIT_SIGNING_KEY", "signing.pem").output();
    assert!(stderr(&output.expect("the program runs")).contains("audit.signing_key"));
}

#[test]
fn events_older_than_the_retention_are_deleted_and_the_rest_is_still_a_chain() {
    let tampered = Tampered::new();
    let service = keystead::service::Service::open(&service_options(&tampered.original), metrics()).expect("a service");
    let newest = tampered.newest();
    let head = stdout(&run(tampered.folder.path(), &["audit", "head"])).trim().to_owned();
    let file = || Connection::open(&tampered.original).expect("the file");
    let count =
        || file().query_row("SELECT count(*) FROM audit_events", [], |row| row.get::<_, i64>(0)).expect("a count");
    assert_eq!(wait(service.prune_audit_log(at(0), at(1))).expect("nothing is so old"), 0);
    assert_eq!(count(), newest);
    // All events are older than this time in the future; the newest event is kept nevertheless.
    let future = at(4_000_000_000_000);
    assert_eq!(
        wait(service.prune_audit_log(future, future)).expect("a commit"),
        usize::try_from(newest - 1).expect("a count")
    );
    wait(service.close());
    assert_eq!(count(), 2, "the newest, and the note of what went");
    let verdict = verify(&tampered.original, &["--expect", &head]).expect("a chain");
    assert!(verdict.contains(&format!("2 events, {newest} to {}: all intact", newest + 1)), "{verdict}");
    tampered.assert_broken_at(
        newest,
        "was changed or replaced",
        "UPDATE audit_events SET at = at + 1 WHERE number = 18",
    );
    let earlier = format!("3:{}", "0".repeat(64));
    assert!(verify(&tampered.original, &["--expect", &earlier]).expect_err("it is gone").contains("and not 3"));
}

pub fn service_options(path: &Path) -> keystead::service::ServiceOptions {
    keystead::service::ServiceOptions {
        store: store_options(path),
        organization_key_prefix: prefix(),
        project_key_prefix: keystead::domain::KeyPrefix::parse("confident_proj_").expect("a prefix"),
        cache_capacity: 100,
        brute_force: keystead::service::BruteForceLimit {
            burst: 20,
            per_minute: 20,
            addresses: 100,
            counts_loopback: false,
        },
        change_limit: keystead::service::ChangeLimit { burst: 0, per_minute: 0 },
        counts_usage: true,
    }
}

#[test]
fn the_example_in_the_documentation_matches_the_code() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit.md")).expect("docs/audit.md");
    let (_, example) = text.split_once("### An example").expect("an example");
    let organization = OrganizationId::parse("org_2f9c1e7ab3d84f06");
    let first = NewEvent {
        at: at(1_795_462_277_171),
        organization: None,
        project: None,
        actor: Actor::Operator,
        action: Action::StoreInitialized,
        resource: "store".to_owned(),
        change: r#"{"after":null,"before":null}"#.to_owned(),
        origin: Origin::default(),
    };
    let second = NewEvent {
        at: at(1_795_462_338_000),
        organization,
        actor: Actor::Key(KeyId::new(1).expect("a number"), Name::parse("Schlüssel 1").expect("a name")),
        action: Action::KeyCreated,
        resource: "api_key/2".to_owned(),
        change: r#"{"after":{"name":"CI/CD key","valid":true,"value":"***************a1b2c3"},"before":null}"#
            .to_owned(),
        origin: Origin::new(Some([203, 0, 113, 7].into()), Some("curl/8.14.1"), None),
        ..first.clone()
    };
    let mut head = Link::START;
    let blocks = example.split("```text\n").skip(1).map(|block| block.split("```").next().unwrap_or_default());
    let blocks: Vec<&str> = blocks.collect();
    for (event, block) in [first, second].iter().zip(&blocks) {
        head = event.link(head);
        let hex: String = block.lines().map(|line| line.trim_start().split("  ").next().unwrap_or_default()).collect();
        let bytes: Vec<u8> = hex_bytes(&hex.replace(' ', ""));
        assert_eq!(blake3::hash(&bytes).to_hex().as_str(), head.hash.to_string(), "{block}");
        assert!(example.contains(&format!("Its hash is `{}`", head.hash)));
    }
    assert_eq!(blocks.last().map(|block| block.trim().to_owned()), Some(head.to_string()));
    for action in Action::ALL {
        assert!(text.contains(&format!("| `{}` |", action.name())), "{} is not described", action.name());
    }
}

fn hex_bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

#[test]
fn events_of_an_organization_are_found_by_its_id_and_by_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    done(folder.path(), &["init", "--organization", "Acme", "--key-file", "key"]);
    done(folder.path(), &["organizations", "create", "Other", "--key-file", "other"]);
    let events = |organization: &str| {
        let all = done(folder.path(), &["audit", "list", "--json", "--organization", organization]);
        all.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let by_name = events("Other");
    assert!(!by_name.is_empty() && by_name.len() < done(folder.path(), &["audit", "list", "--json"]).lines().count());
    let event: Value = serde_json::from_str(&by_name[0]).expect("an event");
    assert_eq!(events(event["organizationId"].as_str().expect("an id")), by_name);
    let output = run(folder.path(), &["audit", "list", "--organization", "Nobody"]);
    assert_failed_with(&output, 1, "There is no organization Nobody in this store");
}

#[test]
fn an_organizations_exports_replace_only_its_own_older_exports() {
    let server = Server::start();
    run(server.folder(), &["organizations", "create", "Other", "--key-file", "other-key"]);
    let other = std::fs::read_to_string(server.folder().join("other-key")).expect("a key");
    let (admin, other) = (server.client(), server.client_with(other.trim()));
    let export = |client: &Client| {
        let mut id = None;
        // One at a time.
        eventually(std::time::Duration::from_secs(10), || {
            let answer = client.post(&format!("{LOGS}/exports"), json!({}));
            id = answer.json()["data"]["id"].as_str().map(str::to_owned);
            answer.status == 202
        });
        id.expect("an id")
    };
    let is_known = |client: &Client, id: &str| client.get(&format!("{LOGS}/exports/{id}")).status == 200;
    let of_other = export(&other);
    let ids: Vec<String> = (0..18).map(|_| export(&admin)).collect();
    let known: Vec<bool> = ids.iter().map(|id| is_known(&admin, id)).collect();
    assert_eq!(known.iter().position(|is_known| *is_known), Some(2), "{known:?}");
    assert!(known[2..].iter().all(|is_known| *is_known) && is_known(&other, &of_other));
}
