//! Long reads, and clients that read responses slowly: they do not delay other clients.

use super::helpers::*;
use rusqlite::{Connection, params};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// No event matches it.
const SEARCH: &str = "/v2/organization/audit-logs?searchTerm=zzzz";
/// The longest permitted delay for others. The benchmark measures the real delay; the machine of a test is busy.
const SOON: Duration = Duration::from_secs(1);

/// Inserts events of the organization straight into the file of the store, which no server may have open. They are
/// copies of the last one and not part of the chain, which this test does not check.
fn add_events(store: &Path, count: u32) {
    let connection = Connection::open(store).expect("the file");
    let sql = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1) \
               INSERT INTO audit_events (number, at, organization_id, actor_name, action, resource, change, hash) \
               SELECT (SELECT max(number) FROM audit_events) + n, 1700000000000, (SELECT id FROM organizations), 'operator', \
               'api_key.updated', 'api_key/1', printf('{\"after\":{\"name\":\"%0250d\"},\"before\":null}', n), zeroblob(32) \
               FROM numbers";
    connection.execute(sql, [count]).expect("events");
}

/// Inserts keys straight into the file of the store.
pub fn add_keys(store: &Path, count: u32) {
    let connection = Connection::open(store).expect("the file");
    connection.execute_batch("BEGIN").expect("a transaction");
    let sql = "INSERT INTO api_keys (organization_id, name, digest, tail, valid, created_at) \
               SELECT id, ?1, ?2, 'abcdef', 1, 1700000000000 FROM organizations";
    let mut statement = connection.prepare(sql).expect("a statement");
    for number in 0..count {
        let digest = blake3::hash(&number.to_be_bytes());
        statement.execute(params![format!("{number:0>200}"), digest.as_bytes()]).expect("a key");
    }
    connection.execute_batch("COMMIT").expect("a commit");
}

/// A server on a store that was prepared like this.
fn server_after(prepare: impl FnOnce(&Path)) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(Server::start_in(folder.path(), &[]).stop().success());
    prepare(&folder.path().join("keystead.db"));
    (Server::start_in(folder.path(), &[]), folder)
}

#[test]
fn searches_of_one_organization_do_not_delay_others() {
    let (server, _folder) = server_after(|store| add_events(store, 100_000));
    let admin = server.client();
    let keys: Vec<String> = (0..30).map(|_| admin.mint("a").1).collect();
    let (is_over, searched, refused) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let over = Over(&is_over);
        for _ in 0..24 {
            scope.spawn(|| {
                let searcher = server.client();
                while !is_over.load(Ordering::SeqCst) {
                    let answer = searcher.get(SEARCH);
                    match answer.status {
                        200 => searched.fetch_add(1, Ordering::SeqCst),
                        429 => {
                            assert_eq!(answer.header("retry-after"), Some("1"));
                            assert!(answer.refused_with(429).contains("too many searches"), "{}", answer.text);
                            refused.fetch_add(1, Ordering::SeqCst)
                        }
                        other => panic!("{other}: {}", answer.text),
                    };
                }
            });
        }
        eventually(Duration::from_secs(60), || {
            searched.load(Ordering::SeqCst) > 0 && refused.load(Ordering::SeqCst) > 0
        });
        for key in &keys {
            let begun = Instant::now();
            assert!(server.client_with(key).is_good(), "a key that is not in memory");
            assert!(begun.elapsed() < SOON, "a key waited for {:?}", begun.elapsed());
        }
        for path in ["/readyz", KEYS, "/v2/organization/audit-logs?limit=5"] {
            let begun = Instant::now();
            assert_eq!(admin.get(path).status, 200, "{path}");
            assert!(begun.elapsed() < SOON, "{path} took {:?}", begun.elapsed());
        }
        drop(over);
    });
}

#[test]
fn a_search_stops_when_its_client_disconnects() {
    let (server, _folder) = server_after(|store| add_events(store, 400_000));
    let admin = server.client();
    let search = || {
        let mut connection = TcpStream::connect(server.address()).expect("a connection");
        let request = format!("GET {SEARCH} HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", admin.key());
        connection.write_all(request.as_bytes()).expect("a request");
        connection
    };
    let begun = Instant::now();
    assert!(admin.get(SEARCH).data()["nextCursor"].is_null(), "it came to its end");
    let alone = begun.elapsed();
    let searches: Vec<_> = (0..8).map(|_| search()).collect();
    // The refused ones are answered first; the others are still running.
    let is_refused = |it: &&TcpStream| {
        let mut status = [0; 12];
        it.set_nonblocking(true).is_ok() && it.peek(&mut status).is_ok() && &status == b"HTTP/1.1 429"
    };
    eventually(Duration::from_secs(10), || searches.iter().filter(is_refused).count() == 4);
    let begun = Instant::now();
    drop(searches);
    eventually(Duration::from_secs(60), || admin.get(&format!("{SEARCH}&cursor=2000")).status == 200);
    // Complete searches would have taken at least twice as long, because they share two connections.
    assert!(begun.elapsed() < alone, "{:?} after the clients had gone, of {alone:?}", begun.elapsed());
}

