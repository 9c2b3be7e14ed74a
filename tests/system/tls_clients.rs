//! TLS with programs that are not ours: curl and openssl.

use super::helpers::*;
use super::tls_server::{SETTINGS, port, start, write_pair};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn tool(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.output().unwrap_or_else(|e| panic!("{program} is needed: {e}"))
}

#[test]
fn curl_verifies_the_certificate_over_http_1_1_and_http_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, _) = start(folder.path());
    let authority = folder.path().join("cert.pem");
    let authority = authority.to_str().expect("a path");
    let url = format!("https://localhost:{}{ORGANIZATION}", port(&server));
    let key = format!("CONFIDENT_API_KEY: {}", server.first_key());
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let arguments = ["-sS", flag, "--cacert", authority, "-H", &key, "-w", "\n%{http_version}", &url];
        let output = tool("curl", &arguments);
        let (answer, spoken) =
            stdout(&output).rsplit_once('\n').map(|(a, v)| (a.to_owned(), v.to_owned())).expect("two");
        assert!(answer.contains(r#""success":true"#) && spoken == version, "{answer} {spoken} {}", stderr(&output));
        // With a body, whose length HTTP/2 need not send.
        let url = format!("https://localhost:{}{KEYS}", port(&server));
        let body = r#"{"name": "over TLS"}"#;
        let json = "Content-Type: application/json";
        let output = tool("curl", &["-sS", flag, "--cacert", authority, "-H", &key, "-H", json, "-d", body, &url]);
        assert!(stdout(&output).contains("confident_org_"), "{}", stderr(&output));
    }
    let output = tool("curl", &["-sS", "-H", &key, &url]);
    assert_eq!(output.status.code(), Some(60), "nobody else believes it: {}", stderr(&output));
    assert!(server.stop().success());
}

/// The number of requests of one curl, over as few connections as it likes.
const REQUESTS: usize = 200;

#[test]
fn no_request_of_curl_fails_while_the_certificate_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = write_pair(folder.path());
    let server = Server::start_at(folder.path(), "127.0.0.1:0,unix:k.sock", &SETTINGS);
    // The clients trust both certificates from the first moment on.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let both = elsewhere.path().join("both.pem");
    fs::write(&both, first + &write_pair(elsewhere.path())).expect("certificates");
    let both = both.to_str().expect("a path");
    let socket = folder.path().join("k.sock");
    let socket = socket.to_str().expect("a path");
    let key = format!("CONFIDENT_API_KEY: {}", server.first_key());
    let over_tls = format!("https://localhost:{}{ORGANIZATION}?[1-{REQUESTS}]", port(&server));
    let over_socket = format!("http://localhost{ORGANIZATION}?[1-{REQUESTS}]");
    let ways: [(&[&str], &str, &str); 3] = [
        (&["--http1.1", "--cacert", both], &over_tls, "200 1.1"),
        (&["--http2", "--cacert", both], &over_tls, "200 2"),
        (&["--unix-socket", socket], &over_socket, "200 1.1"),
    ];
    let is_exchanged = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (how, url, expected) in ways {
            let (key, is_exchanged) = (&key, &is_exchanged);
            scope.spawn(move || {
                let each = ["-sS", "-H", key, "-o", "/dev/null", "-w", "%{http_code} %{http_version}\n", url];
                // And once more, starting after the last change.
                for is_last in [false, true] {
                    loop {
                        let output = tool("curl", &[how, &each].concat());
                        assert!(output.status.success(), "{how:?}: {}", stderr(&output));
                        let answers = stdout(&output);
                        assert_eq!(answers.lines().filter(|line| *line == expected).count(), REQUESTS, "{answers}");
                        if is_last || is_exchanged.load(Ordering::SeqCst) {
                            break;
                        }
                    }
                }
            });
        }
        for name in ["cert.pem", "key.pem"] {
            fs::copy(elsewhere.path().join(name), folder.path().join(name)).expect("the new file");
        }
        let begun = std::time::Instant::now();
        let is_shown = || server.log().contains("cert.pem is shown from now on");
        while !is_shown() && begun.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
        is_exchanged.store(true, Ordering::SeqCst);
    });
    assert!(server.log().contains("cert.pem is shown from now on"), "{}", server.log());
    let alone = elsewhere.path().join("cert.pem");
    let url = format!("https://localhost:{}/healthz", port(&server));
    let output = tool("curl", &["-sS", "--cacert", alone.to_str().expect("a path"), &url]);
    assert!(output.status.success(), "it is the new one: {}", stderr(&output));
}

#[test]
fn only_tls_1_2_and_1_3_are_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, _) = start(folder.path());
    let place = format!("127.0.0.1:{}", port(&server));
    let speak = |more: &[&str]| tool("openssl", &[&["s_client", "-connect", &place], more].concat());
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let output = speak(&[flag]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains(version), "{flag}: {said}");
    }
    for old in ["-tls1", "-tls1_1"] {
        let output = speak(&[old, "-cipher", "ALL:@SECLEVEL=0"]);
        let said = stderr(&output);
        assert!(!output.status.success() && said.contains("SSL alert number"), "{old}: {said}");
    }
    // A cipher without forward secrecy.
    let output = speak(&["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"]);
    assert!(!output.status.success() && stderr(&output).contains("handshake failure"), "{}", stderr(&output));
    for (offered, chosen) in [("h2,http/1.1", "ALPN protocol: h2"), ("http/1.1", "ALPN protocol: http/1.1")] {
        let output = speak(&["-alpn", offered]);
        assert!(String::from_utf8_lossy(&output.stdout).contains(chosen), "{offered}");
    }
    let mut stream = TcpStream::connect(&place).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request");
    let mut answer = Vec::new();
    _ = stream.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/"), "{answer:?}");
}
