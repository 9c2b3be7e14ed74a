//! `keystead status` and `keystead healthcheck`, with and without a server.

use super::helpers::*;
use super::keys_command::store;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

fn status(folder: &Path, listen: &str) -> Value {
    done_json(folder, &["status", "--listen", listen, "--json"])
}

/// An address without a listener: a listener was closed there a moment ago.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("an address").to_string()
}

/// Answers one connection with these bytes and then ignores it; returns the address.
fn somebody_else(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        _ = stream.read(&mut [0; 1024]);
        _ = stream.write_all(answer);
        if answer.is_empty() {
            // Until the client has disconnected.
            _ = stream.read_to_end(&mut Vec::new());
        }
    });
    address
}

#[test]
fn status_shows_the_server_the_store_its_keys_and_the_last_change() {
    let server = Server::start();
    done(server.folder(), &["organizations", "create", "Other"]);
    done(server.folder(), &["keys", "deactivate", "2"]);
    server.client().mint("a");
    let told = status(server.folder(), server.address());
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(told["server"], json!({"address": server.base, "state": "ready", "why": null}));
    let store = &told["store"];
    assert_eq!(store["path"], server.store_path().to_str().expect("a path"));
    assert_eq!(store["organizations"], 2);
    assert_eq!(store["apiKeys"], json!({"active": 2, "deactivated": 1, "expired": 0}));
    assert_eq!(store["schema"], schema_version());
    assert_eq!(store["error"], Value::Null);
    assert!(store["sizeInBytes"].as_u64() >= Some(4096) && store["walSizeInBytes"].as_u64() > Some(0), "{store}");
    assert_eq!(store["auditHead"], done(server.folder(), &["audit", "head"]).trim());
    assert_eq!(store["lastChange"]["action"], "api_key.created");
    assert_eq!(store["lastChange"]["by"], "First key");
    let text = done(server.folder(), &["status", "--listen", server.address()]);
    for word in ["is ready", "2 active, 1 deactivated, 0 expired", "api_key.created api_key/3 by First key"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn status_shows_a_store_without_a_server_and_does_not_change_it() {
    let (folder, _) = store();
    let before = std::fs::read(folder.path().join("keystead.db")).expect("the store");
    let told = status(folder.path(), &nobody());
    assert_eq!(told["server"]["state"], "silent");
    assert_eq!(told["store"]["apiKeys"]["active"], 1);
    assert_eq!(told["store"]["walSizeInBytes"], 0);
    assert_eq!(std::fs::read(folder.path().join("keystead.db")).expect("the store"), before);
    assert!(!folder.path().join("keystead.db-wal").exists());
}

#[test]
fn status_without_a_store_shows_the_rest_and_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(folder.path(), &["status", "--listen", &nobody(), "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_str(&stdout(&output)).expect("an object");
    assert!(told["store"]["error"].as_str().expect("a sentence").contains("is missing"), "{told}");
    assert!(stderr(&output).contains("is missing"));
    assert!(!folder.path().join("keystead.db").exists());
}

#[test]
fn a_healthcheck_exits_with_0_for_a_ready_server_at_every_kind_of_listener() {
    let server = Server::start();
    let port = server.address().rsplit(':').next().expect("a port");
    for listen in [server.address().to_owned(), format!("0.0.0.0:{port}")] {
        let said = done(server.folder(), &["healthcheck", "--listen", &listen]);
        assert_eq!(said, format!("The server at {} is ready.\n", server.base));
    }
    let from_settings =
        keystead(server.folder()).arg("healthcheck").env("KEYSTEAD_SERVER_LISTEN", server.address()).output();
    assert!(from_settings.expect("the program runs").status.success());
}

#[test]
fn without_a_server_at_the_configured_address_the_error_explains_how_to_name_another() {
    let server = Server::start();
    let hint = "if the server listens elsewhere, give its address with --listen or KEYSTEAD_SERVER_LISTEN";
    let ask = |arguments: &[&str]| {
        let output = keystead(server.folder()).args(arguments).env("KEYSTEAD_SERVER_LISTEN", nobody()).output();
        let output = output.expect("the program runs");
        stdout(&output) + &stderr(&output)
    };
    for command in ["healthcheck", "status"] {
        let said = ask(&[command]);
        assert!(said.contains("Connection refused") && said.contains(hint), "{said}");
        assert!(!ask(&[command, "--listen", server.address()]).contains(hint));
        let said = ask(&[command, "--listen", &nobody()]);
        assert!(said.contains("Connection refused") && !said.contains(hint), "it was named: {said}");
    }
    assert!(ask(&["status", "--json"]).contains(hint));
}

#[test]
fn a_healthcheck_fails_with_a_message_without_a_server_or_with_a_foreign_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let not_ready =
        b"HTTP/1.1 503 Service Unavailable\r\n\r\n{\"success\":false,\"error\":\"The store is busy; try again.\"}";
    for (listen, sentence) in [
        (nobody(), "does not answer: Connection refused"),
        (somebody_else(b"HTTP/1.1 200 OK\r\n\r\n<html>"), "another program answers there, not Keystead"),
        (somebody_else(b"SSH-2.0-x\r\n"), "another program answers there, not Keystead"),
        (somebody_else(not_ready), "is not ready: The store is busy; try again."),
        (somebody_else(b""), "it did not answer within 200 milliseconds"),
        ("127.0.0.1:0".to_owned(), "port 0"),
    ] {
        // Short only if this timeout ends the wait.
        let timeout = if sentence.contains("within") { "200" } else { "30000" };
        let output = run(folder.path(), &["healthcheck", "--listen", &listen, "--timeout-ms", timeout]);
        assert_failed_with(&output, 1, sentence);
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "it needs no store");
}
