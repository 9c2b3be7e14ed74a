//! Gates that depend on the path: a public path beside gated ones, and several gates on one server.

use super::guide::Addition;
use super::helpers::Answer;
use super::proxy::Kind;
use super::proxy_setup::{Setup, new_project};
use serde_json::json;

/// Paths that a proxy and an app could read in different ways.
const TRICKS: [&str; 22] = [
    "/public/../private",
    "/public/./../private",
    "/public/%2e%2e/private",
    "/public/%2E%2e/private",
    "/public/.%2e/private",
    "/public/..//private",
    "//private",
    "/public/..%2fprivate",
    "/public/%2e%2e%2fprivate",
    "/public%2f..%2fprivate",
    "/public/..;/private",
    "/public/..;a=b/private",
    "/public/..\\private",
    "/public/..%5cprivate",
    "/public/%252e%252e/private",
    "/public/%252e%252e%252fprivate",
    "/public/x#/../../private",
    "http://localhost/public/../private",
    "/private/../private/x",
    "/publicprivate",
    "/healthz/private",
    "/private/..%2fpublic/x",
];

/// Tricks that end at a public path once they are normalized: they may pass, as that path and as no other.
const TRICKS_TO_PUBLIC: [(&str, &str); 7] = [
    ("/private/../public/x", "/public/x"),
    ("/private/%2e%2e/public/x", "/public/x"),
    ("//public/x", "/public/x"),
    ("/public//x", "/public/x"),
    ("/./public/x", "/public/x"),
    ("/private/..//public/./x", "/public/x"),
    // The dot segment removes the empty segment before it (RFC 3986, section 5.2.4).
    ("/public//../private", "/public/private"),
];

fn with_each(additions: &[Addition], test: impl Fn(&Setup)) {
    for kind in Kind::ALL {
        println!("with {kind:?}");
        test(&Setup::with_additions(kind, additions));
    }
}

/// Holds that the app did not see the request.
#[track_caller]
fn stopped(setup: &Setup, path: &str, ask: impl FnOnce() -> Answer) {
    let before = setup.app.requests();
    let answer = ask();
    assert!((400..500).contains(&answer.status), "{:?} {path}: {answer:?}", setup.kind);
    assert_eq!(setup.app.requests(), before, "{:?} passed {path} on", setup.kind);
}

/// Holds that the app did not see the request, or saw it under the normalized path, whose gate admits it.
#[track_caller]
fn passes_only_as(setup: &Setup, path: &str, normalized: &str, headers: &[(&str, &str)]) {
    let before = setup.app.requests();
    let answer = setup.send("GET", path, headers, b"");
    if answer.status == 200 {
        assert_eq!(setup.let_in(&answer).field("path"), normalized, "{:?} {path}", setup.kind);
    } else {
        assert!([400, 401, 403].contains(&answer.status), "{:?} {path}: {answer:?}", setup.kind);
        assert_eq!(setup.app.requests(), before, "{:?} passed {path} on", setup.kind);
    }
}

#[test]
fn a_public_path_needs_no_key_and_all_others_need_one() {
    with_each(&[Addition::AmbiguousPaths, Addition::PublicPath], |setup| {
        for path in ["/healthz", "/healthz?a=b", "/public/", "/public/a/b.css", "/public/x?a=../../b%2f"] {
            let received = setup.let_in(&setup.send("GET", path, &[], b""));
            assert_eq!(received.field("path"), path, "{:?}", setup.kind);
        }
        let key = setup.clients.mint("a").1;
        for path in ["/", "/private", "/healthz/", "/publicity", "/health", "/a/public/x", "/?/public/x"] {
            setup.refused(401, || setup.send("GET", path, &[], b""));
            setup.let_in(&setup.send("GET", path, &[("X-API-Key", &key)], b""));
        }
    });
}

#[test]
fn the_app_gets_no_identity_and_no_key_on_a_public_path() {
    with_each(&[Addition::AmbiguousPaths, Addition::PublicPath], |setup| {
        let key = setup.clients.mint("a").1;
        let names = ["X-Auth-Organization-Id", "X-Auth-Organization-Name", "X-Auth-Project-Id", "X-Auth-Key-Id"];
        let mut headers = vec![("X-API-Key", key.as_str()), ("X-Auth-Key-Name", "forged")];
        headers.extend(["X-Auth-Role", "X-Auth-Permissions", "X-Auth-Owner"].map(|name| (name, "forged")));
        headers.extend(names.map(|name| (name, "forged")));
        // Traefik cannot remove these, which its guide says.
        if setup.kind != Kind::Traefik {
            headers.extend([("X_Auth_Key_Id", "forged"), ("X-Auth_Key-Id", "forged"), ("X_Auth-Key_Id", "forged")]);
        }
        let received = setup.let_in(&setup.send("GET", "/public/x", &headers, b""));
        for (name, value) in received.headers() {
            assert!(value.is_empty() || !name.replace('_', "-").starts_with("x-auth-"), "{name}: {value}");
            assert!(!value.contains(&key), "{:?} passed the key on in {name}", setup.kind);
        }
    });
}

