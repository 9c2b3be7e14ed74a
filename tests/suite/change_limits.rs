//! The limit on changes by an organization, and the events that changes leave in the audit log.

use super::helpers::*;
use keystead::domain::{EventFilter, Name, Permissions, Target};
use keystead::service::{Audit, ChangeLimit, FirstKey, KeyChange, ManageKeys, NewKey, NewValue, Service};
use serde_json::{Value, json};
use std::time::Duration;

const BURST: usize = 5;

fn limited() -> Server {
    Server::start_with(&[("KEYSTEAD_CHANGES_BURST", "5"), ("KEYSTEAD_CHANGES_PER_MINUTE", "1")])
}

fn events(client: &Client, query: &str) -> Vec<Value> {
    let logs = client.get(&format!("/v2/organization/audit-logs?limit=1000{query}")).data();
    logs["auditLogs"].as_array().expect("a list").clone()
}

#[track_caller]
fn assert_limited(answer: &Answer) {
    let sentence = answer.refused_with(429);
    assert!(sentence.starts_with("The organization made too many changes; try again in "), "{sentence}");
    let retry_after: u64 = answer.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=60).contains(&retry_after), "{retry_after}");
}

#[test]
fn an_event_keeps_a_bounded_part_of_a_long_description_and_its_hash() {
    let server = Server::start();
    let client = server.client();
    let long = |seed: char| std::iter::once(seed).chain("äß\u{1f511}".chars().cycle()).take(2000).collect::<String>();
    let kept = |text: &str| {
        json!({
            "beginning": text.chars().take(256).collect::<String>(),
            "bytes": text.len(),
            "blake3": blake3::hash(text.as_bytes()).to_hex().as_str(),
        })
    };
    let (first, second, short) = (long('a'), long('b'), "x".repeat(256));
    let created = client.post("/v2/projects", json!({"name": "a", "description": first})).data();
    let path = format!("/v2/projects/{}", created["project"]["id"].as_str().expect("an id"));
    client.put(&path, json!({"description": second})).data();
    client.put(&path, json!({"description": short})).data();
    let changes: Vec<Value> = events(&client, "&resource=project/")
        .into_iter()
        .chain(events(&client, ""))
        .filter(|event| event["action"].as_str().expect("an action").starts_with("project."))
        .map(|event| event["change"].clone())
        .collect();
    let descriptions =
        |change: &Value| [&change["before"]["description"], &change["after"]["description"]].map(Clone::clone);
    assert_eq!(descriptions(&changes[2]), [Value::Null, kept(&first)]);
    assert_eq!(descriptions(&changes[1]), [kept(&first), kept(&second)]);
    assert_eq!(descriptions(&changes[0]), [kept(&second), short.as_str().into()], "a short one is whole");
    assert!(changes.iter().all(|change| change.to_string().len() < 4_000));
    let verified = done(server.folder(), &["audit", "verify"]);
    assert!(verified.contains("all intact"), "{verified}");
    assert_eq!(client.get(&path).data()["description"], json!(short));
}

#[test]
fn changes_beyond_the_limit_are_refused_and_leave_no_event() {
    let server = limited();
    run(server.folder(), &["organizations", "create", "Other", "--key-file", "other-key"]);
    let other = std::fs::read_to_string(server.folder().join("other-key")).expect("a key");
    let (client, other) = (server.client(), server.client_with(other.trim()));
    let keys: Vec<(i64, String)> = (0..BURST).map(|number| client.mint(&number.to_string())).collect();
    let before = events(&client, "").len();
    let project = "/v2/projects/proj_0000000000000000";
    for answer in [
        client.post(KEYS, json!({"name": "one more"})),
        client.post(&KEYS.replace("v1", "v2"), json!({"name": "one more"})),
        client.post("/v1/projects", json!({"name": "a"})),
        client.put(project, json!({"name": "b"})),
        client.put(ORGANIZATION, json!({"name": "c"})),
        client.set_valid(keys[0].0, true),
        client.put(&format!("{KEYS}/{}", keys[0].0), json!({"valid": false, "rateLimit": null})),
        client.put(&format!("/v2/organization/api-keys/{}", keys[0].0), json!({"valid": false, "name": "b"})),
        client.put(&format!("/v2/organization/api-keys/{}", keys[0].0), json!({"valid": false, "expiresInDays": 1})),
        client.post("/v2/organization/audit-logs/exports", json!({})),
    ] {
        assert_limited(&answer);
    }
    assert_eq!(events(&client, "").len(), before);
    assert_eq!(client.get(KEYS).data()["apiKeys"].as_array().map(Vec::len), Some(BURST + 1));
    assert!(server.client_with(&keys[0].1).is_good(), "looking and verifying go on");
    other.mint("another organization's");
}

