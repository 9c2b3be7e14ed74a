//! `POST /oauth2/introspect`: introspection as in RFC 7662, and its errors as in RFC 6749, section 5.2.

use super::helpers::*;
use serde_json::{Value, json};

const PATH: &str = "/oauth2/introspect";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const DAY_MS: i64 = 86_400_000;

/// Asks about a token with the client's own key.
fn introspect(asker: &Client, token: &str) -> Answer {
    let own = ("X-API-Key", asker.key());
    asker.send("POST", PATH, &[own, FORM], format!("token={token}").as_bytes())
}

/// The answer about an active token.
#[track_caller]
fn active(asker: &Client, token: &str) -> Value {
    let answer = introspect(asker, token);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let json = answer.json();
    assert_eq!(json["active"], json!(true), "{json}");
    json
}

#[track_caller]
fn assert_inactive(asker: &Client, token: &str) {
    let answer = introspect(asker, token);
    assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"active":false}"#), "{token}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("ratelimit"), None, "it says nothing else about the token");
}

/// The challenges of a failure, after a check of its form.
#[track_caller]
fn failed<'a>(answer: &'a Answer, status: u16, error: &str) -> Vec<&'a str> {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let json = answer.json();
    assert_eq!(json["error"], json!(error), "{json}");
    let fields: Vec<&String> = json.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["error", "error_description"]);
    let sentence = json["error_description"].as_str().expect("a sentence");
    let is_allowed = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    assert!(sentence.ends_with('.') && sentence.chars().all(is_allowed), "{sentence}");
    answer.headers.iter().filter(|(name, _)| name == "www-authenticate").map(|(_, value)| value.as_str()).collect()
}

/// A new key of the organization with these fields: its number and its value.
fn create(admin: &Client, mut fields: Value) -> (i64, String) {
    fields["name"] = json!("a");
    let key = admin.post("/v2/organization/api-keys", fields).data();
    (key["id"].as_i64().expect("an id"), key["value"].as_str().expect("a value").to_owned())
}

/// The seconds of a time in an answer of `/v2`.
fn seconds(time: &Value) -> i64 {
    let time = keystead::domain::Timestamp::parse(time.as_str().expect("a time")).expect("a time");
    time.unix_ms() / 1000
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes()))
}

#[test]
fn a_valid_key_is_active_with_its_permissions_its_number_its_owner_and_its_times() {
    let server = Server::start();
    let admin = server.client();
    let fields =
        json!({"role": "none", "permissions": ["invoices:read", "orders:*"], "owner": "Zoë \"7\"", "expiresInDays": 1});
    let (id, value) = create(&admin, fields);
    let shown = admin.get(&format!("/v2/organization/api-keys/{id}")).data();
    let (exp, iat) = (seconds(&shown["expiresAt"]), seconds(&shown["created_at"]));
    let expected = json!({
        "active": true, "scope": "invoices:read orders:*", "client_id": id.to_string(), "sub": "Zoë \"7\"",
        "token_type": "Bearer", "exp": exp, "iat": iat,
    });
    assert_eq!(active(&admin, &value), expected);
    assert_eq!(exp - iat, DAY_MS / 1000);
    // What a key does not have is left out: a scope is never empty, and null is no time.
    let (id, value) = create(&admin, json!({}));
    let created = active(&admin, &value)["iat"].take();
    assert!(created.is_i64());
    let expected = json!({"active": true, "client_id": id.to_string(), "token_type": "Bearer", "iat": created});
    assert_eq!(active(&admin, &value), expected);
    // Of a project, and about itself.
    let made = admin.post("/v2/projects", json!({"name": "one"})).data();
    let project = server.client_with(made["apiKey"]["value"].as_str().expect("a value"));
    assert_eq!(active(&project, project.key())["client_id"], json!(made["apiKey"]["id"].to_string()));
    assert_eq!(active(&project, &value)["client_id"], json!(id.to_string()));
}

