//! Projects and their keys, in both versions of the API.

use super::helpers::*;
use serde_json::{Value, json};

fn project(client: &Client, version: &str, body: Value) -> (Value, Value) {
    let mut data = client.post(&format!("/{version}/projects"), body).data();
    (data["project"].take(), data["apiKey"].take())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

#[test]
fn a_project_is_created_with_its_first_key_in_both_versions() {
    let server = Server::start();
    let client = server.client();
    for version in ["v1", "v2"] {
        let (project, key) =
            project(&client, version, json!({"name": version, "description": "words", "email": "a@b.c"}));
        let fields: Vec<&String> = project.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["created_at", "description", "governancePolicy", "id", "name", "organizationId"]);
        assert_eq!((&project["description"], &project["governancePolicy"]), (&json!("words"), &Value::Null));
        assert!(text(&key["value"]).starts_with("confident_proj_"));
        assert_eq!(key.as_object().expect("an object").contains_key("expiresAt"), version == "v2");
    }
}

#[test]
fn version_1_wraps_the_object_that_version_2_returns() {
    let server = Server::start();
    let client = server.client();
    let (project, _) = project(&client, "v1", json!({"name": "web"}));
    let id = text(&project["id"]);
    assert_eq!(client.get(&format!("/v1/projects/{id}")).data(), json!({ "project": project }));
    assert_eq!(client.get(&format!("/v2/projects/{id}")).data(), project);
    assert_eq!(client.delete(&format!("/v2/projects/{id}")).data(), json!({ "id": id }));
    let (project, _) = self::project(&client, "v2", json!({"name": "web"}));
    let id = text(&project["id"]);
    assert_eq!(client.delete(&format!("/v1/projects/{id}")).data(), json!({"id": id, "deleted": true}));
}

#[test]
fn projects_are_listed_by_name() {
    let server = Server::start();
    let client = server.client();
    for name in ["pear", "apple", "Zebra"] {
        project(&client, "v2", json!({ "name": name }));
    }
    for version in ["v1", "v2"] {
        let list = client.get(&format!("/{version}/projects")).data()["projects"].take();
        let names: Vec<&str> = list.as_array().expect("a list").iter().map(|project| text(&project["name"])).collect();
        assert_eq!(names, ["Zebra", "apple", "pear"]);
    }
}

#[test]
fn a_name_is_taken_once_in_an_organization() {
    let server = Server::start();
    let client = server.client();
    let (first, _) = project(&client, "v2", json!({"name": "web"}));
    let (second, _) = project(&client, "v2", json!({"name": "api"}));
    client.post("/v2/projects", json!({"name": " web "})).refused_with(409);
    let path = format!("/v2/projects/{}", text(&second["id"]));
    client.put(&path, json!({"name": "web"})).refused_with(409);
    let own = format!("/v2/projects/{}", text(&first["id"]));
    assert_eq!(client.put(&own, json!({"name": "web", "description": "now with words"})).status, 200, "its own name");
    let store = open_store(&server.store_path());
    let (_, _, secret) = insert_organization(&store, "Another");
    project(&server.client_with(secret.expose()), "v2", json!({"name": "web"}));
}

#[test]
fn only_the_sent_fields_of_a_project_change() {
    let server = Server::start();
    let client = server.client();
    let (project, _) = project(&client, "v2", json!({"name": "web", "description": "old"}));
    let path = format!("/v2/projects/{}", text(&project["id"]));
    let renamed = client.put(&path, json!({"name": "site"})).data();
    assert_eq!((&renamed["name"], &renamed["description"]), (&json!("site"), &json!("old")));
    let described = client.put(&path, json!({"description": null})).data();
    assert_eq!((&described["name"], &described["description"]), (&json!("site"), &Value::Null));
    for body in [json!({}), json!({"name": null})] {
        assert!(client.put(&path, body).refused_with(400).contains("At least one"));
    }
    client.put(&path, json!({"description": "a\u{0}b"})).refused_with(400);
    client.put(&path, json!({"description": "a".repeat(2001)})).refused_with(400);
}

