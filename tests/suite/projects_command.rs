//! `keystead projects`.

use super::helpers::*;
use super::keys_command::store;

#[test]
fn a_project_is_created_with_a_first_key_and_deleted_with_it_in_a_running_server() {
    let server = Server::start();
    let made = done_json(server.folder(), &["projects", "create", "Shop", "--description", "Sells.", "--json"]);
    let id = made["project"]["id"].as_str().expect("an id");
    let client = server.client_with(made["apiKey"]["value"].as_str().expect("a key"));
    assert!(client.is_let_in("/auth/nginx"));
    let answered = server.client().get(&format!("/v2/projects/{id}")).data();
    for (name, value) in answered.as_object().expect("an object") {
        assert_eq!(made["project"][name], *value, "{name}");
    }
    done(server.folder(), &["projects", "delete", id, "--yes"]);
    assert!(!client.is_let_in("/auth/nginx"));
    assert_eq!(server.client().get(&format!("/v2/projects/{id}")).status, 404);
}

#[test]
fn a_project_is_found_by_name_or_id_and_changed() {
    let (folder, _) = store();
    let folder = folder.path();
    assert_eq!(done(folder, &["projects", "list"]), "ID  NAME  CREATED  DESCRIPTION\n");
    assert_eq!(done(folder, &["projects", "list", "--json"]), "");
    assert!(done(folder, &["projects", "create", "Shop"]).starts_with("confident_proj_"));
    let id = done_json(folder, &["projects", "get", "Shop", "--json"])["id"].as_str().expect("an id").to_owned();
    let arguments = ["projects", "update", &id, "--name", "Store", "--description", "Two\nlines"];
    assert!(done(folder, &arguments).contains("Two lines"));
    let shown = done_json(folder, &["projects", "get", "Store", "--json"]);
    assert_eq!(shown["description"], "Two\nlines");
    let table = done(folder, &["projects", "list"]);
    assert!(table.contains("Store") && table.contains("Two lines"), "{table}");
    let shown = done_json(folder, &["projects", "update", "Store", "--no-description", "--json"]);
    assert_eq!(shown["description"], serde_json::Value::Null);
    assert_failed_with(&run(folder, &["projects", "get", "Shop"]), 1, "There is no project Shop");
}

#[test]
fn an_invalid_project_is_refused() {
    let (folder, _) = store();
    let folder = folder.path();
    done(folder, &["projects", "create", "Shop"]);
    done(folder, &["projects", "create", "Other"]);
    let taken = "The organization has a project of this name already.";
    assert_failed_with(&run(folder, &["projects", "create", "Shop"]), 1, taken);
    assert_failed_with(&run(folder, &["projects", "update", "Other", "--name", "Shop"]), 1, taken);
    for arguments in [
        &["projects", "update", "Shop"][..],
        &["projects", "update", "Shop", "--description", "a", "--no-description"],
        &["projects", "delete"],
    ] {
        assert_eq!(run(folder, arguments).status.code(), Some(2), "{arguments:?}");
    }
}
