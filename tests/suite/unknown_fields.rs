//! Unknown and duplicate fields and parameters: refused on `/v2`, ignored on `/v1`.

use super::helpers::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const V2_KEYS: &str = "/v2/organization/api-keys";
/// A name that resembles no other.
const ODD: &str = "xyzzy";

/// The versioned operations of the description: method, path to send to, and the operation.
fn operations(description: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path") {
            let path = path
                .replace("{projectId}", "proj_2f9c1e7ab3d84f06")
                .replace("{exportId}", &format!("exp_{}", "0".repeat(32)))
                .replace("{id}", "999");
            operations.push((method.to_uppercase(), path, operation.clone()));
        }
    }
    operations.retain(|(_, path, _)| path.starts_with("/v"));
    assert!(operations.len() > 40, "the operations were found");
    operations
}

/// The fields that a body may have by its schema, and whether the schema refuses others.
fn described_fields<'a>(description: &'a Value, operation: &'a Value) -> Option<(BTreeSet<&'a str>, bool)> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let schema = description.pointer(schema["$ref"].as_str()?.strip_prefix('#')?).expect("a schema");
    let fields = if schema["allOf"].is_array() { &schema["allOf"][0] } else { schema };
    let names = fields["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    Some((names, fields["additionalProperties"] == json!(false)))
}

/// Sends a request; returns the error message, if there is one.
fn ask(client: &Client, method: &str, path: &str, body: Option<&Value>) -> String {
    let answer = client.try_ask(method, path, body.cloned()).expect("an answer");
    if answer.text.starts_with('{') {
        answer.json()["error"].as_str().unwrap_or_default().to_owned()
    } else {
        String::new()
    }
}

#[test]
fn a_rotation_or_a_new_key_with_a_misspelt_field_has_no_effect() {
    let server = Server::start();
    let client = server.client();
    let (id, value) = client.mint("a");
    let key = server.client_with(&value);
    let rotate = format!("{V2_KEYS}/{id}/rotate");
    for (field, meant) in [
        ("gracePeriodInHour", "gracePeriodInHours"),
        ("grace_period_in_hours", "gracePeriodInHours"),
        ("grace_period_hours", "gracePeriodInHours"),
        ("expiresAt", "expiresInDays"),
    ] {
        let sentence = client.post(&rotate, json!({field: 24})).refused_with(400);
        assert!(sentence.contains(field) && sentence.contains(&format!("did you mean \"{meant}\"?")), "{sentence}");
        assert!(key.is_good());
    }
    let sentence = client.post(V2_KEYS, json!({"name": "b", "expiresInDay": 1})).refused_with(400);
    assert!(sentence.contains("expiresInDay") && sentence.contains("did you mean \"expiresInDays\"?"), "{sentence}");
    assert_eq!(client.get(V2_KEYS).data()["apiKeys"].as_array().expect("a list").len(), 2);
}

#[test]
fn an_unknown_field_within_a_field_is_refused() {
    let server = Server::start();
    let client = server.client();
    let (id, _) = client.mint("a");
    let limit = json!({"rateLimit": {"limit": 1, "windowInSeconds": 60, "windowInSecond": 1}});
    let sentence = client.put(&format!("{V2_KEYS}/{id}"), limit.clone()).refused_with(400);
    assert!(sentence.contains("did you mean \"windowInSeconds\"?"), "{sentence}");
    client.put(&format!("{KEYS}/{id}"), limit).data();
    let keys = json!({"keys": [{"value": "a"}, {"value": "b", "adress": "10.0.0.1"}]});
    let sentence = client.post("/v2/verify/batch", keys.clone()).refused_with(400);
    assert!(sentence.contains("did you mean \"address\"?"), "{sentence}");
    client.post("/v1/verify/batch", keys).data();
}

