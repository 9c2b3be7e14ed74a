//! Keys that are restricted, deactivated or short-lived from their creation or rotation on.

use super::helpers::*;
use serde_json::{Value, json};

const V2_KEYS: &str = "/v2/organization/api-keys";
const ELSEWHERE: &str = "203.0.113.7";

/// All fields that `PUT` accepts.
fn restrictions() -> Value {
    json!({
        "valid": false,
        "rateLimit": {"limit": 5, "windowInSeconds": 60},
        "allowedAddresses": [ELSEWHERE],
    })
}

/// The body with more fields.
fn with(mut body: Value, more: &Value) -> Value {
    let more = more.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(more);
    body
}

#[track_caller]
fn assert_restricted(key: &Value) {
    for (name, value) in restrictions().as_object().expect("an object") {
        assert_eq!(&key[name], value, "{key}");
    }
}

fn rotate(id: &Value) -> String {
    format!("{V2_KEYS}/{id}/rotate")
}

/// The newest event of the audit log, once the log has this many.
fn newest_event(client: &Client, count: usize) -> Value {
    let events = client.get("/v2/organization/audit-logs").data()["auditLogs"].take();
    let events = events.as_array().expect("events");
    assert_eq!(events.len(), count, "one event a change");
    events[0].clone()
}

/// The lifetime of the key from its creation, in milliseconds.
fn lifetime_ms(key: &Value) -> i64 {
    let at = |name: &str| keystead::domain::Timestamp::parse(key[name].as_str().expect("a time")).expect("a time");
    at("expiresAt").unix_ms() - at("created_at").unix_ms()
}

#[test]
fn a_key_is_restricted_from_the_answer_that_makes_it() {
    let server = Server::start();
    let admin = server.client();
    let more = json!({"allowedAddresses": [ELSEWHERE], "rateLimit": {"limit": 5, "windowInSeconds": 60}});
    let key = admin.post(V2_KEYS, with(json!({"name": "a"}), &more)).data();
    assert_eq!((&key["allowedAddresses"], &key["rateLimit"]["limit"]), (&json!([ELSEWHERE]), &json!(5)));
    let value = key["value"].as_str().expect("a value");
    server.client_with(value).get(ORGANIZATION).refused_with(403);

    let off = admin.post(V2_KEYS, with(json!({"name": "b"}), &restrictions())).data();
    assert_restricted(&off);
    assert_restricted(&admin.get(&format!("{V2_KEYS}/{}", off["id"])).data());
    let verdict = admin.post("/v2/verify", json!({"value": off["value"], "address": ELSEWHERE})).data();
    assert_eq!(verdict["code"], json!("DEACTIVATED"));
    admin.put(&format!("{V2_KEYS}/{}", off["id"]), json!({"valid": true})).data();
    let verdict = admin.post("/v2/verify", json!({"value": off["value"], "address": ELSEWHERE})).data();
    assert_eq!(verdict["code"], json!("VALID"));
    let verdict = admin.post("/v2/verify", json!({"value": off["value"], "address": "203.0.113.8"})).data();
    assert_eq!(verdict["code"], json!("ADDRESS_REFUSED"));
}

#[test]
fn project_keys_and_keys_with_a_given_value_are_restricted_from_the_start() {
    let server = Server::start();
    let admin = server.client();
    let project = admin.post("/v2/projects", json!({"name": "Web"})).data()["project"]["id"].take();
    let path = format!("/v2/projects/{}/api-keys", project.as_str().expect("an id"));
    assert_restricted(&admin.post(&path, with(json!({"name": "a"}), &restrictions())).data());
    let secret = new_secret();
    let digest = secret.fingerprint().digest.to_hex();
    let brought = json!({"name": "b", "digest": digest, "tail": &secret.expose()[secret.expose().len() - 6..]});
    assert_restricted(&admin.post(V2_KEYS, with(brought, &restrictions())).data());
    server.client_with(secret.expose()).get(ORGANIZATION).refused_with(401);
}

#[test]
fn a_rotation_restricts_both_values_at_once_and_keeps_omitted_restrictions() {
    let server = Server::start();
    let admin = server.client();
    let (id, value) = admin.mint("a");
    let id = json!(id);
    let body = json!({"gracePeriodInHours": 1, "allowedAddresses": [ELSEWHERE]});
    let rotated = admin.post(&rotate(&id), body).data();
    assert_eq!(rotated["allowedAddresses"], json!([ELSEWHERE]));
    for value in [value.as_str(), rotated["shadowValue"].as_str().expect("a value")] {
        server.client_with(value).get(ORGANIZATION).refused_with(403);
    }
    let rotated = admin.post(&rotate(&id), json!({"valid": false})).data();
    assert_eq!((&rotated["allowedAddresses"], &rotated["valid"]), (&json!([ELSEWHERE]), &json!(false)));
    server.client_with(rotated["value"].as_str().expect("a value")).get(ORGANIZATION).refused_with(401);
    let rotated = admin.post(&rotate(&id), json!({"valid": true, "allowedAddresses": null})).data();
    assert!(rotated.get("allowedAddresses").is_none());
    assert!(server.client_with(rotated["value"].as_str().expect("a value")).is_good());
}

