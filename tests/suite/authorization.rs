//! Authorization: every operation of the description, called with every kind of key.

use super::helpers::*;
use keystead::domain::{Error, Link, OrganizationId};
use keystead::service::{AuditLog, ExportItem, ImportExportView};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const EXPORTS: &str = "/v2/organization/audit-logs/exports";

/// The roles that may read, from the highest on.
const READERS: &[&str] = &["admin", "manager", "auditor"];
const MANAGERS: &[&str] = &["admin", "manager"];
const AUDITORS: &[&str] = &["admin", "auditor"];
const VERIFIERS: &[&str] = &["admin", "manager", "verifier"];
const ALL_BUT_NONE: &[&str] = &["admin", "manager", "auditor", "verifier"];
const EVERYONE: &[&str] = &["admin", "manager", "auditor", "verifier", "none"];
const ADMINS: &[&str] = &["admin"];
/// The roles that keys of projects can have.
const PROJECT_ROLES: [&str; 3] = ["none", "verifier", "manager"];

/// The expected outcome of an operation.
struct Expected {
    /// The roles that may do it; `None` if it needs no key.
    roles: Option<&'static [&'static str]>,
    body: Option<Value>,
    /// The status with the role.
    done: u16,
    /// The status for another organization's key.
    for_others: u16,
}

/// The expected outcome of every operation of the description. A new operation needs a line here.
fn table() -> BTreeMap<String, Expected> {
    let mut table = BTreeMap::new();
    let mut add = |operation: String, roles, body: Value, [done, for_others]: [u16; 2]| {
        let body = (!body.is_null()).then_some(body);
        assert!(table.insert(operation, Expected { roles, body, done, for_others }).is_none());
    };
    let (own, found, none) = ([200, 200], [200, 404], || Value::Null);
    for version in ["v1", "v2"] {
        add(format!("GET /{version}/organization"), Some(ALL_BUT_NONE), none(), own);
        add(format!("PUT /{version}/organization"), Some(ADMINS), json!({"name": "Renamed"}), own);
        add(format!("GET /{version}/projects"), Some(READERS), none(), own);
        add(format!("POST /{version}/projects"), Some(ADMINS), json!({"name": format!("Made by {version}")}), own);
        add(format!("GET /{version}/projects/{{projectId}}"), Some(READERS), none(), found);
        add(format!("PUT /{version}/projects/{{projectId}}"), Some(ADMINS), json!({"description": "changed"}), found);
        add(format!("DELETE /{version}/projects/{{projectId}}"), Some(ADMINS), none(), found);
        for (keys, all) in [("organization", own), ("projects/{projectId}", found)] {
            let new = if version == "v2" { json!({"name": "made", "role": "none"}) } else { json!({"name": "made"}) };
            // On version 1 a new key of the organization is an admin.
            let makers = if (version, keys) == ("v1", "organization") { ADMINS } else { MANAGERS };
            add(format!("GET /{version}/{keys}/api-keys"), Some(READERS), none(), all);
            add(format!("POST /{version}/{keys}/api-keys"), Some(makers), new, all);
            add(format!("GET /{version}/{keys}/api-keys/{{id}}"), Some(READERS), none(), found);
            add(format!("PUT /{version}/{keys}/api-keys/{{id}}"), Some(MANAGERS), json!({"valid": false}), found);
            add(format!("DELETE /{version}/{keys}/api-keys/{{id}}"), Some(MANAGERS), none(), found);
        }
        let (one, many) = (json!({"value": "a"}), json!({"keys": [{"value": "a"}]}));
        add(format!("POST /{version}/verify"), Some(VERIFIERS), one, own);
        add(format!("POST /{version}/verify/batch"), Some(VERIFIERS), many, own);
    }
    for keys in ["organization", "projects/{projectId}"] {
        for rotation in ["rotate", "rotate/complete", "rotate/cancel"] {
            add(format!("POST /v2/{keys}/api-keys/{{id}}/{rotation}"), Some(MANAGERS), json!({}), found);
        }
    }
    for keys in ["organization", "projects/{projectId}"] {
        add(format!("GET /v2/{keys}/api-keys/{{id}}/usage"), Some(READERS), none(), found);
    }
    add("GET /v2/organization/overview".to_owned(), Some(READERS), none(), own);
    add("GET /v2/organization/usage".to_owned(), Some(READERS), none(), own);
    add("GET /v2/organization/usage/keys".to_owned(), Some(READERS), none(), own);
    add("GET /v2/organization/audit-logs".to_owned(), Some(AUDITORS), none(), own);
    add(format!("POST {EXPORTS}"), Some(AUDITORS), json!({}), [202, 202]);
    add(format!("GET {EXPORTS}/{{exportId}}"), Some(AUDITORS), none(), found);
    add(format!("GET {EXPORTS}/{{exportId}}/download"), Some(AUDITORS), none(), found);
    add("GET /v2/whoami".to_owned(), Some(EVERYONE), none(), own);
    for open in ["/healthz", "/readyz"] {
        add(format!("GET {open}"), None, none(), own);
    }
    table
}

