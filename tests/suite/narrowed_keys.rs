//! No older copy of the store, and no lost ledger, gives a key back a role or a permission that it lost.

use super::helpers::*;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const V2_KEYS: &str = "/v2/organization/api-keys";

/// A key whose role and permissions changed since the backup.
struct Changed {
    what: &'static str,
    path: String,
    value: String,
    role: &'static str,
    permissions: Value,
}

/// A server's folder with a backup, and keys that were changed since.
struct Fixture {
    folder: TempDir,
    keys: Vec<Changed>,
}

/// What becomes of a key: its name, its fields when it is created, changes before the backup, changes after it, and its
/// role and permissions in the end.
type Course = (&'static str, Value, Vec<Value>, Vec<Value>, &'static str, Value);

fn courses() -> Vec<Course> {
    let none = Vec::new;
    vec![
        ("a default admin, lowered", json!({}), none(), vec![json!({"role": "verifier"})], "verifier", json!([])),
        (
            "a chosen manager, lowered",
            json!({"role": "manager"}),
            none(),
            vec![json!({"role": "none"})],
            "none",
            json!([]),
        ),
        (
            "raised to the default before the backup, and lowered to where it was",
            json!({"role": "auditor"}),
            vec![json!({"role": "admin"})],
            vec![json!({"role": "auditor"})],
            "auditor",
            json!([]),
        ),
        (
            "created with permissions, of which none is left",
            json!({"permissions": ["a", "b:*"]}),
            none(),
            vec![json!({"permissions": []})],
            "admin",
            json!([]),
        ),
        (
            "created with permissions, withdrawn by null",
            json!({"permissions": ["*"]}),
            none(),
            vec![json!({"permissions": null})],
            "admin",
            json!([]),
        ),
        (
            "granted before the backup, and partly withdrawn",
            json!({}),
            vec![json!({"permissions": ["a", "b"]})],
            vec![json!({"permissions": ["b"]})],
            "admin",
            json!(["b"]),
        ),
        (
            "narrowed, widened and narrowed again",
            json!({"role": "manager", "permissions": ["a:*"]}),
            none(),
            vec![
                json!({"role": "none", "permissions": ["a:b"]}),
                json!({"role": "manager", "permissions": ["a:*"]}),
                json!({"role": "verifier", "permissions": ["a:c"]}),
            ],
            "verifier",
            json!(["a:c"]),
        ),
        (
            "widened since the backup",
            json!({"role": "none"}),
            vec![json!({"permissions": []})],
            vec![json!({"role": "manager", "permissions": ["a"]})],
            "manager",
            json!(["a"]),
        ),
        (
            "narrowed and renamed, with an owner and metadata",
            json!({"permissions": ["a"], "owner": "one", "metadata": {"a": 1}}),
            none(),
            vec![json!({"permissions": ["b"]}), json!({"name": "renamed", "owner": null, "metadata": null})],
            "admin",
            json!(["b"]),
        ),
        (
            "a project's manager, lowered",
            json!({"role": "manager"}),
            none(),
            vec![json!({"role": "verifier"})],
            "verifier",
            json!([]),
        ),
        ("a project's default, lowered", json!({}), none(), vec![json!({"role": "none"})], "none", json!([])),
        ("never changed", json!({"role": "manager", "permissions": ["a"]}), none(), none(), "manager", json!(["a"])),
    ]
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start_in(folder.path(), &[]);
        let admin = server.client();
        let project = admin.post("/v2/projects", json!({"name": "Shop"})).data()["project"]["id"].take();
        let of_project = format!("/v2/projects/{}/api-keys", project.as_str().expect("an id"));
        let (mut keys, mut later) = (Vec::new(), Vec::new());
        for (what, mut new, before, after, role, permissions) in courses() {
            let place = if what.starts_with("a project's") { &of_project } else { V2_KEYS };
            new["name"] = json!(what);
            let made = admin.post(place, new).data();
            let path = format!("{place}/{}", made["id"]);
            before.into_iter().for_each(|change| drop(admin.put(&path, change).data()));
            later.extend(after.into_iter().map(|change| (path.clone(), change)));
            let value = made["value"].as_str().expect("a value").to_owned();
            keys.push(Changed { what, path, value, role, permissions });
        }
        done(folder.path(), &["backup", "backup.db"]);
        for (path, change) in later {
            admin.put(&path, change).data();
        }
        assert!(server.stop().success());
        Self { folder, keys }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Each key is as it was before the store was replaced, at this server and at its next start.
    #[track_caller]
    fn check(&self, folder: &Path, what: &str) {
        if folder != self.folder.path() {
            fs::copy(self.path("first-key"), folder.join("first-key")).expect("the first key");
        }
        for start in 0..2 {
            let server = Server::start_in(folder, &[]);
            let admin = server.client();
            for key in &self.keys {
                let context = format!("{what}, start {start}: {}: {}", key.what, server.log());
                let shown = admin.get(&key.path).data();
                assert_eq!((&shown["role"], &shown["permissions"]), (&json!(key.role), &key.permissions), "{context}");
                for permission in ["a", "a:b", "b", "b:c"] {
                    let has = key.permissions.as_array().expect("a list").contains(&json!(permission));
                    let question = json!({"value": key.value, "permissions": [permission]});
                    assert_eq!(admin.post("/v2/verify", question).data()["valid"], has, "{permission}: {context}");
                }
                let may_list = matches!(key.role, "admin" | "manager" | "auditor");
                let is_of_project = key.path.contains("projects");
                let status = server.client_with(&key.value).get(V2_KEYS).status;
                assert_eq!(status, if may_list && !is_of_project { 200 } else { 403 }, "{context}");
            }
            assert!(server.stop().success());
        }
        assert!(done(folder, &["doctor", "--json"]).contains("matches the store"), "{what}");
        done(folder, &["audit", "verify"]);
    }
}

