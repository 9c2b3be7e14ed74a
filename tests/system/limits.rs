//! Limits by address, on the address that the proxy passes on, and by key.

use super::helpers::{Answer, KEYS};
use super::proxy::Kind;
use super::setup::{Setup, request, with_each};
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

/// What says "too much" where a proxy can.
fn too_much(kind: Kind) -> u16 {
    if kind.is_nginx() { 403 } else { 429 }
}

#[track_caller]
fn check_wait(setup: &Setup, answer: &Answer) {
    assert_eq!(answer.header("retry-after").is_some(), !setup.kind.is_nginx(), "{:?}: {answer:?}", setup.kind);
}

#[test]
fn who_tries_too_many_wrong_keys_is_held_up_and_good_keys_still_pass() {
    with_each(&SETTINGS, |setup| {
        let key = setup.admin.mint("a").1;
        let guesser = [127, 0, 0, 9];
        // Another address each time, says the client.
        let statuses: Vec<u16> =
            (0..8).map(|i| status(setup, guesser, "nonsense", &format!("203.0.113.{i}"))).collect();
        assert_eq!(statuses[..3], [401; 3], "{:?}", setup.kind);
        assert_eq!(statuses[3..], [too_much(setup.kind); 5], "{:?}", setup.kind);
        assert_eq!(status(setup, guesser, &key, "203.0.113.1"), 200);
        // Envoy names its own address for any client on the loopback interface, so here it has but one.
        if setup.kind != Kind::Envoy {
            assert_eq!(status(setup, [127, 0, 0, 10], "nonsense", "203.0.113.1"), 401);
        }
        let answer = setup.refused(too_much(setup.kind), || ask(setup, guesser, "nonsense", "203.0.113.1"));
        check_wait(setup, &answer);
    });
}

#[test]
fn a_key_that_is_tied_to_an_address_passes_from_there_alone() {
    with_each(&SETTINGS, |setup| {
        let (id, key) = setup.admin.mint("a");
        setup.admin.put(&format!("{KEYS}/{id}"), json!({"allowedAddresses": ["127.0.0.9", "203.0.113.1"]})).data();
        setup.refused(403, || ask(setup, [127, 0, 0, 10], &key, "203.0.113.1"));
        setup.refused(403, || ask(setup, [127, 0, 0, 10], &key, "127.0.0.9, 203.0.113.1"));
        if setup.kind != Kind::Envoy {
            assert_eq!(status(setup, [127, 0, 0, 9], &key, "203.0.113.2"), 200, "{:?}", setup.kind);
        }
    });
}

#[test]
fn a_key_that_was_used_too_often_is_held_up() {
    with_each(&[], |setup| {
        let (id, key) = setup.admin.mint("a");
        setup.admin.put(&format!("{KEYS}/{id}"), json!({"rateLimit": {"limit": 2, "windowInSeconds": 600}})).data();
        for _ in 0..2 {
            setup.let_in(&setup.get(&key));
        }
        let answer = setup.refused(too_much(setup.kind), || setup.get(&key));
        check_wait(setup, &answer);
    });
}
