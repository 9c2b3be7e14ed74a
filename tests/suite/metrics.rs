//! The metrics for Prometheus.

use super::helpers::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const ON: (&str, &str) = ("KEYSTEAD_METRICS_LISTEN", "127.0.0.1:0");

pub const FAMILIES: [(&str, &str); 18] = [
    ("keystead_http_requests_total", "counter"),
    ("keystead_http_request_duration_seconds", "histogram"),
    ("keystead_verifications_total", "counter"),
    ("keystead_cache_lookups_total", "counter"),
    ("keystead_store_queue_depth", "gauge"),
    ("keystead_store_batch_size", "histogram"),
    ("keystead_store_commits_total", "counter"),
    ("keystead_store_commit_duration_seconds", "histogram"),
    ("keystead_store_size_bytes", "gauge"),
    ("keystead_api_keys", "gauge"),
    ("keystead_organization_api_keys", "gauge"),
    ("keystead_organization_audit_bytes", "gauge"),
    ("keystead_organization_audit_events", "gauge"),
    ("keystead_audit_head_number", "gauge"),
    ("keystead_backup_last_success_timestamp_seconds", "gauge"),
    ("keystead_build_info", "gauge"),
    ("process_start_time_seconds", "gauge"),
    ("process_resident_memory_bytes", "gauge"),
];

/// A server with a metrics listener, and a client that reads it.
pub fn watched(environment: &[(&str, &str)]) -> (Server, Client) {
    let mut server = Server::start_with(&[&[ON], environment].concat());
    let base = server.metrics_base();
    (server, Client::new(&base, ""))
}

/// One reading: every sample under its name and labels as written.
pub struct Reading {
    text: String,
    samples: BTreeMap<String, f64>,
}

impl Reading {
    pub fn of(watcher: &Client) -> Self {
        let answer = watcher.send("GET", "/metrics", &[], b"");
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        Self { samples: parse(&answer.text), text: answer.text }
    }

    /// The names and labels of all samples.
    pub fn series(&self) -> impl Iterator<Item = &str> {
        self.samples.keys().map(String::as_str)
    }

    /// Zero if there is no such sample.
    pub fn value(&self, sample: &str) -> f64 {
        self.samples.get(sample).copied().unwrap_or_default()
    }

