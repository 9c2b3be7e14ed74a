//! Nobody gets, gives or takes more than its role allows, also not by idempotency keys, rotations or its own key. What is
//! refused leaves the keys and the audit log as they were.

use super::helpers::*;
use serde_json::{Value, json};

const V2_KEYS: &str = "/v2/organization/api-keys";

/// A key: its path and its value.
#[derive(Clone)]
struct Made {
    path: String,
    value: String,
}

/// A server with a key of each role.
struct Fixture {
    server: Server,
    admin: Client,
    /// The paths of the keys of two projects.
    projects: [String; 2],
}

impl Fixture {
    fn new() -> Self {
        let server = Server::start_with(&[("KEYSTEAD_CHANGES_PER_MINUTE", "0")]);
        let admin = server.client();
        let projects = ["Shop", "Warehouse"].map(|name| {
            let id = admin.post("/v2/projects", json!({ "name": name })).data()["project"]["id"].take();
            format!("/v2/projects/{}/api-keys", id.as_str().expect("an id"))
        });
        Self { server, admin, projects }
    }

    fn made(&self, place: &str, role: &str) -> Made {
        let key = self.admin.post(place, json!({"name": role, "role": role})).data();
        Made { path: format!("{place}/{}", key["id"]), value: key["value"].as_str().expect("a value").to_owned() }
    }

    /// A key with a rotation in progress.
    fn rotating(&self, place: &str, role: &str) -> Made {
        let made = self.made(place, role);
        self.admin.post(&format!("{}/rotate", made.path), json!({"gracePeriodInHours": 1})).data();
        made
    }

    fn client(&self, made: &Made) -> Client {
        self.server.client_with(&made.value)
    }

    /// All keys without their uses, and the newest event.
    fn state(&self) -> (Vec<Value>, Value) {
        let places = [V2_KEYS, &self.projects[0], &self.projects[1]];
        let lists = places.map(|place| {
            let mut keys = self.admin.get(place).data()["apiKeys"].take();
            for key in keys.as_array_mut().expect("keys") {
                key["lastUsed"] = Value::Null;
                key["rotation"] = Value::Null;
            }
            keys
        });
        (lists.to_vec(), self.admin.get("/v2/organization/audit-logs?limit=1").data())
    }

    /// Asserts that each request is refused with 403 and leaves everything as it was; returns the sentences.
    #[track_caller]
    fn all_refused(&self, who: &Client, requests: &[(&str, String, Value)]) -> Vec<String> {
        let before = self.state();
        let sentences = requests.iter().map(|(method, path, body)| {
            let answer = who.try_ask(method, path, (*method != "DELETE").then(|| body.clone())).expect("an answer");
            assert_eq!(answer.status, 403, "{method} {path} {body}: {}", answer.text);
            let sentence = answer.refused_with(403);
            assert!(sentence.contains("role"), "it names the role that is needed: {sentence}");
            sentence
        });
        let sentences = sentences.collect();
        assert_eq!(self.state(), before, "refused requests changed something");
        sentences
    }
}

/// Every request that changes this key.
fn all_changes(path: &str) -> Vec<(&'static str, String, Value)> {
    let v1 = path.replace("/v2/", "/v1/");
    let fields = [
        json!({"valid": false}),
        json!({"valid": true}),
        json!({"name": "mine"}),
        json!({"role": "none"}),
        json!({"role": "admin"}),
        json!({"permissions": ["*"]}),
        json!({"owner": "me", "metadata": {"a": 1}}),
        json!({"expiresInDays": 1}),
        json!({"allowedAddresses": ["192.0.2.1"]}),
    ];
    let mut all: Vec<_> = fields.into_iter().map(|change| ("PUT", path.to_owned(), change)).collect();
    all.push(("PUT", v1.clone(), json!({"valid": false})));
    all.push(("DELETE", v1, Value::Null));
    all.push(("DELETE", path.to_owned(), Value::Null));
    for body in [json!({}), json!({"gracePeriodInHours": 1}), json!({"role": "none"})] {
        all.push(("POST", format!("{path}/rotate"), body));
    }
    all.extend(["complete", "cancel"].map(|end| ("POST", format!("{path}/rotate/{end}"), json!({}))));
    all
}

