//! The readiness check, which any client may request at any rate.

use super::helpers::*;
use futures_util::future::join_all;
use keystead::service::Service;
use serde_json::json;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn concurrent_readiness_checks_share_one_attempt() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = service_options(folder.path());
    let metrics = metrics();
    let service = Service::open(&options, Arc::clone(&metrics)).expect("a service");
    let tries = || {
        let text = metrics.text().expect("the metrics");
        let line = text.lines().find(|line| line.starts_with(r#"keystead_store_commits_total{outcome="ok"}"#));
        line.and_then(|line| line.rsplit(' ').next()).and_then(|count| count.parse::<u64>().ok()).expect("a count")
    };
    let before = tries();
    let outcomes = wait(join_all((0..100).map(|_| service.check_ready())));
    assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()));
    assert_eq!(tries(), before + 1);
    wait(service.check_ready()).expect("it is ready");
    assert_eq!(tries(), before + 2, "what was found out earlier may not be so any more");
}

#[test]
fn a_change_waits_no_longer_for_another_process_than_the_settings_say_also_behind_other_changes() {
    let patience = Duration::from_secs(2);
    let server = Server::start_with(&[("KEYSTEAD_STORE_BUSY_TIMEOUT_MS", "2000")]);
    let holder = rusqlite::Connection::open(server.store_path()).expect("the store");
    holder.execute_batch("BEGIN IMMEDIATE").expect("the store's write lock");
    let (server, begun) = (&server, Instant::now());
    let waits = thread::scope(|scope| {
        let asked = [0, 500, 1000, 1500].map(|after| {
            scope.spawn(move || {
                let client = server.client();
                thread::sleep(Duration::from_millis(after).saturating_sub(begun.elapsed()));
                let asked = Instant::now();
                client.post(KEYS, json!({"name": "a"})).refused_with(503);
                asked.elapsed()
            })
        });
        asked.map(|it| it.join().expect("an answer"))
    });
    for waited in waits {
        assert!(waited >= patience && waited < patience + Duration::from_millis(400), "{waits:?}");
    }
    // A command does not wait for its change to be tried twice.
    let begun = Instant::now();
    let output = run(server.folder(), &["keys", "revoke", "1", "--yes"]);
    assert_failed_with(&output, 1, "another process holds the store");
    assert!(begun.elapsed() < Duration::from_millis(5_500), "5 seconds unless set otherwise: {:?}", begun.elapsed());
    drop(holder);
    server.client().mint("a");
}
