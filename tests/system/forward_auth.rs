//! Who gets in, and what the app learns.

use super::helpers::Answer;
use super::proxy::Kind;
use super::proxy_setup::{Setup, request, with_each};
use serde_json::json;

/// Names come as a client wrote them or in lower case, so all are compared in lower case.
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

fn organization_id(setup: &Setup) -> String {
    let organization = setup.admin.get("/v1/organization").data()["organization"].take();
    organization["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_valid_key_passes_with_its_identity_and_without_its_value() {
    with_each(&[], |setup| {
        setup.admin.put("/v2/organization", json!({"name": "Bäcker & Söhne"})).data();
        let (id, key) = setup.clients.mint("100% \"größer\" 'x' \\ ✓");
        let received = setup.let_in(&setup.get(&key));
        assert_eq!(received.field("path"), "/some/path?and=query");
        let identity = IDENTITY.map(|name| received.header(name).to_owned());
        let organization = organization_id(setup);
        let names = ["B%C3%A4cker & S%C3%B6hne", "100%25 \"gr%C3%B6%C3%9Fer\" 'x' \\ %E2%9C%93"];
        let expected = [&organization, names[0], &setup.project, &id.to_string(), names[1], "verifier", "", ""];
        assert_eq!(identity, expected);
        assert!(received.headers().iter().all(|(_, value)| !value.contains(&key)), "{:?}", received.headers());
    });
}

#[test]
fn the_role_the_permissions_and_the_owner_reach_the_app_as_they_are_now() {
    with_each(&[], |setup| {
        let granted = json!({"role": "none", "permissions": ["invoices:*", "b"], "owner": "Zoë, 100% \"größer\""});
        let (id, key) = setup.mint_client(granted);
        let received = |key: &str| {
            let received = setup.let_in(&setup.get(key));
            [5, 6, 7].map(|at: usize| received.header(IDENTITY[at]).to_owned())
        };
        assert_eq!(received(&key), ["none", "invoices:* b", "Zo%C3%AB, 100%25 \"gr%C3%B6%C3%9Fer\""]);
        let path = format!("/v2/projects/{}/api-keys/{id}", setup.project);
        setup.admin.put(&path, json!({"role": "manager", "permissions": null, "owner": null})).data();
        assert_eq!(received(&key), ["manager", "", ""]);
    });
}

#[test]
fn a_key_with_the_longest_names_and_permissions_passes() {
    with_each(&[], |setup| {
        // Twelve characters each, encoded.
        let name = "\u{1f511}".repeat(255);
        setup.admin.put("/v2/organization", json!({ "name": name })).data();
        let permissions: Vec<String> = (10..74).map(|number| format!("{number}:{}", "a".repeat(125))).collect();
        let (id, key) = setup.mint_client(json!({ "permissions": permissions, "owner": name }));
        let path = format!("/v2/projects/{}/api-keys/{id}", setup.project);
        setup.admin.put(&path, json!({"name": name, "rateLimit": {"limit": 9, "windowInSeconds": 600}})).data();
        let received = setup.let_in(&setup.get(&key));
        let encoded = "%F0%9F%94%91".repeat(255);
        for name in ["x-auth-organization-name", "x-auth-key-name", "x-auth-owner"] {
            assert_eq!(received.header(name), encoded);
        }
        assert_eq!(received.header("x-auth-permissions"), permissions.join(" "));
    });
}

#[test]
fn nginx_lets_nobody_pass_whose_identity_does_not_fit_into_its_buffer() {
    let setup = Setup::with_change(Kind::Nginx, "proxy_buffer_size 32k;", "proxy_buffer_size 8k;");
    setup.let_in(&setup.get(&setup.clients.mint("a").1));
    let permissions: Vec<String> = (10..74).map(|number| format!("{number}:{}", "a".repeat(125))).collect();
    let key = setup.mint_client(json!({ "permissions": permissions })).1;
    setup.refused(503, || setup.get(&key));
}

/// A gate for this permission refuses a key without it, also while the client asks for something else.
#[test]
fn a_gate_asks_for_permissions_and_refuses_a_key_that_lacks_one() {
    for (gate, passing) in [
        ("scope=project&permission=invoices:read", [false, true, true, true]),
        ("scope=project&permission=invoices:read&permission=users:read", [false, false, true, true]),
        ("permission=*", [false, false, false, true]),
    ] {
        for kind in Kind::ALL {
            println!("with {kind:?} and {gate}");
            let setup = Setup::new(kind, &[], Some(gate));
            let keys = [json!([]), json!(["invoices:read"]), json!(["invoices:*", "users:read"]), json!(["*"])]
                .map(|permissions| setup.mint_client(json!({ "permissions": permissions })).1);
            for (key, passes) in keys.iter().zip(passing) {
                for path in ["/", "/a%2fb?x=%26permission=c", "/?permission=other", "/a+b?c+d&&"] {
                    let forged =
                        [("X-API-Key", key.as_str()), ("X-Auth-Permissions", "*"), ("X-Auth-Gate", "permission=a")];
                    let ask = || setup.send("GET", path, &forged, b"");
                    if passes {
                        let received = setup.let_in(&ask());
                        assert_ne!(received.header("x-auth-permissions"), "", "{kind:?} {path}");
                    } else {
                        setup.refused(403, ask);
                    }
                }
            }
        }
    }
}

#[test]
fn a_permission_that_is_withdrawn_closes_the_gate_at_once() {
    for kind in Kind::ALL {
        println!("with {kind:?}");
        let setup = Setup::new(kind, &[], Some("permission=invoices:read"));
        let (id, key) = setup.mint_client(json!({"permissions": ["invoices:read"]}));
        let path = format!("/v2/projects/{}/api-keys/{id}", setup.project);
        for _ in 0..10 {
            setup.let_in(&setup.get(&key));
            setup.admin.put(&path, json!({"permissions": []})).data();
            setup.refused(403, || setup.get(&key));
            setup.admin.put(&path, json!({"permissions": ["invoices:*"]})).data();
        }
    }
}

#[test]
fn the_key_may_come_in_each_of_three_headers_and_reaches_the_app_in_none() {
    with_each(&[], |setup| {
        let key = setup.clients.mint("a").1;
        let bearer = format!("Bearer {key}");
        for header in [("X-API-Key", &key), ("Authorization", &bearer), ("CONFIDENT_API_KEY", &key)] {
            let ask = || setup.send("GET", "/", &[(header.0, header.1)], b"");
            // Here the guide says that it does not.
            if setup.kind == Kind::Nginx && header.0 == "CONFIDENT_API_KEY" {
                setup.refused(401, ask);
                continue;
            }
            let received = setup.let_in(&ask());
            assert!(received.headers().iter().all(|(_, value)| !value.contains(&key)), "{:?}", received.headers());
        }
    });
}

#[test]
fn an_empty_header_or_the_apps_own_bearer_token_does_not_hide_the_clients_key() {
    let jwt = "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
    with_each(&[], |setup| {
        let key = setup.clients.mint("a").1;
        for hiding in [("CONFIDENT_API_KEY", ""), ("Authorization", "Bearer "), ("Authorization", jwt)] {
            setup.let_in(&setup.send("GET", "/", &[hiding, ("X-API-Key", &key)], b""));
            setup.refused(401, || setup.send("GET", "/", &[hiding], b""));
        }
    });
}

#[test]
fn more_headers_than_keystead_takes_are_no_servers_error() {
    with_each(&[], |setup| {
        // Envoy itself takes 100 of them.
        let headers = vec![("A", "b"); if setup.kind == Kind::Envoy { 90 } else { 97 }];
        // nginx and Envoy ask with few of them, the others with all.
        let is_asked_with_few = setup.kind.is_nginx() || setup.kind == Kind::Envoy;
        let expected = if is_asked_with_few { 401 } else { 431 };
        assert_eq!(setup.send("GET", "/", &headers, b"").status, expected, "{:?}", setup.kind);
    });
}

#[test]
fn a_key_that_is_not_good_is_refused_and_never_reaches_the_app() {
    with_each(&[("KEYSTEAD_DEV_CLOCK", "true")], |setup| {
        let refused = |ask: &dyn Fn() -> Answer| {
            let answer = setup.refused(401, ask);
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.starts_with("Bearer"), "{:?}: {answer:?}", setup.kind);
        };
        refused(&|| setup.send("GET", "/", &[], b""));
        refused(&|| setup.send("GET", "/", &[("Authorization", "Basic dXNlcjpwYXNzd29yZA==")], b""));
        refused(&|| setup.get("confident_org_00000000000000000000000000000000"));
        refused(&|| setup.get("nonsense"));
        let (id, key) = setup.clients.mint("a");
        setup.let_in(&setup.get(&key));
        setup.clients.set_valid(id, false).data();
        refused(&|| setup.get(&key));
        setup.clients.set_valid(id, true).data();
        setup.let_in(&setup.get(&key));
        setup.clients.revoke(id).data();
        refused(&|| setup.get(&key));
        let keys = format!("/v2/projects/{}/api-keys", setup.project);
        let data = setup.admin.post(&keys, json!({"name": "b", "expiresInDays": 1})).data();
        let key = data["value"].as_str().expect("a value").to_owned();
        setup.let_in(&setup.get(&key));
        setup.admin.post("/dev/clock", json!({"advanceInMs": 86_400_000})).data();
        refused(&|| setup.get(&key));
    });
}

