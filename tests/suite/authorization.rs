//! Authorization: every operation of the description, called with every kind of key.

use super::helpers::*;
use keystead::domain::{Error, Link, OrganizationId, Role};
use keystead::service::{AuditLog, ExportItem, ImportExportView};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const EXPORTS: &str = "/v2/organization/audit-logs/exports";

/// The expected outcome of an operation.
struct Expected {
    /// The role that a key needs for it; `None` if it needs no key.
    needs: Option<Role>,
    body: Option<Value>,
    /// The status with the role.
    done: u16,
    /// The status for another organization's key.
    for_others: u16,
}

/// The expected outcome of every operation of the description. A new operation needs a line here.
fn table() -> BTreeMap<String, Expected> {
    let mut table = BTreeMap::new();
    let mut add = |operation: String, needs, body: Value, [done, for_others]: [u16; 2]| {
        let body = (!body.is_null()).then_some(body);
        assert!(table.insert(operation, Expected { needs, body, done, for_others }).is_none());
    };
    let (own, found) = ([200, 200], [200, 404]);
    let mut managed = |operation: String, body, statuses| add(operation, Some(Role::Manager), body, statuses);
    for version in ["v1", "v2"] {
        managed(format!("GET /{version}/organization"), Value::Null, own);
        managed(format!("PUT /{version}/organization"), json!({"name": "Renamed"}), own);
        managed(format!("GET /{version}/projects"), Value::Null, own);
        managed(format!("POST /{version}/projects"), json!({"name": format!("Made by {version}")}), own);
        managed(format!("GET /{version}/projects/{{projectId}}"), Value::Null, found);
        managed(format!("PUT /{version}/projects/{{projectId}}"), json!({"description": "changed"}), found);
        managed(format!("DELETE /{version}/projects/{{projectId}}"), Value::Null, found);
        for (keys, all) in [("organization", own), ("projects/{projectId}", found)] {
            managed(format!("GET /{version}/{keys}/api-keys"), Value::Null, all);
            managed(format!("POST /{version}/{keys}/api-keys"), json!({"name": "made"}), all);
            managed(format!("GET /{version}/{keys}/api-keys/{{id}}"), Value::Null, found);
            managed(format!("PUT /{version}/{keys}/api-keys/{{id}}"), json!({"valid": false}), found);
            managed(format!("DELETE /{version}/{keys}/api-keys/{{id}}"), Value::Null, found);
        }
    }
    for keys in ["organization", "projects/{projectId}"] {
        for rotation in ["rotate", "rotate/complete", "rotate/cancel"] {
            managed(format!("POST /v2/{keys}/api-keys/{{id}}/{rotation}"), json!({}), found);
        }
    }
    managed("GET /v2/organization/audit-logs".to_owned(), Value::Null, own);
    managed(format!("POST {EXPORTS}"), json!({}), [202, 202]);
    managed(format!("GET {EXPORTS}/{{exportId}}"), Value::Null, found);
    managed(format!("GET {EXPORTS}/{{exportId}}/download"), Value::Null, found);
    for version in ["v1", "v2"] {
        let (one, many) = (json!({"value": "a"}), json!({"keys": [{"value": "a"}]}));
        add(format!("POST /{version}/verify"), Some(Role::Verifier), one, own);
        add(format!("POST /{version}/verify/batch"), Some(Role::Verifier), many, own);
    }
    for open in ["/healthz", "/readyz"] {
        add(format!("GET {open}"), None, Value::Null, own);
    }
    table
}

/// The callers.
#[derive(Clone, Copy, Debug)]
enum Asker {
    WithoutKey,
    Project,
    Other,
    Own,
}

impl Expected {
    fn status(&self, asker: Asker) -> u16 {
        match (asker, self.needs) {
            (Asker::WithoutKey, Some(_)) => 401,
            (Asker::Project, Some(Role::Manager)) => 403,
            (Asker::Other, Some(_)) => self.for_others,
            _ => self.done,
        }
    }
}

/// The projects and keys of an organization without their last uses, and the newest event of all.
fn state(server: &Server, organization: OrganizationId) -> (Vec<String>, Option<Link>) {
    let options = store_options(&server.store_path());
    let mut objects = Vec::new();
    let content = ImportExportView::open(&options).expect("the store");
    let all = content.export::<Error>(at(1_700_000_000_000), |object| {
        match object {
            ExportItem::Organization(it) if it.id == organization => objects.push(format!("{it:?}")),
            ExportItem::Project(_, it) if it.organization == organization => objects.push(format!("{it:?}")),
            ExportItem::Key(_, _, it) if it.parent.organization == organization => {
                let mut key = it.clone();
                key.value_last_used = None;
                objects.push(format!("{key:?}"));
            }
            _ => {}
        }
        Ok(())
    });
    all.expect("all of it");
    (objects, AuditLog::open(&options).expect("the store").head().expect("the newest event"))
}

