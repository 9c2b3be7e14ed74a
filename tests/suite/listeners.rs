//! Listeners: addresses and Unix sockets, one or several.

use super::helpers::*;
use serde_json::json;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

/// Sends one request over the socket; returns the whole response.
fn ask(socket: &Path, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut stream = UnixStream::connect(socket).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: keystead\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[track_caller]
fn assert_answered(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
}

#[test]
fn several_listeners_serve_the_same_app_and_are_announced_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start_at(folder.path(), "127.0.0.1:0,[::1]:0,unix:k.sock", &[]);
    let second = server.next_line();
    let second = second.strip_prefix("Keystead is listening on ").expect("a second place").to_owned();
    assert!(second.starts_with("http://[::1]:"), "{second}");
    assert_eq!(server.next_line(), "Keystead is listening on unix:k.sock");

    let client = server.client();
    let (_, key) = client.mint("a");
    assert!(server.client_with(&key).is_good());
    assert!(Client::new(&second, &key).is_good());
    let socket = folder.path().join("k.sock");
    assert_answered(&ask(&socket, "GET", ORGANIZATION, &[("X-API-Key", &key)]), 200);
    assert_answered(&ask(&socket, "GET", ORGANIZATION, &[("X-API-Key", "wrong")]), 401);
    assert!(server.stop().success());
    assert!(!socket.exists(), "a stop removes the socket");
}

#[test]
fn a_unix_socket_alone_is_enough_and_is_announced_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_at(folder.path(), "unix:k.sock", &[]);
    assert_eq!(server.base, "unix:k.sock");
    let socket = folder.path().join("k.sock");
    assert_answered(&ask(&socket, "GET", ORGANIZATION, &[("X-API-Key", &server.first_key())]), 200);
    let told = done_json(folder.path(), &["status", "--listen", "unix:k.sock", "--json"]);
    assert_eq!(told["server"], json!({"address": "unix:k.sock", "state": "ready", "why": null}));
    let healthy = done(folder.path(), &["healthcheck", "--listen", "unix:k.sock"]);
    assert_eq!(healthy, "The server at unix:k.sock is ready.\n");
    assert!(server.stop().success());
    let output = run(folder.path(), &["healthcheck", "--listen", "unix:k.sock"]);
    assert_failed_with(&output, 1, "The server at unix:k.sock does not answer: ");
}

#[test]
fn listeners_come_from_the_file_or_the_environment_and_healthcheck_asks_the_first_one() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("config.toml"), "[server]\nlisten = [\"unix:a.sock\", \"unix:b.sock\"]\n")
        .expect("settings");
    let told = done(folder.path(), &["init", "--organization", "Acme", "--json"]);
    assert!(!told.is_empty());
    let output = run(folder.path(), &["healthcheck"]);
    assert_failed_with(&output, 1, "The server at unix:a.sock does not answer");
    let output = keystead(folder.path())
        .arg("healthcheck")
        .env("KEYSTEAD_SERVER_LISTEN", "unix:c.sock, 127.0.0.1:9")
        .output()
        .expect("the program runs");
    assert_failed_with(&output, 1, "The server at unix:c.sock does not answer");
    let neither = "neither an address and port";
    for (wrong, sentence) in [
        ("", neither),
        ("unix:", neither),
        ("127.0.0.1:1,", neither),
        ("/run/k.sock", neither),
        ("8080", "a port needs an address; write 127.0.0.1:8080 for this machine only"),
        ("localhost:8080", "names are not supported; write 127.0.0.1:8080 for this machine only"),
    ] {
        let output = keystead(folder.path())
            .arg("healthcheck")
            .env("KEYSTEAD_SERVER_LISTEN", wrong)
            .output()
            .expect("the program runs");
        assert_failed_with(&output, 1, sentence);
    }
}

