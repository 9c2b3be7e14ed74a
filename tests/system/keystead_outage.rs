//! While Keystead is down, no request passes.

use super::helpers::{Server, eventually};
use super::proxy::Kind;
use super::proxy_setup::{Setup, with_each};
use std::fs;
use std::time::{Duration, Instant};

/// In each proxy's own form: the request is refused, and the app does not see it.
fn check_nobody_gets_in(setup: &Setup, key: &str) {
    for _ in 0..5 {
        let before = setup.app.requests();
        let answer = setup.get(key);
        let status = if setup.kind == Kind::Traefik { 500 } else { 503 };
        assert_eq!(answer.status, status, "{:?}: {answer:?}", setup.kind);
        assert_eq!(setup.app.requests(), before, "{:?} passed it on", setup.kind);
        if setup.kind.is_nginx() || setup.kind == Kind::Caddy {
            answer.refused_with(503);
        }
    }
}

#[test]
fn requests_are_refused_while_keystead_is_stopped_and_pass_again_after_a_restart() {
    with_each(&[], |setup| {
        let key = setup.clients.mint("a").1;
        setup.let_in(&setup.get(&key));
        for is_killed in [false, true] {
            let keystead = setup.keystead.take().expect("it runs");
            if is_killed {
                keystead.kill();
            } else {
                assert!(keystead.stop().success());
            }
            check_nobody_gets_in(setup, &key);
            setup.restart_keystead();
            // Even the first request, whatever connections the proxy still has open.
            setup.let_in(&setup.get(&key));
            setup.refused(401, || setup.get("nonsense"));
        }
    });
}

#[test]
fn requests_are_refused_while_keystead_hangs() {
    with_each(&[], |setup| {
        // Traefik waits for 30 seconds, as its guide says.
        if setup.kind == Kind::Traefik {
            return;
        }
        let key = setup.clients.mint("a").1;
        setup.let_in(&setup.get(&key));
        let keystead = setup.keystead.as_ref().expect("it runs");
        keystead.signal("STOP");
        // Until all are stopped, a thread may still answer.
        eventually(Duration::from_secs(10), || is_halted(keystead));
        let (before, start) = (setup.app.requests(), Instant::now());
        let answer = setup.get(&key);
        let waited = start.elapsed();
        keystead.signal("CONT");
        assert_eq!(answer.status, 503, "{:?}: {answer:?}", setup.kind);
        assert_eq!(setup.app.requests(), before, "{:?} passed it on", setup.kind);
        assert!(waited < Duration::from_secs(30), "{:?}: {waited:?}", setup.kind);
        setup.let_in(&setup.get(&key));
    });
}

/// Whether every thread of it is stopped.
fn is_halted(server: &Server) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("its threads");
    threads.filter_map(Result::ok).all(|thread| {
        let state = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        state.rsplit_once(')').is_some_and(|(_, state)| state.trim_start().starts_with('T'))
    })
}