/// The callers.
#[derive(Clone, Copy, Debug)]
enum Asker {
    WithoutKey,
    OtherOrganization,
    /// A key of the project in the path, or of any project where there is none, with this role.
    Project(&'static str),
    OtherProject(&'static str),
    Organization(&'static str),
    /// The organization's key that made the objects.
    Maker,
}

impl Expected {
    /// Whether it changes or deletes its object.
    fn changes(&self, name: &str) -> bool {
        !name.starts_with("GET") && (name.contains("{id}") || name.contains("{projectId}"))
    }

    fn status(&self, asker: Asker, name: &str) -> u16 {
        let Some(roles) = self.roles else { return self.done };
        let has_project = name.contains("{projectId}");
        // Keys of projects may verify keys and read themselves.
        let is_for_all = name.contains("/verify") || name.contains("/whoami");
        let may = match asker {
            Asker::WithoutKey => return 401,
            Asker::OtherOrganization => return self.for_others,
            Asker::Maker => return self.done,
            Asker::Organization(role) => roles.contains(&role),
            Asker::Project(role) => (has_project || is_for_all) && roles.contains(&role),
            Asker::OtherProject(role) => is_for_all && roles.contains(&role),
        };
        if may { self.done } else { 403 }
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
}

impl Objects {
    /// New objects for this path: some operations delete theirs.
    fn new(admin: &Client, name: &str, path: &str) -> Self {
        let made = admin.post("/v2/projects", json!({ "name": name })).data();
        let project = made["project"]["id"].as_str().expect("an id").to_owned();
        let keys = if path.contains("{projectId}") { format!("projects/{project}") } else { "organization".to_owned() };
        let keys = format!("/v2/{keys}/api-keys");
        let key = admin.post(&keys, json!({"name": "tried", "role": "none"})).data()["id"].as_i64().expect("an id");
        if path.contains("/rotate/") {
            admin.post(&format!("{keys}/{key}/rotate"), json!({"gracePeriodInHours": 1})).data();
        }
        Self { project, key }
    }

    /// A new key of this project.
    fn new_in(admin: &Client, project: &str, path: &str) -> Self {
        let keys = format!("/v2/projects/{project}/api-keys");
        let key = admin.post(&keys, json!({"name": "tried", "role": "none"})).data()["id"].as_i64().expect("an id");
        if path.contains("/rotate/") {
            admin.post(&format!("{keys}/{key}/rotate"), json!({"gracePeriodInHours": 1})).data();
        }
        Self { project: project.to_owned(), key }
    }

    fn fill_in(&self, path: &str, export: &str) -> String {
        let path = path.replace("{projectId}", &self.project).replace("{id}", &self.key.to_string());
        path.replace("{exportId}", export)
    }
}

/// The value of a new key with this role.
fn minted(admin: &Client, keys: &str, role: &str) -> String {
    let made = admin.post(&format!("/v2/{keys}/api-keys"), json!({"name": role, "role": role})).data();
    made["value"].as_str().expect("a value").to_owned()
}

/// The body with a name of the caller's own: names of projects are unique.
fn with_own_name(body: &Value, asker: Asker) -> Value {
    let mut body = body.clone();
    if let Some(name) = body["name"].as_str().map(|name| format!("{name} {asker:?}")) {
        body["name"] = name.into();
    }
    body
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
fn each_operation_succeeds_for_its_roles_and_changes_nothing_for_others() {
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
    let organization_keys = ["none", "verifier", "auditor", "manager", "admin"]
        .map(|role| (Asker::Organization(role), minted(&admin, "organization", role)));
    let elsewhere = admin.post("/v2/projects", json!({"name": "Elsewhere"})).data();
    let elsewhere = format!("projects/{}", elsewhere["project"]["id"].as_str().expect("an id"));
    let of_other_project = PROJECT_ROLES.map(|role| (Asker::OtherProject(role), minted(&admin, &elsewhere, role)));
    let (mut table, mut cases) = (table(), 0);
    for (path, method, operation) in operations {
        let name = format!("{} {path}", method.to_uppercase());
        let expected = table.remove(&name).unwrap_or_else(|| panic!("{name} is new: say in the table who may do it"));
        let forbidden = expected.roles.map(|_| "#/components/responses/Forbidden");
        assert_eq!(operation["responses"]["403"]["$ref"].as_str(), forbidden, "{name} is described for others");
        assert_eq!(operation["security"].is_array(), expected.roles.is_some(), "{name} is described for others");
        let objects = Objects::new(&admin, &name, path);
        let its_project = format!("projects/{}", objects.project);
        let of_project = PROJECT_ROLES.map(|role| (Asker::Project(role), minted(&admin, &its_project, role)));
        let mut askers = vec![(Asker::WithoutKey, String::new()), (Asker::OtherOrganization, other.trim().to_owned())];
        askers.extend(organization_keys.iter().chain(&of_other_project).chain(&of_project).cloned());
        askers.push((Asker::Maker, admin.key().to_owned()));
        // Those who may not ask first: an operation that is done may delete its object.
        askers.sort_by_key(|(asker, _)| expected.status(*asker, &name) < 400);
        for (asker, key) in askers {
            let is_refused = expected.status(asker, &name) >= 400;
            let fresh = (!is_refused && expected.changes(&name))
                .then(|| Objects::new(&admin, &format!("{name} {asker:?}"), path));
            let place = match (&fresh, asker) {
                (Some(fresh), Asker::Organization(_) | Asker::Maker) => fresh.fill_in(path, &export),
                (Some(_), Asker::Project(_)) => Objects::new_in(&admin, &objects.project, path).fill_in(path, &export),
                _ => objects.fill_in(path, &export),
            };
            let body = expected.body.as_ref().map(|body| with_own_name(body, asker));
            let before = state(&server, organization);
            let status = ask(&server.client_with(&key), method, &place, body.as_ref());
            assert_eq!(status, expected.status(asker, &name), "{name} by {asker:?}");
            let after = state(&server, organization);
            if is_refused || matches!(asker, Asker::OtherOrganization) {
                assert_eq!(before.0, after.0, "{name} by {asker:?} changed something");
            }
            if status >= 400 {
                assert_eq!(before.1, after.1, "{name} by {asker:?} left an event");
            }
            cases += 1;
        }
    }
    assert!(table.is_empty(), "nobody describes {:?}", table.keys());
    println!("{cases} cases");
    assert!(cases > 500, "the operations were found");
}
