//! Requests to switch protocols: WebSockets pass with a key, and HTTP/2 never does.

use super::guide::Addition;
use super::proxy::Kind;
use super::proxy_setup::{Setup, request, with_each};
use super::upstream_app::{ACCEPT, frame, read_frame};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// The example of RFC 6455, section 1.2. The app knows the answer to it.
const HANDSHAKE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];
const SETTINGS: (&str, &str) = ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA");

#[test]
fn a_websocket_with_a_key_carries_messages_both_ways() {
    with_each(&[], |setup| {
        let key = setup.clients.mint("a").1;
        let mut stream = setup.connect();
        let head = exchange(&mut stream, &[HANDSHAKE.as_slice(), &[("X-API-Key", &key)]].concat());
        assert!(head.starts_with("http/1.1 101 "), "{:?}: {head}", setup.kind);
        assert!(head.contains(&format!("sec-websocket-accept: {}", ACCEPT.to_ascii_lowercase())), "{head}");
        // The app says first what reached it.
        let seen = String::from_utf8(read_frame(&mut stream)).expect("text");
        assert!(!seen.contains(&key), "{:?} passed the key on: {seen}", setup.kind);
        assert!(seen.contains(&format!("x-auth-project-id: {}", setup.project)), "{:?}: {seen}", setup.kind);
        for message in ["hello", "and another one"] {
            stream.write_all(&frame(message.as_bytes(), true)).expect("a message");
            assert_eq!(read_frame(&mut stream), message.as_bytes(), "{:?}", setup.kind);
        }
    });
}

#[test]
fn a_websocket_without_a_key_is_refused_before_the_upgrade() {
    with_each(&[], |setup| {
        let close = [("Connection", "Upgrade, close")];
        for key in [None, Some("nonsense")] {
            let key: Vec<_> = key.map(|key| ("X-API-Key", key)).into_iter().collect();
            let headers = [&close, &HANDSHAKE[1..], &key].concat();
            let answer = setup.refused(401, || setup.send("GET", "/chat", &headers, b""));
            assert_eq!(answer.header("upgrade"), None, "{:?}: {answer:?}", setup.kind);
        }
    });
}

#[test]
fn a_request_for_a_websocket_has_the_gate_of_its_path() {
    for kind in Kind::ALL {
        println!("with {kind:?}");
        let setup = Setup::with_additions(kind, &[Addition::AmbiguousPaths, Addition::SeveralGates]);
        let key = setup.clients.mint("a").1;
        let headers = [&[("Connection", "Upgrade, close"), ("X-API-Key", &key)], &HANDSHAKE[1..]].concat();
        setup.refused(403, || setup.send("GET", "/internal/chat", &headers, b""));
    }
}

#[test]
fn an_upgrade_to_h2c_never_reaches_the_app() {
    with_each(&[], |setup| {
        let key = setup.clients.mint("a").1;
        let upgrades: [&[&str]; 7] = [
            &["h2c"],
            &["H2C"],
            &["websocket, h2c"],
            &["h2c, websocket"],
            &["h2c,websocket"],
            &["h2c", "websocket"],
            &["foo", "h2c"],
        ];
        for upgrade in upgrades {
            for connection in ["Upgrade, HTTP2-Settings, close", "close, HTTP2-Settings, Upgrade"] {
                let fixed = [("Connection", connection), SETTINGS, ("X-API-Key", &key)];
                let upgrades: Vec<_> = upgrade.iter().map(|value| ("Upgrade", *value)).collect();
                let headers = [&fixed, upgrades.as_slice()].concat();
                check_not_passed_on(setup, &headers);
            }
        }
    });
}

/// Holds that the app was not asked to switch to HTTP/2: it did not see the request, or it saw an ordinary one, or a
/// request for a WebSocket and nothing else.
#[track_caller]
fn check_not_passed_on(setup: &Setup, headers: &[(&str, &str)]) {
    let before = setup.app.requests();
    let head = exchange(&mut setup.connect(), headers);
    let seen = setup.app.last_upgrade();
    match head.split(' ').nth(1) {
        // Traefik passes on what is neither a WebSocket nor HTTP/2, which its guide says.
        Some("200") => assert!(!seen.contains("h2c"), "{:?} {headers:?}: {seen}", setup.kind),
        Some("101") => assert_eq!(seen, "websocket", "{:?} {headers:?}", setup.kind),
        Some("403") => assert_eq!(setup.app.requests(), before, "{:?} {headers:?}", setup.kind),
        _ => panic!("{:?} {headers:?}: {head}", setup.kind),
    }
}

/// Sends a request and reads the head of the answer, in lower case. The connection stays open.
fn exchange(stream: &mut TcpStream, headers: &[(&str, &str)]) -> String {
    stream.write_all(&request("GET", "/chat", headers, b"")).expect("a request");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text").to_ascii_lowercase()
}