#[test]
fn the_cursor_of_a_partial_search_continues_where_it_stopped() {
    let (server, _folder) = server_after(|store| add_events(store, 3_000));
    let admin = server.client();
    let count = |query: &str| {
        let (mut count, mut cursor) = (0, String::new());
        loop {
            let data = admin.get(&format!("/v2/organization/audit-logs?limit=1000{query}{cursor}")).data();
            count += data["auditLogs"].as_array().expect("a list").len();
            match data["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return count,
            }
        }
    };
    assert_eq!(count(""), 3_002, "and those of the organization and its first key");
    assert_eq!(count("&action=api_key.updated"), 3_000);
    assert_eq!(count("&action=api_key.created"), 1);
    assert_eq!(count("&searchTerm=0001234%22"), 1);
}

/// Sends a request and reads nothing of the response.
fn stalled(server: &Server, path: &str, key: &str) -> TcpStream {
    let mut connection = TcpStream::connect(server.address()).expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n\r\n");
    connection.write_all(request.as_bytes()).expect("a request");
    connection
}

fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
}

#[test]
fn a_client_that_reads_slowly_costs_little_memory() {
    const CONNECTIONS: u64 = 120;
    let (server, _folder) = server_after(|store| {
        add_keys(store, 8_000);
        add_events(store, 8_000);
    });
    let admin = server.client();
    let keys: Vec<String> = (0..4).map(|_| admin.mint("a").1).collect();
    // More than the kernel buffers for a connection without a reader.
    for path in [KEYS, "/v2/organization/audit-logs?limit=1000", "/openapi.json", "/docs/swagger-ui-bundle.js"] {
        assert_eq!(admin.get(path).status, 200, "{path}");
        let before = resident(&server);
        let slow: Vec<_> =
            keys.iter().cycle().take(CONNECTIONS as usize).map(|key| stalled(&server, path, key)).collect();
        // Each list has started: the kernel has data for every client.
        for connection in &slow {
            assert!(connection.peek(&mut [0; 15]).expect("an answer") > 0);
        }
        for _ in 0..100 {
            assert!(admin.is_good());
        }
        let each = resident(&server).saturating_sub(before) / CONNECTIONS;
        assert!(each <= 65_536, "{path}: {each} bytes a connection");
    }
}

#[test]
fn concurrent_unpaged_lists_of_one_key_are_limited() {
    let (server, _folder) = server_after(|store| add_keys(store, 10_000));
    let (admin, other) = (server.client(), server.client().mint("another").1);
    let mut slow: Vec<_> = (0..32).map(|_| stalled(&server, KEYS, admin.key())).collect();
    slow.iter().for_each(|connection| assert!(connection.peek(&mut [0; 15]).expect("an answer") > 0));
    let answer = admin.get(KEYS);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.refused_with(429).contains("too many lists"), "{}", answer.text);
    assert_eq!(admin.get(&format!("{KEYS}?limit=10")).status, 200, "a short one");
    assert_eq!(server.client_with(&other).get(KEYS).status, 200, "another key's");
    // A finished list makes room.
    let mut first = slow.remove(0);
    first.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    let mut taken = Vec::new();
    while !taken.ends_with(b"0\r\n\r\n") {
        let mut some = [0; 65_536];
        let count = first.read(&mut some).expect("more");
        assert!(count > 0, "the end of the connection");
        taken.extend(&some[..count]);
    }
    eventually(Duration::from_secs(10), || admin.get(KEYS).status == 200);
}

#[test]
fn a_long_list_over_http_1_0_has_no_chunks_and_ends_with_the_connection() {
    let (server, _folder) = server_after(|store| add_keys(store, 500));
    let admin = server.client();
    let request = format!("GET {KEYS} HTTP/1.0\r\nConnection: keep-alive\r\nX-API-Key: {}\r\n\r\n", admin.key());
    let answer = server.raw(request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
    // Only its last use changes without a request.
    let ids = |text: &str| {
        let list: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let keys = list["data"]["apiKeys"].as_array().expect("a list").iter().map(|key| key["id"].clone());
        keys.collect::<Vec<_>>()
    };
    assert_eq!(ids(body), ids(&admin.get(KEYS).text));
}