#[test]
fn a_stale_socket_is_replaced_a_live_one_and_any_other_file_are_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("k.sock");
    Server::start_at(folder.path(), "unix:k.sock", &[]).kill();
    assert!(socket.exists(), "who is killed leaves it behind");
    let server = Server::start_at(folder.path(), "unix:k.sock", &[]);

    let output = run(folder.path(), &["serve", "--listen", "unix:k.sock"]);
    assert_failed_with(&output, 1, "Cannot listen on unix:k.sock: another server is listening there.");
    assert_answered(&ask(&socket, "GET", "/healthz", &[]), 200);

    // A stop does not remove the socket of another process that replaced it.
    fs::remove_file(&socket).expect("a removal");
    let other = UnixListener::bind(&socket).expect("another one");
    assert!(server.stop().success());
    assert!(socket.exists());
    drop(other);

    fs::remove_file(&socket).expect("a removal");
    fs::write(&socket, "mine").expect("a file");
    let output = run(folder.path(), &["serve", "--listen", "unix:k.sock"]);
    assert_failed_with(&output, 1, "a file exists there that is not a socket");
    assert_eq!(fs::read_to_string(&socket).expect("the file"), "mine");
    let long = format!("unix:/{}", "a".repeat(200));
    assert_eq!(run(folder.path(), &["serve", "--listen", &long]).status.code(), Some(1));
}

#[test]
fn a_socket_has_the_mode_of_the_settings() {
    for (mode, bits) in [(None, 0o660), (Some("0600"), 0o600), (Some("666"), 0o666)] {
        let folder = tempfile::tempdir().expect("a folder");
        let setting: Vec<_> = mode.map(|mode| ("KEYSTEAD_SERVER_SOCKET_MODE", mode)).into_iter().collect();
        let _server = Server::start_at(folder.path(), "unix:k.sock", &setting);
        let metadata = fs::metadata(folder.path().join("k.sock")).expect("the socket");
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o7777, bits, "{mode:?}");
    }
    for wrong in ["", "rw", "0800", "1777", "-1"] {
        let folder = tempfile::tempdir().expect("a folder");
        let output =
            keystead(folder.path()).env("KEYSTEAD_SERVER_SOCKET_MODE", wrong).output().expect("the program runs");
        let sentence =
            "The setting server.socket_mode (the environment variable KEYSTEAD_SERVER_SOCKET_MODE) is wrong.";
        assert_failed_with(&output, 1, sentence);
    }
}

#[test]
fn a_unix_socket_client_has_no_address_unless_unix_socket_proxies_are_trusted() {
    let forwarded = ("X-Forwarded-For", "203.0.113.7");
    for is_trusted in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let trusted: &[(&str, &str)] =
            if is_trusted { &[("KEYSTEAD_SERVER_TRUSTED_PROXIES", "unix:,198.51.100.0/24")] } else { &[] };
        let server = Server::start_at(folder.path(), "127.0.0.1:0,unix:k.sock", trusted);
        let socket = folder.path().join("k.sock");
        let client = server.client();
        let (id, key) = client.mint("narrow");
        let body = json!({"allowedAddresses": ["203.0.113.7"]});
        assert_eq!(client.put(&format!("/v2/organization/api-keys/{id}"), body).status, 200);

        let from =
            |headers: &[(&str, &str)]| ask(&socket, "GET", ORGANIZATION, &[&[("X-API-Key", &*key)], headers].concat());
        assert_answered(&from(&[]), 403);
        assert_answered(&from(&[forwarded]), if is_trusted { 200 } else { 403 });
        // A chain: a client can forge everything before the last address that is not a proxy.
        let chain = ("X-Forwarded-For", "203.0.113.7, 192.0.2.1, 198.51.100.2");
        assert_answered(&from(&[chain]), 403);
        // Over a network address, no client is trusted.
        assert_eq!(client.send("GET", ORGANIZATION, &[("X-API-Key", &key), forwarded], b"").status, 403);

        // Wrong keys are counted by the address from a trusted proxy, and not at all without an address.
        let wrong: Vec<String> =
            (0..25).map(|_| ask(&socket, "GET", ORGANIZATION, &[("X-API-Key", "wrong"), forwarded])).collect();
        assert_answered(&wrong[0], 401);
        assert_answered(&wrong[24], if is_trusted { 429 } else { 401 });
    }
}

#[test]
fn the_development_clock_requires_local_listeners_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ("KEYSTEAD_DEV_CLOCK", "true");
    let mut command = keystead(folder.path());
    command.envs([clock]).args(["serve", "--listen", "127.0.0.1:0", "--listen", "0.0.0.0:0"]);
    assert_failed_with(
        &command.output().expect("the program runs"),
        1,
        "refused unless the server listens on loopback",
    );
    let server = Server::start_at(folder.path(), "[::1]:0,unix:k.sock", &[clock]);
    assert_answered(&ask(&folder.path().join("k.sock"), "GET", "/dev/clock", &[]), 200);
    assert!(server.stop().success());
}