#[test]
fn the_audit_log_has_one_event_with_everything_created_or_changed() {
    let server = Server::start();
    let admin = server.client();
    let key = admin.post(V2_KEYS, with(json!({"name": "a", "expiresInSeconds": 60}), &restrictions())).data();
    let event = newest_event(&admin, 3);
    assert_eq!(event["action"], json!("api_key.created"));
    assert_restricted(&event["change"]["after"]);
    assert_eq!(event["change"]["after"]["expiresAt"], key["expiresAt"]);
    let change = json!({"valid": true, "rateLimit": null, "allowedAddresses": null, "expiresInSeconds": 90});
    admin.post(&rotate(&key["id"]), change).data();
    let event = newest_event(&admin, 4);
    assert_eq!(event["action"], json!("api_key.rotated"));
    assert_restricted(&event["change"]["before"]);
    assert_eq!(event["change"]["after"]["valid"], json!(true));
    assert_ne!(event["change"]["after"]["expiresAt"], event["change"]["before"]["expiresAt"]);
}

#[test]
fn with_an_invalid_restriction_no_key_is_created_or_rotated() {
    let server = Server::start();
    let admin = server.client();
    let (id, value) = admin.mint("a");
    for (wrong, word) in [
        (json!({"valid": "no"}), "valid"),
        (json!({"valid": null}), "valid"),
        (json!({"rateLimit": {"limit": 0, "windowInSeconds": 60}}), "limit"),
        (json!({"allowedAddresses": []}), "addresses"),
        (json!({"allowedAddresses": ["here"]}), "address"),
        (json!({"expiresInSeconds": 59}), "expiresInSeconds"),
        (json!({"expiresInSeconds": 3_155_760_001_i64}), "expiresInSeconds"),
        (json!({"expiresInSeconds": 60.5}), "expiresInSeconds"),
        (json!({"expiresInSeconds": 60, "expiresInDays": 1}), "either"),
    ] {
        let sentence = admin.post(V2_KEYS, with(json!({"name": "b"}), &wrong)).refused_with(400);
        assert!(sentence.contains(word), "{sentence}");
        assert_eq!(admin.post(&rotate(&json!(id)), wrong).refused_with(400), sentence);
    }
    assert!(server.client_with(&value).is_good());
    assert_eq!(admin.get(V2_KEYS).data()["apiKeys"].as_array().expect("a list").len(), 2);
}

#[test]
fn a_lifetime_is_in_seconds_or_days_and_null_beside_a_number_is_ignored() {
    let server = Server::start_with(&[("KEYSTEAD_DEV_CLOCK", "true")]);
    let admin = server.client();
    for (body, ms) in [
        (json!({"name": "a", "expiresInSeconds": 60}), 60_000),
        (json!({"name": "a", "expiresInSeconds": 90, "expiresInDays": null}), 90_000),
        (json!({"name": "a", "expiresInDays": 1, "expiresInSeconds": null}), 86_400_000),
        (json!({"name": "a", "expiresInSeconds": 3_155_760_000_i64}), 3_155_760_000_000),
    ] {
        assert_eq!(lifetime_ms(&admin.post(V2_KEYS, body).data()), ms);
    }
    let key = admin.post(V2_KEYS, json!({"name": "job", "expiresInSeconds": 60})).data();
    let job = server.client_with(key["value"].as_str().expect("a value"));
    assert!(job.is_good());
    admin.post("/dev/clock", json!({"advanceInMs": 60_000})).data();
    assert!(!job.is_good());
    admin.post(&rotate(&key["id"]), json!({})).refused_with(400);
    let revived = admin.post(&rotate(&key["id"]), json!({"expiresInSeconds": 60})).data();
    assert!(server.client_with(revived["value"].as_str().expect("a value")).is_good());
    let forever = admin.post(&rotate(&key["id"]), json!({"expiresInSeconds": null})).data();
    assert_eq!(forever["expiresAt"], Value::Null);
}

#[test]
fn a_repeated_request_is_answered_with_the_restricted_key_and_another_restriction_is_another_request() {
    let server = Server::start();
    let admin = server.client();
    let body = with(json!({"name": "a", "expiresInSeconds": 600}), &restrictions());
    let headers =
        [("CONFIDENT_API_KEY", admin.key()), ("Content-Type", "application/json"), ("Idempotency-Key", "mint")];
    let send = |body: &Value| admin.send("POST", V2_KEYS, &headers, body.to_string().as_bytes());
    let first = send(&body).data();
    let again = send(&body);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let again = again.data();
    assert_restricted(&again);
    assert_eq!((&again["id"], &again["expiresAt"]), (&first["id"], &first["expiresAt"]));
    send(&with(body, &json!({"valid": true}))).refused_with(422);
}

#[test]
fn v1_creates_keys_as_before() {
    let server = Server::start();
    let admin = server.client();
    let body = with(json!({"name": "a", "expiresInSeconds": "soon"}), &restrictions());
    let key = admin.post(KEYS, body).data()["apiKey"].take();
    assert_eq!(key["valid"], json!(true));
    assert!(key.get("rateLimit").is_none() && key.get("allowedAddresses").is_none());
    assert!(server.client_with(key["value"].as_str().expect("a value")).is_good());
}

#[test]
fn a_key_that_a_rotation_switched_off_stays_off_in_an_older_copy_of_the_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    let admin = server.client();
    let (id, value) = admin.mint("a");
    done(folder.path(), &["backup", "older.db"]);
    let rotated = admin.post(&rotate(&json!(id)), json!({"valid": false, "gracePeriodInHours": 1})).data();
    let made = admin.post(V2_KEYS, json!({"name": "b", "valid": false})).data();
    assert!(server.stop().success());
    done(folder.path(), &["restore", "older.db"]);
    let server = Server::start_in(folder.path(), &[]);
    let admin = server.client();
    assert_eq!(admin.get(&format!("{V2_KEYS}/{id}")).data()["valid"], json!(false));
    for value in [&json!(value), &rotated["shadowValue"], &made["value"]] {
        assert!(!server.client_with(value.as_str().expect("a value")).is_good());
    }
}