#[test]
fn a_manager_changes_no_admin_and_makes_none() {
    let fixture = Fixture::new();
    let manager = fixture.client(&fixture.made(V2_KEYS, "manager"));
    let [admin, rotating] = [fixture.made(V2_KEYS, "admin"), fixture.rotating(V2_KEYS, "admin")];
    for target in [&admin, &rotating] {
        for sentence in fixture.all_refused(&manager, &all_changes(&target.path)) {
            assert!(sentence.contains("Only a key with the role admin"), "{sentence}");
        }
        assert!(fixture.client(target).is_good());
    }
    let below = fixture.made(V2_KEYS, "verifier");
    fixture.all_refused(
        &manager,
        &[
            ("POST", V2_KEYS.to_owned(), json!({"name": "a", "role": "admin"})),
            ("PUT", below.path.clone(), json!({"role": "admin"})),
            ("POST", format!("{}/rotate", below.path), json!({"role": "admin"})),
            ("POST", format!("{}/rotate", below.path), json!({"role": "admin", "gracePeriodInHours": 1})),
            ("PUT", "/v2/organization".to_owned(), json!({"name": "Mine"})),
            ("POST", "/v2/projects".to_owned(), json!({"name": "Mine"})),
            ("GET", "/v2/organization/audit-logs".to_owned(), Value::Null),
        ],
    );
    // Without a role, it would be an admin: the sentence says what to do.
    let to_do = "Send the field \"role\", such as \"verifier\", to /v2";
    let new = json!({"name": "a"});
    for place in [V2_KEYS, KEYS] {
        let sentences = fixture.all_refused(&manager, &[("POST", place.to_owned(), new.clone())]);
        assert!(sentences[0].starts_with(to_do), "{sentences:?}");
    }
    for place in &fixture.projects {
        assert_eq!(manager.post(place, new.clone()).data()["role"], "verifier", "no admin by default");
    }
    for role in ["manager", "auditor", "verifier", "none"] {
        let made = manager.post(V2_KEYS, json!({"name": "a", "role": role})).data();
        let path = format!("{V2_KEYS}/{}", made["id"]);
        assert_eq!(manager.put(&path, json!({"role": "manager", "permissions": ["a"]})).status, 200);
        assert_eq!(manager.post(&format!("{path}/rotate"), json!({"role": "none"})).data()["role"], "none");
        manager.delete(&path).data();
    }
}

#[test]
fn a_manager_may_lower_itself_and_not_raise_itself() {
    let fixture = Fixture::new();
    let made = fixture.made(V2_KEYS, "manager");
    let itself = fixture.client(&made);
    let raise = |role: &str| ("PUT", made.path.clone(), json!({ "role": role }));
    fixture
        .all_refused(&itself, &[raise("admin"), ("POST", format!("{}/rotate", made.path), json!({"role": "admin"}))]);
    itself.put(&made.path, json!({"name": "renamed"})).data();
    assert_eq!(itself.put(&made.path, json!({"role": "auditor"})).data()["role"], "auditor");
    let roles = ["admin", "manager", "auditor", "verifier", "none"];
    fixture.all_refused(&itself, &roles.map(raise));
    fixture.all_refused(&itself, &all_changes(&made.path));
    assert_eq!(itself.get(&made.path).status, 200);
}

