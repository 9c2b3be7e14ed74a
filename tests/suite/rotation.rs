//! Keys that expire and rotate, in version 2 of the API.

use super::helpers::*;
use serde_json::{Value, json};

const KEYS_V2: &str = "/v2/organization/api-keys";
const ORGANIZATION_V2: &str = "/v2/organization";
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A server whose clock can be moved, and its client.
fn server() -> (Server, Client) {
    let server = Server::start_with(&[("KEYSTEAD_DEV_CLOCK", "true")]);
    let client = server.client();
    (server, client)
}

fn advance(client: &Client, ms: i64) {
    client.post("/dev/clock", json!({"advanceInMs": ms})).data();
}

/// Creates a key; returns the object of the response.
fn create(client: &Client, body: Value) -> Value {
    client.post(KEYS_V2, body).data()
}

fn path(key: &Value) -> String {
    format!("{KEYS_V2}/{}", key["id"])
}

fn rotate(client: &Client, key: &Value, body: Value) -> Answer {
    client.post(&format!("{}/rotate", path(key)), body)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn masked(value: &str) -> Value {
    json!(format!("***************{}", &value[value.len() - 6..]))
}

#[test]
fn a_key_has_all_fields_of_version_2_in_order_and_null_where_unset() {
    let (_server, client) = server();
    let answer = client.post(KEYS_V2, json!({"name": "a"}));
    let key = answer.data();
    let expected = format!(
        r#"{{"success":true,"data":{{"id":2,"name":"a","valid":true,"created_at":{},"expiresAt":null,"value":{},"shadowValue":null,"rotatesAt":null,"lastUsed":null,"role":"admin","permissions":[],"owner":null,"metadata":{{}}}}}}"#,
        key["created_at"], key["value"]
    );
    assert_eq!(answer.text, expected);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn a_key_made_through_one_version_is_seen_through_the_other() {
    let (server, client) = server();
    let (id, value) = client.mint("old");
    let key = client.get(&format!("{KEYS_V2}/{id}")).data();
    assert_eq!((&key["value"], &key["expiresAt"]), (&masked(&value), &Value::Null));
    let new = create(&client, json!({"name": "new", "expiresInDays": 1}));
    let old_view = client.get(&format!("{KEYS}/{}", new["id"])).data()["apiKey"].take();
    assert_eq!(old_view["name"], json!("new"));
    assert_eq!(old_view.as_object().expect("an object").len(), 6, "version 1 has its six fields");
    assert_eq!(client.delete(&path(&new)).text, format!(r#"{{"success":true,"data":{{"id":{}}}}}"#, new["id"]));
    assert!(!server.client_with(text(&new["value"])).is_good());
}

#[test]
fn a_key_is_refused_from_its_expiry_on() {
    let (server, client) = server();
    let key = create(&client, json!({"name": "a", "expiresInDays": 2}));
    let user = server.client_with(text(&key["value"]));
    assert!(user.is_good());
    advance(&client, 2 * DAY_MS - HOUR_MS);
    assert!(user.is_good());
    advance(&client, HOUR_MS);
    assert_eq!(user.get(ORGANIZATION_V2).refused_with(401), "The API key has expired.");
    assert_eq!(client.get(&path(&key)).data()["valid"], json!(true), "switched on, and over");
}

#[test]
fn a_rotation_without_grace_replaces_the_value_at_once() {
    let (server, client) = server();
    let key = create(&client, json!({"name": "a", "expiresInDays": 9}));
    let old = server.client_with(text(&key["value"]));
    assert!(old.is_good());
    let rotated = client.send("POST", &format!("{}/rotate", path(&key)), &[("X-API-Key", client.key())], b"").data();
    for field in ["id", "name", "created_at", "expiresAt"] {
        assert_eq!(rotated[field], key[field], "{field}");
    }
    assert_eq!((&rotated["shadowValue"], &rotated["rotatesAt"]), (&Value::Null, &Value::Null));
    assert_ne!(rotated["lastUsed"], Value::Null, "its history stays");
    assert!(server.client_with(text(&rotated["value"])).is_good());
    assert_eq!(old.get(ORGANIZATION_V2).refused_with(401), "The API key is not valid.");
}

#[test]
fn during_the_grace_both_values_work_and_the_outgoing_one_is_warned() {
    let (server, client) = server();
    let key = create(&client, json!({"name": "a"}));
    let rotated = rotate(&client, &key, json!({"gracePeriodInHours": 24})).data();
    assert_eq!(rotated["value"], masked(text(&key["value"])));
    let (old, new) = (server.client_with(text(&key["value"])), server.client_with(text(&rotated["shadowValue"])));
    let warned = old.get(ORGANIZATION_V2);
    assert_eq!(warned.status, 200);
    assert!(warned.header("sunset").is_some_and(|date| date.ends_with(" GMT")));
    assert!(warned.header("x-api-key-warning").is_some_and(|warning| warning.contains(text(&rotated["rotatesAt"]))));
    assert!(old.get("/v2/nothing").header("sunset").is_none(), "who is not asked for a key is not warned");
    assert!(old.get(&format!("{KEYS_V2}/999")).header("sunset").is_some(), "a failure warns, too");
    let fine = new.get(ORGANIZATION_V2);
    assert_eq!((fine.status, fine.header("sunset"), fine.header("x-api-key-warning")), (200, None, None));
    let seen = client.get(&path(&key)).data();
    assert_eq!(seen["shadowValue"], masked(text(&rotated["shadowValue"])));

    advance(&client, 24 * HOUR_MS);
    assert_eq!(old.get(ORGANIZATION_V2).refused_with(401), "The API key is not valid.");
    assert_eq!(new.get(ORGANIZATION_V2).status, 200);
    let list = client.get(KEYS_V2).data()["apiKeys"].take();
    let listed = list.as_array().and_then(|keys| keys.iter().find(|k| k["id"] == key["id"])).expect("the key");
    assert_eq!(listed["value"], masked(text(&rotated["shadowValue"])));
    assert_eq!((&listed["shadowValue"], &listed["rotatesAt"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_grace_never_ends_after_the_key() {
    let (_server, client) = server();
    let key = create(&client, json!({"name": "a", "expiresInDays": 1}));
    let rotated = rotate(&client, &key, json!({"gracePeriodInHours": 100})).data();
    assert_eq!(rotated["rotatesAt"], key["expiresAt"]);
}

#[test]
fn a_rotation_keeps_removes_or_renews_the_expiry() {
    let (_server, client) = server();
    let key = create(&client, json!({"name": "a", "expiresInDays": 5}));
    assert_eq!(rotate(&client, &key, json!({})).data()["expiresAt"], key["expiresAt"]);
    assert_eq!(rotate(&client, &key, json!({"expiresInDays": null})).data()["expiresAt"], Value::Null);
    let renewed = rotate(&client, &key, json!({"expiresInDays": 7})).data();
    assert!(text(&renewed["expiresAt"]) > text(&key["expiresAt"]));
}

#[test]
fn an_expired_key_is_revived_by_a_rotation_that_says_how_long_it_lasts_and_has_no_grace() {
    let (server, client) = server();
    let key = create(&client, json!({"name": "a", "expiresInDays": 1}));
    advance(&client, DAY_MS);
    assert!(rotate(&client, &key, json!({})).refused_with(400).contains("expiresInDays"));
    let with_grace = json!({"gracePeriodInHours": 1, "expiresInDays": 3});
    assert!(rotate(&client, &key, with_grace).refused_with(400).contains("grace"));
    let revived = rotate(&client, &key, json!({"expiresInDays": null})).data();
    assert!(server.client_with(text(&revived["value"])).is_good());
    assert!(!server.client_with(text(&key["value"])).is_good());
}

#[test]
fn a_second_rotation_waits_for_the_first_unless_it_has_no_grace() {
    let (server, client) = server();
    let key = create(&client, json!({"name": "a"}));
    let first = rotate(&client, &key, json!({"gracePeriodInHours": 5})).data();
    assert!(rotate(&client, &key, json!({"gracePeriodInHours": 5})).refused_with(409).contains("complete or cancel"));
    let now = rotate(&client, &key, json!({})).data();
    for dead in [&key["value"], &first["shadowValue"]] {
        assert!(!server.client_with(text(dead)).is_good());
    }
    assert!(server.client_with(text(&now["value"])).is_good());
    // A rotation whose grace period is over does not block the next one.
    rotate(&client, &key, json!({"gracePeriodInHours": 5})).data();
    advance(&client, 5 * HOUR_MS);
    rotate(&client, &key, json!({"gracePeriodInHours": 5})).data();
}

#[test]
fn a_rotation_can_be_completed_early_and_cancelled() {
    let (server, client) = server();
    for (verb, dead, alive) in [("complete", "value", "shadowValue"), ("cancel", "shadowValue", "value")] {
        let key = create(&client, json!({"name": "a"}));
        let end = format!("{}/rotate/{verb}", path(&key));
        assert_eq!(
            client.send("POST", &end, &[("X-API-Key", client.key())], b"").refused_with(409),
            "The key is not being rotated."
        );
        let rotated = rotate(&client, &key, json!({"gracePeriodInHours": 5})).data();
        let full = |field| if field == "value" { text(&key["value"]) } else { text(&rotated["shadowValue"]) };
        let (dead, alive) = (full(dead), full(alive));
        assert!(server.client_with(dead).is_good() && server.client_with(alive).is_good());
        let ended = client.send("POST", &end, &[("X-API-Key", client.key())], b"").data();
        assert_eq!((&ended["value"], &ended["shadowValue"]), (&masked(alive), &Value::Null));
        assert!(!server.client_with(dead).is_good());
        let after = server.client_with(alive).get(ORGANIZATION_V2);
        assert_eq!((after.status, after.header("sunset")), (200, None), "nothing is announced any more");
    }
}

#[test]
fn a_revoked_key_takes_both_values_with_it() {
    let (server, client) = server();
    let key = create(&client, json!({"name": "a"}));
    let rotated = rotate(&client, &key, json!({"gracePeriodInHours": 5})).data();
    let values = [text(&key["value"]), text(&rotated["shadowValue"])].map(|value| server.client_with(value));
    assert!(values.iter().all(Client::is_good));
    assert_eq!(client.delete(&path(&key)).status, 200);
    assert!(!values.iter().any(Client::is_good));
}

#[test]
fn during_the_grace_period_a_key_shows_the_last_use_of_the_outgoing_value() {
    let (server, client) = server();
    let key = create(&client, json!({"name": "a"}));
    assert!(key.get("rotation").is_none());
    let old = server.client_with(text(&key["value"]));
    assert!(old.is_good());
    let rotated = rotate(&client, &key, json!({"gracePeriodInHours": 48})).data();
    let rotation = || client.get(&path(&key)).data()["rotation"].take();
    let before = rotation();
    assert_ne!(before["valueLastUsed"], Value::Null);
    assert_eq!((&before["shadowValueLastUsed"], &before["isSafeToComplete"]), (&Value::Null, &json!(false)));
    assert!(server.client_with(text(&rotated["shadowValue"])).is_good());
    assert_ne!(rotation()["shadowValueLastUsed"], Value::Null);
    assert_eq!(rotation()["isSafeToComplete"], json!(false), "the outgoing value was used just now");
    advance(&client, HOUR_MS);
    assert_eq!(rotation()["isSafeToComplete"], json!(true));
    assert!(old.is_good());
    assert_eq!(rotation()["isSafeToComplete"], json!(false));
}

#[test]
fn a_use_counts_for_the_presented_value_in_every_state() {
    let (server, client) = server();
    let ends: [&dyn Fn(&Value); 3] = [
        &|key| {
            assert_eq!(
                client
                    .send("POST", &format!("{}/rotate/complete", path(key)), &[("X-API-Key", client.key())], b"")
                    .status,
                200
            )
        },
        &|key| {
            assert_eq!(
                client
                    .send("POST", &format!("{}/rotate/cancel", path(key)), &[("X-API-Key", client.key())], b"")
                    .status,
                200
            )
        },
        &|_| advance(&client, HOUR_MS),
    ];
    for end in ends {
        let key = create(&client, json!({"name": "a"}));
        let first = rotate(&client, &key, json!({"gracePeriodInHours": 1})).data();
        assert!(server.client_with(text(&first["shadowValue"])).is_good());
        end(&key);
        rotate(&client, &key, json!({"gracePeriodInHours": 9})).data();
        let is_as_it_should_be = || {
            let seen = client.get(&path(&key)).data();
            assert_eq!(seen["rotation"]["shadowValueLastUsed"], Value::Null, "nobody used the second one's new value");
            assert_ne!(seen["rotation"]["valueLastUsed"], Value::Null);
            assert_eq!(seen["rotation"]["isSafeToComplete"], json!(false));
        };
        is_as_it_should_be();
        let file = rusqlite::Connection::open(server.store_path()).expect("the file");
        let written = "SELECT count(last_used_at) FROM key_values WHERE key_id = ?1";
        eventually(std::time::Duration::from_secs(3), || {
            file.query_row(written, [key["id"].as_i64()], |row| row.get::<_, i64>(0)).expect("a count") > 0
        });
        is_as_it_should_be();
    }
}

#[test]
fn a_request_with_an_idempotency_key_takes_effect_once() {
    let (server, client) = server();
    let send = |path: &str, body: &Value, name: &str| {
        let headers = [("X-API-Key", client.key()), ("Content-Type", "application/json"), ("Idempotency-Key", name)];
        client.send("POST", path, &headers, body.to_string().as_bytes())
    };
    let body = json!({"name": "a", "expiresInDays": 3});
    let first = send(KEYS_V2, &body, "one");
    let key = first.data();
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = send(KEYS_V2, &json!({"expiresInDays": 3, "name": "a"}), "one");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert!(text(&again.json()["notice"]).contains("was not repeated"));
    let repeated = again.data();
    assert_eq!((&repeated["id"], &repeated["value"]), (&key["id"], &masked(text(&key["value"]))));
    send(KEYS_V2, &json!({"name": "b"}), "one").refused_with(422);

    let rotate_path = format!("{}/rotate", path(&key));
    let rotated = send(&rotate_path, &json!({}), "two").data();
    assert_eq!(send(&rotate_path, &json!({}), "two").data()["value"], masked(text(&rotated["value"])));
    assert!(server.client_with(text(&rotated["value"])).is_good(), "it was not rotated twice");
    let other = server.client_with(text(&rotated["value"]));
    let headers = [("X-API-Key", other.key()), ("Content-Type", "application/json"), ("Idempotency-Key", "one")];
    let by_another = other.send("POST", KEYS_V2, &headers, body.to_string().as_bytes());
    assert_eq!(by_another.header("idempotency-replayed"), None, "another caller's name is another name");

    advance(&client, DAY_MS + 1_000);
    let later = send(KEYS_V2, &body, "one");
    assert_eq!(later.header("idempotency-replayed"), None, "a day later it is forgotten");

    // Any number of them: no change waits until all of them are deleted.
    let file = rusqlite::Connection::open(server.store_path()).expect("the store");
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO idempotent_requests \
               SELECT caller_key_id, name || i, request_digest, api_key_id, i FROM idempotent_requests, n WHERE name = ?1";
    let name: String = file
        .query_row("SELECT name FROM idempotent_requests ORDER BY created_at DESC LIMIT 1", [], |row| row.get(0))
        .expect("a name");
    file.execute(sql, [name]).expect("older requests");
    advance(&client, DAY_MS + 1_000);
    let later = send(KEYS_V2, &body, "one");
    assert_eq!(later.header("idempotency-replayed"), None, "another day later");
    let sql = "SELECT count(*) FROM idempotent_requests WHERE created_at <= 100";
    let left: i64 = file.query_row(sql, [], |row| row.get(0)).expect("a count");
    assert_eq!(left, 100 - 16);
    for bad in ["", &"x".repeat(256)] {
        send(KEYS_V2, &body, bad).refused_with(400);
    }
}

#[test]
fn a_caller_can_keep_the_secret_to_itself() {
    let (server, client) = server();
    let bring = |secret: &keystead::domain::Secret| {
        let fingerprint = secret.fingerprint();
        let digest = blake3::Hash::from_bytes(*fingerprint.digest.as_bytes()).to_hex().to_string();
        (digest, fingerprint.tail.as_str().to_owned())
    };
    let secret = new_secret();
    let (digest, tail) = bring(&secret);
    let body = json!({"name": "mine", "digest": digest, "tail": tail});
    let key = create(&client, body.clone());
    assert_eq!(key["value"], masked(secret.expose()));
    assert!(server.client_with(secret.expose()).is_good());
    client.post(KEYS_V2, body.clone()).refused_with(409);
    client.post(KEYS, body).refused_with(409);
    let old = new_secret();
    let (digest, tail) = bring(&old);
    client.post(KEYS, json!({"name": "in version 1", "digest": digest, "tail": tail})).data();
    assert!(server.client_with(old.expose()).is_good());

    let next = new_secret();
    let (digest, tail) = bring(&next);
    let rotated = rotate(&client, &key, json!({"gracePeriodInHours": 1, "digest": digest, "tail": tail})).data();
    assert_eq!(rotated["shadowValue"], masked(next.expose()));
    assert!(server.client_with(next.expose()).is_good() && server.client_with(secret.expose()).is_good());

    for bad in [
        json!({"name": "x", "digest": digest}),
        json!({"name": "x", "tail": tail}),
        json!({"name": "x", "digest": digest.to_uppercase(), "tail": tail}),
        json!({"name": "x", "digest": "00", "tail": tail}),
        json!({"name": "x", "digest": digest, "tail": "xyz"}),
    ] {
        client.post(KEYS_V2, bad).refused_with(400);
    }
}

#[test]
fn a_rotation_accepts_a_body_only_with_a_json_content_type() {
    let (_server, client) = server();
    let rotate_path = format!("{}/rotate", path(&create(&client, json!({"name": "a"}))));
    let key = ("X-API-Key", client.key());
    client.send("POST", &rotate_path, &[key, ("Content-Type", "application/json")], b" ").refused_with(400);
    client.send("POST", &rotate_path, &[key, ("Content-Type", "text/plain")], b"{}").refused_with(415);
    client.send("POST", &rotate_path, &[key], b"{}").refused_with(415);
}

#[test]
fn invalid_durations_are_refused_with_an_error_message() {
    let (_server, client) = server();
    let key = create(&client, json!({"name": "a"}));
    for bad in [json!(0), json!(-1), json!(1.5), json!("3"), json!(true), json!([1]), json!(36_526), json!(1e30)] {
        let sentence = client.post(KEYS_V2, json!({"name": "a", "expiresInDays": bad})).refused_with(400);
        assert_eq!(sentence, "The field \"expiresInDays\" must be a whole number from 1 to 36525, or null.", "{bad}");
        rotate(&client, &key, json!({"expiresInDays": bad})).refused_with(400);
    }
    for bad in [json!(-1), json!(0.5), json!("3"), json!(8_785)] {
        let sentence = rotate(&client, &key, json!({"gracePeriodInHours": bad})).refused_with(400);
        assert_eq!(sentence, "The field \"gracePeriodInHours\" must be a whole number from 0 to 8784.");
    }
    for good in [json!(1), json!(36_525), json!(2.0), json!(null)] {
        create(&client, json!({"name": "a", "expiresInDays": good}));
    }
}

#[test]
fn an_expiry_beyond_the_year_9999_is_refused_and_far_futures_work() {
    let (server, client) = server();
    let years = |n: i64| n * 365 * DAY_MS;
    advance(&client, years(7_800));
    let key = create(&client, json!({"name": "a", "expiresInDays": 36_500}));
    assert!(server.client_with(text(&key["value"])).is_good());
    assert!(client.post("/dev/clock", json!({"advanceInMs": years(200)})).refused_with(400).contains("9999"));
    while client.post("/dev/clock", json!({"advanceInMs": years(10)})).status == 200 {}
    let sentence = client.post(KEYS_V2, json!({"name": "a", "expiresInDays": 36_525})).refused_with(400);
    assert!(sentence.contains("9999"), "{sentence}");
}

#[test]
fn the_development_clock_is_off_by_default_and_refused_where_others_can_reach_it() {
    let server = Server::start();
    server.client().get("/dev/clock").refused_with(404);
    let folder = tempfile::tempdir().expect("a folder");
    let output = keystead(folder.path())
        .args(["--listen", "0.0.0.0:0"])
        .env("KEYSTEAD_DEV_CLOCK", "true")
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("dev.clock"), "{}", stderr(&output));
    let (server, _client) = self::server();
    assert!(server.log().contains("THE DEVELOPMENT CLOCK IS ON"));
}
