//! Whether a server is ready, which anybody may ask as often as they like.

use super::helpers::*;
use futures_util::future::join_all;
use keystead::service::Service;
use std::sync::Arc;

#[test]
fn all_who_ask_at_once_are_told_what_came_of_one_try() {
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
