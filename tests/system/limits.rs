//! Those who guess keys, told apart by the address that the proxy passes on.

use super::proxy::Kind;
use super::setup::{Setup, request, with_each};
use std::net::{IpAddr, Ipv4Addr};

const SETTINGS: [(&str, &str); 4] = [
    ("KEYSTEAD_SERVER_TRUSTED_PROXIES", "127.0.0.1"),
    ("KEYSTEAD_BRUTE_FORCE_LOOPBACK", "true"),
    ("KEYSTEAD_BRUTE_FORCE_BURST", "3"),
    ("KEYSTEAD_BRUTE_FORCE_PER_MINUTE", "1"),
];

fn status(setup: &Setup, from: [u8; 4], key: &str, forwarded_for: &str) -> u16 {
    let headers = [("X-API-Key", key), ("X-Forwarded-For", forwarded_for)];
    let bytes = request("GET", "/", &headers, b"");
    setup.send_from(Some(IpAddr::V4(Ipv4Addr::from(from))), &bytes).status
}

#[test]
fn who_tries_too_many_wrong_keys_is_held_up_and_good_keys_still_pass() {
    with_each(&SETTINGS, |setup| {
        let key = setup.admin.mint("a").1;
        let guesser = [127, 0, 0, 9];
        // Another address each time, says the client.
        let statuses: Vec<u16> =
            (0..8).map(|i| status(setup, guesser, "nonsense", &format!("203.0.113.{i}"))).collect();
        let held_up = if setup.kind.is_nginx() { 403 } else { 429 };
        assert_eq!(statuses[..3], [401; 3], "{:?}", setup.kind);
        assert_eq!(statuses[3..], [held_up; 5], "{:?}", setup.kind);
        assert_eq!(status(setup, guesser, &key, "203.0.113.1"), 200);
        // Envoy names its own address for any client on the loopback interface, so here it has but one.
        if setup.kind != Kind::Envoy {
            assert_eq!(status(setup, [127, 0, 0, 10], "nonsense", "203.0.113.1"), 401);
        }
        let before = setup.app.requests();
        let answer = setup.send_from(
            Some(IpAddr::V4(Ipv4Addr::from(guesser))),
            &request("GET", "/", &[("X-API-Key", "nonsense")], b""),
        );
        assert_eq!(setup.app.requests(), before);
        answer.refused_with(held_up);
        assert_eq!(answer.header("retry-after").is_some(), !setup.kind.is_nginx(), "{answer:?}");
    });
}
