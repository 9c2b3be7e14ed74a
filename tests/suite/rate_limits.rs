//! Rate limits and allowed addresses of keys, and the limit on wrong keys from an address.

use super::helpers::*;
use serde_json::{Value, json};

const PROXY: (&str, &str) = ("KEYSTEAD_SERVER_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8");
const WRONG: &str = "confident_org_00000000000000000000000000000000";

/// A request with this key that came through proxies.
fn from(client: &Client, key: &str, forwarded_for: &str) -> Answer {
    client.send("GET", ORGANIZATION, &[("X-API-Key", key), ("X-Forwarded-For", forwarded_for)], b"")
}

#[test]
fn a_key_is_refused_beyond_its_limit_and_reports_the_rest() {
    let server = Server::start();
    let admin = server.client();
    let (id, value) = admin.mint("a");
    let path = format!("{KEYS}/{id}");
    let limit = json!({"limit": 3, "windowInSeconds": 600});
    let key = admin.put(&path, json!({"rateLimit": limit})).data()["apiKey"].take();
    assert_eq!((&key["rateLimit"], &key["valid"]), (&limit, &json!(true)));
    assert_eq!(admin.get(&path).data()["apiKey"]["rateLimit"], limit);
    assert_eq!(admin.get(&format!("/v2/organization/api-keys/{id}")).data()["rateLimit"], limit);

    let user = server.client_with(&value);
    let policy = format!("\"key-{id}\";q=3;w=600");
    let first = user.get(ORGANIZATION);
    assert_eq!((first.status, first.header("ratelimit-policy")), (200, Some(policy.as_str())));
    assert_eq!(first.header("ratelimit"), Some(format!("\"key-{id}\";r=2;t=600").as_str()));
    let verified = admin.post("/v1/verify", json!({"value": value}));
    assert_eq!(verified.data()["code"], json!("VALID"));
    assert!(verified.header("ratelimit").is_some_and(|it| it.starts_with(&format!("\"key-{id}\";r=1;t="))));
    // A request that is refused for its role counts as well, because its key did authenticate.
    assert_eq!(user.get("/v1/organization/api-keys/999").status, 404);

    let over = user.get(ORGANIZATION);
    over.refused_with(429);
    let wait: u32 = over.header("retry-after").and_then(|it| it.parse().ok()).expect("seconds");
    assert!((590..=600).contains(&wait));
    assert_eq!(over.header("ratelimit"), Some(format!("\"key-{id}\";r=0;t={wait}").as_str()));
    assert_eq!(over.header("ratelimit-policy"), Some(policy.as_str()));
    let data = admin.post("/v1/verify", json!({"value": value})).data();
    assert_eq!(
        (&data["code"], &data["valid"], &data["apiKey"]["id"]),
        (&json!("RATE_LIMITED"), &json!(false), &json!(id))
    );

    assert!(admin.put(&path, json!({"rateLimit": null})).data()["apiKey"].get("rateLimit").is_none());
    assert_eq!(user.get(ORGANIZATION).header("ratelimit"), None);
}

#[test]
fn all_values_of_a_key_share_a_window_and_it_ends() {
    let server = Server::start_with(&[("KEYSTEAD_DEV_CLOCK", "true")]);
    let admin = server.client();
    let (id, value) = admin.mint("a");
    admin.put(&format!("{KEYS}/{id}"), json!({"rateLimit": {"limit": 1, "windowInSeconds": 60}})).data();
    let rotated =
        admin.post(&format!("/v2/organization/api-keys/{id}/rotate"), json!({"gracePeriodInHours": 1})).data();
    let shadow = rotated["shadowValue"].as_str().expect("a value");
    assert_eq!(server.client_with(&value).get(ORGANIZATION).status, 200);
    assert_eq!(server.client_with(shadow).get(ORGANIZATION).status, 429);
    admin.post("/dev/clock", json!({"advanceInMs": 60_000})).data();
    assert_eq!(server.client_with(shadow).get(ORGANIZATION).status, 200);
    assert_eq!(server.client_with(&value).get(ORGANIZATION).status, 429);
}

