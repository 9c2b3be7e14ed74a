//! Stores of older versions: every key is as before, and has the defaults of what is new.

use super::helpers::*;
use keystead::domain::{Digest, KeyForms};
use rusqlite::{Connection, Statement, Transaction, params};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const KEYS: i64 = 100_000;
const ORGANIZATION_ID: i64 = 0x1234_5678_9abc_def0;
const PROJECT_ID: i64 = 0x0fed_cba9_8765_4321;
const LONG_AGO: i64 = 1_600_000_000_000;
const YEAR_2100: i64 = 4_102_444_800_000;
const ALL_FORMS: KeyForms = KeyForms { external: true, sha256: true };

/// What is special about the key with this number: each kind is one key in ten. Key 1 is the first key.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Plain,
    OfProject,
    Deactivated,
    Expired,
    Expiring,
    Rotating,
    Rotated,
    Limited,
    Imported,
    Used,
}

/// The keys of a store, by their numbers.
fn kind(number: i64) -> Kind {
    use Kind::*;
    [Deactivated, Plain, OfProject, Expired, Expiring, Rotating, Rotated, Limited, Imported, Used][number as usize % 10]
}

fn value(number: i64) -> String {
    match kind(number) {
        Kind::Imported => format!("sk_live_{number:024}"),
        Kind::OfProject => format!("confident_proj_{number:032x}"),
        _ => format!("confident_org_{number:032x}"),
    }
}

/// The new value of a rotation, or the value before one.
fn other_value(number: i64) -> String {
    format!("confident_org_{:032x}", number + (1 << 40))
}

