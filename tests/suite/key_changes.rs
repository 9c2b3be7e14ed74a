//! Changes that keep the value of a key: its name, its expiry and its limits, by HTTP and by a command.

use super::helpers::*;
use serde_json::{Value, json};

const V2_KEYS: &str = "/v2/organization/api-keys";
const HOUR_MS: i64 = 3_600_000;

fn with_clock() -> Server {
    Server::start_with(&[("KEYSTEAD_DEV_CLOCK", "true")])
}

fn advance(client: &Client, ms: i64) {
    client.post("/dev/clock", json!({"advanceInMs": ms})).data();
}

fn path(id: &Value) -> String {
    format!("{V2_KEYS}/{id}")
}

fn text<'a>(key: &'a Value, field: &str) -> &'a str {
    key[field].as_str().unwrap_or_else(|| panic!("no {field}: {key}"))
}

fn time_ms(key: &Value, field: &str) -> i64 {
    keystead::domain::Timestamp::parse(text(key, field)).expect("a time").unix_ms()
}

/// The newest event of the audit log.
fn newest_event(client: &Client) -> Value {
    client.get("/v2/organization/audit-logs?limit=1").data()["auditLogs"][0].take()
}

#[test]
fn a_key_gets_another_name_and_expiry_and_keeps_its_value() {
    let server = Server::start();
    let admin = server.client();
    let project = admin.post("/v2/projects", json!({"name": "Web"})).data()["project"]["id"].take();
    let project_keys = format!("/v2/projects/{}/api-keys", project.as_str().expect("an id"));
    for keys in [V2_KEYS, &project_keys] {
        let made = admin.post(keys, json!({"name": "a", "expiresInDays": 1})).data();
        let one = format!("{keys}/{}", made["id"]);
        let changed = admin.put(&one, json!({"name": " Deployment ", "expiresInDays": 90})).data();
        assert_eq!(changed["name"], json!("Deployment"));
        assert!(time_ms(&changed, "expiresAt") >= time_ms(&made, "created_at") + 90 * 24 * HOUR_MS);
        let event = newest_event(&admin);
        assert_eq!(event["action"], json!("api_key.updated"));
        let [before, after] = ["before", "after"].map(|side| &event["change"][side]);
        assert_eq!((&before["name"], &after["name"]), (&json!("a"), &json!("Deployment")));
        assert_eq!((&before["expiresAt"], &after["expiresAt"]), (&made["expiresAt"], &changed["expiresAt"]));
        let seconds = admin.put(&one, json!({"expiresInSeconds": 600, "expiresInDays": null})).data();
        assert_eq!(seconds["name"], json!("Deployment"), "what is left out stays");
        assert!(time_ms(&seconds, "expiresAt") < time_ms(&made, "expiresAt"));
        for forever in [json!({"expiresInSeconds": null}), json!({"expiresInDays": null})] {
            admin.put(&one, json!({"expiresInDays": 2})).data();
            assert_eq!(admin.put(&one, forever).data()["expiresAt"], Value::Null);
        }
        assert!(newest_event(&admin)["change"]["after"].get("expiresAt").is_none());
        assert_eq!(admin.post("/v2/verify", json!({"value": made["value"]})).data()["code"], json!("VALID"));
        assert_eq!(admin.get(&one).data()["name"], json!("Deployment"));
    }
}

#[test]
fn a_rotation_takes_a_name_as_well() {
    let server = Server::start();
    let admin = server.client();
    let (id, _) = admin.mint("a");
    let rotated = admin.post(&format!("{V2_KEYS}/{id}/rotate"), json!({"name": "b", "gracePeriodInHours": 1})).data();
    assert_eq!(rotated["name"], json!("b"));
    let change = newest_event(&admin)["change"].take();
    assert_eq!((&change["before"]["name"], &change["after"]["name"]), (&json!("a"), &json!("b")));
}

#[test]
fn a_new_expiry_applies_at_once_and_a_later_one_reactivates_an_expired_key() {
    let server = with_clock();
    let admin = server.client();
    let made = admin.post(V2_KEYS, json!({"name": "a", "expiresInDays": 90})).data();
    let key = server.client_with(text(&made, "value"));
    assert!(key.is_good(), "and remembered");
    admin.put(&path(&made["id"]), json!({"expiresInSeconds": 60})).data();
    advance(&admin, 59_000);
    assert!(key.is_good());
    advance(&admin, 1_000);
    let sentence = key.get(ORGANIZATION).refused_with(401);
    assert!(sentence.contains("expired"), "{sentence}");
    admin.put(&path(&made["id"]), json!({"name": "b"})).data();
    assert!(!key.is_good(), "another name is no other end");
    admin.put(&path(&made["id"]), json!({"expiresInDays": 1})).data();
    assert!(key.is_good());
    advance(&admin, 24 * HOUR_MS);
    assert!(!key.is_good());
    admin.put(&path(&made["id"]), json!({"expiresInDays": null})).data();
    assert!(key.is_good());
}