#[test]
fn every_method_needs_a_key_and_a_body_reaches_the_app_whole() {
    with_each(&[], |setup| {
        let key = setup.clients.mint("a").1;
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            setup.refused(401, || setup.send(method, "/", &[], b""));
            let received = setup.let_in(&setup.send(method, "/", &[("X-API-Key", &key)], b""));
            assert_eq!(received.field("method"), method);
        }
        for size in [1, 1_000, 500_000] {
            let body = vec![b'x'; size];
            let digest = blake3::hash(&body).to_hex().to_string();
            let received = setup.let_in(&setup.send("POST", "/", &[("X-API-Key", &key)], &body));
            assert_eq!((received.field("length"), received.field("digest")), (&json!(size), &json!(digest)));
            let expecting = [("X-API-Key", key.as_str()), ("Expect", "100-continue")];
            let received = setup.let_in(&setup.send("POST", "/", &expecting, &body));
            assert_eq!((received.field("length"), received.field("digest")), (&json!(size), &json!(digest)));
            let mut chunked = request("POST", "/", &[("X-API-Key", &key), ("Transfer-Encoding", "chunked")], b"");
            chunked.extend(format!("{size:x}\r\n").bytes().chain(body).chain(*b"\r\n0\r\n\r\n"));
            let received = setup.let_in(&setup.send_from(None, &chunked));
            assert_eq!((received.field("length"), received.field("digest")), (&json!(size), &json!(digest)));
        }
    });
}

