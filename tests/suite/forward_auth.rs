//! Forward auth: the responses to proxies about their clients.

use super::helpers::*;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const DIALECTS: [&str; 4] = ["/auth/nginx", "/auth/forward", "/auth/envoy", "/auth/envoy/some/path?scope=x&y"];
const IDENTITY: [&str; 8] = [
    "x-auth-organization-id",
    "x-auth-organization-name",
    "x-auth-project-id",
    "x-auth-key-id",
    "x-auth-key-name",
    "x-auth-role",
    "x-auth-permissions",
    "x-auth-owner",
];

fn ask(client: &Client, path: &str, headers: &[(&str, &str)]) -> Answer {
    client.send("GET", path, headers, b"")
}

/// The identity headers, each of which must occur exactly once.
#[track_caller]
fn identity(answer: &Answer) -> [String; 8] {
    assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{answer:?}");
    IDENTITY.map(|name| {
        let values: Vec<&str> = answer.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        assert_eq!(values.len(), 1, "{name}: {values:?}");
        values[0].to_owned()
    })
}

/// Asks the gate with these parameters in each dialect; their statuses, in the order nginx, forward and envoy.
fn ask_gate(client: &Client, gate: &str, key: &str) -> [Answer; 3] {
    let key = ("X-API-Key", key);
    let [nginx, forward] = ["nginx", "forward"].map(|name| ask(client, &format!("/auth/{name}?{gate}"), &[key]));
    [nginx, forward, ask(client, "/auth/envoy/a?permission=other", &[key, ("X-Auth-Gate", gate)])]
}

/// A new key of the organization with these fields: its id and its value.
fn key_with(admin: &Client, mut fields: serde_json::Value) -> (i64, String) {
    fields["name"] = json!("a");
    let key = admin.post("/v2/organization/api-keys", fields).data();
    (key["id"].as_i64().expect("an id"), key["value"].as_str().expect("a value").to_owned())
}

/// A project and the value of its key.
fn project(admin: &Client, name: &str) -> (String, String) {
    let created = admin.post("/v2/projects", json!({"name": name})).data();
    let text = |value: &serde_json::Value| value.as_str().expect("a string").to_owned();
    (text(&created["project"]["id"]), text(&created["apiKey"]["value"]))
}

