//! The overview of an organization's keys.

use super::helpers::*;
use super::long_reads::add_keys;
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::TcpStream;

const OVERVIEW: &str = "/v2/organization/overview";
const V2_KEYS: &str = "/v2/organization/api-keys";
const DAY_MS: i64 = 86_400_000;

fn advance(client: &Client, ms: i64) {
    client.post("/dev/clock", json!({"advanceInMs": ms})).data();
}

/// A new key: its number and its value.
fn minted(client: &Client, keys: &str, body: Value) -> (i64, String) {
    let key = client.post(keys, body).data();
    (key["id"].as_i64().expect("a number"), key["value"].as_str().expect("a value").to_owned())
}

/// A new project's keys: their path and the number of the first one.
fn project(client: &Client, name: &str) -> (String, String, i64) {
    let made = client.post("/v2/projects", json!({ "name": name })).data();
    let id = made["project"]["id"].as_str().expect("an id").to_owned();
    (format!("/v2/projects/{id}/api-keys"), id, made["apiKey"]["id"].as_i64().expect("a number"))
}

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().expect("a list").iter().map(|key| key["id"].as_i64().expect("a number")).collect()
}

fn counts(of: [i64; 7]) -> Value {
    let [total, active, deactivated, expired, expiring, rotating, unused] = of;
    json!({"total": total, "active": active, "deactivated": deactivated, "expired": expired, "expiring": expiring,
           "rotating": rotating, "unused": unused})
}

#[test]
fn all_keys_of_the_organization_and_its_projects_are_counted_by_state() {
    let server = Server::start_with(&[("KEYSTEAD_DEV_CLOCK", "true")]);
    run(server.folder(), &["organizations", "create", "Other", "--key-file", "other-key"]);
    let other = std::fs::read_to_string(server.folder().join("other-key")).expect("a key");
    let client = server.client();
    assert_eq!(client.get(OVERVIEW).data()["apiKeys"], counts([1, 1, 0, 0, 0, 0, 0]));
    let (web, web_id, first_of_web) = project(&client, "Web");
    let (shop, _, first_of_shop) = project(&client, "Shop");
    let (soon, _) = minted(&client, &web, json!({"name": "soon", "expiresInSeconds": 119 * 86_400 + 43_200}));
    let (sooner, _) = minted(&client, V2_KEYS, json!({"name": "sooner", "expiresInDays": 110}));
    minted(&client, V2_KEYS, json!({"name": "later", "expiresInDays": 150}));
    minted(&client, &shop, json!({"name": "expired", "expiresInDays": 3}));
    minted(&client, &web, json!({"name": "off", "valid": false, "expiresInDays": 3}));
    let (_, used) = minted(&client, &web, json!({"name": "used", "role": "verifier"}));
    advance(&client, DAY_MS);
    let (late, _) = minted(&client, V2_KEYS, json!({"name": "created a day later"}));
    let (rotating, _) = minted(&client, &shop, json!({"name": "rotating"}));
    // Just short of 90 days after the first keys.
    advance(&client, 88 * DAY_MS + 3_600_000);
    assert_eq!(client.get(OVERVIEW).data()["apiKeys"], counts([11, 9, 1, 1, 1, 0, 0]));
    // The admin's key is used by every request.
    advance(&client, DAY_MS);
    assert_eq!(server.client_with(&used).get("/v2/whoami").status, 200);
    let rotate = format!("{shop}/{rotating}/rotate");
    assert_eq!(client.post(&rotate, json!({"gracePeriodInHours": 2})).status, 200);
    let seen = client.get(OVERVIEW).data();
    assert_eq!(seen["apiKeys"], counts([11, 9, 1, 1, 2, 1, 5]), "{seen}");
    assert_eq!((&seen["projects"], ids(&seen["expiring"])), (&json!(2), vec![sooner, soon]));
    let unused = ids(&seen["unused"]);
    assert_eq!(unused[..2], [first_of_web, first_of_shop]);
    assert!(unused.contains(&soon) && !unused.contains(&late) && !unused.contains(&rotating), "{unused:?}");
    let named = |list: &str, id: i64| {
        let key = seen[list].as_array().expect("a list").iter().find(|key| key["id"] == id).expect("a key").clone();
        let read = |path: &str| client.get(&format!("{path}/{id}")).data();
        (key, read(if [soon, first_of_web].contains(&id) { &web } else { V2_KEYS }))
    };
    let (key, read) = named("expiring", soon);
    assert_eq!(key, json!({"id": soon, "name": "soon", "projectId": web_id, "expiresAt": read["expiresAt"]}));
    let (key, read) = named("expiring", sooner);
    assert_eq!(key, json!({"id": sooner, "name": "sooner", "projectId": null, "expiresAt": read["expiresAt"]}));
    let (key, read) = named("unused", first_of_web);
    let created = &read["created_at"];
    let expected =
        json!({"id": first_of_web, "name": read["name"], "projectId": web_id, "created_at": created, "lastUsed": null});
    assert_eq!(key, expected);
    // The lists have the same keys in these states.
    for (state, filter) in ["active", "deactivated", "expired", "expiring", "rotating"]
        .map(|state| (state, format!("state={state}")))
        .into_iter()
        .chain([("unused", "state=active&unusedForDays=90".to_owned())])
    {
        let listed: usize = [V2_KEYS, &web, &shop]
            .map(|keys| ids(&client.get(&format!("{keys}?{filter}")).data()["apiKeys"]).len())
            .iter()
            .sum();
        assert_eq!(seen["apiKeys"][state], listed, "{state}");
    }
    // A rotation that is due is over.
    advance(&client, 2 * 3_600_000);
    assert_eq!(client.get(OVERVIEW).data()["apiKeys"], counts([11, 9, 1, 1, 2, 0, 5]));
    let others = server.client_with(other.trim()).get(OVERVIEW).data();
    assert_eq!((&others["apiKeys"]["total"], &others["projects"]), (&json!(1), &json!(0)));
}