#[test]
fn a_new_expiry_does_not_extend_the_grace_period_of_the_outgoing_value() {
    let server = with_clock();
    let admin = server.client();
    let (id, old) = admin.mint("a");
    let id = json!(id);
    let rotated = admin.post(&format!("{}/rotate", path(&id)), json!({"gracePeriodInHours": 24})).data();
    let [old, new] = [old.as_str(), text(&rotated, "shadowValue")].map(|value| server.client_with(value));
    assert_eq!(admin.put(&path(&id), json!({"expiresInDays": 9})).data()["rotatesAt"], rotated["rotatesAt"]);
    let hour = admin.put(&path(&id), json!({"expiresInSeconds": 3_600})).data();
    assert_eq!(hour["rotatesAt"], hour["expiresAt"], "no value outlives its key");
    let event = newest_event(&admin);
    assert_eq!(event["change"]["before"]["rotatesAt"], rotated["rotatesAt"]);
    assert_eq!(event["change"]["after"]["rotatesAt"], hour["rotatesAt"]);
    let day = admin.put(&path(&id), json!({"expiresInDays": 1})).data();
    assert_eq!(day["rotatesAt"], hour["rotatesAt"]);
    assert!(old.is_good() && new.is_good());
    advance(&admin, HOUR_MS);
    assert!(!old.is_good() && new.is_good());

    // The key expires within the grace period and is renewed afterwards: only its newest value is valid again.
    let rotated = admin.post(&format!("{}/rotate", path(&id)), json!({"gracePeriodInHours": 2})).data();
    let newest = server.client_with(text(&rotated, "shadowValue"));
    admin.put(&path(&id), json!({"expiresInSeconds": 3_600})).data();
    advance(&admin, HOUR_MS);
    assert!(!new.is_good() && !newest.is_good());
    let renewed = admin.put(&path(&id), json!({"expiresInDays": null})).data();
    assert_eq!(renewed["shadowValue"], Value::Null);
    assert!(!new.is_good() && newest.is_good());
}

#[test]
fn an_older_copy_of_the_store_does_not_undo_an_earlier_expiry() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    let admin = server.client();
    let made =
        ["narrowed", "renewed"].map(|name| admin.post(V2_KEYS, json!({"name": name, "expiresInDays": 90})).data());
    let forever = admin.mint("never to end").0;
    done(folder.path(), &["backup", "older.db"]);
    let shorter = admin.put(&path(&made[0]["id"]), json!({"expiresInSeconds": 600})).data();
    let longer = admin.put(&path(&made[1]["id"]), json!({"expiresInDays": 900})).data();
    let ended = admin.put(&path(&json!(forever)), json!({"expiresInDays": 1})).data();
    assert!(server.stop().success());
    done(folder.path(), &["restore", "older.db"]);
    let server = Server::start_in(folder.path(), &[]);
    for key in [shorter, longer, ended] {
        assert_eq!(server.client().get(&path(&key["id"])).data()["expiresAt"], key["expiresAt"], "{key}");
    }
}

#[test]
fn an_invalid_change_has_no_effect() {
    let server = Server::start();
    let admin = server.client();
    let (id, value) = admin.mint("a");
    let one = path(&json!(id));
    let before = admin.get(&one).data();
    for (wrong, word) in [
        (json!({"name": null}), "\"name\" must be a string"),
        (json!({"name": ""}), "name"),
        (json!({"name": value}), "full API key"),
        (json!({"name": "b", "expiresInDays": 0}), "expiresInDays"),
        (json!({"name": "b", "expiresInSeconds": 59}), "expiresInSeconds"),
        (json!({"expiresInSeconds": 60, "expiresInDays": 1}), "either"),
        (json!({"expiresAt": "2030-01-01T00:00:00Z"}), "did you mean \"expiresInDays\""),
        (json!({"digest": "0".repeat(64)}), "rotate the key to change its value"),
    ] {
        let sentence = admin.put(&one, wrong).refused_with(400);
        assert!(sentence.contains(word) && !sentence.contains(&value), "{sentence}");
    }
    assert_eq!(admin.get(&one).data(), before);
}