#[test]
fn a_valid_key_is_identified_at_every_endpoint_by_every_method() {
    let server = Server::start();
    let admin = server.client();
    let organization = admin.get(ORGANIZATION).data()["organization"]["id"].as_str().expect("an id").to_owned();
    let (project, value) = project(&admin, "Web shop");
    for path in DIALECTS {
        for method in ["GET", "POST", "HEAD", "DELETE", "PATCH", "OPTIONS"] {
            let answer = admin.send(method, path, &[("CONFIDENT_API_KEY", admin.key())], b"");
            let own = [organization.as_str(), "My organization", "", "1", "First key", "admin", "", ""];
            assert_eq!(identity(&answer), own, "{method} {path}");
        }
        let answer = ask(&admin, path, &[("X-API-Key", &value)]);
        let other = [organization.as_str(), "My organization", &project, "2", "Default key", "verifier", "", ""];
        assert_eq!(identity(&answer), other);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn every_name_is_encoded_as_valid_header_text() {
    let server = Server::start();
    let admin = server.client();
    admin.put(ORGANIZATION, json!({"name": "Zürich \u{1f511} 100% \"A\"\u{a0}B"})).data();
    let (_, value) = admin.mint("a: b, c; d\\e");
    let identity = identity(&ask(&admin, "/auth/nginx", &[("X-API-Key", &value)]));
    assert_eq!(identity[1], "Z%C3%BCrich %F0%9F%94%91 100%25 \"A\"%C2%A0B");
    assert_eq!(identity[4], "a: b, c; d\\e");
}

#[test]
fn the_role_the_permissions_and_the_owner_of_a_key_are_named() {
    let server = Server::start();
    let admin = server.client();
    let longest: Vec<String> = (10..74).map(|number| format!("{number}:{}", "a".repeat(125))).collect();
    for (fields, role, permissions, owner) in [
        (json!({"role": "none"}), "none", String::new(), ""),
        (
            json!({"role": "auditor", "permissions": ["b", "a:*", "a:read"], "owner": "Zoë, 100% \u{1f511}"}),
            "auditor",
            "b a:* a:read".to_owned(),
            "Zo%C3%AB, 100%25 %F0%9F%94%91",
        ),
        (json!({"permissions": longest, "owner": "customer 17"}), "admin", longest.join(" "), "customer 17"),
    ] {
        let value = key_with(&admin, fields).1;
        for path in DIALECTS {
            let identity = identity(&ask(&admin, path, &[("X-API-Key", &value)]));
            assert_eq!(identity[5..], [role, &permissions, owner], "{path}");
        }
    }
}

#[test]
fn an_invalid_key_is_refused_at_every_endpoint() {
    let server = Server::start_with(&[("KEYSTEAD_DEV_CLOCK", "true")]);
    let admin = server.client();
    let (off, deactivated) = admin.mint("a");
    let (gone, revoked) = admin.mint("b");
    let expired = admin.post("/v2/organization/api-keys", json!({"name": "c", "expiresInDays": 1})).data();
    let expired = expired["value"].as_str().expect("a value");
    for path in DIALECTS {
        for value in [&deactivated, &revoked, expired] {
            identity(&ask(&admin, path, &[("X-API-Key", value)]));
        }
    }
    admin.set_valid(off, false).data();
    admin.revoke(gone).data();
    admin.post("/dev/clock", json!({"advanceInMs": 86_400_000})).data();
    for path in DIALECTS {
        for value in [&deactivated, &revoked, expired, "nonsense"] {
            let answer = ask(&admin, path, &[("X-API-Key", value)]);
            answer.refused_with(401);
            assert!(answer.header("www-authenticate").is_some());
            assert!(IDENTITY.iter().all(|name| answer.header(name).is_none()));
        }
        ask(&admin, path, &[]).refused_with(401);
        ask(&admin, path, &[("Authorization", "Basic Zm9vOmJhcg==")]).refused_with(401);
    }
}

#[test]
fn the_clients_key_is_the_first_in_the_configured_order() {
    let server = Server::start();
    let admin = server.client();
    let bearer = format!("Bearer {}", admin.key());
    let (two, three) = (admin.mint("two").1, admin.mint("three").1);
    let headers = [("X-API-Key", three.as_str()), ("Authorization", &bearer), ("CONFIDENT_API_KEY", &two)];
    assert_eq!(identity(&ask(&admin, "/auth/forward", &headers))[4], "two");
    assert_eq!(identity(&ask(&admin, "/auth/forward", &headers[..2]))[4], "First key");
    // A wrong key in the first header is not replaced by another one.
    let wrong = [("CONFIDENT_API_KEY", "wrong"), ("X-API-Key", three.as_str())];
    ask(&admin, "/auth/forward", &wrong).refused_with(401);

    let unknown = ["Bearer confident_org_00000000000000000000000000000000", &three];
    let unknown = [("Authorization", unknown[0]), ("X-API-Key", unknown[1])];
    ask(&admin, "/auth/forward", &unknown).refused_with(401);

    let server = Server::start_with(&[("KEYSTEAD_FORWARD_AUTH_CREDENTIAL_HEADERS", "x-api-key")]);
    let admin = server.client();
    let (key, bearer) = (admin.key(), format!("Bearer {}", admin.key()));
    identity(&ask(&admin, "/auth/forward", &[("X-API-Key", key), ("Authorization", "Bearer of another kind")]));
    ask(&admin, "/auth/forward", &[("Authorization", &bearer), ("CONFIDENT_API_KEY", key)]).refused_with(401);
}

#[test]
fn a_request_without_a_key_is_told_the_headers_that_the_gate_accepts() {
    for (headers, told) in [
        ("CONFIDENT_API_KEY,Authorization,X-API-Key", "CONFIDENT_API_KEY, Authorization: Bearer or X-API-Key"),
        ("x-api-key,authorization", "X-API-Key or Authorization: Bearer"),
        ("X-API-Key", "X-API-Key"),
    ] {
        let server = Server::start_with(&[("KEYSTEAD_FORWARD_AUTH_CREDENTIAL_HEADERS", headers)]);
        for path in ["/auth/forward", "/auth/nginx", "/auth/envoy/x"] {
            let sentence = ask(&server.client(), path, &[]).refused_with(401);
            assert_eq!(sentence, format!("An API key is required: send it in the header {told}."));
        }
    }
}

#[test]
fn an_empty_header_or_the_apps_own_bearer_token_does_not_hide_the_clients_key() {
    let server = Server::start();
    let admin = server.client();
    let (key, bearer) = (admin.key(), format!("Bearer {}", admin.key()));
    for path in DIALECTS {
        for (hiding, own) in [
            (("CONFIDENT_API_KEY", ""), ("X-API-Key", key)),
            (("CONFIDENT_API_KEY", " "), ("Authorization", bearer.as_str())),
            (("Authorization", "Bearer "), ("X-API-Key", key)),
            (("Authorization", JWT), ("X-API-Key", key)),
            (("Authorization", JWT), ("Authorization", &bearer)),
        ] {
            identity(&ask(&admin, path, &[hiding, own]));
            ask(&admin, path, &[hiding]).refused_with(401);
        }
    }
}

#[test]
fn a_gate_passes_only_the_keys_that_it_names() {
    let server = Server::start();
    let admin = server.client();
    let organization = admin.get(ORGANIZATION).data()["organization"]["id"].as_str().expect("an id").to_owned();
    let (project_id, project_key) = project(&admin, "one");
    let (other_id, other_key) = project(&admin, "two");
    let passes = |gate: &str| {
        let keys = [admin.key(), &project_key, &other_key];
        let nginx = keys.map(|key| ask(&admin, &format!("/auth/nginx?{gate}"), &[("X-API-Key", key)]).status);
        let forward = keys.map(|key| ask(&admin, &format!("/auth/forward?{gate}"), &[("X-API-Key", key)]).status);
        let envoy = keys.map(|key| ask(&admin, "/auth/envoy/a", &[("X-API-Key", key), ("X-Auth-Gate", gate)]).status);
        assert_eq!((nginx, forward), (forward, envoy), "{gate}");
        forward.map(|status| status == 200)
    };
    assert_eq!(passes(&format!("organization={organization}")), [true, true, true]);
    assert_eq!(passes("organization=org_0000000000000000"), [false, false, false]);
    assert_eq!(passes(&format!("project={project_id}")), [false, true, false]);
    assert_eq!(passes(&format!("organization={organization}&project={other_id}")), [false, false, true]);
    assert_eq!(passes("scope=organization"), [true, false, false]);
    assert_eq!(passes("scope=project"), [false, true, true]);
    assert_eq!(passes(&format!("scope=organization&project={project_id}")), [false, false, false]);
    ask(&admin, "/auth/forward?scope=project", &[("X-API-Key", admin.key())]).refused_with(403);
}

#[test]
fn a_gate_passes_only_keys_with_all_the_permissions_that_it_names() {
    let server = Server::start();
    let admin = server.client();
    let keys = [
        json!({}),
        json!({"permissions": ["invoices:read"]}),
        json!({"permissions": ["invoices:*", "users:read"]}),
        json!({"permissions": ["*"], "role": "none"}),
    ]
    .map(|fields| key_with(&admin, fields).1);
    for (gate, passing) in [
        ("permission=invoices:read", [false, true, true, true]),
        ("permission=invoices%3Aread", [false, true, true, true]),
        ("permission=invoices:read&permission=users:read", [false, false, true, true]),
        ("permission=invoices:read&permission=invoices:read", [false, true, true, true]),
        ("scope=organization&permission=invoices:items:read", [false, false, true, true]),
        ("permission=invoices:read&scope=organization", [false, true, true, true]),
        ("permission=invoices:read&scope=project", [false; 4]),
        ("permission=invoices", [false, false, false, true]),
        ("permission=invoices:*", [false, false, true, true]),
        ("permission=*", [false, false, false, true]),
        ("scope=organization", [true; 4]),
    ] {
        for (key, passes) in keys.iter().zip(passing) {
            for answer in ask_gate(&admin, gate, key) {
                if passes {
                    identity(&answer);
                    continue;
                }
                answer.refused_with(403);
                assert_eq!(answer.header("retry-after"), None, "{gate}");
                assert!(IDENTITY.iter().all(|name| answer.header(name).is_none()));
            }
        }
    }
    let sentence = ask_gate(&admin, "permission=users:write", &keys[1])[1].refused_with(403);
    assert_eq!(sentence, "The API key lacks a permission that this request needs.");
}

#[test]
fn a_withdrawn_permission_or_a_lowered_role_shows_in_the_next_answer_of_the_gate() {
    let server = Server::start();
    let admin = server.client();
    let (id, key) = key_with(&admin, json!({"permissions": ["invoices:read", "users:read"]}));
    let path = format!("/v2/organization/api-keys/{id}");
    for answer in ask_gate(&admin, "permission=invoices:read", &key) {
        assert_eq!(identity(&answer)[5..7], ["admin", "invoices:read users:read"]);
    }
    admin.put(&path, json!({"permissions": ["users:read"], "role": "none"})).data();
    for answer in ask_gate(&admin, "permission=invoices:read", &key) {
        answer.refused_with(403);
    }
    for answer in ask_gate(&admin, "permission=users:read", &key) {
        assert_eq!(identity(&answer)[5..7], ["none", "users:read"]);
    }
}

#[test]
fn a_permission_that_a_client_of_envoy_asks_for_only_narrows_the_gate() {
    let server = Server::start();
    let admin = server.client();
    let key = key_with(&admin, json!({"permissions": ["a"]})).1;
    for (own, status) in [("permission=a", 200), ("permission=b", 403), ("permission=", 400)] {
        let headers = [("X-API-Key", key.as_str()), ("X-Auth-Gate", "permission=a"), ("X-Auth-Gate", own)];
        assert_eq!(ask(&admin, "/auth/envoy/x", &headers).status, status, "{own}");
    }
}

#[test]
fn a_misspelt_gate_passes_no_request() {
    let server = Server::start();
    let admin = server.client();
    admin.put("/v2/organization/api-keys/1", json!({"permissions": ["*"]})).data();
    let key = [("X-API-Key", admin.key())];
    let too_many = (0..65).map(|number| format!("permission=a:{number}")).collect::<Vec<_>>().join("&");
    let too_long = format!("permission={}", "a".repeat(129));
    for gate in [
        "permission",
        "permission=",
        "permission=&permission=a",
        "permissions=a",
        "Permission=a",
        "permission=A",
        "permission=a:",
        "permission=a::b",
        "permission=a*",
        "permission=*:a",
        "permission=a,b",
        "permission=a%20b",
        "permission=a+b",
        "permission=%ff",
        "permission[]=a",
        &too_many,
        &too_long,
        "organisation=org_0000000000000000",
        "&",
        "&&",
        "=",
        "scope",
        "scope=organization&",
        "&scope=organization",
        "scope=organization&&organization=org_0000000000000000",
        "scope=organization;scope=project",
        "scope=",
        "scope=all",
        "project=1",
        "scope=organization&scope=organization",
    ] {
        ask(&admin, &format!("/auth/nginx?{gate}"), &key).refused_with(403);
        ask(&admin, &format!("/auth/forward?{gate}"), &key).refused_with(400);
        ask(&admin, "/auth/envoy", &[key[0], ("X-Auth-Gate", gate)]).refused_with(400);
    }
    let two = [key[0], ("X-Auth-Gate", "scope=organization"), ("X-Auth-Gate", "scope=project")];
    ask(&admin, "/auth/envoy", &two).refused_with(400);
    ask(&admin, "/auth/nginx?", &key).refused_with(403);
    ask(&admin, "/auth/envoy", &[key[0], ("X-Auth-Gate", "")]).refused_with(400);
    // Caddy passes on a client's request for `/?`, which names no gate.
    identity(&ask(&admin, "/auth/forward?", &key));
}

#[test]
fn on_every_failure_nginx_gets_401_or_403_and_envoy_no_5xx() {
    let settings = [
        ("KEYSTEAD_BRUTE_FORCE_LOOPBACK", "true"),
        ("KEYSTEAD_BRUTE_FORCE_BURST", "1"),
        ("KEYSTEAD_BRUTE_FORCE_PER_MINUTE", "1"),
    ];
    let server = Server::start_with(&settings);
    let admin = server.client();
    let (id, value) = admin.mint("a");
    admin.put(&format!("{KEYS}/{id}"), json!({"rateLimit": {"limit": 1, "windowInSeconds": 600}})).data();
    let limited = [("X-API-Key", value.as_str())];
    identity(&ask(&admin, "/auth/nginx", &limited));
    // nginx recognizes by this header that the 403 is a rate limit.
    let waits = |headers: &[(&str, &str)]| {
        let answer = ask(&admin, "/auth/nginx", headers);
        answer.refused_with(403);
        answer.header("retry-after").map(|seconds| seconds.parse().expect("seconds"))
    };
    assert!(waits(&limited).is_some_and(|seconds: u32| (590..=600).contains(&seconds)));
    for path in ["/auth/forward", "/auth/envoy"] {
        let answer = ask(&admin, path, &limited);
        answer.refused_with(429);
        assert!(answer.header("retry-after").is_some() && answer.header("ratelimit").is_some());
    }
    let wrong = [("X-API-Key", "wrong")];
    ask(&admin, "/auth/nginx", &wrong).refused_with(401);
    assert!(waits(&wrong).is_some_and(|seconds| (1..=60).contains(&seconds)));
    ask(&admin, "/auth/forward", &wrong).refused_with(429);
    ask(&admin, "/auth/envoy/x", &wrong).refused_with(429);
    admin.put(&format!("{KEYS}/{id}"), json!({"rateLimit": null, "allowedAddresses": ["203.0.113.7"]})).data();
    assert_eq!(waits(&limited), None, "it is refused for its address");
}

#[test]
fn rotation_headers_for_the_client_reach_the_proxy() {
    let server = Server::start();
    let admin = server.client();
    let (id, value) = admin.mint("a");
    admin.post(&format!("/v2/organization/api-keys/{id}/rotate"), json!({"gracePeriodInHours": 1})).data();
    admin.put(&format!("{KEYS}/{id}"), json!({"rateLimit": {"limit": 9, "windowInSeconds": 600}})).data();
    let answer = ask(&admin, "/auth/forward", &[("X-API-Key", &value)]);
    identity(&answer);
    for header in ["sunset", "x-api-key-warning", "ratelimit", "ratelimit-policy"] {
        assert!(answer.header(header).is_some(), "{header}");
    }
}

/// The status of a raw response.
#[track_caller]
fn status(answer: &str) -> u16 {
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    status.unwrap_or_else(|| panic!("{answer:?}"))
}

#[test]
fn a_malformed_head_is_refused_with_a_status_that_the_proxy_understands() {
    let server = Server::start_with(&[("KEYSTEAD_SERVER_HEAD_TIMEOUT_MS", "1000")]);
    let key = format!("X-API-Key: {}\r\n", server.first_key());
    let head = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{key}{more}");
    let many = "A: b\r\n".repeat(95);
    for more in [format!("{many}\r\n"), "A: b\u{1}\r\n\r\n".to_owned(), "A: late".to_owned()] {
        for path in ["/auth/nginx", "/auth/nginx?scope=organization"] {
            assert_eq!(status(&server.raw(head(path, &more).as_bytes())), 403, "{path}: {more}");
        }
        for path in ["/auth/forward", "/auth/envoy", "/auth/envoy/auth/nginx", "/auth/nginxes", ORGANIZATION] {
            let status = status(&server.raw(head(path, &more).as_bytes()));
            assert!([400, 408, 431].contains(&status), "{status} at {path}: {more}");
        }
    }
    // One header less fits. The refusal also comes after valid requests on the same connection, and does not change a
    // response.
    let few = head("/auth/nginx", &format!("{}\r\n", &many[6..]));
    let other = head(ORGANIZATION, "\r\n");
    for (requests, expected) in [
        ([&few, &few, &head("/auth/nginx", &format!("{many}\r\n"))], [200, 200, 403]),
        ([&few, &other, &head(ORGANIZATION, &format!("{many}\r\n"))], [200, 200, 431]),
        ([&other, &other, &head("/auth/nginx", &format!("{many}\r\n"))], [200, 200, 403]),
    ] {
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        let statuses = requests.map(|request| {
            // In pieces, as they may arrive.
            for piece in request.as_bytes().chunks(1000) {
                stream.write_all(piece).expect("a request");
            }
            let mut answer = [0; 4096];
            let length = stream.read(&mut answer).expect("an answer");
            status(&String::from_utf8_lossy(&answer[..length]))
        });
        assert_eq!(statuses, expected);
    }
}