#[test]
fn a_project_key_is_refused_on_management_with_a_sentence_that_says_which_key_is_needed() {
    let server = Server::start();
    let client = server.client();
    let (project, key) = project(&client, "v2", json!({"name": "web"}));
    let user = server.client_with(text(&key["value"]));
    let own = format!("/v2/projects/{}", text(&project["id"]));
    for path in ["/v1/organization", "/v2/organization", KEYS, "/v2/projects"] {
        assert!(user.get(path).refused_with(403).contains("organization's API key"), "{path}");
    }
    for path in [&own, &format!("{own}/api-keys")] {
        assert!(user.get(path).refused_with(403).contains("the role admin, manager or auditor"), "{path}");
    }
    user.put("/v2/organization", json!({"name": "mine"})).refused_with(403);
}

#[test]
fn a_projects_keys_are_its_own() {
    let server = Server::start();
    let client = server.client();
    let (web, web_key) = project(&client, "v2", json!({"name": "web"}));
    let (api, _) = project(&client, "v2", json!({"name": "api"}));
    let keys = |project: &Value| format!("/v2/projects/{}/api-keys", text(&project["id"]));
    let minted = client.post(&keys(&web), json!({"name": "second", "expiresInDays": 3})).data();
    let path = format!("{}/{}", keys(&web), minted["id"]);
    assert_eq!(client.get(&path).data()["name"], json!("second"));
    assert_eq!(client.get(&keys(&web)).data()["apiKeys"].as_array().expect("a list").len(), 2);
    assert_eq!(client.get(&keys(&api)).data()["apiKeys"].as_array().expect("a list").len(), 1);
    assert_eq!(client.get("/v2/organization/api-keys").data()["apiKeys"].as_array().expect("a list").len(), 1);
    client.get(&format!("{}/{}", keys(&api), minted["id"])).refused_with(404);
    client.get(&format!("/v2/organization/api-keys/{}", minted["id"])).refused_with(404);
    assert_eq!(client.put(&path, json!({"valid": false})).data()["valid"], json!(false));
    let rotated = client.post(&format!("{path}/rotate"), json!({})).data();
    assert!(text(&rotated["value"]).starts_with("confident_proj_"));
    assert_eq!(client.delete(&path).data(), json!({"id": minted["id"]}));
    let v1 = client.get(&format!("/v1/projects/{}/api-keys/{}", text(&web["id"]), web_key["id"])).data();
    assert_eq!(v1["apiKey"]["name"], json!("Default key"));
}

#[test]
fn a_deleted_project_takes_its_keys_with_it() {
    let server = Server::start();
    let client = server.client();
    let (project, key) = project(&client, "v2", json!({"name": "web"}));
    let user = server.client_with(text(&key["value"]));
    user.get("/v2/organization").refused_with(403);
    let path = format!("/v2/projects/{}", text(&project["id"]));
    assert_eq!(client.delete(&path).status, 200);
    assert_eq!(user.get("/v2/organization").refused_with(401), "The API key is not valid.");
    for gone in [path.clone(), format!("{path}/api-keys"), format!("{path}/api-keys/{}", key["id"])] {
        assert_eq!(client.get(&gone).refused_with(404), "There is no such project in this organization.");
    }
    client.delete(&path).refused_with(404);
}

#[test]
fn another_organizations_project_and_an_unknown_one_are_not_found() {
    let server = Server::start();
    let store = open_store(&server.store_path());
    let (_, _, secret) = insert_organization(&store, "Another");
    let (project, _) = project(&server.client_with(secret.expose()), "v2", json!({"name": "web"}));
    let client = server.client();
    for id in [text(&project["id"]), "proj_0000000000000000", "proj_", "nonsense", "proj_+00000000000001"] {
        let sentence = client.get(&format!("/v2/projects/{id}")).refused_with(404);
        assert_eq!(sentence, "There is no such project in this organization.");
        client.post(&format!("/v2/projects/{id}/api-keys"), json!({"name": "a"})).refused_with(404);
    }
}
