//! Limits by address, on the address that the proxy passes on, and by key.

use super::helpers::Answer;
use super::proxy::Kind;
use super::proxy_setup::{Setup, request, with_each};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};

const SETTINGS: [(&str, &str); 4] = [
    ("KEYSTEAD_SERVER_TRUSTED_PROXIES", "127.0.0.1"),
    ("KEYSTEAD_BRUTE_FORCE_LOOPBACK", "true"),
    ("KEYSTEAD_BRUTE_FORCE_BURST", "3"),
    ("KEYSTEAD_BRUTE_FORCE_PER_MINUTE", "1"),
];

/// A request from an address by a client that claims to come from another one.
fn ask(setup: &Setup, from: [u8; 4], key: &str, claim: &str) -> Answer {
    let bytes = request("GET", "/", &[("X-API-Key", key), ("X-Forwarded-For", claim)], b"");
    setup.send_from(Some(IpAddr::V4(Ipv4Addr::from(from))), &bytes)
}

fn status(setup: &Setup, from: [u8; 4], key: &str, claim: &str) -> u16 {
    ask(setup, from, key, claim).status
}

/// Holds that the client learns once how long to wait, from Keystead, and that the app did not see it.
#[track_caller]
fn too_much(setup: &Setup, at_most_s: u32, ask: impl FnOnce() -> Answer) {
    let answer = setup.refused(429, ask);
    let waits: Vec<&str> =
        answer.headers.iter().filter(|(name, _)| name == "retry-after").map(|(_, seconds)| seconds.as_str()).collect();
    let [wait] = waits[..] else { panic!("{:?}: {answer:?}", setup.kind) };
    let seconds: u32 = wait.parse().expect("seconds");
    assert!((at_most_s.saturating_sub(30).max(1)..=at_most_s).contains(&seconds), "{:?}: {answer:?}", setup.kind);
}

/// Holds that a refusal is none that waiting helps against.
#[track_caller]
fn refused_for_good(setup: &Setup, status: u16, ask: impl FnOnce() -> Answer) {
    let answer = setup.refused(status, ask);
    assert_eq!(answer.header("retry-after"), None, "{:?}: {answer:?}", setup.kind);
}

#[test]
fn a_client_with_too_many_wrong_keys_is_limited_and_valid_keys_still_pass() {
    with_each(&SETTINGS, |setup| {
        let key = setup.clients.mint("a").1;
        let guesser = [127, 0, 0, 9];
        // Another address each time, says the client.
        let statuses: Vec<u16> =
            (0..8).map(|i| status(setup, guesser, "nonsense", &format!("203.0.113.{i}"))).collect();
        assert_eq!(statuses[..3], [401; 3], "{:?}", setup.kind);
        assert_eq!(statuses[3..], [429; 5], "{:?}", setup.kind);
        assert_eq!(status(setup, guesser, &key, "203.0.113.1"), 200);
        // Envoy names its own address for any client on the loopback interface, so here it has but one.
        if setup.kind != Kind::Envoy {
            assert_eq!(status(setup, [127, 0, 0, 10], "nonsense", "203.0.113.1"), 401);
        }
        too_much(setup, 60, || ask(setup, guesser, "nonsense", "203.0.113.1"));
    });
}

#[test]
fn a_key_with_an_allowed_address_passes_only_from_there() {
    with_each(&SETTINGS, |setup| {
        let (id, key) = setup.clients.mint("a");
        setup.clients.change(id, json!({"allowedAddresses": ["127.0.0.9", "203.0.113.1"]})).data();
        refused_for_good(setup, 403, || ask(setup, [127, 0, 0, 10], &key, "203.0.113.1"));
        refused_for_good(setup, 403, || ask(setup, [127, 0, 0, 10], &key, "127.0.0.9, 203.0.113.1"));
        if setup.kind != Kind::Envoy {
            assert_eq!(status(setup, [127, 0, 0, 9], &key, "203.0.113.2"), 200, "{:?}", setup.kind);
        }
    });
}

#[test]
fn a_key_beyond_its_rate_limit_is_refused() {
    with_each(&[], |setup| {
        let (id, key) = setup.clients.mint("a");
        setup.clients.change(id, json!({"rateLimit": {"limit": 2, "windowInSeconds": 600}})).data();
        for _ in 0..2 {
            setup.let_in(&setup.get(&key));
        }
        too_much(setup, 600, || setup.get(&key));
        // A client that says so itself changes nothing, whatever the answer is.
        let claims = [("Retry-After", "7"), ("X-Retry-After", "7"), ("RateLimit", "\"key-1\";r=9;t=7")];
        let claiming = |key: &str| setup.send("GET", "/", &[claims.as_slice(), &[("X-API-Key", key)]].concat(), b"");
        too_much(setup, 600, || claiming(&key));
        refused_for_good(setup, 401, || claiming("nonsense"));
        refused_for_good(setup, 401, || setup.send("GET", "/", &claims, b""));
        let (id, tied) = setup.clients.mint("b");
        setup.clients.change(id, json!({"allowedAddresses": ["203.0.113.1"]})).data();
        refused_for_good(setup, 403, || claiming(&tied));
        let answer = claiming(&setup.clients.mint("c").1);
        setup.let_in(&answer);
        assert_eq!(answer.header("retry-after"), None, "{:?}: {answer:?}", setup.kind);
    });
}

#[test]
fn a_limit_is_forgotten_where_keystead_does_not_answer() {
    with_each(&[], |setup| {
        let (id, key) = setup.clients.mint("a");
        setup.clients.change(id, json!({"rateLimit": {"limit": 1, "windowInSeconds": 600}})).data();
        // Over one connection, on which a proxy might keep what it learnt.
        let user = setup.user(&key);
        let ask = || user.send("GET", "/", &[("X-API-Key", &key)], b"");
        assert_eq!([ask().status, ask().status], [200, 429], "{:?}", setup.kind);
        setup.keystead.take().expect("it runs").kill();
        let answer = ask();
        let unavailable = if setup.kind == Kind::Traefik { 500 } else { 503 };
        assert_eq!((answer.status, answer.header("retry-after")), (unavailable, None), "{:?}", setup.kind);
    });
}