#[test]
fn a_change_and_a_use_are_in_the_next_answer_of_a_small_organization() {
    let server = Server::start_with(&[("KEYSTEAD_DEV_CLOCK", "true")]);
    let client = server.client();
    let (id, value) = client.mint("seldom");
    advance(&client, 100 * DAY_MS);
    let unused = || ids(&client.get(OVERVIEW).data()["unused"]);
    assert_eq!(unused(), [id]);
    assert!(server.client_with(&value).is_good());
    assert_eq!(unused(), [0; 0], "the use is not written yet");
    let total = || client.get(OVERVIEW).data()["apiKeys"]["total"].take();
    assert_eq!(total(), 2);
    assert_eq!(client.revoke(id).status, 200);
    assert_eq!(total(), 1);
    client.get(&format!("{OVERVIEW}?state=active")).refused_with(400);
    client.get("/v1/organization/overview").refused_with(404);
}

#[test]
fn a_large_count_is_used_again_for_a_minute_and_outlives_the_request_that_began_it() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(Server::start_in(folder.path(), &[]).stop().success());
    add_keys(&folder.path().join("keystead.db"), 10_000);
    let server = Server::start_in(folder.path(), &[("KEYSTEAD_DEV_CLOCK", "true")]);
    let client = server.client();
    // Requests whose clients disconnect at once, and others that wait for the same count.
    for _ in 0..8 {
        let mut connection = TcpStream::connect(server.address()).expect("a connection");
        let request = format!("GET {OVERVIEW} HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", client.key());
        connection.write_all(request.as_bytes()).expect("a request");
    }
    let seen: Vec<Value> = std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..8).map(|_| scope.spawn(|| server.client().get(OVERVIEW).data())).collect();
        waiting.into_iter().map(|request| request.join().expect("an answer")).collect()
    });
    assert_eq!(seen[0]["apiKeys"]["total"], 10_001);
    assert!(seen.iter().all(|answer| *answer == seen[0]), "one count for all: {seen:#?}");
    let (id, _) = client.mint("new");
    assert_eq!(client.get(OVERVIEW).data(), seen[0]);
    advance(&client, 60_000);
    let later = client.get(OVERVIEW).data();
    assert_eq!(later["apiKeys"]["total"], 10_002);
    assert_ne!(later["countedAt"], seen[0]["countedAt"]);
    assert_eq!(client.revoke(id).status, 200);
    advance(&client, 60_000);
    assert_eq!(client.get(OVERVIEW).data()["apiKeys"]["total"], 10_001);
}
