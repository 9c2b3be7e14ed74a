//! `keystead organizations`.

use super::helpers::*;
use super::keys_command::store;

#[test]
fn an_organization_is_created_with_a_first_key_that_works_in_a_running_server_at_once() {
    let server = Server::start();
    let output = run(server.folder(), &["organizations", "create", "Other"]);
    let key = stdout(&output);
    let told =
        "its first key is not shown again; keep it in a safe place. It can manage everything in its organization.\n";
    assert!(stderr(&output).ends_with(told), "{}", stderr(&output));
    let client = server.client_with(key.strip_suffix('\n').expect("one line"));
    let organization = client.get("/v2/organization").data();
    assert_eq!(organization["name"], "Other");
    assert!(!stderr(&output).contains(client.key()));
    assert_eq!(client.get("/v2/organization/api-keys").data()["apiKeys"].as_array().map(Vec::len), Some(1));
    assert_ne!(organization["id"], server.client().get("/v2/organization").data()["id"]);
}

#[test]
fn an_organization_and_its_first_key_are_one_json_object() {
    let (folder, _) = store();
    let made = done_json(folder.path(), &["organizations", "create", "Other", "--key-name", "Boss", "--json"]);
    assert_eq!(made["organization"]["name"], "Other");
    assert_eq!(made["apiKey"]["name"], "Boss");
    assert_eq!(made["apiKey"]["organizationId"], made["organization"]["id"]);
    let key = made["apiKey"]["value"].as_str().expect("a key");
    let verified = run_with_input(folder.path(), &["keys", "verify"], key.as_bytes());
    assert!(stdout(&verified).starts_with("VALID: API key 2 (Boss) of Other"), "{}", stdout(&verified));
}

#[test]
fn with_several_organizations_the_error_lists_them_and_name_or_id_selects_one() {
    let (folder, _) = store();
    let other = done_json(folder.path(), &["organizations", "create", "Other", "--json"]);
    let id = other["organization"]["id"].as_str().expect("an id");
    for arguments in [&["keys", "list"][..], &["keys", "create", "a"], &["projects", "list"]] {
        let output = run(folder.path(), arguments);
        assert_failed_with(&output, 1, "There are several organizations; choose one with --organization: org_");
        assert!(stderr(&output).contains(&format!("{id} (Other)")), "{}", stderr(&output));
    }
    for choice in [id, "Other"] {
        let key = done_json(folder.path(), &["keys", "create", "a", "--organization", choice, "--json"]);
        assert_eq!(key["organizationId"], id);
    }
    done(folder.path(), &["organizations", "create", "Other"]);
    let output = run(folder.path(), &["keys", "list", "--organization", "Other"]);
    assert_failed_with(&output, 1, "Several organizations have the name Other; give the id of one: ");
    assert_eq!(done(folder.path(), &["keys", "list", "--organization", id, "--json"]).lines().count(), 3);
    // The number of a key identifies its organization.
    assert_eq!(done_json(folder.path(), &["keys", "get", "2", "--json"])["organizationId"], id);
}

#[test]
fn a_new_name_takes_effect_in_a_running_server_before_the_command_ends() {
    let server = Server::start();
    let name = |server: &Server| server.client().get("/v2/organization").data()["name"].clone();
    assert_eq!(name(&server), "My organization");
    done(server.folder(), &["organizations", "rename", "My organization", "Acme"]);
    assert_eq!(name(&server), "Acme");
    let listed = done(server.folder(), &["organizations", "list"]);
    assert!(listed.starts_with("ID ") && listed.contains("Acme"), "{listed}");
    let shown = done_json(server.folder(), &["organizations", "get", "Acme", "--json"]);
    assert_eq!(shown["id"], server.client().get("/v2/organization").data()["id"]);
}

#[test]
fn organizations_are_listed_by_name() {
    let (folder, _) = store();
    for name in ["Zebra", "Ape"] {
        done(folder.path(), &["organizations", "create", name]);
    }
    let listed = done(folder.path(), &["organizations", "list", "--json"]);
    let names: Vec<String> = listed
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an object")["name"].to_string())
        .collect();
    assert_eq!(names, ["\"Acme\"", "\"Ape\"", "\"Zebra\""]);
}

#[test]
fn an_organization_is_created_only_in_a_store_that_is_set_up() {
    let folder = tempfile::tempdir().expect("a folder");
    open_store(&folder.path().join("keystead.db")).close();
    for arguments in [&["organizations", "create", "a"][..], &["keys", "create", "a"], &["projects", "list"]] {
        let output = run(folder.path(), arguments);
        assert_failed_with(&output, 1, "The store has no organization yet; create one with keystead init.");
    }
}