/// Objects of an organization for the operations.
struct Objects {
    project: String,
    key: i64,
    project_key: String,
}

impl Objects {
    /// New objects for this path: some operations delete theirs.
    fn new(admin: &Client, name: &str, path: &str) -> Self {
        let made = admin.post("/v2/projects", json!({ "name": name })).data();
        let project = made["project"]["id"].as_str().expect("an id").to_owned();
        let keys = if path.contains("{projectId}") { format!("projects/{project}") } else { "organization".to_owned() };
        let keys = format!("/v2/{keys}/api-keys");
        let key = admin.post(&keys, json!({"name": "tried"})).data()["id"].as_i64().expect("an id");
        if path.contains("/rotate/") {
            admin.post(&format!("{keys}/{key}/rotate"), json!({"gracePeriodInHours": 1})).data();
        }
        Self { project, key, project_key: made["apiKey"]["value"].as_str().expect("a value").to_owned() }
    }

    fn fill_in(&self, path: &str, export: &str) -> String {
        let path = path.replace("{projectId}", &self.project).replace("{id}", &self.key.to_string());
        path.replace("{exportId}", export)
    }
}

/// A completed export of the caller.
fn export(admin: &Client) -> String {
    let begun = admin.post(EXPORTS, json!({})).json();
    let id = begun["data"]["id"].as_str().expect("an id").to_owned();
    let path = format!("{EXPORTS}/{id}");
    eventually(Duration::from_secs(20), || admin.get(&path).data()["completedAt"].is_string());
    id
}

fn ask(client: &Client, method: &str, path: &str, body: Option<&Value>) -> u16 {
    let body = || body.cloned().expect("a body");
    match method {
        "get" => client.fetch(path).0.status,
        "post" => client.post(path, body()).status,
        "put" => client.put(path, body()).status,
        "delete" => client.delete(path).status,
        other => panic!("nobody asks by {other}"),
    }
}

#[test]
fn each_operation_succeeds_with_its_role_and_changes_nothing_without_it() {
    let server = Server::start_with(&[("KEYSTEAD_CHANGES_PER_MINUTE", "0")]);
    run(server.folder(), &["organizations", "create", "Other", "--key-file", "other-key"]);
    let other = std::fs::read_to_string(server.folder().join("other-key")).expect("a key");
    let admin = server.client();
    let organization = admin.get(ORGANIZATION).data()["organization"]["id"].as_str().map(OrganizationId::parse);
    let organization = organization.flatten().expect("an id");
    let export = export(&admin);
    let description = admin.get("/openapi.json").json();
    let paths = description["paths"].as_object().expect("paths").iter();
    let operations = paths.flat_map(|(path, operations)| {
        operations.as_object().expect("operations").iter().map(move |(method, operation)| (path, method, operation))
    });
    let (mut table, mut cases) = (table(), 0);
    for (path, method, operation) in operations {
        let name = format!("{} {path}", method.to_uppercase());
        let expected = table.remove(&name).unwrap_or_else(|| panic!("{name} is new: say in the table who may do it"));
        let forbidden = expected.needs.map(|role| match role {
            Role::Manager => "#/components/responses/Forbidden",
            Role::Verifier => "#/components/responses/AddressRefused",
        });
        assert_eq!(operation["responses"]["403"]["$ref"].as_str(), forbidden, "{name} is described for others");
        assert_eq!(operation["security"].is_array(), expected.needs.is_some(), "{name} is described for others");
        let objects = Objects::new(&admin, &name, path);
        let place = objects.fill_in(path, &export);
        let mut before = state(&server, organization);
        for (asker, key) in [
            (Asker::WithoutKey, ""),
            (Asker::Project, &objects.project_key),
            (Asker::Other, other.trim()),
            (Asker::Own, admin.key()),
        ] {
            let status = ask(&server.client_with(key), method, &place, expected.body.as_ref());
            assert_eq!(status, expected.status(asker), "{name} by {asker:?}");
            let after = state(&server, organization);
            if !matches!(asker, Asker::Own) {
                assert_eq!(before.0, after.0, "{name} by {asker:?} changed something");
            }
            if status >= 400 {
                assert_eq!(before.1, after.1, "{name} by {asker:?} left an event");
            }
            before = after;
            cases += 1;
        }
    }
    assert!(table.is_empty(), "nobody describes {:?}", table.keys());
    println!("{cases} cases");
    assert!(cases > 190, "the operations were found");
}