#[test]
fn a_restored_backup_gives_no_role_and_no_permission_back() {
    let fixture = Fixture::new();
    let restored = done_json(fixture.folder.path(), &["restore", "backup.db", "--json"]);
    // Neither the key that never changed, nor changes of names, owners and metadata, count.
    assert_eq!(restored["changedByLedger"], fixture.keys.len() - 1, "{restored}");
    fixture.check(fixture.folder.path(), "restored");
    let server = Server::start_in(fixture.folder.path(), &[]);
    let events = server.client().get("/v2/organization/audit-logs?limit=100").data()["auditLogs"].take();
    let by_ledger = events.as_array().expect("events").iter().filter(|event| event["actorName"] == "keystead");
    let roles: Vec<_> = by_ledger.map(|event| event["change"]["after"]["role"].clone()).collect();
    assert_eq!(roles.iter().filter(|role| *role == "verifier").count(), 3, "{events}");
}

#[test]
fn an_older_copy_put_back_by_hand_gives_no_role_and_no_permission_back() {
    let fixture = Fixture::new();
    fs::copy(fixture.path("backup.db"), fixture.path("keystead.db")).expect("the older copy");
    fixture.check(fixture.folder.path(), "put back by hand");
}

#[test]
fn a_ledger_that_is_rebuilt_from_the_store_has_each_lowered_role_and_withdrawn_permission() {
    let fixture = Fixture::new();
    let ledger = fixture.path("keystead.revoked");
    let whole = fs::read(&ledger).expect("the ledger");
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    for (what, damaged) in
        [("lost", None), ("damaged", Some(flipped)), ("cut", Some(whole[..whole.len() / 2].to_vec()))]
    {
        match damaged {
            None => fs::remove_file(&ledger).expect("a removal"),
            Some(damaged) => fs::write(&ledger, damaged).expect("the ledger"),
        }
        fixture.check(fixture.folder.path(), what);
        // The backup, brought up to date by the rebuilt ledger alone.
        let elsewhere = tempfile::tempdir().expect("a folder");
        fs::copy(&ledger, elsewhere.path().join("keystead.revoked")).expect("the rebuilt ledger");
        done(elsewhere.path(), &["restore", fixture.path("backup.db").to_str().expect("a path")]);
        fixture.check(elsewhere.path(), &format!("{what}, rebuilt and restored"));
    }
}

#[test]
fn a_role_and_permissions_changed_on_a_restored_copy_count_as_later() {
    let fixture = Fixture::new();
    done(fixture.folder.path(), &["restore", "backup.db"]);
    let server = Server::start_in(fixture.folder.path(), &[]);
    let key = &fixture.keys[0];
    server.client().put(&key.path, json!({"role": "manager", "permissions": ["a"]})).data();
    server.client().put(&key.path, json!({"role": "verifier", "permissions": []})).data();
    assert!(server.stop().success());
    fs::copy(fixture.path("backup.db"), fixture.path("keystead.db")).expect("the older copy");
    fixture.check(fixture.folder.path(), "narrowed again");
}
