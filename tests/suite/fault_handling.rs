//! Faults in the environment of the server.

use super::helpers::*;
use keystead::http::{self, App};
use keystead::service::Service;
use serde_json::json;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn while_another_process_locks_the_file_writes_get_503_and_everything_else_works() {
    let server = Server::start_with(&[("KEYSTEAD_STORE_BUSY_TIMEOUT_MS", "50")]);
    let client = server.client();
    assert_eq!(client.get("/readyz").status, 200);
    let holder = rusqlite::Connection::open(server.store_path()).expect("the file");
    holder.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    for answer in [client.get("/readyz"), client.post(KEYS, json!({"name": "a"})), client.revoke(1)] {
        assert!(answer.refused_with(503).contains("try again"));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(client.get("/healthz").status, 200);
    assert_eq!(client.get(KEYS).data()["apiKeys"].as_array().expect("a list").len(), 1, "nothing was done");
    assert!(client.is_good());
    holder.execute_batch("ROLLBACK").expect("the release");
    assert_eq!(client.get("/readyz").status, 200);
    assert_eq!(client.mint("a").0, 2);
    assert!(client.is_good());
}

#[test]
fn last_used_times_that_could_not_be_written_are_kept_and_written_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[("KEYSTEAD_STORE_BUSY_TIMEOUT_MS", "50")]);
    let (client, holder) = (server.client(), rusqlite::Connection::open(server.store_path()).expect("the file"));
    let (id, value) = client.mint("a");
    holder.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    assert!(server.client_with(&value).is_good());
    eventually(Duration::from_secs(5), || server.log().contains("last-used times and usage could not be written"));
    holder.execute_batch("ROLLBACK").expect("the release");
    let stored = "SELECT count(*) FROM key_values WHERE key_id = ?1";
    eventually(Duration::from_secs(2), || {
        holder.query_row(stored, [id], |row| row.get::<_, i64>(0)).expect("a count") == 1
    });
}

#[test]
fn a_panic_in_a_handler_answers_500_without_details_and_the_server_continues() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = service_options(folder.path());
    let metrics = metrics();
    let service = Arc::new(Service::open(&options, Arc::clone(&metrics)).expect("a service"));
    let store = open_store(&options.store.path);
    let (_, _, secret) = insert_organization(&store, "Acme");
    let app = App {
        service,
        metrics: Arc::clone(&metrics),
        clock: || at(1_700_000_000_000),
        uptime,
        stopwatch: std::time::Instant::now,
        dev_clock: None,
        random: || panic!("the generator is broken: hunter2"),
        body_limit: 1000,
        body_timeout: Duration::from_secs(1),
        trusted_proxies: None,
        unreadable_client: std::sync::Once::new(),
        trusts_unix_peers: false,
        refuses_unknown_names: true,
        request_ids: http::RequestIds::new([7; 8]),
        request_log: http::RequestLog::new(true),
        forwarded_credentials: http::CredentialHeader::ALL.into(),
    };
    let options = http::ServerOptions {
        workers: Some(1),
        readers: 2,
        max_connections: 10,
        keep_alive: Duration::from_secs(5),
        head_timeout: Duration::from_secs(5),
        send_timeout: Duration::from_secs(5),
        shutdown_timeout: Duration::from_secs(1),
        certificate: None,
        serves_metrics: false,
        serves_console: false,
    };
    wait(async {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().expect("an address");
        let sockets = http::Sockets { tcp: vec![socket], unix: Vec::new() };
        let server = http::serve(Arc::new(app), sockets, &options).expect("a server");
        let handle = server.handle();
        let running = tokio::spawn(server);
        let answers = tokio::task::spawn_blocking(move || {
            let client = Client::new(&format!("http://{address}"), secret.expose());
            [client.post(KEYS, json!({"name": "a"})), client.get(ORGANIZATION)]
        });
        let [panicked, after] = answers.await.expect("answers");
        assert!(!panicked.refused_with(500).contains("hunter2"));
        assert_eq!(panicked.header("x-request-id"), Some("0707070707070707-1"));
        assert_eq!(after.status, 200);
        handle.stop(true).await;
        running.await.expect("the server").expect("an end");
    });
    let counted = r#"keystead_http_requests_total{method="POST",route="panicked",status="500"} 1"#;
    assert!(metrics.text().expect("the metrics").contains(counted));
}

#[test]
fn a_client_that_does_not_finish_its_body_is_answered_with_408() {
    let server = Server::start_with(&[("KEYSTEAD_SERVER_BODY_TIMEOUT_MS", "100")]);
    let head = format!(
        "POST {KEYS} HTTP/1.1\r\nHost: x\r\nCONFIDENT_API_KEY: {}\r\nContent-Type: application/json\r\nContent-Length: \
         100\r\n\r\n{{\"name\":",
        server.first_key()
    );
    let answer = server.raw(head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(
        answer.ends_with(r#"{"success":false,"error":"The request body took too long to arrive.","deprecated":false}"#)
    );
}

#[test]
fn a_head_that_is_too_large_or_has_too_many_headers_is_refused() {
    let server = Server::start();
    let head = |headers: String| format!("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    let many = |count: usize| (0..count).map(|number| format!("X-{number}: x\r\n")).collect::<String>();
    let large = |size: usize| format!("X-Large: {}\r\n", "x".repeat(size));
    for fits in [many(94), large(100_000)] {
        let answer = server.raw(head(fits).as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let answer = server.raw(head(many(95)).as_bytes());
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let mut stream = TcpStream::connect(server.address()).expect("a connection");
    let mut answer = Vec::new();
    // Unread bytes of a refused request may make the kernel drop the response.
    _ = stream.write_all(head(large(200_000)).as_bytes()).and_then(|()| stream.read_to_end(&mut answer));
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(server.client().get("/healthz").status, 200);
}

#[test]
fn at_the_limit_of_file_sizes_changes_get_503_and_reads_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(Server::start_in(folder.path(), &[]).stop().success());
    let log = File::options().create(true).append(true).open(folder.path().join("log")).expect("a log");
    let mut command = Command::new("bash");
    // In KiB: the write-ahead log reaches it after some changes.
    command.args(["-c", "ulimit -f 512; exec \"$0\" serve --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_keystead")]);
    command.current_dir(folder.path()).env("KEYSTEAD_METRICS_LISTEN", "off").stderr(log);
    let server = Server::spawn(folder.path(), command);
    let client = server.client();
    let create =
        || client.post("/v2/organization/api-keys", json!({"name": "A key", "metadata": {"a": "b".repeat(3_000)}}));
    let mut created = Vec::new();
    let refused = loop {
        let answer = create();
        match answer.status {
            200 => created.push(answer.data()["value"].as_str().expect("a value").to_owned()),
            _ => break answer,
        }
        assert!(created.len() < 1_000, "the limit holds");
    };
    // Near the limit there may be no room to undo the failed commit either, which the sentence then says.
    assert!(refused.refused_with(503).starts_with("The store could not be written"), "{}", refused.text);
    assert!(!created.is_empty());
    for key in &created {
        assert!(server.client_with(key).is_good(), "reads go on");
    }
    assert!(server.stop().success());
    let server = Server::start_in(folder.path(), &[]);
    assert!(created.iter().all(|key| server.client_with(key).is_good()), "all acknowledged changes are there");
    let listed = server.client().get("/v2/organization/api-keys").data()["apiKeys"].as_array().map(Vec::len);
    assert_eq!(listed, Some(created.len() + 1));
}