/// Fills a store of schema 5 with keys of all kinds.
fn fill(store: &Transaction<'_>) -> rusqlite::Result<()> {
    store.execute("INSERT INTO organizations VALUES (?1, 'Acme', ?2)", [ORGANIZATION_ID, LONG_AGO])?;
    let project = "INSERT INTO projects VALUES (?1, ?2, 'Shop', NULL, ?3)";
    store.execute(project, [PROJECT_ID, ORGANIZATION_ID, LONG_AGO])?;
    let mut key = store.prepare(
        "INSERT INTO api_keys (id, organization_id, digest, tail, name, valid, created_at, project_id, expires_at, \
         shadow_digest, shadow_tail, rotates_at, rate_limit, rate_window_s, allowed_addresses, digest_algorithm) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    let mut used = store.prepare("INSERT INTO api_key_value_uses VALUES (?1, ?2, ?3)")?;
    let mut former = store.prepare("INSERT INTO former_values VALUES (?1, 1, ?2, 0)")?;
    let mut index = store.prepare("INSERT INTO digest_index VALUES (?1, ?2)")?;
    (1..=KEYS).try_for_each(|number| insert(number, [&mut key, &mut used, &mut former, &mut index]))?;
    store.execute("UPDATE digest_index_state SET indexed_through = ?1", [KEYS])?;
    store.execute("UPDATE imported_forms SET has_foreign = 1, has_sha256 = 1", [])?;
    Ok(())
}

fn insert(number: i64, [key, used, former, index]: [&mut Statement<'_>; 4]) -> rusqlite::Result<()> {
    let (kind, value, other) = (kind(number), value(number), other_value(number));
    let is = |expected: Kind| kind == expected;
    let blake3 = |value: &str| Digest::of_presented(value.as_bytes(), ALL_FORMS).expect("a digest");
    let sha256 = || Digest::sha256_of_presented(value.as_bytes(), ALL_FORMS).expect("a digest");
    let digest = if is(Kind::Imported) { sha256() } else { blake3(&value) };
    let (new, tail) = (blake3(&other), |value: &str| value[value.len() - 6..].to_owned());
    key.execute(params![
        number,
        ORGANIZATION_ID,
        digest.as_bytes(),
        tail(&value),
        format!("Key {number}"),
        !is(Kind::Deactivated),
        LONG_AGO + number,
        is(Kind::OfProject).then_some(PROJECT_ID),
        match kind {
            Kind::Expired => Some(LONG_AGO + KEYS + number),
            Kind::Expiring => Some(YEAR_2100 + number),
            _ => None,
        },
        is(Kind::Rotating).then(|| *new.as_bytes()),
        is(Kind::Rotating).then(|| tail(&other)),
        is(Kind::Rotating).then_some(YEAR_2100),
        is(Kind::Limited).then_some(1_000),
        is(Kind::Limited).then_some(60),
        is(Kind::Limited).then_some("10.0.0.0/8,192.0.2.1"),
        is(Kind::Imported),
    ])?;
    index.execute(params![digest.prefix(), number])?;
    if matches!(kind, Kind::Used | Kind::Rotating) {
        used.execute([number, 0, LONG_AGO + 2 * number])?;
    }
    if is(Kind::Rotating) {
        index.execute(params![new.prefix(), number])?;
        used.execute([number, 1, LONG_AGO + 3 * number])?;
    }
    if is(Kind::Rotated) {
        index.execute(params![new.prefix(), number])?;
        former.execute(params![number, new.as_bytes()])?;
    }
    Ok(())
}

/// Everything about each key, by this query.
fn rows(store: &Connection, sql: &str) -> Vec<Vec<rusqlite::types::Value>> {
    let mut statement = store.prepare(sql).expect("a query");
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect());
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}

const BEFORE: &str = "SELECT k.id, organization_id, project_id, k.digest, tail, name, valid, created_at, expires_at, \
     shadow_digest, shadow_tail, rotates_at, rate_limit, rate_window_s, allowed_addresses, k.digest_algorithm, \
     v.last_used_at, s.last_used_at, f.digest, NULL, NULL, NULL, NULL FROM api_keys k \
     LEFT JOIN api_key_value_uses v ON v.key_id = k.id AND v.is_shadow = 0 \
     LEFT JOIN api_key_value_uses s ON s.key_id = k.id AND s.is_shadow = 1 \
     LEFT JOIN former_values f ON f.key_id = k.id ORDER BY k.id";
const AFTER: &str = "SELECT k.id, organization_id, project_id, k.digest, k.tail, name, valid, created_at, expires_at, \
     s.digest, s.tail, rotates_at, rate_limit, rate_window_s, allowed_addresses, k.digest_algorithm, \
     v.last_used_at, s.last_used_at, f.digest, role, permissions, owner, metadata FROM api_keys k \
     LEFT JOIN key_values v ON v.key_id = k.id AND v.kind = 0 \
     LEFT JOIN key_values s ON s.key_id = k.id AND s.kind = 1 \
     LEFT JOIN key_values f ON f.key_id = k.id AND f.kind = 2 ORDER BY k.id";

/// What `verify` answers from this address: the code, and the role.
fn expected(number: i64) -> (&'static str, Value) {
    let role = if kind(number) == Kind::OfProject { "verifier" } else { "admin" };
    let code = match kind(number) {
        Kind::Deactivated => "DEACTIVATED",
        Kind::Expired => "EXPIRED",
        _ => "VALID",
    };
    (code, json!(role))
}

#[test]
fn a_store_of_schema_5_with_100_000_keys_is_migrated_within_seconds_and_every_key_is_as_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let mut store = Connection::open(&path).expect("a file");
    store.execute_batch(include_str!("../../src/store/sqlite/schemas/5.sql")).expect("the schema");
    let transaction = store.transaction().expect("a transaction");
    fill(&transaction).expect("keys");
    transaction.commit().expect("a commit");
    let before = rows(&store, BEFORE);
    assert_eq!(before.len() as i64, KEYS);
    drop(store);
    fs::write(folder.path().join("first-key"), value(1)).expect("the first key");

    let begun = Instant::now();
    let server = Server::start_in(folder.path(), &[]);
    let took = begun.elapsed();
    println!("{KEYS} keys of schema 5 were migrated in {took:?}, with the start of the server");
    assert!(server.log().contains(&format!("schema 5 migrated to {}", schema_version())), "{}", server.log());
    // A program without optimization on a busy machine.
    assert!(took < Duration::from_secs(30), "{took:?}");

    let store = Connection::open(&path).expect("the file");
    let after = rows(&store, AFTER);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
    let verify = |numbers: &[i64], value: fn(i64) -> String| {
        let keys = numbers.iter().map(|number| json!({"value": value(*number), "address": "192.0.2.1"}));
        let keys = keys.collect::<Vec<_>>();
        let results = server.client().post("/v2/verify/batch", json!({ "keys": keys })).data()["results"].take();
        results.as_array().expect("results").clone()
    };
    for first in [1, KEYS / 2, KEYS - 999] {
        let numbers: Vec<i64> = (first..first + 1_000).collect();
        for (number, result) in numbers.iter().zip(verify(&numbers, value)) {
            let key = &result["apiKey"];
            assert_eq!((result["code"].as_str().expect("a code"), key["role"].clone()), expected(*number), "{result}");
            assert_eq!(key["id"], json!(number));
            assert_eq!(json!([key["permissions"], key["owner"], key["metadata"]]), json!([[], null, {}]), "{result}");
        }
        let with_other: Vec<i64> =
            numbers.into_iter().filter(|number| matches!(kind(*number), Kind::Rotating | Kind::Rotated)).collect();
        for (number, result) in with_other.iter().zip(verify(&with_other, other_value)) {
            let code = if kind(*number) == Kind::Rotating { "VALID" } else { "ROTATED_OUT" };
            assert_eq!((&result["code"], &result["apiKey"]["id"]), (&json!(code), &json!(number)), "{result}");
        }
    }
    // An organization's key still does everything, and a project's key verifies and manages nothing.
    let used = server.client_with(&value(9));
    assert_eq!(used.post("/v2/projects", json!({"name": "New"})).status, 200);
    let of_project = server.client_with(&value(2));
    assert_eq!(of_project.post("/v2/verify", json!({"value": value(1)})).data()["code"], "VALID");
    assert_eq!(of_project.get("/v2/projects").status, 403);
}