#[test]
fn a_projects_manager_stays_in_its_project_and_makes_nobody_higher() {
    let fixture = Fixture::new();
    let [own, other] = &fixture.projects;
    let made = fixture.made(own, "manager");
    let manager = fixture.client(&made);
    for place in [V2_KEYS, other] {
        for target in [fixture.made(place, "none"), fixture.rotating(place, "verifier")] {
            fixture.all_refused(&manager, &all_changes(&target.path));
            fixture.all_refused(&manager, &[("GET", target.path.clone(), Value::Null)]);
            // Its number below the own project is nobody's there.
            let number = target.path.rsplit('/').next().expect("a number");
            let before = fixture.state();
            let path = format!("{own}/{number}");
            assert_eq!(manager.put(&path, json!({"role": "none"})).status, 404);
            assert_eq!(manager.post(&format!("{path}/rotate"), json!({})).status, 404);
            assert_eq!(manager.delete(&path).status, 404);
            assert_eq!(fixture.state(), before);
        }
        let new = |version: &str| ("POST", place.replace("/v2/", version), json!({"name": "a"}));
        fixture.all_refused(&manager, &[new("/v1/"), new("/v2/"), ("GET", place.to_owned(), Value::Null)]);
    }
    let project = own.trim_end_matches("/api-keys");
    fixture.all_refused(
        &manager,
        &[
            ("PUT", project.to_owned(), json!({"description": "mine"})),
            ("DELETE", project.to_owned(), Value::Null),
            ("GET", "/v2/projects".to_owned(), Value::Null),
            ("POST", "/v2/projects".to_owned(), json!({"name": "Mine"})),
            ("GET", "/v2/organization".to_owned(), Value::Null),
            ("GET", "/v2/organization/audit-logs".to_owned(), Value::Null),
        ],
    );
    // Nobody in a project can be higher than a manager.
    let before = fixture.state();
    let below = fixture.made(own, "verifier");
    for role in ["admin", "auditor"] {
        for answer in [
            manager.post(own, json!({"name": "a", "role": role})),
            manager.put(&made.path, json!({ "role": role })),
            manager.put(&below.path, json!({ "role": role })),
            manager.post(&format!("{}/rotate", below.path), json!({ "role": role })),
        ] {
            assert_eq!(answer.refused_with(400), "The role of a project's key must be manager, verifier or none.");
        }
    }
    assert_eq!(manager.delete(&below.path).status, 200);
    assert_eq!(fixture.state().0, before.0, "only the key that was made for it was deleted");
    let colleague = manager.post(own, json!({"name": "a", "role": "manager"})).data();
    assert_eq!(manager.put(&format!("{own}/{}", colleague["id"]), json!({"role": "none"})).data()["role"], "none");
}

#[test]
fn keys_below_manager_change_nothing_and_see_only_what_their_role_allows() {
    let fixture = Fixture::new();
    let target = fixture.rotating(V2_KEYS, "none");
    for (role, may_read, may_verify, may_audit) in
        [("none", false, false, false), ("verifier", false, true, false), ("auditor", true, false, true)]
    {
        let made = fixture.made(V2_KEYS, role);
        let client = fixture.client(&made);
        fixture.all_refused(&client, &all_changes(&target.path));
        fixture.all_refused(&client, &all_changes(&made.path));
        fixture.all_refused(&client, &[("POST", V2_KEYS.to_owned(), json!({"name": "a", "role": "none"}))]);
        let status = |is_ok: bool| if is_ok { 200 } else { 403 };
        for (path, may) in [
            (made.path.as_str(), true),
            (&target.path, may_read),
            (V2_KEYS, may_read),
            (&fixture.projects[0], may_read),
            ("/v2/projects", may_read),
            ("/v2/organization/audit-logs", may_audit),
            ("/v2/organization", role != "none"),
        ] {
            assert_eq!(client.get(path).status, status(may), "{role}: {path}");
        }
        let before = fixture.state();
        let verify = |path: &str, body: Value| assert_eq!(client.post(path, body).status, status(may_verify), "{role}");
        verify("/v2/verify", json!({"value": target.value}));
        verify("/v2/verify/batch", json!({"keys": [{"value": target.value}]}));
        assert_eq!(fixture.state(), before);
        assert_eq!(client.get("/auth/nginx").status, 200, "at a gate every good key is a good key");
        // A project's key of the same role does not even exist, or is as limited.
        if role != "auditor" {
            let of_project = fixture.made(&fixture.projects[0], role);
            let client = fixture.client(&of_project);
            fixture.all_refused(&client, &all_changes(&of_project.path));
            fixture.all_refused(&client, &[("GET", fixture.projects[0].clone(), Value::Null)]);
            assert_eq!(client.get(&of_project.path).status, 200);
        }
    }
}