#[test]
fn an_empty_change_is_told_the_possible_fields_and_v1_changes_the_same_as_before() {
    let fields = "\"name\", \"expiresInDays\", \"expiresInSeconds\", \"valid\", \"rateLimit\", \"allowedAddresses\", \
                  \"role\", \"permissions\", \"owner\", \"metadata\"";
    let server = Server::start_with(&[("KEYSTEAD_SERVER_UNKNOWN_FIELDS", "ignore")]);
    let admin = server.client();
    let (id, _) = admin.mint("a");
    for body in [json!({}), json!({"nmae": "b"})] {
        let sentence = admin.put(&path(&json!(id)), body).refused_with(400);
        assert_eq!(sentence, format!("Send at least one of the fields {fields}."));
    }
    let v1 = format!("{KEYS}/{id}");
    for body in [json!({}), json!({"name": "b", "expiresInDays": 1})] {
        assert_eq!(admin.put(&v1, body).refused_with(400), "The field \"valid\" is required.");
    }
    admin.put(&v1, json!({"valid": true, "name": "b", "expiresInDays": "soon"})).data();
    let key = admin.get(&path(&json!(id))).data();
    assert_eq!((&key["name"], &key["expiresAt"]), (&json!("a"), &Value::Null));
}

#[test]
fn the_command_changes_a_key_as_put_does_and_shows_it() {
    let server = Server::start();
    let (folder, admin) = (server.folder(), server.client());
    let (id, value) = admin.mint("a");
    let id = id.to_string();
    let update = |more: &[&str]| done(folder, &[&["keys", "update", &id], more].concat());
    let json = |more: &[&str]| done_json(folder, &[&["keys", "update", &id, "--json"], more].concat());
    let shown = update(&["--name", "Deployment", "--expires-in-days", "90"]);
    assert!(shown.contains("Deployment"), "{shown}");
    assert_eq!(shown, done(folder, &["keys", "get", &id]));
    let narrowed =
        json(&["--rate-limit", "100/60", "--allowed-address", "127.0.0.1,10.0.0.0/8", "--expires-in-seconds", "60"]);
    assert_eq!(narrowed["allowedAddresses"], json!(["127.0.0.1", "10.0.0.0/8"]));
    assert_eq!(narrowed["rateLimit"], json!({"limit": 100, "windowInSeconds": 60}));
    assert!(server.client_with(&value).is_good());
    let key = admin.get(&path(&narrowed["id"])).data();
    assert_eq!((&key["name"], &key["expiresAt"]), (&json!("Deployment"), &narrowed["expiresAt"]));
    let freed = json(&["--no-rate-limit", "--allow-any-address", "--never-expires"]);
    assert_eq!(freed["expiresAt"], Value::Null);
    assert!(freed.get("rateLimit").is_none() && freed.get("allowedAddresses").is_none(), "{freed}");
    assert_eq!(newest_event(&admin)["actorName"], json!("operator"));
}

#[test]
fn the_command_explains_its_arguments_and_refuses_invalid_ones() {
    let server = Server::start();
    let folder = server.folder();
    let (id, value) = server.client().mint("a");
    let id = id.to_string();
    let before = done(folder, &["keys", "get", &id]);
    for (more, code, sentence) in [
        (&[][..], 2, "give at least one of --name, --expires-in-days"),
        (&[], 2, "Usage: keystead keys update [OPTIONS] <NUMBER>"),
        (&["--json"], 2, "--never-expires"),
        (&["--rate-limit", "1/1", "--no-rate-limit"], 2, "cannot be used with"),
        (&["--allowed-address", "10.0.0.1", "--allow-any-address"], 2, "cannot be used with"),
        (&["--never-expires", "--expires-in-days", "1"], 2, "cannot be used with"),
        (&["--expires-in-seconds", "59"], 2, "it must be 60 to 3155760000 seconds"),
        (&["--allowed-address", "here"], 1, "An address must be written like"),
        (&["--name", &value], 1, "full API key"),
    ] {
        let output = run(folder, &[&["keys", "update", &id], more].concat());
        assert_eq!(output.status.code(), Some(code), "{more:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(sentence) && !stderr(&output).contains(&value), "{}", stderr(&output));
    }
    let output = run(folder, &["keys", "update", "99", "--name", "b"]);
    assert!(
        output.status.code() == Some(1) && stderr(&output).contains("There is no API key 99"),
        "{}",
        stderr(&output)
    );
    assert_eq!(done(folder, &["keys", "get", &id]), before);
}