#[test]
fn every_other_token_is_inactive_and_the_answer_says_nothing_else() {
    let server = Server::start_with(&[("KEYSTEAD_DEV_CLOCK", "true")]);
    let admin = server.client();
    let (off, deactivated) = create(&admin, json!({}));
    admin.set_valid(off, false).data();
    let (gone, revoked) = create(&admin, json!({}));
    admin.revoke(gone).data();
    let (rotated, rotated_out) = create(&admin, json!({}));
    admin.post(&format!("/v2/organization/api-keys/{rotated}/rotate"), json!({})).data();
    // The client's address is not known here.
    let bound = create(&admin, json!({"allowedAddresses": ["127.0.0.0/8"]})).1;
    let expired = create(&admin, json!({"expiresInDays": 1})).1;
    active(&admin, &expired);
    admin.post("/dev/clock", json!({"advanceInMs": DAY_MS})).data();
    let (_, _, other) = insert_organization(&open_store(&server.store_path()), "Other");
    let unknown = format!("confident_org_{}", "0".repeat(32));
    let jwt = JWT.replace("Bearer ", "");
    let long = "x".repeat(5000);
    for token in [
        &deactivated,
        &revoked,
        &rotated_out,
        &bound,
        &expired,
        other.expose(),
        &unknown,
        &jwt,
        &long,
        "nonsense",
        "%ff%00",
        "%20",
        "a%26token=b",
    ] {
        assert_inactive(&admin, token);
    }
    assert_inactive(&server.client_with(other.expose()), admin.key());
    assert_eq!(active(&server.client_with(other.expose()), other.expose())["active"], json!(true));
}

#[test]
fn a_key_over_its_rate_limit_is_inactive() {
    let server = Server::start();
    let admin = server.client();
    let (_, limited) = create(&admin, json!({"rateLimit": {"limit": 2, "windowInSeconds": 600}}));
    active(&admin, &limited);
    active(&admin, &limited);
    assert_inactive(&admin, &limited);
}

#[test]
fn a_value_of_a_rotation_expires_when_it_stops_working() {
    let server = Server::start();
    let admin = server.client();
    let (id, outgoing) = create(&admin, json!({"expiresInDays": 2}));
    let path = format!("/v2/organization/api-keys/{id}/rotate");
    let key = admin.post(&path, json!({"gracePeriodInHours": 1})).data();
    assert_eq!(active(&admin, &outgoing)["exp"], json!(seconds(&key["rotatesAt"])));
    let incoming = key["shadowValue"].as_str().expect("a value");
    assert_eq!(active(&admin, incoming)["exp"], json!(seconds(&key["expiresAt"])));
}

#[test]
fn the_caller_sends_its_key_in_any_of_four_ways() {
    let server = Server::start();
    let admin = server.client();
    let (key, (_, other)) = (admin.key().to_owned(), create(&admin, json!({})));
    let body = format!("token={other}");
    let ask = |headers: &[(&str, &str)]| admin.send("POST", PATH, &[headers, &[FORM]].concat(), body.as_bytes());
    let bearer = format!("Bearer {key}");
    let encoded: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let ways: Vec<(&str, String)> = vec![
        ("CONFIDENT_API_KEY", key.clone()),
        ("X-API-Key", key.clone()),
        ("Authorization", bearer.clone()),
        ("Authorization", basic("", &key)),
        ("Authorization", basic("resource server", &key)),
        ("Authorization", basic("a", &encoded)),
        ("Authorization", basic("a", &key).replace("Basic", "bASIC")),
    ];
    for (name, value) in &ways {
        assert_eq!(ask(&[(*name, value)]).json()["active"], json!(true), "{name}: {value}");
        assert_eq!(ask(&[(*name, value), ("X-API-Key", &key)]).status, 200, "twice the same");
        if (*name, value) != ("X-API-Key", &key) {
            failed(&ask(&[(*name, value), ("X-API-Key", &other)]), 400, "invalid_request");
        }
    }
    // What has no form of a key is meant for others, such as a proxy on the way.
    for others in [basic("user", "password"), JWT.to_owned(), "Digest username=a".to_owned(), basic("a", "")] {
        assert_eq!(ask(&[("Authorization", &others), ("X-API-Key", &key)]).status, 200, "{others}");
    }
    // Elsewhere, Basic is no credential.
    admin.send("GET", ORGANIZATION, &[("Authorization", &basic("a", &key))], b"").refused_with(401);
}