#[test]
fn revocations_and_rotations_pass_when_the_limit_is_used_up() {
    let server = limited();
    let client = server.client();
    let created = client.post("/v2/projects", json!({"name": "a"})).data();
    let project = created["project"]["id"].as_str().expect("an id").to_owned();
    let keys: Vec<(i64, String)> = (1..BURST).map(|number| client.mint(&number.to_string())).collect();
    assert_limited(&client.post(KEYS, json!({"name": "one more"})));
    let path = |id: i64, rest: &str| format!("/v2/organization/api-keys/{id}{rest}");
    let rotate = |id: i64, hours: u32| client.post(&path(id, "/rotate"), json!({"gracePeriodInHours": hours}));

    client.revoke(keys[0].0).data();
    assert!(!server.client_with(&keys[0].1).is_good());
    client.set_valid(keys[1].0, false).data();
    assert!(!server.client_with(&keys[1].1).is_good());
    client.set_valid(keys[1].0, false).data();
    assert_limited(&client.set_valid(keys[1].0, true));
    let change = |body: Value| client.put(&path(keys[2].0, ""), body);
    change(json!({"role": "none", "permissions": [], "reason": "It leaked."})).data();
    server.client_with(&keys[2].1).get(KEYS).refused_with(403);
    for body in [json!({"role": "verifier"}), json!({"permissions": ["a"]}), json!({"role": "none", "owner": "a"})] {
        assert_limited(&change(body));
    }
    rotate(keys[2].0, 0).data();
    assert!(!server.client_with(&keys[2].1).is_good());
    rotate(keys[3].0, 1).data();
    client.post(&path(keys[3].0, "/rotate/complete"), json!({})).data();
    assert!(!server.client_with(&keys[3].1).is_good());
    rotate(keys[3].0, 1).data();
    client.post(&path(keys[3].0, "/rotate/cancel"), json!({})).data();
    (0..BURST - 3).for_each(|_| _ = rotate(keys[2].0, 0).data());
    assert_limited(&rotate(keys[2].0, 0));
    client.delete(&format!("/v2/projects/{project}")).data();
    assert!(!server.client_with(created["apiKey"]["value"].as_str().expect("a value")).is_good());
}

#[test]
fn commands_are_not_limited_and_a_limit_of_zero_is_no_limit() {
    let server = limited();
    let client = server.client();
    (0..BURST).for_each(|number| _ = client.mint(&number.to_string()));
    assert_limited(&client.post(KEYS, json!({"name": "one more"})));
    done(server.folder(), &["keys", "create", "by command"]);

    let folder = tempfile::tempdir().expect("a folder");
    let changes = |per_minute| ChangeLimit { burst: 1, per_minute };
    let passed = [0, 1].map(|per_minute| {
        let folder = folder.path().join(per_minute.to_string());
        std::fs::create_dir(&folder).expect("a folder");
        let options =
            keystead::service::ServiceOptions { change_limit: changes(per_minute), ..service_options(&folder) };
        let service = Service::open(&options, metrics()).expect("a service");
        let name = || Name::parse("a").expect("a name");
        let (secret, now) = (new_secret(), at(1_700_000_000_000));
        let moment = moment(now.unix_ms());
        let credential = secret.expose().to_owned();
        let first = FirstKey { organization: name(), organization_random: [1; 8], name: name(), secret };
        wait(service.initialize(&first, now)).expect("an organization");
        let origin = keystead::domain::Origin::default();
        let via = keystead::metrics::Via::Authentication;
        let none = Permissions::default();
        let admin =
            wait(service.authenticate(credential.as_bytes(), &none, origin, via, moment)).expect("its first key");
        let reader = admin.clone().require::<Audit>(Target::default()).expect("an admin");
        let admin = admin.require::<ManageKeys>(Target::default()).expect("an admin");
        let mint = |seed: u8| {
            let keys = service.keys(admin.authority(), None);
            let value = NewValue::Random([seed; 16]);
            let new = NewKey { name: name(), value, lifetime: None, change: KeyChange::default() };
            wait(keys.create(new, None)).is_ok()
        };
        let passed = (0..10).filter(|seed| mint(*seed)).count();
        let log = wait(service.events(&reader, EventFilter::default(), None, 100, || true)).expect("events").events;
        assert_eq!(log.len(), passed + 2, "the organization, its first key, and what passed");
        passed
    });
    assert_eq!(passed, [10, 1]);
}

#[test]
fn an_export_counts_like_a_change_and_leaves_no_event() {
    let server = limited();
    let client = server.client();
    let before = events(&client, "").len();
    let exports = "/v2/organization/audit-logs/exports";
    for _ in 0..BURST {
        let begun = client.post(exports, json!({}));
        assert_eq!(begun.status, 202, "{}", begun.text);
        let path = format!("{exports}/{}", begun.json()["data"]["id"].as_str().expect("an id"));
        eventually(Duration::from_secs(20), || client.get(&path).data()["completedAt"].is_string());
    }
    assert_limited(&client.post(exports, json!({})));
    assert_limited(&client.post(KEYS, json!({"name": "a"})));
    assert_eq!(events(&client, "").len(), before);
}
