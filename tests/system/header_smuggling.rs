//! What a client sends under the names of Keystead's headers does not reach the app.

use super::proxy::Kind;
use super::proxy_setup::{Setup, with_each};
use serde_json::json;

const NAMES: [&str; 8] = [
    "X-Auth-Organization-Id",
    "X-Auth-Organization-Name",
    "X-Auth-Project-Id",
    "X-Auth-Key-Id",
    "X-Auth-Key-Name",
    "X-Auth-Role",
    "X-Auth-Permissions",
    "X-Auth-Owner",
];

/// The same to a framework that cannot tell dashes from underscores, nor capitals.
fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// The name with each choice of dashes and underscores.
fn spellings(name: &str) -> Vec<String> {
    let parts: Vec<&str> = name.split('-').collect();
    let separators = parts.len() - 1;
    let spell = |choice: usize| {
        let mut spelling = parts[0].to_owned();
        for (i, part) in parts[1..].iter().enumerate() {
            spelling.push(if choice >> i & 1 == 1 { '_' } else { '-' });
            spelling.push_str(part);
        }
        spelling
    };
    (0..1 << separators).map(spell).collect()
}

#[test]
fn a_client_cannot_send_the_identity_headers_itself() {
    for kind in Kind::ALL {
        println!("with {kind:?}");
        let setup = Setup::new(kind, &[], Some(""));
        // The project's id, the permissions and the owner are empty for the first and given for the second.
        let granted = json!({"permissions": ["invoices:read", "b"], "owner": "customer 17"});
        let keys = [setup.admin.mint("a").1, setup.mint_client(granted).1];
        for key in &keys {
            let honest = setup.let_in(&setup.get(key));
            for name in NAMES {
                for spelling in spellings(name) {
                    for spelling in [spelling.to_ascii_lowercase(), spelling.to_ascii_uppercase(), spelling] {
                        for value in ["forged", ""] {
                            let headers = [("X-API-Key", key.as_str()), (&spelling, value)];
                            let received = setup.let_in(&setup.send("GET", "/some/path?and=query", &headers, b""));
                            for name in NAMES.map(normal) {
                                assert_eq!(received.header(&name), honest.header(&name), "{spelling}: {value}");
                            }
                            let sent = received.headers();
                            let others =
                                sent.iter().filter(|(n, _)| normal(n).starts_with("x-auth-") && n.contains('_'));
                            assert_eq!(others.count(), 0, "{spelling}: {sent:?}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_client_cannot_send_them_twice() {
    with_each(&[], |setup| {
        let key = setup.clients.mint("a").1;
        let headers =
            [("X-Auth-Key-Id", "forged"), ("X-API-Key", &key), ("x-auth-key-id", "forged"), ("X-Auth-Project-Id", "a")];
        let received = setup.let_in(&setup.send("GET", "/", &headers, b""));
        assert!(received.header("x-auth-key-id").parse::<u64>().is_ok());
        assert_eq!(received.header("x-auth-project-id"), setup.project);
    });
}

#[test]
fn a_client_cannot_have_the_identity_headers_taken_off() {
    with_each(&[], |setup| {
        let key = setup.clients.mint("a").1;
        for connection in
            ["close, X-Auth-Project-Id", "X-AUTH-PROJECT-ID,close", "x-auth-project-id , close, X-Auth-Key-Id"]
        {
            let answer = setup.send("GET", "/", &[("Connection", connection), ("X-API-Key", &key)], b"");
            let received = setup.let_in(&answer);
            assert_eq!(received.header("x-auth-project-id"), setup.project, "{connection}");
            assert_ne!(received.header("x-auth-key-id"), "", "{connection}");
        }
        let headers = [("Connection", "close"), ("Connection", "X-Auth-Project-Id"), ("X-API-Key", &key)];
        let received = setup.let_in(&setup.send("GET", "/", &headers, b""));
        assert_eq!(received.header("x-auth-project-id"), setup.project);
    });
}
