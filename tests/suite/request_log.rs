//! The request log, and request ids.

use super::helpers::*;
use serde_json::{Value, json};
use std::time::Duration;

const SOME_ID: &str = "c0ffee-17/a:b.c_d";

fn with_id<'a>(client: &'a Client, id: &'a str) -> [(&'a str, &'a str); 2] {
    [("CONFIDENT_API_KEY", client.key()), ("X-Request-Id", id)]
}

/// The lines of the log about requests; a line is written before its response is complete.
fn lines(server: &Server) -> Vec<String> {
    server.log().lines().filter(|line| line.contains(", request ")).map(str::to_owned).collect()
}

fn id(answer: &Answer) -> &str {
    let ids: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "x-request-id").collect();
    assert_eq!(ids.len(), 1, "{:?}", answer.headers);
    &ids[0].1
}

#[test]
fn every_response_has_a_request_id() {
    let server = Server::start();
    let client = server.client();
    let made = [
        client.get("/healthz"),
        client.get("/nothing/here"),
        client.get(ORGANIZATION),
        client.get(KEYS),
        client.get("/auth/nginx"),
        client.get("/openapi.json"),
        client.delete("/healthz"),
        server.client_with("wrong").get(ORGANIZATION),
        client.post(KEYS, json!({"name": 7})),
    ];
    let mut ids: Vec<&str> = made.iter().map(id).collect();
    assert!(ids.iter().all(|id| id.len() > 17 && id[..16] == ids[0][..16]), "{ids:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), made.len(), "no two have the same");
    let other = Server::start();
    assert_ne!(id(&other.client().get("/healthz"))[..16], ids[0][..16], "nor those of two servers");
    for path in ["/healthz", ORGANIZATION, "/nothing"] {
        assert_eq!(id(&client.send("GET", path, &with_id(&client, SOME_ID), b"")), SOME_ID);
    }
}

#[test]
fn an_id_that_is_too_long_or_unreadable_or_might_be_a_key_is_replaced() {
    let server = Server::start_with(&[("KEYSTEAD_KEYS_PROJECT_PREFIX", "mine_")]);
    let client = server.client();
    let longest = "x".repeat(128);
    assert_eq!(id(&client.send("GET", "/healthz", &with_id(&client, &longest), b"")), longest);
    let long = "x".repeat(129);
    let key = "sk-of_another_form-0123456789";
    for wrong in
        ["", "two words", "tab\there", &long, client.key(), "a_org_b", "of_proj_1", "mine_0123", "trace=mine_01"]
    {
        let answer = client.send("GET", "/healthz", &with_id(&client, wrong), b"");
        assert!(id(&answer) != wrong && id(&answer).len() > 17, "{wrong}");
    }
    for header in ["CONFIDENT_API_KEY", "X-API-Key"] {
        let answer = client.send("GET", "/healthz", &[(header, key), ("X-Request-Id", &format!("id-{key}"))], b"");
        assert!(!id(&answer).contains(key), "{header}");
    }
    let bearer = [("Authorization", &*format!("Bearer {key}")), ("X-Request-Id", key)];
    assert!(!id(&client.send("GET", "/healthz", &bearer, b"")).contains(key));
}

#[test]
fn an_audit_event_has_the_request_id_of_its_response() {
    let server = Server::start();
    let client = server.client();
    let json = ("Content-Type", "application/json");
    let [key, name] = with_id(&client, SOME_ID);
    assert_eq!(client.send("POST", KEYS, &[key, name, json], br#"{"name": "a"}"#).status, 200);
    let made = id(&client.post(KEYS, json!({"name": "b"}))).to_owned();
    let events = done(server.folder(), &["audit", "list", "--json"]);
    let ids: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("an event"))
        .filter(|event| event["action"] == "api_key.created")
        .map(|mut event| event["requestId"].take())
        .collect();
    assert!(ids.contains(&json!(SOME_ID)) && ids.contains(&json!(made)), "{ids:?}");
}

#[test]
fn changes_and_failures_are_logged_at_info_and_reads_at_debug() {
    for level in ["info", "debug"] {
        let server = Server::start_with(&[("KEYSTEAD_LOG_LEVEL", level)]);
        let client = server.client();
        let (number, key) = client.mint("a");
        let questions = [
            client.get(ORGANIZATION),
            client.get("/auth/nginx"),
            client.post("/v2/verify", json!({"value": key})),
            client.send("HEAD", "/healthz", &[], b""),
        ];
        assert!(questions.iter().all(|answer| answer.status == 200));
        let failed = server.client_with("wrong").get(&format!("{ORGANIZATION}?key={key}"));
        assert_eq!(failed.status, 401);
        let revoked = client.revoke(number);
        let lines = lines(&server);
        let of = |answer: &Answer| {
            let end = format!(", request {}", id(answer));
            lines.iter().filter(|line| line.ends_with(&end)).cloned().collect::<Vec<_>>()
        };
        for question in &questions {
            assert_eq!(of(question).len(), usize::from(level == "debug"), "{lines:?}");
        }
        let [revoked, failed] = [of(&revoked), of(&failed)];
        assert!(revoked.len() == 1 && failed.len() == 1, "{lines:?}");
        assert!(revoked[0].contains(" INFO ] DELETE /v1/organization/api-keys/{id} 200 in "), "{revoked:?}");
        assert!(revoked[0].contains(" bytes, from 127.0.0.1, key 1, request "), "{revoked:?}");
        assert!(failed[0].contains(" GET /v1/organization 401 in ") && failed[0].contains(", key -, "), "{failed:?}");
        assert!(!server.log().contains('?'), "no query");
    }
}

#[test]
fn no_text_of_the_client_is_in_a_log_line() {
    let server = Server::start_with(&[("KEYSTEAD_LOG_LEVEL", "trace")]);
    let client = server.client();
    client.get("/made-up/path");
    server.raw(b"MADEUP /healthz?made=up HTTP/1.1\r\nHost: made-up\r\nConnection: close\r\n\r\n");
    client.send("GET", "/healthz", &[("User-Agent", "made-up")], b"");
    let lines = lines(&server);
    assert_eq!(lines.len(), 3);
    assert!(lines[0].contains(" GET unmatched 404 in "), "{lines:?}");
    assert!(lines[1].contains(" other /healthz 405 in "), "{lines:?}");
    assert!(!server.log().to_lowercase().contains("made"), "{}", server.log());
}

#[test]
fn with_json_logging_every_line_is_json() {
    let server = Server::start_with(&[("KEYSTEAD_LOG_FORMAT", "json"), ("KEYSTEAD_LOG_LEVEL", "debug")]);
    let client = server.client();
    assert_eq!(client.send("GET", ORGANIZATION, &with_id(&client, r#"a"b\c"#), b"").status, 200);
    assert_eq!(client.get("/healthz").status, 200);
    let parse = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let mut lines: Vec<Value> = server.log().lines().map(parse).collect();
    assert!(lines.iter().all(|line| line["time"].is_string() && line["message"].is_string()));
    assert!(lines.iter().any(|line| line["message"].as_str().is_some_and(|it| it.starts_with("listening on "))));
    lines.retain(|line| line["request_id"].is_string());
    assert_eq!(lines.len(), 2);
    let fields = ["level", "method", "path", "status", "address", "key", "request_id"];
    let known = [json!("debug"), json!("GET"), json!(ORGANIZATION), json!(200), json!("127.0.0.1"), json!(1)];
    for (name, value) in fields.into_iter().zip(known.into_iter().chain([json!(r#"a"b\c"#)])) {
        assert_eq!(lines[0][name], value, "{name}");
    }
    assert!(lines[0]["bytes"].as_u64() > Some(20) && lines[0]["duration_ms"].as_f64() > Some(0.0), "{}", lines[0]);
    assert_eq!(lines[1]["key"], Value::Null);
}

#[test]
fn the_request_log_can_be_switched_off() {
    let server = Server::start_with(&[("KEYSTEAD_LOG_REQUESTS", "false"), ("KEYSTEAD_LOG_LEVEL", "trace")]);
    let client = server.client();
    client.mint("a");
    assert!(!id(&client.get("/nothing")).is_empty());
    assert_eq!(lines(&server), Vec::<String>::new());
    assert!(server.log().contains("listening on"));
}

#[test]
fn a_request_over_a_keys_rate_limit_is_logged_with_the_keys_number() {
    let server = Server::start();
    let (id, value) = server.client().mint("a");
    let limit = json!({"rateLimit": {"limit": 1, "windowInSeconds": 600}});
    server.client().put(&format!("/v2/organization/api-keys/{id}"), limit).data();
    let limited = server.client_with(&value);
    assert_eq!(["/v2/organization", "/v2/organization"].map(|path| limited.get(path).status), [200, 429]);
    let is_named = |line: &str| line.contains(" 429 ") && line.contains(&format!("key {id},"));
    eventually(Duration::from_secs(5), || server.log().lines().any(is_named));
}

#[test]
fn many_failures_do_not_fill_the_log() {
    let server = Server::start();
    let client = server.client();
    let begun = std::time::Instant::now();
    for _ in 0..1000 {
        client.get("/nothing");
    }
    let seconds = usize::try_from(begun.elapsed().as_secs()).expect("a few") + 2;
    let count = lines(&server).len();
    assert!((100..=seconds * 100).contains(&count), "{count} in {seconds}");
    // The next failure in another second reports them.
    if count < 1000 {
        eventually(Duration::from_secs(20), || {
            client.get("/nothing");
            server.log().contains("more requests failed within one second")
        });
    }
}
