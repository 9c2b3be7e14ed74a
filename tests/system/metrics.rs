//! What Prometheus's own tool thinks of the metrics.

use super::helpers::{Client, Server};
use serde_json::json;
use std::io::Write as _;
use std::process::{Command, Stdio};

#[test]
fn promtool_has_nothing_to_say_about_the_metrics() {
    let mut server = Server::start_with(&[("KEYSTEAD_METRICS_LISTEN", "127.0.0.1:0")]);
    let metrics = server.metrics_base();
    let admin = server.client();
    // Every family has a member by then.
    let (id, value) = admin.mint("a");
    admin.set_valid(id, false).data();
    admin.post("/v1/verify", json!({"value": value})).data();
    admin.send("GET", "/auth/nginx", &[("X-API-Key", "wrong")], b"").refused_with(401);
    admin.get("/nothing").refused_with(404);
    let text = Client::new(&metrics, "").send("GET", "/metrics", &[], b"").text;
    assert!(text.contains("keystead_verifications_total{code=\"DEACTIVATED\",via=\"verify\"} 1"), "{text}");

    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("promtool does not start ({e}); Debian has it in the package prometheus"));
    promtool.stdin.take().expect("standard input").write_all(text.as_bytes()).expect("promtool reads");
    let said = promtool.wait_with_output().expect("promtool ends");
    let words = [said.stdout, said.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(said.status.success() && words.is_empty(), "{words}");
}