#[test]
fn every_v2_body_refuses_undescribed_fields_and_v1_ignores_them() {
    let server = Server::start();
    let client = server.client();
    let description = client.get("/openapi.json").json();
    for (method, path, operation) in operations(&description) {
        let Some((names, is_closed)) = described_fields(&description, &operation) else { continue };
        let is_strict = path.starts_with("/v2/");
        assert_eq!(is_closed, is_strict, "{method} {path} is described like its version");
        let sentence = ask(&client, &method, &path, Some(&json!({ODD: 1})));
        let refusal = format!("The field \"{ODD}\" is unknown (");
        assert_eq!(sentence.starts_with(&refusal), is_strict, "{method} {path}: {sentence}");
        for name in names {
            // No endpoint accepts a list of lists.
            let sentence = ask(&client, &method, &path, Some(&json!({name: [[]]})));
            assert!(!sentence.contains("unknown"), "{method} {path}: {sentence}");
        }
    }
}

#[test]
fn a_field_of_another_endpoint_is_named_in_the_error() {
    let server = Server::start();
    let client = server.client();
    let (id, _) = client.mint("a");
    let description = client.get("/openapi.json").json();
    let bodies: Vec<_> = operations(&description)
        .into_iter()
        .filter(|(_, path, _)| path.starts_with("/v2/"))
        .filter_map(|(method, path, operation)| {
            let names = described_fields(&description, &operation)?.0;
            Some((method, path, names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>()))
        })
        .collect();
    let all: BTreeSet<&String> = bodies.iter().flat_map(|(_, _, names)| names).collect();
    assert!(all.len() > 10, "the fields were found");
    for (method, path, names) in &bodies {
        for name in all.iter().filter(|name| !names.contains(**name)) {
            let sentence = ask(&client, method, path, Some(&json!({name.as_str(): 1})));
            assert!(sentence.starts_with(&format!("The field \"{name}\" is unknown (")), "{method} {path}: {sentence}");
        }
    }
    for field in ["expiresInSeconds", "expiresInDays", "expires_in_seconds"] {
        let sentence = client.post("/v2/verify", json!({field: 60})).refused_with(400);
        assert!(sentence.contains("it belongs to creating, changing or rotating a key"), "{sentence}");
    }
    let sentence = client.put(&format!("{V2_KEYS}/{id}"), json!({"digest": "0"})).refused_with(400);
    assert!(sentence.contains("rotate the key to change its value"), "{sentence}");
    let sentence = client.post(V2_KEYS, json!({"name": "b", "gracePeriodInHours": 1})).refused_with(400);
    assert!(sentence.contains("it belongs to rotating a key"), "{sentence}");
}

#[test]
fn every_v2_query_refuses_undescribed_parameters_and_v1_ignores_them() {
    let server = Server::start();
    let client = server.client();
    let description = client.get("/openapi.json").json();
    for (method, path, operation) in operations(&description) {
        // The body is invalid, so that no operation is carried out.
        let body = operation["requestBody"].is_object().then_some(json!([]));
        let sentence = ask(&client, &method, &format!("{path}?{ODD}=1"), body.as_ref());
        let refusal = format!("The parameter \"{ODD}\" is unknown (");
        assert_eq!(sentence.starts_with(&refusal), path.starts_with("/v2/"), "{method} {path}: {sentence}");
        for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|it| it["in"] == "query") {
            let name = parameter["name"].as_str().expect("a name");
            let sentence = ask(&client, &method, &format!("{path}?{name}=x"), None);
            assert!(!sentence.contains("unknown"), "{method} {path}: {sentence}");
        }
    }
    let sentence = client.get("/v2/organization/audit-logs?start_time=2026-01-01").refused_with(400);
    assert!(sentence.contains("start_time") && sentence.contains("did you mean \"startTime\"?"), "{sentence}");
    let sentence = client.get("/v2/organization/audit-logs?since=2026-01-01").refused_with(400);
    assert!(sentence.contains("since") && sentence.contains("\"startTime\", \"endTime\""), "{sentence}");
}