#[test]
fn the_guides_gate_lets_in_project_keys_alone() {
    with_each(&[], |setup| {
        let key = setup.clients.mint("a").1;
        setup.let_in(&setup.get(&key));
        let key = setup.admin.mint("a").1;
        setup.refused(403, || setup.get(&key));
        // What the client asks for does not move the gate.
        for path in ["/?scope=organization", "/%3Fscope=organization", "/auth/nginx?scope=organization"] {
            setup.refused(403, || setup.send("GET", path, &[("X-API-Key", &key)], b""));
        }
        setup.refused(403, || {
            setup.send("GET", "/", &[("X-API-Key", &key), ("X-Auth-Gate", "scope=organization")], b"")
        });
    });
}

#[test]
fn a_gate_may_be_for_other_keys_and_an_organization_key_passes_without_a_project() {
    for (gate, status_of_project) in [("scope=organization", 403), ("", 200)] {
        for kind in Kind::ALL {
            println!("with {kind:?} and {gate}");
            let setup = Setup::new(kind, &[], Some(gate));
            let (id, key) = setup.admin.mint("a");
            let received = setup.let_in(&setup.get(&key));
            let organization = organization_id(&setup);
            let ids =
                ["x-auth-organization-id", "x-auth-project-id", "x-auth-key-id"].map(|name| received.header(name));
            assert_eq!(ids, [&organization, "", &id.to_string()]);
            assert_eq!(setup.get(&setup.clients.mint("a").1).status, status_of_project, "{kind:?} {gate}");
        }
    }
}

#[test]
fn the_query_of_the_client_does_not_change_the_gate() {
    with_each(&[], |setup| {
        let key = setup.clients.mint("a").1;
        for path in ["/?scope=organization", "/?project=proj_1&organization=org_1", "/?x", "/a%2fb/../c?d=%C3%BC"] {
            setup.let_in(&setup.send("GET", path, &[("X-API-Key", &key)], b""));
        }
        setup.let_in(&setup.send("GET", "/", &[("X-API-Key", &key), ("X-Auth-Gate", "scope=organization")], b""));
    });
}
