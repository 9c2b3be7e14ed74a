//! The HTTP API, endpoint by endpoint.

use super::helpers::*;
use serde_json::{Value, json};

/// A UTC time with milliseconds and Z.
fn is_wire_time(value: &Value) -> bool {
    let digits =
        |text: &str| text.bytes().map(|c| if c.is_ascii_digit() { '0' } else { char::from(c) }).collect::<String>();
    value.as_str().is_some_and(|text| digits(text) == "0000-00-00T00:00:00.000Z")
}

fn masked(value: &str) -> Value {
    json!(format!("***************{}", &value[value.len() - 6..]))
}

// Everywhere

#[test]
fn the_credential_is_taken_from_any_of_three_headers() {
    let server = Server::start();
    let (client, key) = (server.client(), server.first_key());
    let bearer = format!("Bearer {key}");
    for header in [
        ("CONFIDENT_API_KEY", key.as_str()),
        ("confident_api_key", &key),
        ("X-API-Key", &key),
        ("Authorization", &bearer),
        ("Authorization", &format!("bearer  {key}")),
    ] {
        assert_eq!(client.send("GET", ORGANIZATION, &[header], b"").status, 200, "{}", header.0);
    }
    let three = [("CONFIDENT_API_KEY", key.as_str()), ("X-API-Key", &key), ("Authorization", &bearer)];
    assert_eq!(client.send("GET", ORGANIZATION, &three, b"").status, 200, "the same credential thrice");
    let basic = [("CONFIDENT_API_KEY", key.as_str()), ("Authorization", "Basic dXNlcjpwYXNz")];
    assert_eq!(client.send("GET", ORGANIZATION, &basic, b"").status, 200, "another scheme is for somebody else");
}

#[test]
fn two_different_credentials_in_one_request_are_refused_with_400() {
    let server = Server::start();
    let client = server.client();
    let (_, other) = client.mint("other");
    let headers = [("CONFIDENT_API_KEY", client.key()), ("X-API-Key", &other)];
    let sentence = client.send("GET", ORGANIZATION, &headers, b"").refused_with(400);
    assert!(sentence.contains("two different"), "{sentence}");
    let headers = [("X-API-Key", client.key()), ("X-API-Key", other.as_str())];
    client.send("GET", ORGANIZATION, &headers, b"").refused_with(400);
    let bearer = format!("Bearer {other}");
    let headers = [("X-API-Key", client.key()), ("Authorization", bearer.as_str())];
    client.send("GET", ORGANIZATION, &headers, b"").refused_with(400);
}

#[test]
fn an_empty_header_or_another_services_bearer_token_does_not_hide_a_key_elsewhere() {
    let server = Server::start();
    let client = server.client();
    let key = client.key();
    let bearer = format!("Bearer {key}");
    for (hiding, own) in [
        (("CONFIDENT_API_KEY", ""), ("X-API-Key", key)),
        (("CONFIDENT_API_KEY", ""), ("Authorization", &bearer)),
        (("X-API-Key", " "), ("CONFIDENT_API_KEY", key)),
        (("Authorization", "Bearer "), ("X-API-Key", key)),
        (("Authorization", JWT), ("X-API-Key", key)),
        (("Authorization", JWT), ("CONFIDENT_API_KEY", key)),
        (("Authorization", JWT), ("Authorization", &bearer)),
    ] {
        assert_eq!(client.send("GET", ORGANIZATION, &[hiding, own], b"").status, 200, "{hiding:?} before {own:?}");
        assert_eq!(client.send("GET", ORGANIZATION, &[own, hiding], b"").status, 200, "{hiding:?} after {own:?}");
        client.send("GET", ORGANIZATION, &[hiding], b"").refused_with(401);
    }
    let neither = [("CONFIDENT_API_KEY", ""), ("Authorization", JWT)];
    client.send("GET", ORGANIZATION, &neither, b"").refused_with(401);
}