#[test]
fn a_key_with_allowed_addresses_is_refused_from_anywhere_else() {
    let server = Server::start_with(&[PROXY]);
    let admin = server.client();
    let (id, value) = admin.mint("a");
    let path = format!("{KEYS}/{id}");
    let set = json!({"allowedAddresses": ["203.0.113.7", "2001:db8:7::/48", "192.168.1.9/24"]});
    let key = admin.put(&path, set).data()["apiKey"].take();
    assert_eq!(key["allowedAddresses"], json!(["203.0.113.7", "2001:db8:7::/48", "192.168.1.0/24"]));
    for inside in
        ["203.0.113.7", "2001:db8:7:1::1", "::ffff:203.0.113.7", "192.168.1.77", "1.2.3.4, 203.0.113.7, 10.1.1.1"]
    {
        assert_eq!(from(&admin, &value, inside).status, 200, "{inside}");
    }
    for outside in ["203.0.113.8", "2001:db8:8::1", "203.0.113.7, 203.0.113.8", "", "nonsense", "203.0.113.7, x"] {
        let sentence = from(&admin, &value, outside).refused_with(403);
        assert_eq!(sentence, "The API key may not be used from this address.", "{outside}");
    }
    server.client_with(&value).get(ORGANIZATION).refused_with(403);
    let ask = |question: Value| admin.post("/v1/verify", question).data()["code"].take();
    assert_eq!(ask(json!({"value": value, "address": "203.0.113.7"})), json!("VALID"));
    assert_eq!(ask(json!({"value": value, "address": "203.0.113.9"})), json!("ADDRESS_REFUSED"));
    assert_eq!(ask(json!({"value": value})), json!("ADDRESS_REFUSED"));
    assert!(admin.put(&path, json!({"allowedAddresses": null})).data()["apiKey"].get("allowedAddresses").is_none());
    assert_eq!(server.client_with(&value).get(ORGANIZATION).status, 200);
}

#[test]
fn x_forwarded_for_of_an_untrusted_client_is_ignored() {
    let server = Server::start();
    let admin = server.client();
    let (id, value) = admin.mint("a");
    admin.put(&format!("{KEYS}/{id}"), json!({"allowedAddresses": ["203.0.113.7"]})).data();
    assert_eq!(from(&admin, &value, "203.0.113.7").status, 403);
}

/// Entries of `X-Forwarded-For` that name a client, and entries that do not.
const READABLE: [&str; 5] = [
    "198.51.100.1:51234",
    "\"198.51.100.1\"",
    "\"198.51.100.1:80\"",
    "[::ffff:198.51.100.1]:443",
    "198.51.100.1, 10.0.0.1:9",
];
const UNREADABLE: [&str; 7] = [
    "unknown",
    "198.51.100.1,",
    ",",
    "198.51.100.1:port",
    "_gazonk",
    "198.51.100.1, unknown, 10.0.0.1",
    "[198.51.100.1]",
];

#[test]
fn a_client_cannot_take_the_address_of_its_proxy() {
    let server = Server::start_with(&[PROXY]);
    let admin = server.client();
    let restricted = |address: &str| {
        let (id, value) = admin.mint("a");
        admin.put(&format!("{KEYS}/{id}"), json!({"allowedAddresses": [address]})).data();
        value
    };
    let [client, v6, proxy] = ["198.51.100.1", "2001:db8::/32", "127.0.0.1"].map(restricted);
    for entry in READABLE {
        assert_eq!(from(&admin, &client, entry).status, 200, "{entry}");
        from(&admin, &proxy, entry).refused_with(403);
    }
    for entry in ["[2001:db8::1]:443", "2001:db8::1%eth0", "\"[2001:db8::1]\""] {
        assert_eq!(from(&admin, &v6, entry).status, 200, "{entry}");
    }
    for entry in UNREADABLE {
        for key in [&client, &proxy] {
            from(&admin, key, entry).refused_with(403);
        }
        assert_eq!(from(&admin, admin.key(), entry).status, 200, "a key that may be used from anywhere");
    }
    assert_eq!(from(&admin, &proxy, "127.0.0.1").status, 200, "the proxy itself");
    assert_eq!(server.log().matches("X-Forwarded-For").count(), 1, "{}", server.log());
}

