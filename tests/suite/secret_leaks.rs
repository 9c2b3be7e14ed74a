//! A secret appears only in the one response that shows it.

use super::helpers::*;
use serde_json::json;
use std::fs;

/// Whether the bytes hold the text.
fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn no_full_key_nor_its_random_part_is_in_the_store_its_logs_the_arguments_or_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let levels = ["error", "warn", "info", "debug", "trace"];
    let mut secrets = Vec::new();
    let mut errors = Vec::new();
    let formats = ["human", "json"];
    for (level, format) in levels.into_iter().flat_map(|level| formats.map(|format| (level, format))) {
        let settings = [("KEYSTEAD_LOG_LEVEL", level), ("KEYSTEAD_LOG_FORMAT", format), ("RUST_LOG", "trace")];
        let server = Server::start_in(folder.path(), &settings);
        let client = server.client();
        let (revoked, gone) = client.mint("revoked");
        let (switched, off) = client.mint("switched off");
        let kept = client.mint("kept").1;
        for value in [&gone, &off, &kept] {
            assert!(server.client_with(value).is_good());
        }
        assert_eq!(client.set_valid(switched, false).status, 200);
        assert_eq!(client.revoke(revoked).status, 200);
        errors.extend(mistakes(&server, [&gone, &off, &kept]));
        secrets.extend([gone, off, kept, server.first_key()]);
        let arguments = fs::read(format!("/proc/{}/cmdline", server.pid())).expect("the arguments");
        assert!(!secrets.iter().any(|secret| holds(&arguments, secret)));
        // Before the stop, while the write-ahead log is full, and after it.
        search(folder.path(), &secrets);
        assert!(server.stop().success());
        search(folder.path(), &secrets);
    }
    for error in &errors {
        assert!(!secrets.iter().any(|secret| error.contains(&secret[14..])), "{error}");
    }
    assert_eq!(secrets.len(), 4 * levels.len() * formats.len());
}

/// Every mistake with a key in the wrong place; returns the responses.
fn mistakes(server: &Server, keys: [&String; 3]) -> Vec<String> {
    let client = server.client();
    let mut answers = Vec::new();
    for key in keys {
        let headers = [("CONFIDENT_API_KEY", client.key()), ("Content-Type", "application/json")];
        answers.extend([
            server.client_with(&format!("{key}x")).get(ORGANIZATION),
            client.get(&format!("{KEYS}/{key}")),
            client.get(&format!("/{key}")),
            client.get(&format!("{KEYS}?key={key}")),
            client.set_valid(0, true),
            client.post(KEYS, json!({ "name": [key] })),
            client.put(&format!("{KEYS}/1"), json!({ "valid": key })),
            client.send("POST", KEYS, &headers, format!("{{\"name\": {key}}}").as_bytes()),
            client.send("POST", KEYS, &headers, key.as_bytes()),
            client.send("PATCH", &format!("{KEYS}/{key}"), &headers, b""),
            client.send("GET", ORGANIZATION, &[("CONFIDENT_API_KEY", client.key()), ("X-API-Key", key)], b""),
            client.send("POST", KEYS, &[headers[0], headers[1], ("X-Request-Id", key)], br#"{"name": "a"}"#),
            client.send("POST", KEYS, &[headers[0], headers[1], ("User-Agent", key)], br#"{"name": "a"}"#),
            client.send("POST", KEYS, &[headers[0], headers[1], ("Idempotency-Key", key)], br#"{"name": "a"}"#),
            client.send("GET", ORGANIZATION, &[("User-Agent", key), ("Referer", key), ("X-Forwarded-For", key)], b""),
        ]);
    }
    let as_methods =
        keys.map(|key| server.raw(format!("{key} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()));
    let answers = answers.iter().map(|answer| format!("{:?} {}", answer.headers, answer.text));
    answers.chain(as_methods).collect()
}

/// Reads every file of the folder except the one that is meant to hold a key.
fn search(folder: &std::path::Path, secrets: &[String]) {
    let mut files = 0;
    for entry in fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name == "first-key") {
            continue;
        }
        let bytes = fs::read(&path).expect("a file");
        for secret in secrets {
            assert!(!holds(&bytes, &secret[14..]), "{} holds a secret", path.display());
        }
        files += 1;
    }
    assert!(files >= 2, "the store and the log were read");
}