#[test]
fn an_idempotency_key_repeats_no_request_that_the_role_no_longer_allows() {
    let fixture = Fixture::new();
    let made = fixture.made(V2_KEYS, "admin");
    let caller = fixture.client(&made);
    let target = fixture.made(V2_KEYS, "verifier");
    let send = |path: &str, body: &Value, name: &str| {
        let headers = [("X-API-Key", caller.key()), ("Content-Type", "application/json"), ("Idempotency-Key", name)];
        caller.send("POST", path, &headers, body.to_string().as_bytes())
    };
    let rotate = format!("{}/rotate", target.path);
    let requests = [
        (V2_KEYS, json!({"name": "made", "role": "admin"}), "create"),
        (V2_KEYS, json!({"name": "made"}), "create by default"),
        (&rotate, json!({"role": "admin"}), "rotate"),
    ];
    for (path, body, name) in &requests {
        send(path, body, name).data();
        let again = send(path, body, name);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert!(again.data()["value"].as_str().expect("a value").starts_with('*'));
    }
    fixture.admin.put(&made.path, json!({"role": "manager"})).data();
    let before = fixture.state();
    for (path, body, name) in &requests[..2] {
        send(path, body, name).refused_with(403);
        send(path, body, "another").refused_with(403);
    }
    // A repetition executes nothing and shows no value; a manager may read the key. A new rotation is refused.
    let again = send(&rotate, &requests[2].1, "rotate");
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "{}", again.text);
    assert!(again.data()["value"].as_str().expect("a value").starts_with('*'));
    send(&rotate, &requests[2].1, "another").refused_with(403);
    fixture.admin.put(&made.path, json!({"role": "verifier"})).data();
    for (path, body, name) in &requests {
        send(path, body, name).refused_with(403);
    }
    assert_eq!(fixture.state().0.len(), before.0.len());
    // The refused requests have used up none of the names.
    fixture.admin.put(&made.path, json!({"role": "admin"})).data();
    assert_eq!(send(V2_KEYS, &json!({"name": "new"}), "another").header("idempotency-replayed"), None);
}

#[test]
fn a_caller_is_judged_by_its_role_at_each_request() {
    let fixture = Fixture::new();
    let made = fixture.made(V2_KEYS, "admin");
    let caller = fixture.client(&made);
    caller.put("/v2/organization", json!({"name": "By an admin"})).data();
    // An export that an admin began belongs to its key, but only an admin or auditor reads it.
    let export = caller.post("/v2/organization/audit-logs/exports", json!({})).json()["data"]["id"].take();
    let export = format!("/v2/organization/audit-logs/exports/{}", export.as_str().expect("an id"));
    eventually(std::time::Duration::from_secs(20), || caller.get(&export).data()["completedAt"].is_string());
    fixture.admin.put(&made.path, json!({"role": "manager"})).data();
    fixture.all_refused(
        &caller,
        &[
            ("PUT", "/v2/organization".to_owned(), json!({"name": "By a manager"})),
            ("GET", export.clone(), Value::Null),
            ("GET", format!("{export}/download"), Value::Null),
            ("PUT", made.path.clone(), json!({"role": "admin"})),
        ],
    );
    fixture.admin.put(&made.path, json!({"role": "auditor"})).data();
    assert_eq!(caller.get(&export).status, 200);
    fixture.all_refused(&caller, &all_changes(&made.path));
    // An admin may lower itself, and cannot undo that.
    let own = format!("{V2_KEYS}/1");
    assert_eq!(fixture.admin.get(&own).data()["role"], "admin");
    let second = fixture.client(&fixture.made(V2_KEYS, "admin"));
    fixture.admin.put(&own, json!({"role": "none"})).data();
    fixture.admin.put(&own, json!({"role": "admin"})).refused_with(403);
    assert_eq!(second.put(&own, json!({"role": "admin"})).data()["role"], "admin");
}

#[test]
fn a_manager_may_revoke_its_own_key_and_is_gone_then() {
    let fixture = Fixture::new();
    for place in [V2_KEYS, &fixture.projects[0]] {
        let made = fixture.made(place, "manager");
        let itself = fixture.client(&made);
        itself.delete(&made.path).data();
        assert_eq!(itself.get(&made.path).status, 401);
        assert_eq!(itself.delete(&made.path).status, 401);
        assert_eq!(fixture.admin.get(&made.path).status, 404);
        let events = fixture.admin.get("/v2/organization/audit-logs?limit=1").data()["auditLogs"][0].take();
        assert_eq!((&events["action"], &events["actorName"]), (&json!("api_key.revoked"), &json!("manager")));
    }
}