#[test]
fn wrong_keys_of_clients_that_cannot_be_told_apart_count_together_and_those_with_a_port_by_their_address() {
    let server = Server::start_with(&[PROXY]);
    let client = server.client();
    let statuses = |entries: &[&str]| {
        let answers = entries.iter().cycle().take(25).enumerate();
        answers
            .map(|(port, entry)| from(&client, WRONG, &entry.replace("PORT", &port.to_string())).status)
            .collect::<Vec<_>>()
    };
    for entries in [&UNREADABLE[..], &["198.51.100.7:PORT"], &["[2001:db8::PORT]:443"]] {
        let statuses = statuses(entries);
        assert_eq!((statuses[0], statuses[24]), (401, 429), "{entries:?}: {statuses:?}");
    }
}

#[test]
fn invalid_limits_and_addresses_are_refused_and_change_nothing() {
    let server = Server::start();
    let admin = server.client();
    let (id, _) = admin.mint("a");
    let path = format!("{KEYS}/{id}");
    let before = admin.get(&path).text;
    for wrong in [
        json!({"rateLimit": 5}),
        json!({"rateLimit": {}}),
        json!({"rateLimit": {"limit": 0, "windowInSeconds": 1}}),
        json!({"rateLimit": {"limit": 1, "windowInSeconds": 86_401}}),
        json!({"rateLimit": {"limit": 1_000_001, "windowInSeconds": 1}}),
        json!({"rateLimit": {"limit": 1.5, "windowInSeconds": 1}}),
        json!({"rateLimit": {"limit": 1, "windowInSeconds": 1}, "valid": "no"}),
        json!({"allowedAddresses": []}),
        json!({"allowedAddresses": ["10.0.0.0/33"]}),
        json!({"allowedAddresses": "10.0.0.1"}),
        json!({"allowedAddresses": [1]}),
        json!({"allowedAddresses": vec!["10.0.0.1"; 65]}),
        json!({"valid": null}),
        json!({}),
    ] {
        admin.put(&path, wrong).refused_with(400);
    }
    assert_eq!(admin.get(&path).text, before);
}

#[test]
fn an_address_that_sends_too_many_wrong_keys_is_told_to_wait_and_its_good_keys_pass() {
    let settings = [("KEYSTEAD_BRUTE_FORCE_BURST", "3"), ("KEYSTEAD_BRUTE_FORCE_PER_MINUTE", "6"), PROXY];
    let server = Server::start_with(&settings);
    let admin = server.client();
    let attacker = "203.0.113.7";
    for _ in 0..3 {
        from(&admin, WRONG, attacker).refused_with(401);
    }
    let over = from(&admin, WRONG, attacker);
    let sentence = over.refused_with(429);
    let wait: u32 = over.header("retry-after").and_then(|it| it.parse().ok()).expect("seconds");
    assert!((1..=10).contains(&wait), "{wait}");
    assert_eq!(sentence, format!("Too many invalid API keys came from this address; try again in {wait} seconds."));
    from(&admin, "not even a key", attacker).refused_with(429);
    assert_eq!(from(&admin, admin.key(), attacker).status, 200, "good keys pass");
    from(&admin, WRONG, "203.0.113.8").refused_with(401);
    admin.send("GET", ORGANIZATION, &[("X-Forwarded-For", attacker)], b"").refused_with(401);
    let verified = admin.send(
        "POST",
        "/v1/verify",
        &[("X-API-Key", admin.key()), ("X-Forwarded-For", attacker), ("Content-Type", "application/json")],
        json!({"value": WRONG}).to_string().as_bytes(),
    );
    assert_eq!(verified.data()["code"], json!("UNKNOWN"), "asking about wrong keys is no attempt");
}

#[test]
fn wrong_keys_from_loopback_are_not_limited_by_default() {
    let lenient = Server::start();
    let strict = Server::start_with(&[("KEYSTEAD_BRUTE_FORCE_LOOPBACK", "true")]);
    let wrong = |server: &Server| server.client_with(WRONG).get(ORGANIZATION).status;
    for _ in 0..20 {
        assert_eq!((wrong(&lenient), wrong(&strict)), (401, 401));
    }
    assert_eq!((wrong(&lenient), wrong(&strict)), (401, 429));
}
