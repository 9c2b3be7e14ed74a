//! Which key is this request's?

use super::helpers::*;
use serde_json::{Value, json};

const WHOAMI: &str = "/v2/whoami";

/// A new key: its number and its value.
fn minted(client: &Client, keys: &str, body: Value) -> (i64, String) {
    let key = client.post(keys, body).data();
    (key["id"].as_i64().expect("a number"), key["value"].as_str().expect("a value").to_owned())
}

#[test]
fn a_key_of_every_role_reads_itself_with_its_organization_and_its_project() {
    let server = Server::start();
    let admin = server.client();
    let organization = admin.get("/v2/organization").data()["id"].take();
    let project = admin.post("/v2/projects", json!({"name": "Web"})).data()["project"]["id"].take();
    let of_project = format!("/v2/projects/{}/api-keys", project.as_str().expect("an id"));
    let roles = |keys: &str, roles: &[&str]| roles.iter().map(|role| (keys.to_owned(), (*role).to_owned())).collect();
    let mut cases: Vec<(String, String)> =
        roles("/v2/organization/api-keys", &["none", "verifier", "auditor", "manager", "admin"]);
    cases.extend::<Vec<_>>(roles(&of_project, &["none", "verifier", "manager"]));
    for (keys, role) in cases {
        let body = json!({"name": "A key", "role": role, "owner": "Team A", "permissions": ["a:b"]});
        let (id, value) = minted(&admin, &keys, body);
        let client = server.client_with(&value);
        let expected_project = if keys == of_project { project.clone() } else { Value::Null };
        let mut seen = client.get(WHOAMI).data();
        assert!(seen["apiKey"]["lastUsed"].is_string(), "{seen}");
        let mut read = admin.get(&format!("{keys}/{id}")).data();
        for key in [&mut seen["apiKey"], &mut read] {
            key["lastUsed"] = Value::Null;
        }
        assert_eq!(seen, json!({"apiKey": read, "organizationId": organization, "projectId": expected_project}));
        assert!(!seen.to_string().contains(&value), "the value is masked");
    }
}

#[test]
fn only_a_valid_key_is_anybody() {
    let server = Server::start();
    let admin = server.client();
    let (id, value) = admin.mint("short");
    let client = server.client_with(&value);
    assert_eq!(client.get(WHOAMI).data()["apiKey"]["id"], id);
    let changed = admin.put(&format!("/v2/organization/api-keys/{id}"), json!({"name": "renamed"}));
    assert_eq!(changed.status, 200);
    assert_eq!(client.get(WHOAMI).data()["apiKey"]["name"], "renamed");
    client.get(&format!("{WHOAMI}?id=1")).refused_with(400);
    client.post(WHOAMI, json!({})).refused_with(405);
    client.get("/v1/whoami").refused_with(404);
    assert_eq!(admin.revoke(id).status, 200);
    client.get(WHOAMI).refused_with(401);
    server.client_with("").get(WHOAMI).refused_with(401);
}
