//! Prometheus's own tool on the metrics, the alerts and the queries of the dashboard.

use super::helpers::{Client, Server};
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const RULES: &str = "contrib/prometheus/keystead.rules.yml";
const RULE_TESTS: &str = "tests/system/keystead.rules.test.yml";

#[test]
fn promtool_accepts_the_metrics() {
    let mut server = Server::start_with(&[("KEYSTEAD_METRICS_LISTEN", "127.0.0.1:0")]);
    let metrics = server.metrics_base();
    let admin = server.client();
    // By then every family has a member.
    let (id, value) = admin.mint("a");
    admin.set_valid(id, false).data();
    admin.post("/v1/verify", json!({"value": value})).data();
    admin.send("GET", "/auth/nginx", &[("X-API-Key", "wrong")], b"").refused_with(401);
    admin.get("/nothing").refused_with(404);
    let text = Client::new(&metrics, "").send("GET", "/metrics", &[], b"").text;
    assert!(text.contains("keystead_verifications_total{code=\"DEACTIVATED\",via=\"verify\"} 1"), "{text}");

    let words = promtool(&["check", "metrics"], &text);
    assert_eq!(words, "");
}

/// The output of promtool, which must succeed.
fn promtool(arguments: &[&str], input: &str) -> String {
    let mut promtool = Command::new("promtool")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("promtool does not start ({e}); Debian has it in the package prometheus"));
    promtool.stdin.take().expect("standard input").write_all(input.as_bytes()).expect("promtool reads");
    let said = promtool.wait_with_output().expect("promtool ends");
    let words = [said.stdout, said.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(said.status.success(), "{arguments:?}: {words}");
    words
}

#[test]
fn the_alerts_fire_exactly_when_they_should() {
    let read = |file: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a file");
    let alerts = read(RULES);
    let alerts: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let words = promtool(&["check", "rules", RULES], "");
    assert!(words.contains(&format!("SUCCESS: {} rules found", alerts.len())), "{words}");
    let tests = read(RULE_TESTS);
    for alert in alerts {
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "{alert} is not tested");
    }
    promtool(&["test", "rules", RULE_TESTS], "");
}

#[test]
fn prometheus_accepts_the_queries_of_the_dashboard() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/grafana/keystead.json");
    let dashboard: Value = serde_json::from_slice(&fs::read(file).expect("a file")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let rules: Vec<Value> = targets
        .enumerate()
        .map(|(number, target)| {
            // Grafana does the same before it sends a query.
            let text = target["expr"].as_str().expect("a text").replace("$__rate_interval", "1m");
            json!({"record": format!("a{number}"), "expr": text.replace("$job", ".*").replace("$instance", ".*")})
        })
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.yml");
    // JSON is YAML, too.
    let groups = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    fs::write(&file, groups.to_string()).expect("a file");
    let words = promtool(&["check", "rules", file.to_str().expect("a path")], "");
    assert!(rules.len() >= 17 && words.contains(&format!("SUCCESS: {} rules found", rules.len())), "{words}");
}