    fn requests(&self, method: &str, route: &str, status: u16) -> f64 {
        let labels = format!(r#"method="{method}",route="{route}",status="{status}""#);
        self.value(&format!("keystead_http_requests_total{{{labels}}}"))
    }

    /// VALID, UNKNOWN, DEACTIVATED, EXPIRED, ROTATED_OUT, RATE_LIMITED, ADDRESS_REFUSED.
    fn verifications(&self, via: &str) -> [f64; 7] {
        ["VALID", "UNKNOWN", "DEACTIVATED", "EXPIRED", "ROTATED_OUT", "RATE_LIMITED", "ADDRESS_REFUSED"]
            .map(|code| self.samples[&format!(r#"keystead_verifications_total{{code="{code}",via="{via}"}}"#)])
    }

    /// Active, deactivated, expired.
    fn keys(&self) -> [f64; 3] {
        ["active", "deactivated", "expired"]
            .map(|state| self.value(&format!(r#"keystead_api_keys{{state="{state}"}}"#)))
    }
}

/// A strict parser of the text format (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
fn parse(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let (mut samples, mut helped, mut typed) = (BTreeMap::new(), "", ("", ""));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, sentence) = help.split_once(' ').expect("a name and a sentence");
            assert!(sentence.ends_with('.') && name > helped, "families are sorted, and said once: {line}");
            helped = name;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            typed = kind.split_once(' ').expect("a name and a type");
            assert_eq!(typed.0, helped);
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a sample and its value");
            let name = sample.split('{').next().expect("a name");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{line}");
            let suffix = name.strip_prefix(typed.0).unwrap_or_else(|| panic!("{line} is not of {}", typed.0));
            let is_histogram = typed.1 == "histogram";
            assert!(["_bucket", "_sum", "_count"].contains(&suffix) == is_histogram, "{line}");
            assert!(is_histogram || suffix.is_empty(), "{line}");
            check_labels(&sample[name.len()..]);
            let value: f64 = value.parse().expect("a number");
            assert!(value >= 0.0, "{line}");
            assert!(samples.insert(sample.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    samples
}

fn check_labels(labels: &str) {
    if labels.is_empty() {
        return;
    }
    let inner = labels.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).expect("braces");
    for label in inner.split(',') {
        let (name, value) = label.split_once('=').expect("a name and a value");
        assert!(name.chars().all(|c| c.is_ascii_lowercase()), "{labels}");
        let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect("quotes");
        assert!(!value.contains(['"', '\\']), "{labels}");
    }
}

#[test]
fn every_metric_is_there_from_the_first_reading_on_with_a_help_and_a_type() {
    let (_server, watcher) = watched(&[]);
    let reading = Reading::of(&watcher);
    let mut found: Vec<&str> = reading.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let mut expected: Vec<String> = FAMILIES.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(reading.value(&format!("keystead_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))), 1.0);
    assert!(reading.value("process_resident_memory_bytes") > 1_000_000.0);
    assert!(reading.value("process_start_time_seconds") > 1_700_000_000.0);
}

#[test]
fn requests_are_counted_by_the_template_of_their_route_the_method_and_the_status() {
    let (server, watcher) = watched(&[]);
    let client = server.client();
    let (id, _) = client.mint("a");
    assert_eq!(client.get(&format!("{KEYS}/{id}")).status, 200);
    assert_eq!(client.get(&format!("{KEYS}/{id}?a=b")).status, 200);
    assert_eq!(client.get(&format!("{KEYS}/987654321")).status, 404);
    assert_eq!(client.get("/hunter2/987654321").status, 404);
    assert_eq!(client.send("HEAD", "/healthz", &[], b"").status, 200);
    assert_eq!(client.send("PATCH", ORGANIZATION, &[], b"").status, 405);
    let odd = server.raw(format!("HUNTER {ORGANIZATION} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
    assert!(odd.starts_with("HTTP/1.1 405 "), "{odd}");

    let reading = Reading::of(&watcher);
    let one_key = "/v1/organization/api-keys/{id}";
    for (method, route, status, count) in [
        ("POST", KEYS, 200, 1.0),
        ("GET", one_key, 200, 2.0),
        ("GET", one_key, 404, 1.0),
        ("GET", "unmatched", 404, 1.0),
        ("HEAD", "/healthz", 200, 1.0),
        ("PATCH", ORGANIZATION, 405, 1.0),
        ("other", ORGANIZATION, 405, 1.0),
    ] {
        assert_eq!(reading.requests(method, route, status), count, "{method} {route} {status}: {}", reading.text);
    }
    for word in ["987654321", "hunter2", "HUNTER", "a=b"] {
        assert!(!reading.text.contains(word), "{word}: {}", reading.text);
    }
    let duration = |suffix: &str, labels: &str| {
        reading.value(&format!("keystead_http_request_duration_seconds_{suffix}{{route=\"{one_key}\"{labels}}}"))
    };
    assert_eq!(duration("count", ""), 3.0);
    assert_eq!(duration("bucket", ",le=\"+Inf\""), 3.0);
    assert!(duration("sum", "") > 0.0 && duration("bucket", ",le=\"1\"") <= 3.0);
}

#[test]
fn verifications_are_counted_by_outcome_and_lookups_by_cache_hit() {
    let (server, watcher) = watched(&[]);
    let client = server.client();
    let (id, value) = client.mint("a");
    let other = server.client_with(&value);
    assert!(other.is_good() && other.is_good());
    client.set_valid(id, false).data();
    assert!(!other.is_good());
    assert!(!server.client_with(new_secret().expose()).is_good());
    assert_eq!(client.send("GET", ORGANIZATION, &[], b"").status, 401, "nothing to verify");

    let reading = Reading::of(&watcher);
    assert_eq!(reading.verifications("authentication"), [4.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    for via in ["verify", "forward_auth"] {
        assert_eq!(reading.verifications(via), [0.0; 7], "shown from the first on, as zeros");
    }
    let lookups = |result| reading.value(&format!(r#"keystead_cache_lookups_total{{result="{result}"}}"#));
    // Four keys are read once each: the first key, the new one, the new one after its deactivation, and an unknown one.
    assert_eq!((lookups("hit"), lookups("miss")), (2.0, 4.0));
}

#[test]
fn every_outcome_of_a_verification_is_counted_by_caller() {
    let (server, watcher) = watched(&[("KEYSTEAD_DEV_CLOCK", "true")]);
    let client = server.client();
    let create = |more: serde_json::Value| {
        let key = client.post("/v2/organization/api-keys", more).data();
        (format!("/v2/organization/api-keys/{}", key["id"]), key["value"].as_str().expect("a value").to_owned())
    };
    let (off, deactivated) = create(json!({"name": "a"}));
    let (_, expired) = create(json!({"name": "b", "expiresInDays": 1}));
    let (rotated, rotated_out) = create(json!({"name": "c"}));
    let (limited, rate_limited) = create(json!({"name": "d"}));
    let (bound, address_refused) = create(json!({"name": "e"}));
    client.put(&off, json!({"valid": false})).data();
    client.post(&format!("{rotated}/rotate"), json!({})).data();
    client.put(&limited, json!({"rateLimit": {"limit": 1, "windowInSeconds": 86_400}})).data();
    client.put(&bound, json!({"allowedAddresses": ["203.0.113.7"]})).data();
    client.post("/dev/clock", json!({"advanceInMs": 86_400_000})).data();

    let unknown = new_secret().expose().to_owned();
    let values = [&rate_limited, &unknown, &deactivated, &expired, &rotated_out, &rate_limited, &address_refused];
    for value in values {
        client.post("/v2/verify", json!({"value": value, "address": "203.0.113.8"})).data();
    }
    let batch: Vec<_> = values[1..5].iter().map(|value| json!({"value": value})).collect();
    client.post("/v2/verify/batch", json!({"keys": batch})).data();
    let statuses = values.map(|value| server.client_with(value).get("/auth/forward").status);
    assert_eq!(statuses, [429, 401, 401, 401, 401, 429, 403]);
    assert_eq!(client.get("/auth/envoy/some/path?x=y").status, 200);

    let reading = Reading::of(&watcher);
    assert_eq!(reading.verifications("verify"), [1.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0]);
    assert_eq!(reading.verifications("forward_auth"), [1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0]);
    assert_eq!(reading.requests("GET", "/auth/forward", 401), 4.0);
    assert_eq!(reading.requests("GET", "/auth/envoy", 200), 1.0, "whatever the client's path is");
    assert!(!reading.text.contains("some/path"));
}

#[test]
fn keys_are_counted_by_state_at_most_once_a_minute() {
    let (server, watcher) = watched(&[("KEYSTEAD_DEV_CLOCK", "true")]);
    let client = server.client();
    let advance = |ms: i64| client.post("/dev/clock", json!({"advanceInMs": ms})).data();
    let (id, _) = client.mint("switched off");
    client.set_valid(id, false).data();
    let expiring = json!({"name": "a day", "expiresInDays": 1});
    client.post("/v2/organization/api-keys", expiring.clone()).data();
    assert_eq!(Reading::of(&watcher).keys(), [2.0, 1.0, 0.0]);

    client.mint("too new");
    advance(50_000);
    assert_eq!(Reading::of(&watcher).keys(), [2.0, 1.0, 0.0], "the count of the last minute");
    advance(10_000);
    assert_eq!(Reading::of(&watcher).keys(), [3.0, 1.0, 0.0]);

    let key = client.post("/v2/organization/api-keys", expiring).data();
    client.put(&format!("/v2/organization/api-keys/{}", key["id"]), json!({"valid": false})).data();
    advance(86_400_000);
    assert_eq!(Reading::of(&watcher).keys(), [2.0, 2.0, 1.0], "one that is switched off counts as that alone");
}

#[test]
fn the_largest_organizations_are_reported_by_id_and_measured_once_a_minute() {
    let (server, watcher) = watched(&[("KEYSTEAD_DEV_CLOCK", "true")]);
    let client = server.client();
    let store = open_store(&server.store_path());
    let own = client.get(ORGANIZATION).data()["organization"]["id"].as_str().expect("an id").to_owned();
    let small: Vec<String> = (0..12).map(|_| insert_organization(&store, "\"secret\"").0.id.to_string()).collect();
    let value = |reading: &Reading, what: &str, id: &str| {
        reading.samples.get(&format!("keystead_organization_{what}{{organization=\"{id}\"}}")).copied()
    };
    let told = |reading: &Reading| reading.samples.keys().filter(|it| it.contains("{organization=")).count();
    (0..5).for_each(|_| _ = client.mint("a"));
    let first = Reading::of(&watcher);
    let events = || done(server.folder(), &["audit", "list", "--organization", &own, "--json"]).lines().count();
    assert_eq!(value(&first, "api_keys", &own), Some(6.0));
    assert_eq!(value(&first, "audit_events", &own), Some(events() as f64));
    assert!(value(&first, "audit_bytes", &own).is_some_and(|bytes| (1_000.0..3_000.0).contains(&bytes)));
    assert_eq!(told(&first), 3 * 10, "ten of thirteen");
    assert!(!first.text.contains("secret"));

    let new = small.iter().find(|id| value(&first, "api_keys", id).is_none()).expect("one of them").clone();
    // The organization that was not reported grows.
    let organization = keystead::domain::OrganizationId::parse(&new).expect("an id");
    let secrets: Vec<_> = (0..20_050).map(|_| new_secret()).collect();
    insert_keys(&store, organization, &secrets).expect("keys");
    client.mint("a");
    assert_eq!(value(&Reading::of(&watcher), "api_keys", &own), Some(6.0), "not counted again");
    client.post("/dev/clock", json!({"advanceInMs": 60_000})).data();
    let later = Reading::of(&watcher);
    assert_eq!(value(&later, "api_keys", &own), Some(7.0));
    assert_eq!(value(&later, "audit_events", &own), Some(events() as f64));
    assert_eq!(value(&later, "api_keys", &new), Some(20_051.0), "over several slices");
    assert_eq!(told(&later), 3 * 10);
    let status = done_json(server.folder(), &["status", "--json", "--listen", server.address()]);
    let largest = status["store"]["largestOrganizations"].as_array().expect("a list").clone();
    assert_eq!(largest.len(), 10);
    assert_eq!(largest[0], json!({"id": new, "apiKeys": 20_051, "auditEvents": 0, "auditBytes": 0}));
    assert_eq!((&largest[1]["id"], &largest[1]["apiKeys"]), (&json!(own), &json!(7)));
    let text = done(server.folder(), &["status", "--listen", server.address()]);
    assert!(text.contains(&format!("{new}: 20051 API keys, 0 events in some 0 B")), "{text}");
}

#[test]
fn commits_of_the_writer_are_counted_by_success_and_failure() {
    let (server, watcher) = watched(&[("KEYSTEAD_STORE_BUSY_TIMEOUT_MS", "500")]);
    let client = server.client();
    let commits = |reading: &Reading, outcome: &str| {
        reading.value(&format!(r#"keystead_store_commits_total{{outcome="{outcome}"}}"#))
    };
    let before = Reading::of(&watcher);
    assert!(commits(&before, "ok") >= 1.0, "the first key");
    assert_eq!(commits(&before, "failed"), 0.0);
    client.mint("a");
    let holder = rusqlite::Connection::open(server.store_path()).expect("the file");
    holder.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    client.post(KEYS, json!({"name": "b"})).refused_with(503);

    let after = Reading::of(&watcher);
    assert!(commits(&after, "ok") > commits(&before, "ok"));
    assert!(commits(&after, "failed") >= 1.0);
    assert_eq!(after.value("keystead_store_commit_duration_seconds_count"), commits(&after, "ok"));
    assert_eq!(after.value("keystead_store_batch_size_count"), commits(&after, "ok"));
    assert!(after.value("keystead_store_batch_size_sum") >= commits(&after, "ok"));
    for (file, path) in [("main", "keystead.db"), ("wal", "keystead.db-wal")] {
        let length = std::fs::metadata(server.folder().join(path)).expect("the file").len();
        assert_eq!(after.value(&format!(r#"keystead_store_size_bytes{{file="{file}"}}"#)), length as f64, "{file}");
    }
    holder.execute_batch("ROLLBACK").expect("the release");
}

#[test]
fn readings_that_are_taken_while_others_write_are_whole_and_never_go_back() {
    let (server, watcher) = watched(&[]);
    let is_over = AtomicBool::new(false);
    let commits = r#"keystead_store_commits_total{outcome="ok"}"#;
    std::thread::scope(|scope| {
        let over = Over(&is_over);
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let client = server.client();
                scope.spawn(move || (0..100).for_each(|_| _ = client.mint("a")))
            })
            .collect();
        let reader = scope.spawn(|| {
            let (mut last, mut readings) = (0.0, 0);
            while !is_over.load(Ordering::SeqCst) {
                let now = Reading::of(&watcher);
                assert!(now.value(commits) >= last);
                assert_eq!(
                    now.value(r#"keystead_store_batch_size_bucket{le="+Inf"}"#),
                    now.value("keystead_store_batch_size_count")
                );
                (last, readings) = (now.value(commits), readings + 1);
            }
            readings
        });
        for writer in writers {
            writer.join().expect("a writer");
        }
        drop(over);
        assert!(reader.join().expect("the reader") > 0);
    });
    assert_eq!(Reading::of(&watcher).requests("POST", KEYS, 200), 200.0);
}

#[test]
fn the_listener_of_the_metrics_serves_nothing_else_and_the_public_one_does_not_serve_them() {
    let (server, watcher) = watched(&[]);
    for path in ["/", "/healthz", ORGANIZATION, "/openapi.json", "/metrics/"] {
        watcher.send("GET", path, &[("CONFIDENT_API_KEY", &server.first_key())], b"").refused_with(404);
    }
    let refused = watcher.send("POST", "/metrics", &[], b"{}");
    refused.refused_with(405);
    assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    let head = watcher.send("HEAD", "/metrics", &[], b"");
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    server.client().get("/metrics").refused_with(404);
    // Requests for metrics are not counted.
    assert_eq!(Reading::of(&watcher).requests("GET", "unmatched", 404), 1.0);
    assert!(server.log().contains(&format!("metrics are at {}/metrics", watcher.base())));
}

#[test]
fn disabled_metrics_are_served_nowhere() {
    let server = Server::start();
    server.client().get("/metrics").refused_with(404);
    assert!(!server.log().contains("etrics"), "{}", server.log());
}

#[test]
fn metrics_at_the_address_of_the_server_are_served_there_beside_everything_else() {
    // A loopback address that no other test takes ports of: the port is still free when the server binds it.
    let address = TcpListener::bind("127.0.0.77:0").and_then(|free| free.local_addr()).expect("an address").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start_at(folder.path(), &address, &[("KEYSTEAD_METRICS_LISTEN", &address)]);
    assert_eq!(server.metrics_base(), server.base);
    let client = server.client();
    assert!(client.is_good());
    Reading::of(&client);
    let reading = Reading::of(&client);
    assert_eq!(reading.requests("GET", "/metrics", 200), 1.0, "{}", reading.text);
    client.post("/metrics", json!({})).refused_with(405);
    assert!(!client.get("/openapi.json").text.contains("/metrics"));
}

#[test]
fn a_metrics_address_in_use_ends_the_start_with_advice_and_creates_no_first_key() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = taken.local_addr().expect("its address").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let output = keystead(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("KEYSTEAD_METRICS_LISTEN", &address)
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    for word in [address.as_str(), "metrics.listen", "KEYSTEAD_METRICS_LISTEN", "\"off\""] {
        assert!(stderr(&output).contains(word), "{word}: {}", stderr(&output));
    }
    assert!(!folder.path().join("first-key").exists());
}

#[test]
fn the_metrics_listener_stops_with_the_server_despite_open_connections() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start_in(folder.path(), &[ON]);
    let base = server.metrics_base();
    let watcher = Client::new(&base, "");
    Reading::of(&watcher);
    let address = base.strip_prefix("http://").expect("an address");
    let mut kept = TcpStream::connect(address).expect("a connection");
    std::io::Write::write_all(&mut kept, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request");
    kept.read_to_end(&mut Vec::new()).expect("an answer, and the end of the connection");
    let asked = std::time::Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert!(TcpStream::connect(address).is_err());
    assert!(!folder.path().join("keystead.db-wal").exists());
}

#[test]
fn metrics_are_served_without_the_store() {
    let (server, watcher) = watched(&[]);
    std::fs::remove_file(server.store_path()).expect("the file");
    let reading = Reading::of(&watcher);
    assert!(reading.samples.contains_key(r#"keystead_store_commits_total{outcome="failed"}"#));
    assert!(server.log().contains("cannot read the size of the store"), "{}", server.log());
}

#[test]
fn no_secret_is_among_the_metrics() {
    let (server, watcher) = watched(&[]);
    let client = server.client();
    let (_, value) = client.mint("hunter2");
    server.client_with(&value).get(&format!("{KEYS}/{value}"));
    client.get(&format!("/{value}?key={value}"));
    let text = Reading::of(&watcher).text;
    for secret in [value.as_str(), &value[value.len() - 6..], client.key(), "hunter2", "confident", "My organization"] {
        assert!(!text.contains(secret), "{secret}");
    }
}