#[test]
fn a_request_with_empty_credentials_is_told_that_a_key_is_required() {
    let server = Server::start();
    let client = server.client();
    let none = client.send("GET", ORGANIZATION, &[], b"");
    for empty in [
        &[("CONFIDENT_API_KEY", "")][..],
        &[("X-API-Key", " ")],
        &[("Authorization", "Bearer ")],
        &[("CONFIDENT_API_KEY", ""), ("X-API-Key", ""), ("Authorization", "Bearer ")],
    ] {
        for path in [ORGANIZATION, "/auth/nginx"] {
            let answer = client.send("GET", path, empty, b"");
            assert_eq!(answer.refused_with(401), none.refused_with(401), "{empty:?}");
            assert_eq!(answer.header("www-authenticate"), none.header("www-authenticate"));
        }
    }
}

#[test]
fn the_content_type_of_a_body_must_be_json_and_may_name_a_charset() {
    let server = Server::start();
    let client = server.client();
    let create = |content_type: Option<&str>| {
        let mut headers = vec![("CONFIDENT_API_KEY", client.key())];
        headers.extend(content_type.map(|value| ("Content-Type", value)));
        client.send("POST", KEYS, &headers, br#"{"name":"a"}"#)
    };
    for good in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"] {
        assert_eq!(create(Some(good)).status, 200, "{good}");
    }
    for bad in ["text/plain", "application/jsonl", "application/x-www-form-urlencoded"] {
        create(Some(bad)).refused_with(415);
    }
    let head = format!("CONFIDENT_API_KEY: {}\r\nContent-Length: 12\r\nConnection: close\r\n\r\n", client.key());
    let answer = server.raw(format!("POST {KEYS} HTTP/1.1\r\nHost: x\r\n{head}{{\"name\":\"a\"}}").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 415 "), "no content type at all: {answer}");
}

#[test]
fn a_body_over_the_limit_is_refused_with_413_and_one_at_the_limit_is_not() {
    let server = Server::start_with(&[("KEYSTEAD_SERVER_BODY_LIMIT_BYTES", "200")]);
    let client = server.client();
    let body = |length: usize| format!("{{\"name\":\"a\"{}}}", " ".repeat(length - 12));
    let headers = [("CONFIDENT_API_KEY", client.key()), ("Content-Type", "application/json")];
    assert_eq!(client.send("POST", KEYS, &headers, body(200).as_bytes()).status, 200);
    client.send("POST", KEYS, &headers, body(201).as_bytes()).refused_with(413);
    // The same, without a content length.
    let head = format!(
        "POST {KEYS} HTTP/1.1\r\nHost: x\r\nCONFIDENT_API_KEY: {}\r\nContent-Type: application/json\r\nConnection: \
         close\r\nTransfer-Encoding: chunked\r\n\r\n",
        client.key()
    );
    let answer = server.raw(format!("{head}c9\r\n{}\r\n0\r\n\r\n", body(201)).as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn a_wrong_method_is_answered_with_405_and_what_is_allowed() {
    let server = Server::start();
    let client = server.client();
    for (path, method, allow) in [
        (ORGANIZATION, "DELETE", "GET, HEAD, PUT"),
        (KEYS, "PUT", "GET, HEAD, POST"),
        ("/v1/organization/api-keys/1", "POST", "GET, HEAD, PUT, DELETE"),
        ("/healthz", "POST", "GET, HEAD"),
        ("/readyz", "OPTIONS", "GET, HEAD"),
    ] {
        let answer = client.send(method, path, &[], b"");
        assert!(answer.refused_with(405).contains(allow));
        assert_eq!(answer.header("allow"), Some(allow));
    }
}

#[test]
fn an_unknown_route_is_answered_with_404() {
    let server = Server::start();
    for path in ["/v1", "/v1/organization/", "/v3/organization", "/v1/organization/api-keys/1/2", "/%ff%00", "/..%2f"] {
        server.client().get(path).refused_with(404);
    }
}

#[test]
fn the_bare_address_leads_to_the_console_or_without_it_to_the_description() {
    for (console, location, title) in
        [("true", "console/", "<title>Keystead"), ("false", "docs", "<title>Keystead: the API</title>")]
    {
        let server = Server::start_with(&[("KEYSTEAD_CONSOLE_ENABLED", console)]);
        for method in ["GET", "HEAD"] {
            let answer = server.raw(format!("{method} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
            let (status, rest) = answer.split_once("\r\n").expect("a status");
            assert_eq!(status, "HTTP/1.1 302 Found");
            assert!(rest.to_ascii_lowercase().contains(&format!("\r\nlocation: {location}\r\n")), "{answer}");
        }
        // A browser follows the redirect.
        let page = server.client().send("GET", "/", &[], b"");
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(page.text.contains(title), "{}", page.text);
        let refused = server.client().send("POST", "/", &[], b"{}");
        refused.refused_with(405);
        assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    }
}

#[test]
fn a_body_that_is_not_a_json_object_is_refused_with_400_and_never_repeated() {
    let server = Server::start();
    let client = server.client();
    let headers = [("CONFIDENT_API_KEY", client.key()), ("Content-Type", "application/json")];
    let deep = "[".repeat(10_000);
    let bodies: [&[u8]; 9] =
        [b"", b"{", b"\xff\xfe{}", b"[]", b"\"secret\"", b"null", b"{\"name\": secret}", b"{}{}", deep.as_bytes()];
    for body in bodies {
        for (method, path) in [("POST", KEYS), ("PUT", ORGANIZATION), ("PUT", "/v1/organization/api-keys/1")] {
            let sentence = client.send(method, path, &headers, body).refused_with(400);
            assert!(!sentence.contains("secret"), "{sentence}");
        }
    }
}

#[test]
fn a_field_that_is_missing_or_of_the_wrong_type_is_named_and_never_repeated() {
    let server = Server::start();
    let client = server.client();
    for body in [json!({}), json!({"Name": "a"})] {
        assert_eq!(client.post(KEYS, body).refused_with(400), "The field \"name\" is required.");
    }
    for body in [json!({"name": null}), json!({"name": 1}), json!({"name": ["secret"]})] {
        assert_eq!(client.post(KEYS, body).refused_with(400), "The field \"name\" must be a string.");
    }
    for body in [json!({"valid": "secret"}), json!({"valid": 1}), json!({"valid": null})] {
        let sentence = client.put(&format!("{KEYS}/1"), body).refused_with(400);
        assert_eq!(sentence, "The field \"valid\" must be true or false.");
    }
    assert_eq!(client.put(&format!("{KEYS}/1"), json!({})).refused_with(400), "The field \"valid\" is required.");
}

#[test]
fn an_answer_to_head_is_that_to_get_without_its_body() {
    let server = Server::start();
    let client = server.client();
    let headers = [("CONFIDENT_API_KEY", client.key())];
    for path in [ORGANIZATION, KEYS, "/v1/organization/api-keys/1", "/healthz", "/readyz"] {
        let answer = client.send("HEAD", path, &headers, b"");
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{path}");
    }
}

#[test]
fn unknown_fields_of_a_request_to_v1_are_ignored() {
    let server = Server::start();
    let client = server.client();
    assert_eq!(client.post(KEYS, json!({"name": "a", "colour": {"r": 1}, "id": 99})).data()["apiKey"]["id"], json!(2));
    assert_eq!(client.put(ORGANIZATION, json!({"name": "b", "plan": "FREE"})).status, 200);
}

#[test]
fn a_key_number_is_never_given_out_again_also_not_after_a_revocation_and_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    let client = server.client();
    let (last, _) = client.mint("a");
    assert_eq!(client.revoke(last).status, 200);
    let (next, _) = client.mint("b");
    assert_eq!(next, last + 1);
    assert_eq!(client.revoke(next).status, 200);
    assert!(server.stop().success());
    let server = Server::start_in(folder.path(), &[]);
    assert_eq!(server.client().mint("c").0, next + 1);
}

#[test]
fn another_organizations_keys_are_not_found() {
    let server = Server::start();
    let (client, store) = (server.client(), open_store(&server.store_path()));
    let (_, key, secret) = insert_organization(&store, "Another");
    let (other, id) = (server.client_with(secret.expose()), key.id.get());
    let path = format!("{KEYS}/{id}");
    let there_is_none = "There is no such API key in this organization.";
    assert_eq!(client.get(&path).refused_with(404), there_is_none);
    assert_eq!(client.set_valid(id, false).refused_with(404), there_is_none);
    assert_eq!(client.revoke(id).refused_with(404), there_is_none);
    assert_eq!(client.get(KEYS).data()["apiKeys"].as_array().expect("a list").len(), 1);
    assert_eq!(other.get(KEYS).data()["apiKeys"].as_array().expect("a list").len(), 1);
    assert_eq!(other.get(ORGANIZATION).data()["organization"]["name"], json!("Another"));
    assert_eq!(other.get(&path).data()["apiKey"]["valid"], json!(true));
}

#[test]
fn an_answer_with_a_full_key_must_not_be_cached() {
    let server = Server::start();
    let answer = server.client().post(KEYS, json!({"name": "a"}));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn unknown_revoked_and_malformed_keys_are_refused_in_the_same_words() {
    let server = Server::start();
    let client = server.client();
    let (id, revoked) = client.mint("a");
    assert!(server.client_with(&revoked).is_good());
    assert_eq!(client.revoke(id).status, 200);
    let unknown = format!("confident_org_{}", "0".repeat(32));
    let upper = client.key().to_uppercase();
    let long = "a".repeat(4000);
    for key in [revoked.as_str(), &unknown, "nonsense", "confident_org_", &upper, &client.key()[..45], &long] {
        let answer = server.client_with(key).get(ORGANIZATION);
        assert_eq!(answer.refused_with(401), "The API key is not valid.", "{key}");
        assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="keystead", error="invalid_token""#));
    }
    let answer = client.send("GET", ORGANIZATION, &[], b"");
    let sentence =
        "An API key is required: send it in the header CONFIDENT_API_KEY, Authorization: Bearer or X-API-Key.";
    assert_eq!(answer.refused_with(401), sentence);
    assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="keystead""#));
    let head = format!("GET {ORGANIZATION} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: ");
    let answer = server.raw(&[head.as_bytes(), b"\xff\xfe\r\n\r\n"].concat());
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("The API key is not valid."), "{answer}");
}

#[test]
fn without_a_valid_key_the_rest_of_the_request_is_ignored() {
    let server = Server::start();
    let stranger = server.client_with("nonsense");
    for (method, path) in [("GET", KEYS), ("POST", KEYS), ("PUT", ORGANIZATION)] {
        stranger.send(method, path, &[], b"not json").refused_with(401);
    }
    for (method, path) in [("GET", "/v1/organization/api-keys/x"), ("PUT", "/v1/organization/api-keys/0")] {
        stranger.send(method, path, &[], b"").refused_with(401);
    }
}

#[test]
fn a_full_key_is_the_configured_prefix_and_32_hexadecimal_digits() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    let (_, value) = server.client().mint("a");
    let digits = value.strip_prefix("confident_org_").expect("the prefix");
    assert!(digits.len() == 32 && digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')), "{value}");
    assert!(server.stop().success());
    let server = Server::start_in(folder.path(), &[("KEYSTEAD_KEYS_ORGANIZATION_PREFIX", "confident_eu_org_")]);
    assert!(server.client_with(&value).is_good(), "a key of the former prefix stays good");
    let (_, value) = server.client().mint("b");
    assert!(value.starts_with("confident_eu_org_") && server.client_with(&value).is_good());
}

// /v1

#[test]
fn creating_a_key_answers_as_the_published_example_field_for_field_and_in_order() {
    let server = Server::start();
    let answer = server.client().post(KEYS, json!({"name": "CI/CD key"}));
    let key = answer.data()["apiKey"].take();
    assert!(is_wire_time(&key["created_at"]));
    let expected = format!(
        r#"{{"success":true,"data":{{"apiKey":{{"id":2,"valid":true,"value":{},"created_at":{},"name":"CI/CD key","lastUsed":null}}}}}}"#,
        key["value"], key["created_at"]
    );
    assert_eq!(answer.text, expected);
}

#[test]
fn a_list_has_the_keys_masked_and_newest_first() {
    let server = Server::start();
    let client = server.client();
    let minted: Vec<(i64, String)> = (0..5).map(|i| client.mint(&format!("key {i}"))).collect();
    let list = client.get(KEYS).data()["apiKeys"].take();
    let list = list.as_array().expect("a list");
    assert_eq!(list.len(), 6);
    for (key, (id, value)) in list.iter().zip(minted.iter().rev()) {
        assert_eq!((&key["id"], &key["value"]), (&json!(id), &masked(value)));
        let fields: Vec<&String> = key.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["created_at", "id", "lastUsed", "name", "valid", "value"]);
    }
}

#[test]
fn a_list_of_many_pages_is_whole_and_in_order() {
    let server = Server::start();
    let store = open_store(&server.store_path());
    let (organization, _, secret) = insert_organization(&store, "Many");
    let secrets: Vec<_> = (0..2_999).map(|_| new_secret()).collect();
    insert_keys(&store, organization.id, &secrets).expect("keys");
    let client = server.client_with(secret.expose());
    let list = client.get(KEYS).data()["apiKeys"].take();
    let ids: Vec<i64> = list.as_array().expect("a list").iter().filter_map(|key| key["id"].as_i64()).collect();
    assert_eq!(ids, (2..=3_001).rev().collect::<Vec<i64>>(), "three full pages");
    assert_eq!(client.revoke(3).status, 200);
    let list = client.get(KEYS).data()["apiKeys"].take();
    assert_eq!(list.as_array().expect("a list").len(), 2_999, "the last page is not full");
}

#[test]
fn reading_a_key_shows_it_masked() {
    let server = Server::start();
    let client = server.client();
    let (id, value) = client.mint("a");
    let answer = client.get(&format!("{KEYS}/{id}"));
    let key = answer.data()["apiKey"].take();
    assert_eq!(key["value"], masked(&value));
    assert!(
        answer.text.starts_with(&format!(r#"{{"success":true,"data":{{"apiKey":{{"id":{id},"valid":true,"value":"#))
    );
}

#[test]
fn a_deactivated_key_is_refused_on_the_next_request_and_a_reactivated_one_works_again() {
    let server = Server::start();
    let client = server.client();
    let (id, value) = client.mint("a");
    let user = server.client_with(&value);
    for _ in 0..3 {
        assert!(user.is_good());
        let key = client.set_valid(id, false).data()["apiKey"].take();
        assert_eq!((&key["valid"], &key["value"]), (&json!(false), &masked(&value)));
        assert_eq!(user.get(ORGANIZATION).refused_with(401), "The API key is deactivated.");
        assert_eq!(client.set_valid(id, false).data()["apiKey"]["valid"], json!(false), "twice is fine");
        assert_eq!(client.set_valid(id, true).data()["apiKey"]["valid"], json!(true));
    }
    assert!(user.is_good());
}

#[test]
fn a_revoked_key_is_refused_on_the_next_request_and_gone_for_good() {
    let server = Server::start();
    let client = server.client();
    let (id, value) = client.mint("a");
    let user = server.client_with(&value);
    assert!(user.is_good());
    assert_eq!(client.revoke(id).text, format!(r#"{{"success":true,"data":{{"id":{id},"deleted":true}}}}"#));
    assert!(!user.is_good());
    client.get(&format!("{KEYS}/{id}")).refused_with(404);
    client.set_valid(id, true).refused_with(404);
    client.revoke(id).refused_with(404);
}

#[test]
fn a_key_can_revoke_itself() {
    let server = Server::start();
    let (id, value) = server.client().mint("a");
    let user = server.client_with(&value);
    assert_eq!(user.revoke(id).status, 200);
    assert!(!user.is_good());
}

#[test]
fn an_id_that_is_not_a_positive_integer_is_refused_and_one_too_large_is_not_found() {
    let server = Server::start();
    let client = server.client();
    for id in ["0", "-1", "1.5", "x", "1x", "%31x", "00"] {
        client.get(&format!("{KEYS}/{id}")).refused_with(400);
    }
    for id in ["999", "9223372036854775807", "99999999999999999999999999"] {
        client.get(&format!("{KEYS}/{id}")).refused_with(404);
    }
    assert_eq!(client.get(&format!("{KEYS}/01")).data()["apiKey"]["id"], json!(1));
}

#[test]
fn the_organization_can_be_read() {
    let server = Server::start_with(&[("KEYSTEAD_SETUP_ORGANIZATION", "Acme")]);
    let answer = server.client().get(ORGANIZATION);
    let organization = answer.data()["organization"].take();
    assert!(is_wire_time(&organization["created_at"]));
    let expected = format!(
        r#"{{"success":true,"data":{{"organization":{{"id":{},"name":"Acme","plan":"ENTERPRISE","created_at":{}}}}}}}"#,
        organization["id"], organization["created_at"]
    );
    assert_eq!(answer.text, expected);
}

#[test]
fn the_organization_can_be_renamed_and_every_key_sees_it_at_once() {
    let server = Server::start();
    let client = server.client();
    let other = server.client_with(&client.mint("a").1);
    let id = other.get(ORGANIZATION).data()["organization"]["id"].take();
    let renamed = client.put(ORGANIZATION, json!({"name": "  Søren & Søn  "})).data()["organization"].take();
    assert_eq!((&renamed["id"], &renamed["name"]), (&id, &json!("Søren & Søn")));
    for client in [&client, &other] {
        assert_eq!(client.get(ORGANIZATION).data()["organization"]["name"], json!("Søren & Søn"));
    }
}

#[test]
fn a_name_is_trimmed_and_has_1_to_255_characters_none_of_them_a_control_character() {
    let server = Server::start();
    let client = server.client();
    let longest = "ä".repeat(255);
    assert_eq!(client.post(KEYS, json!({"name": format!(" {longest}\n")})).data()["apiKey"]["name"], json!(longest));
    assert_eq!(
        client.post(KEYS, json!({"name": "\"quoted\" \\ 🔑"})).data()["apiKey"]["name"],
        json!("\"quoted\" \\ 🔑")
    );
    for bad in ["", "   ", &"a".repeat(256), "a\nb", "a\u{0}b", "a\u{7f}b", "a\u{85}b"] {
        for answer in [client.post(KEYS, json!({"name": bad})), client.put(ORGANIZATION, json!({"name": bad}))] {
            assert!(answer.refused_with(400).starts_with("The name must "));
        }
    }
}

#[test]
fn last_used_is_null_until_the_key_authenticates_and_then_follows_every_use() {
    let server = Server::start();
    let client = server.client();
    let (id, value) = client.mint("a");
    let last_used = || client.get(&format!("{KEYS}/{id}")).data()["apiKey"]["lastUsed"].take();
    assert_eq!(last_used(), Value::Null);
    let user = server.client_with(&value);
    let mut before = Value::Null;
    for _ in 0..3 {
        assert!(user.is_good());
        let now = last_used();
        assert!(is_wire_time(&now));
        assert!(now.as_str() >= before.as_str(), "{now} {before}");
        assert_eq!(client.get(KEYS).data()["apiKeys"][0]["lastUsed"], now, "a list says the same");
        before = now;
    }
}

#[test]
fn last_used_is_in_the_file_within_a_second_and_survives_a_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    let (client, store) = (server.client(), open_store(&server.store_path()));
    let (id, value) = client.mint("a");
    assert!(server.client_with(&value).is_good());
    let used = client.get(&format!("{KEYS}/{id}")).data()["apiKey"]["lastUsed"].take();
    let stored = || {
        let digest = keystead::domain::Digest::of_presented(value.as_bytes(), keystead::domain::KeyForms::default())
            .expect("a key");
        let found = wait(store.lookup(digest, at(1_700_000_000_000))).expect("a read");
        found.and_then(|(found, _)| found.key.last_used()).map(|at| json!(at.to_string()))
    };
    eventually(std::time::Duration::from_secs(1), || stored().as_ref() == Some(&used));
    drop(store);
    assert!(server.client_with(&value).is_good());
    let used = client.get(&format!("{KEYS}/{id}")).data()["apiKey"]["lastUsed"].take();
    assert!(server.stop().success());
    let server = Server::start_in(folder.path(), &[]);
    assert_eq!(server.client().get(&format!("{KEYS}/{id}")).data()["apiKey"]["lastUsed"], used);
}

#[test]
fn a_server_says_that_it_lives_and_that_it_is_ready_without_a_key() {
    let server = Server::start();
    let client = server.client_with("");
    assert_eq!(client.send("GET", "/healthz", &[], b"").data(), json!({"status": "ok"}));
    assert_eq!(client.send("GET", "/readyz", &[], b"").data(), json!({"status": "ready"}));
}