#[test]
fn without_a_valid_key_the_caller_gets_401_with_a_challenge_for_each_scheme() {
    let server = Server::start();
    let admin = server.client();
    let (off, deactivated) = create(&admin, json!({}));
    admin.set_valid(off, false).data();
    let body = format!("token={}", admin.key());
    let ask = |headers: &[(&str, &str)]| admin.send("POST", PATH, &[headers, &[FORM]].concat(), body.as_bytes());
    for (name, value) in [
        ("X-API-Key", deactivated.clone()),
        ("X-API-Key", "wrong".to_owned()),
        ("Authorization", format!("Bearer {deactivated}")),
        ("Authorization", basic("a", &deactivated)),
        ("Authorization", basic("a", "wrong:with:colons")),
        ("Authorization", basic(admin.key(), "wrong")),
    ] {
        let answer = ask(&[(name, &value)]);
        let expected = [r#"Bearer realm="keystead", error="invalid_token""#, r#"Basic realm="keystead""#];
        assert_eq!(failed(&answer, 401, "invalid_client"), expected, "{value}");
    }
    for (name, value) in [
        ("X-Other", "a".to_owned()),
        ("Authorization", "Basic".to_owned()),
        ("Authorization", "Basic ".to_owned()),
        ("Authorization", format!("Basic {}", admin.key())),
        ("Authorization", format!("Basic {}", data_encoding::BASE64.encode(admin.key().as_bytes()))),
        ("Authorization", basic(admin.key(), "")),
    ] {
        let answer = ask(&[(name, &value)]);
        let expected = [r#"Bearer realm="keystead""#, r#"Basic realm="keystead""#];
        assert_eq!(failed(&answer, 401, "invalid_client"), expected, "{value}");
        assert!(answer.text.contains("as the password of Authorization: Basic"), "{}", answer.text);
    }
}

#[test]
fn the_caller_needs_the_role_to_verify() {
    let server = Server::start();
    let admin = server.client();
    let project = admin.post("/v2/projects", json!({"name": "one"})).data();
    let project = format!("projects/{}", project["project"]["id"].as_str().expect("an id"));
    for (keys, roles) in [
        ("organization", &["admin", "manager", "auditor", "verifier", "none"][..]),
        (&project, &["manager", "verifier", "none"]),
    ] {
        for role in roles {
            let key = admin.post(&format!("/v2/{keys}/api-keys"), json!({"name": role, "role": role})).data();
            let asker = server.client_with(key["value"].as_str().expect("a value"));
            if matches!(*role, "admin" | "manager" | "verifier") {
                active(&asker, admin.key());
                continue;
            }
            let answer = introspect(&asker, admin.key());
            let expected = [r#"Bearer realm="keystead", error="insufficient_scope""#];
            assert_eq!(failed(&answer, 403, "unauthorized_client"), expected);
            assert!(answer.text.contains("admin, manager or verifier"), "{}", answer.text);
        }
    }
    let bound = create(&admin, json!({"allowedAddresses": ["203.0.113.7"]})).1;
    let none: [&str; 0] = [];
    assert_eq!(failed(&introspect(&server.client_with(&bound), admin.key()), 403, "unauthorized_client"), none);
}

#[test]
fn a_request_without_exactly_one_token_in_a_form_is_refused() {
    let server = Server::start_with(&[("KEYSTEAD_SERVER_BODY_LIMIT_BYTES", "1000")]);
    let admin = server.client();
    let key = admin.key().to_owned();
    let ask = |path: &str, kind: Option<&str>, body: &[u8]| {
        let kind = kind.map(|kind| ("Content-Type", kind));
        let headers: Vec<(&str, &str)> = [("X-API-Key", key.as_str())].into_iter().chain(kind).collect();
        admin.send("POST", path, &headers, body)
    };
    let token = format!("token={key}");
    for body in [
        "",
        "token",
        "token=",
        "Token=a",
        &key,
        "token_type_hint=access_token",
        &format!("{token}&{token}"),
        "token=a&token=",
    ] {
        failed(&ask(PATH, Some(FORM.1), body.as_bytes()), 400, "invalid_request");
    }
    failed(&ask(&format!("{PATH}?{token}"), Some(FORM.1), b""), 400, "invalid_request");
    for kind in [None, Some("application/json"), Some("text/plain"), Some("application/x-www-form-urlencoded2")] {
        failed(&ask(PATH, kind, token.as_bytes()), 415, "invalid_request");
    }
    failed(&ask(PATH, Some(FORM.1), format!("{token}&a={}", "b".repeat(1000)).as_bytes()), 413, "invalid_request");
    for (kind, body) in [
        ("application/x-www-form-urlencoded; charset=UTF-8", token.clone()),
        (
            "APPLICATION/X-WWW-FORM-URLENCODED",
            format!("token_type_hint=refresh_token&{token}&other=1&other=2&=&&client_id=a"),
        ),
        (FORM.1, format!("%74oken={}", key.replace('_', "%5F"))),
    ] {
        let answer = ask(&format!("{PATH}?token=a&b"), Some(kind), body.as_bytes());
        assert_eq!(answer.json()["active"], json!(true), "{body}");
    }
    for method in ["GET", "HEAD", "PUT"] {
        assert_eq!(admin.send(method, PATH, &[("X-API-Key", &key)], b"").header("allow"), Some("POST"), "{method}");
    }
}

#[test]
fn an_introspection_is_a_use_of_an_active_key() {
    let server = Server::start();
    let admin = server.client();
    let (id, value) = create(&admin, json!({}));
    let last_used = || admin.get(&format!("/v2/organization/api-keys/{id}")).data()["lastUsed"].take();
    admin.set_valid(id, false).data();
    assert_inactive(&admin, &value);
    assert_eq!(last_used(), Value::Null);
    admin.set_valid(id, true).data();
    active(&admin, &value);
    assert!(last_used().is_string());
    // Written within a second.
    eventually(std::time::Duration::from_secs(20), || {
        let usage = admin.get(&format!("/v2/organization/api-keys/{id}/usage")).data()["usage"].take();
        let count = |of: &str| usage.pointer(&format!("/0/{of}")).and_then(Value::as_i64);
        (count("valid"), count("refused/DEACTIVATED")) == (Some(1), Some(1))
    });
}

#[test]
fn from_the_answer_to_its_revocation_on_a_key_is_inactive_and_a_withdrawn_permission_is_no_scope() {
    let server = Server::start();
    let admin = server.client();
    let (id, value) = create(&admin, json!({"permissions": ["a", "b"]}));
    let verifier = server.client_with(&create(&admin, json!({"role": "verifier"})).1);
    assert_eq!(active(&verifier, &value)["scope"], json!("a b"));
    admin.put(&format!("/v2/organization/api-keys/{id}"), json!({"permissions": ["b"]})).data();
    assert_eq!(active(&verifier, &value)["scope"], json!("b"));
    admin.put(&format!("/v2/organization/api-keys/{id}"), json!({"permissions": null})).data();
    assert_eq!(active(&verifier, &value).get("scope"), None);
    admin.revoke(id).data();
    assert_inactive(&verifier, &value);
}

#[test]
fn invalid_keys_of_callers_are_limited_and_tokens_are_not() {
    let settings = [
        ("KEYSTEAD_BRUTE_FORCE_LOOPBACK", "true"),
        ("KEYSTEAD_BRUTE_FORCE_BURST", "2"),
        ("KEYSTEAD_BRUTE_FORCE_PER_MINUTE", "1"),
    ];
    let server = Server::start_with(&settings);
    let admin = server.client();
    for _ in 0..5 {
        assert_inactive(&admin, "wrong");
    }
    let wrong = |_| admin.send("POST", PATH, &[("Authorization", &basic("a", "wrong")), FORM], b"token=a");
    let answers = [0; 3].map(wrong);
    for answer in &answers[..2] {
        failed(answer, 401, "invalid_client");
    }
    failed(&answers[2], 429, "temporarily_unavailable");
    let wait = answers[2].header("retry-after").map(|seconds| seconds.parse().expect("seconds"));
    assert!(wait.is_some_and(|seconds: u32| (1..=60).contains(&seconds)));
    active(&admin, admin.key());
}

#[test]
fn neither_the_token_nor_the_callers_key_is_logged_or_repeated() {
    let server = Server::start_with(&[("KEYSTEAD_LOG_LEVEL", "debug"), ("KEYSTEAD_LOG_REQUESTS", "true")]);
    let admin = server.client();
    let (id, value) = create(&admin, json!({}));
    let unknown = format!("confident_org_{}", "0123456789abcdef".repeat(2));
    let password = basic("a", "sk_live_0123456789abcdef");
    let encoded = password.replace("Basic ", "");
    let mut answers = Vec::new();
    for token in [&value, &unknown, &format!("{value}&token=1")] {
        answers.push(introspect(&admin, token));
        let headers = [("Authorization", password.as_str()), FORM, ("X-Request-Id", "sk_live_0123456789abcdef")];
        answers.push(admin.send("POST", PATH, &headers, format!("token={token}").as_bytes()));
    }
    answers.push(admin.send("POST", &format!("{PATH}?token={value}"), &[("X-API-Key", admin.key()), FORM], b""));
    let log = server.log();
    assert!(log.contains(PATH) && log.contains(&format!("key {}", 1)), "{log}");
    assert!(id > 1);
    for secret in [&value, &unknown, admin.key(), "sk_live_0123456789abcdef", &encoded] {
        assert!(!log.contains(secret), "{secret}");
        for answer in &answers {
            let headers = answer.headers.iter().any(|(_, text)| text.contains(secret));
            assert!(!headers && !answer.text.contains(secret), "{answer:?}");
        }
    }
}