#[test]
fn no_spelling_of_a_path_gets_past_the_gate() {
    with_each(&[Addition::AmbiguousPaths, Addition::PublicPath, Addition::SeveralGates], |setup| {
        for path in TRICKS {
            stopped(setup, path, || setup.send("GET", path, &[], b""));
        }
        for (path, normalized) in TRICKS_TO_PUBLIC {
            passes_only_as(setup, path, normalized, &[]);
        }
    });
}

#[test]
fn each_gate_admits_its_own_keys() {
    with_each(&[Addition::AmbiguousPaths, Addition::PublicPath, Addition::SeveralGates], |setup| {
        let of_project = setup.clients.mint("a").1;
        let of_another = new_project(&setup.admin, "another").1;
        let of_organization = setup.admin.mint("a").1;
        for (path, statuses) in [
            ("/", [200, 200, 403]),
            ("/shopping", [200, 200, 403]),
            ("/internals/a", [200, 200, 403]),
            ("/internal", [403, 403, 200]),
            ("/internal/", [403, 403, 200]),
            ("/internal/a?b=c", [403, 403, 200]),
            ("/INTERNAL/a", [403, 403, 200]),
            ("/invoices", [403, 403, 403]),
            ("/Invoices/a", [403, 403, 403]),
            ("/shop", [200, 403, 403]),
            ("/shop/a", [200, 403, 403]),
            ("/Shop/a", [200, 403, 403]),
        ] {
            for (key, status) in [&of_project, &of_another, &of_organization].into_iter().zip(statuses) {
                let ask = || setup.send("GET", path, &[("X-API-Key", key)], b"");
                if status == 200 {
                    let received = setup.let_in(&ask());
                    assert_eq!(received.field("path"), path, "{:?}", setup.kind);
                    assert_ne!(received.header("x-auth-key-id"), "", "{:?} {path}", setup.kind);
                } else {
                    setup.refused(status, ask);
                }
            }
            setup.refused(401, || setup.send("GET", path, &[], b""));
        }
        let key = setup.mint_client(json!({"permissions": ["invoices:read"]})).1;
        let received = setup.let_in(&setup.send("GET", "/invoices/7", &[("X-API-Key", &key)], b""));
        assert_eq!(received.header("x-auth-permissions"), "invoices:read", "{:?}", setup.kind);
    });
}

#[test]
fn no_spelling_of_a_path_finds_a_wider_gate() {
    with_each(&[Addition::AmbiguousPaths, Addition::SeveralGates], |setup| {
        let key = setup.clients.mint("a").1;
        for path in [
            "/%69nternal/x",
            "/%69%6e%74ernal",
            "/shop/../internal/x",
            "/./internal/x",
            "//internal/x",
            "/a/%2e%2e/internal/x",
            "/a/..%2finternal/x",
            "/internal%2fx",
            "/internal;a=b/x",
            "/internal\\x",
            "/%2569nternal/x",
            "/internal/..%2fshop",
            "/%69nvoices/x",
            "/shop/../invoices/x",
            "//invoices",
            "/invoices;a=b",
            "/invoices%2fx",
        ] {
            stopped(setup, path, || setup.send("GET", path, &[("X-API-Key", &key)], b""));
        }
        for path in ["/internal/../shop", "/internal/%2e%2e/shop", "/internal/..;/shop", "/internal/..\\shop"] {
            passes_only_as(setup, path, "/shop", &[("X-API-Key", &key)]);
        }
    });
}

#[test]
fn all_parts_of_a_guide_work_together() {
    with_each(&Addition::ALL, |setup| {
        let origin = ("Origin", "https://web.example.com");
        let key = setup.clients.mint("a").1;
        for (path, key, status) in [("/internal", key.as_str(), 403), ("/public/x", "", 200), ("/a", "", 401)] {
            let answer = setup.send("GET", path, &[origin, ("X-API-Key", key)], b"");
            assert_eq!(answer.status, status, "{:?} {path}: {answer:?}", setup.kind);
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin.1), "{:?} {path}", setup.kind);
        }
    });
}