/// The files are from the last version with schema 7; the output of its `keys list --json` is in keys.json. Its clock was
/// put forward before the last rotation, so that the grace period ends in 2099. Since the backup, key 10 was revoked, 11
/// switched off, 12 bound to addresses, and 15 rotated.
#[test]
fn a_store_of_schema_7_is_migrated_with_default_roles_and_nothing_is_refused_that_passed() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/schema7");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    for name in ["keystead.db", "keystead.revoked", "backup.db"] {
        fs::copy(files.join(name), path(name)).expect("a copy");
    }
    let of_organization = |number: u32| format!("confident_org_{number:032x}");
    let of_project = format!("confident_proj_{:032x}", 4);
    let imported = format!("sk_live_{:024}", 9);
    fs::write(path("first-key"), of_organization(2)).expect("the key");
    let objects = |text: &str| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
    };
    let before = objects(&fs::read_to_string(files.join("keys.json")).expect("the list"));
    let check = |what: &str| {
        let server = Server::start_in(folder.path(), &[]);
        let after = objects(&done(folder.path(), &["keys", "list", "--json"]));
        let numbers = |keys: &[Value]| keys.iter().map(|key| key["id"].clone()).collect::<Vec<_>>();
        assert_eq!(numbers(&after), numbers(&before), "{what}");
        for (before, after) in before.iter().zip(&after) {
            // The checks use key 2, and the backup does not know the last uses.
            let fields = before.as_object().expect("fields").iter().filter(|(name, _)| *name != "lastUsed");
            fields.for_each(|(name, value)| assert_eq!(&after[name], value, "{what}: {name} of {before}"));
        }
        for (value, address, code) in [
            (of_organization(2), "::1", "VALID"),
            (of_project.clone(), "::1", "VALID"),
            (of_organization(5), "::1", "ROTATED_OUT"),
            (of_organization(15), "::1", "VALID"),  // its value after the rotation
            (of_organization(6), "::1", "UNKNOWN"), // it was revoked
            (of_organization(7), "10.0.0.1", "VALID"),
            (of_organization(7), "::1", "ADDRESS_REFUSED"),
            (of_organization(8), "::1", "DEACTIVATED"),
            (imported.clone(), "::1", "VALID"),
            (of_organization(10), "::1", "UNKNOWN"), // it was revoked since the backup
            (of_organization(11), "::1", "DEACTIVATED"),
            (of_organization(12), "10.0.0.1", "VALID"),
            (of_organization(12), "::1", "ADDRESS_REFUSED"),
            (of_organization(14), "::1", "VALID"),
            (of_organization(25), "::1", "VALID"), // the outgoing value of a rotation
            (of_organization(35), "::1", "VALID"), // and its new value
        ] {
            let question = json!({"value": value, "address": address});
            assert_eq!(server.client().post("/v2/verify", question.clone()).data()["code"], code, "{what}: {value}");
            let by_project = server.client_with(&of_project).post("/v2/verify", question).data();
            assert_eq!(by_project["code"], code, "{what}: {value}");
        }
        server
    };
    let grants = |key: &Value| json!([key["role"], key["permissions"], key["owner"], key["metadata"]]);
    let server = check("started");
    assert!(server.log().contains(&format!("schema 7 migrated to {}", schema_version())), "{}", server.log());
    let client = server.client();
    for key in client.get("/v2/organization/api-keys").data()["apiKeys"].as_array().expect("keys") {
        assert_eq!(grants(key), json!(["admin", [], null, {}]), "{key}");
    }
    let project = client.get("/v2/projects").data()["projects"][0]["id"].take();
    let project_keys = format!("/v2/projects/{}/api-keys", project.as_str().expect("an id"));
    for key in client.get(&project_keys).data()["apiKeys"].as_array().expect("keys") {
        assert_eq!(grants(key), json!(["verifier", [], null, {}]), "{key}");
    }
    // What an organization's key could do, it does.
    for (number, value) in [(2, of_organization(2)), (9, imported.clone()), (14, of_organization(14))] {
        let client = server.client_with(&value);
        assert_eq!(client.put("/v2/organization", json!({"name": format!("Renamed by {number}")})).status, 200);
        assert_eq!(client.get("/v2/organization/audit-logs?limit=1").status, 200);
        assert_eq!(client.get(&project_keys).status, 200);
    }
    assert_eq!(server.client_with(&of_project).get(&project_keys).status, 403, "as before");
    // The ledger's lines of that version say nothing about roles. New ones do, for the older store, too.
    let narrowed = "/v2/organization/api-keys/13";
    client.put(narrowed, json!({"role": "none", "permissions": ["a", "b"]})).data();
    client.put(narrowed, json!({"permissions": ["b"]})).data();
    assert!(server.stop().success());
    done(folder.path(), &["restore", "backup.db"]);
    let server = check("restored");
    let shown = server.client().get(narrowed).data();
    assert_eq!(grants(&shown), json!(["none", ["b"], null, {}]));
    let question = json!({"value": of_organization(13), "permissions": ["a"]});
    assert_eq!(server.client().post("/v2/verify", question).data()["code"], "INSUFFICIENT_PERMISSIONS");
    assert_eq!(grants(&server.client().get("/v2/organization/api-keys/12").data()), json!(["admin", [], null, {}]));
    assert!(server.stop().success());
    assert!(done(folder.path(), &["doctor", "--json"]).contains("matches the store"));
    done(folder.path(), &["audit", "verify"]);
}