/// Sends a raw body.
fn send(client: &Client, method: &str, path: &str, body: &str) -> Answer {
    let headers = [("CONFIDENT_API_KEY", client.key()), ("Content-Type", "application/json")];
    client.send(method, path, &headers, body.as_bytes())
}

#[test]
fn a_duplicate_field_is_refused_on_v2_at_every_depth() {
    let server = Server::start();
    let client = server.client();
    let (id, value) = client.mint("a");
    let (key, rotate) = (format!("{V2_KEYS}/{id}"), format!("{V2_KEYS}/{id}/rotate"));
    for (method, path, body, field) in [
        ("POST", rotate.as_str(), r#"{"gracePeriodInHours":24,"gracePeriodInHours":null}"#, "gracePeriodInHours"),
        ("POST", &rotate, r#"{"gracePeriodInHours":24,"gracePeriod\u0049nHours":0}"#, "gracePeriodInHours"),
        ("POST", &rotate, r#"{"gracePeriodInHours":24,"gracePeriodInHours":24}"#, "gracePeriodInHours"),
        ("POST", &rotate, r#"{"rateLimit":{"limit":1,"limit":2,"windowInSeconds":60}}"#, "limit"),
        ("PUT", &key, r#"{"valid":true,"valid":false,"valid":true}"#, "valid"),
        ("POST", V2_KEYS, r#"{"name":"b","name":"c"}"#, "name"),
        ("POST", "/v2/verify", r#"{"value":"a","address":"10.0.0.1","address":"10.0.0.2"}"#, "address"),
        ("POST", "/v2/verify/batch", r#"{"keys":[{"value":"a"},{"value":"b","value":"c"}]}"#, "value"),
        ("POST", "/v2/organization/audit-logs/exports", r#"{"searchTerm":"a","searchTerm":"b"}"#, "searchTerm"),
    ] {
        let sentence = send(&client, method, path, body).refused_with(400);
        assert_eq!(sentence, format!("The field \"{field}\" comes more than once."), "{method} {path}: {body}");
    }
    assert!(server.client_with(&value).is_good());
    assert_eq!(client.get(V2_KEYS).data()["apiKeys"].as_array().expect("a list").len(), 2);
    // Two objects may have the same names, and invalid JSON is reported as such.
    send(&client, "POST", "/v2/verify/batch", r#"{"keys":[{"value":"a"},{"value":"a"}]}"#).data();
    for broken in [r#"{"valid":true,"valid":true"#, r#"{"valid":true,"valid":true}}"#] {
        let sentence = send(&client, "PUT", &key, broken).refused_with(400);
        assert!(sentence.contains("is not valid JSON"), "{sentence}");
    }
    send(&client, "PUT", &key, r#"["valid"]"#).refused_with(400);
}

#[test]
fn the_last_duplicate_counts_on_v1_and_with_the_setting_ignore() {
    let server = Server::start();
    let client = server.client();
    let named = |client: &Client, path: &str| send(client, "POST", path, r#"{"name":"a","name":"b"}"#).data();
    assert_eq!(named(&client, KEYS)["apiKey"]["name"], "b");
    assert_eq!(client.get(&format!("{KEYS}?limit=1&limit=2")).data()["apiKeys"].as_array().expect("a list").len(), 2);
    let server = Server::start_with(&[("KEYSTEAD_SERVER_UNKNOWN_FIELDS", "ignore")]);
    assert_eq!(named(&server.client(), V2_KEYS)["name"], "b");
    server.client().get(&format!("{V2_KEYS}?limit=1&limit=2")).data();
}

#[test]
fn a_duplicate_parameter_is_refused_on_v2() {
    let server = Server::start();
    let client = server.client();
    for (query, name) in [
        (format!("{V2_KEYS}?limit=1&limit=2"), "limit"),
        (format!("{V2_KEYS}?limit=1&l%69mit=1"), "limit"),
        ("/v2/organization/audit-logs?actor=1&searchTerm=a&actor=2".to_owned(), "actor"),
    ] {
        let sentence = client.get(&query).refused_with(400);
        assert_eq!(sentence, format!("The parameter \"{name}\" comes more than once."), "{query}");
    }
}

#[test]
fn a_key_instead_of_a_field_name_is_not_repeated() {
    let server = Server::start();
    let client = server.client();
    let key = client.key().to_owned();
    for answer in [
        client.post(V2_KEYS, json!({"name": "a", (key.as_str()): 1})),
        client.post(V2_KEYS, json!({"name": "a", format!("name{key}"): 1})),
        client.get(&format!("{V2_KEYS}?{key}")),
        client.get(&format!("/v2/projects?limit{key}=1")),
    ] {
        assert!(!answer.text.contains(&key[20..]), "{}", answer.text);
        let sentence = answer.refused_with(400);
        assert!(sentence.contains(" of the request is unknown ("), "{sentence}");
    }
    let twice = format!(r#"{{"value":"a","extra":{{"{key}":1,"{key}":2}}}}"#);
    let twice = format!(r#"{{"keys":[{twice}]}}"#);
    let sentence = send(&client, "POST", "/v2/verify/batch", &twice).refused_with(400);
    assert_eq!(sentence, "A field of the request comes more than once.");
    assert!(!server.log().contains(&key[20..]));
}

#[test]
fn a_refused_query_is_answered_and_logged_as_any_request() {
    let server = Server::start();
    let client = server.client();
    let answer = client.get(&format!("{V2_KEYS}?status=active"));
    let id = answer.header("x-request-id").expect("an id").to_owned();
    answer.refused_with(400);
    eventually(std::time::Duration::from_secs(5), || server.log().contains(&id));
}

#[test]
fn a_request_that_takes_no_body_may_have_an_empty_one_of_any_type() {
    let server = Server::start();
    let client = server.client();
    for (content_type, body) in [("application/json", ""), ("text/plain", ""), ("application/json", "{}")] {
        let (id, _) = client.mint("a");
        client.post(&format!("{V2_KEYS}/{id}/rotate"), json!({"gracePeriodInHours": 1})).data();
        let headers = [("CONFIDENT_API_KEY", client.key()), ("Content-Type", content_type)];
        client.send("POST", &format!("{V2_KEYS}/{id}/rotate/complete"), &headers, body.as_bytes()).data();
        client.send("POST", &format!("{V2_KEYS}/{id}/rotate"), &headers, body.as_bytes()).data();
        client.send("POST", &format!("{V2_KEYS}/{id}/rotate/cancel"), &headers, body.as_bytes()).refused_with(409);
        let export = client.send("POST", "/v2/organization/audit-logs/exports", &headers, body.as_bytes());
        assert!(matches!(export.status, 202 | 409), "{export:?}");
    }
    client.post(&format!("{V2_KEYS}/1/rotate/cancel"), json!({"force": true})).refused_with(400);
}

#[test]
fn unknown_fields_are_ignored_on_v2_with_the_setting_ignore() {
    let server = Server::start_with(&[("KEYSTEAD_SERVER_UNKNOWN_FIELDS", "ignore")]);
    let client = server.client();
    let id = client.post(V2_KEYS, json!({"name": "a", "expiresInDay": 1})).data()["id"].as_i64().expect("an id");
    let rotation = json!({"gracePeriodInHours": 1, "gracePeriodInHour": 2});
    client.post(&format!("{V2_KEYS}/{id}/rotate"), rotation).data();
    client.post(&format!("{V2_KEYS}/{id}/rotate/complete"), json!({"force": true})).data();
    client.get(&format!("{V2_KEYS}?state=active")).data();
    client.get("/v2/organization/audit-logs?since=2026-01-01").data();
}
