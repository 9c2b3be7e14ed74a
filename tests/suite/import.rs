//! `keystead import` and `keystead export`: keys from other systems, and what happens to them.

use super::helpers::*;
use super::revocation_race::{is_valid_after, race};
use keystead::domain::{Digest, Fingerprint, KeyId, Name, OrganizationId, Parent, Project, ProjectId, Result};
use keystead::service::{FirstKey, Import, Service};
use keystead::store::file::{ImportOrder, ImportedApiKey, Staging, StoreFile, StoreView};
use keystead::store::{Counted, NewApiKey};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A key of another form, and its digests by other tools: `printf %s KEY | sha256sum`, `… | b3sum`, and Python's
/// `base64.b64encode(hashlib.sha256(KEY).digest())`.
const KEY: &str = "sk_live_4eC39HqLyjWDarjtT1zdp7dc";
const SHA256: &str = "78a08441f4314f0a2833cfe58c62e555a162264206982cda39f6804f5048f570";
const SHA256_BASE64: &str = "eKCEQfQxTwooM8/ljGLlVaFiJkIGmCzaOfaAT1BI9XA=";
const BLAKE3: &str = "4b0b653a7efca6d0830931f6116be9b25adc2e56c5905c61396c1edf02ace591";

/// A store with one organization, and files beside it.
struct Folder {
    store: tempfile::TempDir,
    files: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let folder =
            Self { store: tempfile::tempdir().expect("a folder"), files: tempfile::tempdir().expect("another folder") };
        let output = run(folder.path(), &["init", "--organization", "Acme", "--key-file", "first-key"]);
        assert!(output.status.success(), "{}", stderr(&output));
        folder
    }

    fn path(&self) -> &Path {
        self.store.path()
    }

    fn database(&self) -> PathBuf {
        self.path().join("keystead.db")
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.files.path().join(name);
        fs::write(&path, text).expect("a file");
        path.to_str().expect("a path").to_owned()
    }

    /// Imports a CSV file of these lines.
    fn import(&self, lines: &str, more: &[&str]) -> Output {
        let file = self.file("keys.csv", lines);
        run(self.path(), &[&["import", "--organization-keys", &file], more].concat())
    }

    #[track_caller]
    fn import_well(&self, lines: &str) -> String {
        let output = self.import(lines, &[]);
        assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
        stdout(&output)
    }

    fn serve(&self) -> Server {
        Server::start_in(self.path(), &[])
    }

    fn query<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        let connection = Connection::open(self.database()).expect("the file");
        connection.query_row(sql, [], |row| row.get(0)).expect("a row")
    }

    fn organization(&self) -> OrganizationId {
        OrganizationId::new(self.query("SELECT id FROM organizations")).expect("a number")
    }

    /// How many keys are visible.
    fn keys(&self) -> i64 {
        self.query(
            "SELECT count(*) FROM api_keys k WHERE NOT EXISTS \
             (SELECT 1 FROM imports WHERE stage < 2 AND k.id BETWEEN first_id AND last_id)",
        )
    }
}

/// A key that is different for each number and does not have our form.
fn external(number: usize) -> String {
    format!("sk-{}", &blake3::hash(&number.to_le_bytes()).to_hex()[..32])
}

/// What the tool prints for the key; `None` if the tool is not installed.
fn tool(program: &str, arguments: &[&str], key: &str) -> Option<String> {
    if !is_there(program) {
        return None;
    }
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the tool runs");
    child.stdin.take().expect("standard input").write_all(key.as_bytes()).expect("it reads the key");
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success(), "{program}");
    Some(stdout(&output).split_whitespace().next().expect("a digest").to_owned())
}

fn python(expression: &str, key: &str) -> Option<String> {
    let program = format!("import base64, hashlib, sys; key = sys.stdin.buffer.read(); print({expression})");
    tool("python3", &["-c", &program], key)
}

/// Digests of the keys with these numbers, computed by other tools, with their algorithms.
fn digests_of_tools() -> Vec<(String, String, &'static str)> {
    let hex = "hashlib.sha256(key).hexdigest()";
    let base64 = "base64.b64encode(hashlib.sha256(key).digest()).decode()";
    let url = "base64.urlsafe_b64encode(hashlib.sha256(key).digest()).decode().rstrip('=')";
    let raw_b3sum = "b3sum --raw | base64 --wrap=0";
    let made = [
        tool("sha256sum", &[], &external(0)).map(|digest| (external(0), digest, "sha256")),
        tool("b3sum", &[], &external(1)).map(|digest| (external(1), digest, "blake3")),
        tool("sh", &["-c", raw_b3sum], &external(5)).map(|digest| (external(5), digest, "BLAKE3")),
        python(hex, &external(2)).map(|digest| (external(2), digest.to_uppercase(), "SHA-256")),
        python(base64, &external(3)).map(|digest| (external(3), digest, "sha256")),
        python(url, &external(4)).map(|digest| (external(4), digest, "sha256")),
    ];
    made.into_iter().flatten().collect()
}

#[test]
fn a_digest_that_another_tool_made_is_that_of_its_key_in_every_form() {
    for (digest, algorithm) in [(SHA256, "sha256"), (SHA256_BASE64, "sha256"), (BLAKE3, "blake3")] {
        let folder = Folder::new();
        folder.import_well(&format!("name,digest,algorithm\nA key,{digest},{algorithm}\n"));
        let server = folder.serve();
        assert!(server.client_with(KEY).is_good(), "{algorithm} {digest}");
        assert!(!server.client_with(&KEY.to_lowercase()).is_good());
    }
    // Also with the tools that are installed here.
    let folder = Folder::new();
    let made = digests_of_tools();
    let lines: String = made.iter().map(|(_, digest, algorithm)| format!("A key,{digest},{algorithm}\n")).collect();
    folder.import_well(&format!("name,digest,algorithm\n{lines}"));
    let server = folder.serve();
    for (key, digest, algorithm) in made {
        assert!(server.client_with(&key).is_good(), "{algorithm} {digest}");
    }
}

#[test]
fn a_key_that_came_with_a_sha_256_digest_is_known_by_blake3_since_its_first_good_use() {
    let folder = Folder::new();
    folder.import_well(&format!("name,digest,algorithm,valid\nA key,{SHA256},sha256,false\n"));
    let stored = || folder.query::<i64>("SELECT digest_algorithm FROM api_keys WHERE id = 2");
    let server = folder.serve();
    let admin = server.client();
    assert!(server.client_with(KEY).get(ORGANIZATION).refused_with(401).contains("deactivated"));
    assert_eq!(stored(), 1, "a use that is refused is none");
    admin.set_valid(2, true).data();
    let by_digest = || admin.post("/v2/verify", json!({"digest": BLAKE3})).data()["code"].clone();
    assert_eq!(by_digest(), "UNKNOWN", "nobody knows its other digest yet");
    assert!(server.client_with(KEY).is_good());
    assert_eq!(stored(), 0);
    let digest: Vec<u8> = folder.query("SELECT digest FROM api_keys WHERE id = 2");
    assert_eq!(digest, blake3::hash(KEY.as_bytes()).as_bytes());
    assert_eq!(
        folder.query::<i64>("SELECT count(*) FROM digest_index WHERE key_id = 2"),
        1,
        "the old one is forgotten"
    );
    assert_eq!(by_digest(), "VALID");
    assert!(server.client_with(KEY).is_good());
    admin.revoke(2).data();
    assert!(!server.client_with(KEY).is_good());
    assert_eq!(folder.query::<i64>("SELECT count(*) FROM digest_index WHERE key_id = 2"), 0);
    assert!(run(folder.path(), &["audit", "verify"]).status.success());
}

#[test]
fn a_verification_by_api_or_proxy_counts_as_first_use() {
    for (number, path) in [(0, "/v2/verify"), (1, "/auth/nginx")] {
        let folder = Folder::new();
        let key = external(number);
        let digest = sha256(&key);
        folder.import_well(&format!("name,digest,algorithm\nA key,{digest},sha256\n"));
        let server = folder.serve();
        if path == "/auth/nginx" {
            assert!(server.client_with(&key).is_let_in(path));
        } else {
            assert_eq!(server.client().post(path, json!({"value": key})).data()["code"], "VALID");
        }
        assert_eq!(folder.query::<i64>("SELECT digest_algorithm FROM api_keys WHERE id = 2"), 0);
    }
}

/// The SHA-256 digest of a key as Keystead computes it, which the tools' digests have proved right.
fn sha256(key: &str) -> String {
    let forms = keystead::domain::KeyForms { external: true, sha256: true };
    keystead::domain::Digest::sha256_of_presented(key.as_bytes(), forms).expect("a key").to_hex()
}

#[test]
fn digests_of_the_two_algorithms_are_never_confused() {
    let folder = Folder::new();
    // Each digest under the other algorithm, and one real SHA-256 digest so that the server looks for such digests at
    // all.
    folder.import_well(&format!(
        "name,digest,algorithm\na,{SHA256},blake3\nb,{BLAKE3},sha256\nc,{},sha256\n",
        sha256(&external(1))
    ));
    let server = folder.serve();
    assert!(!server.client_with(KEY).is_good());
    assert!(server.client_with(&external(1)).is_good());
    assert_eq!(server.client().post("/v2/verify", json!({"digest": BLAKE3})).data()["code"], "UNKNOWN");
    assert_eq!(server.client().post("/v2/verify", json!({"digest": SHA256})).data()["code"], "VALID", "as it says");
}

#[test]
fn a_first_use_passes_when_the_store_cannot_be_written_and_is_recorded_later() {
    let folder = Folder::new();
    folder.import_well(&format!("name,digest,algorithm\nA key,{SHA256},sha256\n"));
    let server = Server::start_in(folder.path(), &[("KEYSTEAD_STORE_BUSY_TIMEOUT_MS", "50")]);
    let other = Connection::open(folder.database()).expect("the file");
    other.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    assert!(server.client_with(KEY).is_good());
    assert!(server.log().contains("API key 2 keeps its SHA-256 digest"), "{}", server.log());
    other.execute_batch("ROLLBACK").expect("an end");
    assert_eq!(folder.query::<i64>("SELECT digest_algorithm FROM api_keys WHERE id = 2"), 1);
    assert!(server.client_with(KEY).is_good());
    assert_eq!(folder.query::<i64>("SELECT digest_algorithm FROM api_keys WHERE id = 2"), 0);
}

#[test]
fn no_request_after_the_response_passes_with_an_imported_key_revoked_during_its_first_uses() {
    const ROUNDS: usize = 150;
    let folder = Folder::new();
    let lines: String = (0..ROUNDS).map(|number| format!("a,{},sha256\n", sha256(&external(number)))).collect();
    folder.import_well(&format!("name,digest,algorithm\n{lines}"));
    let server = folder.serve();
    let admin = server.client();
    for round in 0..ROUNDS {
        let (id, key) = (2 + round as i64, external(round));
        let user = || {
            let user = server.client_with(&key);
            move || user.is_good()
        };
        let rotate = || admin.post(&format!("/v2/organization/api-keys/{id}/rotate"), json!({}));
        match round % 3 {
            0 => race(user, [|| is_valid_after(&admin.revoke(id), false)]),
            1 => race(user, [|| is_valid_after(&rotate(), false)]),
            _ => race(
                user,
                [false, true, false].map(|valid| {
                    let admin = &admin;
                    move || is_valid_after(&admin.set_valid(id, valid), valid)
                }),
            ),
        }
    }
}

#[test]
fn a_value_rotated_out_before_its_first_use_is_reported_as_rotated_out() {
    let folder = Folder::new();
    folder.import_well(&format!("name,digest,algorithm\nA key,{SHA256},sha256\n"));
    let server = folder.serve();
    let admin = server.client();
    let new = admin.post("/v2/organization/api-keys/2/rotate", json!({"gracePeriodInHours": 1})).data();
    let new = new["shadowValue"].as_str().expect("a value").to_owned();
    assert!(server.client_with(&new).is_good(), "the new value is known by its own digest");
    admin.post("/v2/organization/api-keys/2/rotate/complete", json!({})).data();
    assert_eq!(admin.post("/v2/verify", json!({"value": KEY})).data()["code"], "ROTATED_OUT");
    assert!(server.client_with(&new).is_good() && !server.client_with(KEY).is_good());
}

#[test]
fn keys_of_any_form_are_imported_and_shown_by_their_last_characters() {
    let folder = Folder::new();
    let ours = new_secret();
    let odd = "~odd/key+with=signs&more!?<>[]{}";
    let short = "sixteen-visible!";
    let tokens = format!("name,key,tail\nLong,{KEY},\nOdd,{odd},\nShort,{short},\nOurs,{},\n", ours.expose());
    assert_eq!(
        folder.import_well(&tokens),
        "Row 1 is API key 2.\nRow 2 is API key 3.\nRow 3 is API key 4.\nRow 4 is API key 5.\n"
    );
    let server = folder.serve();
    for key in [KEY, odd, short, ours.expose()] {
        assert!(server.client_with(key).is_good(), "{key}");
        assert!(!server.client_with(&format!("{key}x")).is_good());
    }
    let shown = |id: i64| server.client().get(&format!("/v2/organization/api-keys/{id}")).data()["value"].take();
    assert_eq!(shown(2), "***************zdp7dc");
    assert_eq!(shown(4), "*********************", "six of sixteen characters would say too much");
}

#[test]
fn a_store_without_imported_keys_does_not_look_up_keys_of_other_forms() {
    let folder = Folder::new();
    let server = folder.serve();
    let connection = Connection::open(folder.database()).expect("the file");
    // Inserted by hand, without the code for imports.
    connection
        .execute("UPDATE api_keys SET digest = ?1 WHERE id = 1", [blake3::hash(KEY.as_bytes()).as_bytes()])
        .expect("a key");
    assert!(!server.client_with(KEY).is_good());
}

#[test]
fn every_column_is_imported_from_csv_and_from_ndjson() {
    let folder = Folder::new();
    let server = folder.serve();
    let project = server.client().post("/v2/projects", json!({"name": "Web"})).data()["project"].take();
    let project = project["id"].as_str().expect("an id").to_owned();
    let csv = format!(
        "Name,KEY,organization,project,valid,created_at,expires_at,rate_limit,rate_window_s,allowed_addresses,Role,\
         permissions,OWNER,metadata\n\
         \"One, two\",{},Acme,Web,false,2020-01-02T03:04:05Z,2999-01-01,100,60,\"10.0.0.0/8,203.0.113.7\",manager,\
         invoices:read  orders:*,customer 17,\"{{\"\"plan\"\": \"\"basic\"\"}}\"\n",
        external(1)
    );
    assert!(folder.import(&csv, &[]).status.success());
    let objects = [
        json!({"name": "One, two", "key": external(2), "organization": "Acme", "project": project, "valid": false,
            "created_at": "2020-01-02T03:04:05Z", "expires_at": "2999-01-01", "rate_limit": 100, "rate_window_s": 60,
            "allowed_addresses": "10.0.0.0/8,203.0.113.7", "role": "manager", "permissions": "invoices:read orders:*",
            "owner": "customer 17", "metadata": "{\"plan\":\"basic\"}"}),
        json!({"name": "One, two", "key": external(3), "project": "Web", "valid": false, "tail": null,
            "createdAt": "2020-01-02T03:04:05Z", "expiresAt": "2999-01-01",
            "rateLimit": {"limit": 100, "windowInSeconds": 60}, "allowedAddresses": ["10.0.0.0/8", "203.0.113.7"],
            "role": "manager", "permissions": ["invoices:read", "orders:*"], "owner": "customer 17",
            "metadata": {"plan": "basic"}}),
    ];
    let file = folder.file("keys.ndjson", &format!("{}\n{}\n", objects[0], objects[1]));
    let output = run(folder.path(), &["import", &file, "--organization", "Acme", "--json"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let results: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let first = results[0]["id"].as_i64().expect("an id");
    assert_eq!(results[1], json!({"row": 2, "outcome": "imported", "id": first + 1}));
    let keys = server.client().get(&format!("/v2/projects/{project}/api-keys")).data();
    let keys = keys["apiKeys"].as_array().expect("a list");
    let imported: Vec<&Value> = keys.iter().filter(|key| key["name"] == "One, two").collect();
    assert_eq!(imported.len(), 3);
    for key in imported {
        assert_eq!(key["valid"], false);
        assert_eq!(key["created_at"], "2020-01-02T03:04:05.000Z");
        assert_eq!(key["expiresAt"], "2999-01-01T00:00:00.000Z");
        assert_eq!(key["rateLimit"], json!({"limit": 100, "windowInSeconds": 60}));
        assert_eq!(key["allowedAddresses"], json!(["10.0.0.0/8", "203.0.113.7"]));
        assert_eq!((&key["role"], &key["owner"]), (&json!("manager"), &json!("customer 17")));
        assert_eq!(key["permissions"], json!(["invoices:read", "orders:*"]));
        assert_eq!(key["metadata"], json!({"plan": "basic"}));
    }
}

#[test]
fn a_row_without_a_role_gets_the_default_and_the_report_counts_the_admins() {
    let folder = Folder::new();
    done(folder.path(), &["projects", "create", "Web"]);
    let rows = |first: usize| {
        format!(
            "name,key,project,role\nA,{},,\nB,{},Web,\nC,{},,verifier\nD,{},,\n",
            external(first),
            external(first + 1),
            external(first + 2),
            external(first + 3)
        )
    };
    let several = "2 rows have neither a project nor a role: their keys are admins and can manage everything in their organization.\n";
    for how in [&["--dry-run"][..], &[]] {
        let output = folder.import(&rows(1), how);
        assert!(output.status.success() && stderr(&output).starts_with(several), "{}", stderr(&output));
    }
    let roles: Vec<(Value, Value)> = done(folder.path(), &["keys", "list", "--json"])
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("an object"))
        .map(|mut key| (key["name"].take(), key["role"].take()))
        .filter(|(name, _)| name.as_str().is_some_and(|name| name.len() == 1))
        .collect();
    let expected = [("D", "admin"), ("C", "verifier"), ("B", "verifier"), ("A", "admin")];
    assert_eq!(roles, expected.map(|(name, role)| (json!(name), json!(role))));
    let one = folder.import(&format!("name,key\nE,{}\n", external(9)), &[]);
    let said =
        "1 row has neither a project nor a role: its key is an admin and can manage everything in its organization.";
    assert!(stderr(&one).contains(said), "{}", stderr(&one));
    let none = folder.import(&format!("name,key,role\nF,{},admin\n", external(10)), &[]);
    assert!(none.status.success() && !stderr(&none).contains("neither"), "{}", stderr(&none));
}

#[test]
fn wrong_roles_permissions_owners_and_metadata_are_refused_without_repeating_the_key() {
    let folder = Folder::new();
    done(folder.path(), &["projects", "create", "Web"]);
    // A key with characters that JSON escapes.
    let quoted = r#"sk"live\4eC39HqLyjWDarjtT1zdp7dc"#;
    let keys = [KEY, quoted];
    let row = |key: &str, more: &Value| {
        let mut row = json!({"name": "Bad", "key": key});
        row.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        row
    };
    let mut cases = vec![
        (row(KEY, &json!({"role": "owner"})), "Its role must be admin, manager, auditor, verifier or none."),
        (row(KEY, &json!({"project": "Web", "role": "auditor"})), "must be manager, verifier or none"),
        (row(KEY, &json!({"permissions": "A b"})), "A permission must have"),
        (row(KEY, &json!({"permissions": ["a b"]})), "list of texts without spaces"),
        (row(KEY, &json!({"permissions": ["a", 1]})), "list of texts without spaces"),
        (row(KEY, &json!({"permissions": {"a": 1}})), "permissions must be a text"),
        (row(KEY, &json!({"owner": "a\u{200b}b"})), "invisible character"),
        (row(KEY, &json!({"owner": "x".repeat(256)})), "The owner must have 1 to 255 characters."),
        (row(KEY, &json!({"owner": ["a"]})), "owner must be a text"),
        (row(KEY, &json!({"metadata": "hunter2"})), "The metadata must be a JSON object"),
        (row(KEY, &json!({"metadata": "{\"a\":1,\"a\":2}"})), "the same name twice"),
        (row(KEY, &json!({"metadata": {"a": "x".repeat(4096)}})), "at most 4096 bytes"),
        (row(KEY, &json!({"metadata": [KEY]})), "metadata must be a JSON object"),
        (row("abcdefgh-0123456", &json!({"permissions": "a abcdefgh-0123456:b"})), "Its permissions contain the key"),
        (
            row("4111111111111111", &json!({"metadata": {"n": 4_111_111_111_111_111_i64}})),
            "Its metadata contain the key",
        ),
    ];
    for key in keys {
        cases.push((row(key, &json!({"owner": format!("of {key}!")})), "Its owner contains the key"));
        cases.push((row(key, &json!({"metadata": {"a": [{"b": format!("x{key}")}]}})), "Its metadata contain the key"));
        cases.push((row(key, &json!({"metadata": {key: null}})), "Its metadata contain the key"));
    }
    for (row, why) in cases {
        let file = folder.file("keys.ndjson", &format!("{row}\n"));
        let output = run(folder.path(), &["import", "--organization-keys", &file]);
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(1), "{row}: {said}");
        assert!(said.contains("Row 1 (line 1) is refused") && said.contains(why), "{row}: {said}");
        assert!(!said.contains("4eC39Hq") && !said.contains("hunter2") && !said.contains("4111111"), "{said}");
    }
    assert_eq!(folder.keys(), 2);
}

#[test]
fn odd_owners_metadata_and_permissions_survive_an_export_and_an_import() {
    let folder = Folder::new();
    let server = folder.serve();
    let admin = server.client();
    admin.post("/v2/projects", json!({"name": "Web"})).data();
    let owners =
        ["=cmd|' /C calc'!A1", "'=x", "\"a\", 'b';c", "-1", "@sum", "＝全角", "Zoë 日本語 🔑", "'", "{\"x\":1}", "17"];
    for owner in owners {
        let metadata = json!({
            owner: owner, "": [1, -2.5, 12_345_678_901_234_567_890_u64, null, true, {}], "a": {"b": "x,\"y\"\n\t\\"},
        });
        let permissions = ["-a:b", "*", "a.b_c:-:0:*"];
        let key =
            json!({"name": "a", "owner": owner, "metadata": metadata, "permissions": permissions, "role": "none"});
        admin.post("/v2/organization/api-keys", key).data();
    }
    admin.post("/v2/organization/api-keys", json!({"name": "plain", "role": "auditor"})).data();
    let exported = export_of(&folder);
    assert_eq!(essence(&exported).iter().filter(|line| line.contains("\"role\":\"none\"")).count(), owners.len());
    for format in ["csv", "ndjson"] {
        let export = stdout(&run(folder.path(), &["export", "--format", format, "--digests"]));
        if format == "csv" {
            let mut cells = csv::Reader::from_reader(export.as_bytes());
            for record in cells.records() {
                let record = record.expect("a row");
                assert!(!record.iter().any(|cell| cell.starts_with(['=', '-', '@', '＝'])), "{record:?}");
            }
        }
        let other = Folder::new();
        done(other.path(), &["projects", "create", "Web"]);
        let file = other.file(&format!("keys.{format}"), &export);
        let output = run(other.path(), &["import", "--organization-keys", &file]);
        assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
        assert!(!stderr(&output).contains("neither"), "an export names the roles: {}", stderr(&output));
        let again = export_of(&other);
        assert!(essence(&exported).iter().all(|line| essence(&again).contains(line)), "{again}");
    }
}

#[test]
fn a_file_with_one_bad_row_imports_nothing_and_the_error_names_the_row_without_the_key() {
    let folder = Folder::new();
    let before = fs::read(folder.database()).expect("the store");
    let spaced = "sk_live_with a space in it";
    for (row, why) in [
        (format!("Bad,{},,,,,", "sk_live_short"), "16 to 256"),
        (format!("Bad,{spaced},,,,,"), "16 to 256"),
        (format!("Bad,{},,,,,", "x".repeat(257)), "16 to 256"),
        (format!(",{KEY},,,,,"), "name must have 1 to 255"),
        ("Bad,,,,,,".to_owned(), "neither a key nor a digest"),
        (format!("Bad,{KEY},{SHA256},sha256,,,"), "neither a digest nor an algorithm"),
        (format!("Bad,,{SHA256},,,,"), "has a digest without an algorithm"),
        (format!("Bad,,{SHA256},md5,,,"), "must be sha256 or blake3"),
        (format!("Bad,,{},sha256,,,", &SHA256[1..]), "must be 32 bytes"),
        (format!("Bad,{KEY},,,Web,,"), "no such project"),
        (format!("Bad,{KEY},,,,yes,"), "true or false"),
        (format!("Bad,{KEY},,,,,0"), "rate_limit"),
        (format!("Bad,{KEY}"), "2 fields; the header line has 7"),
        (format!("Bad,{},,,,,", external(1)), "Row 1 has the same key"),
    ] {
        let lines = format!(
            "name,key,digest,algorithm,project,valid,rate_limit\nA,{},,,,,\n{row}\nC,{},,,,,\n",
            external(1),
            external(3)
        );
        for how in [&[][..], &["--dry-run"]] {
            let output = folder.import(&lines, how);
            assert_eq!(output.status.code(), Some(1), "{row}");
            let said = format!("{}{}", stdout(&output), stderr(&output));
            assert!(said.contains("Row 2") && said.contains(why), "{row}: {said}");
            for secret in [KEY, SHA256, spaced, "sk_live_short", &external(1), &external(3), "xxxx"] {
                assert!(!said.contains(secret), "{said}");
            }
            assert!(how.is_empty() != said.contains("Row 3 can be imported"), "{said}");
        }
    }
    assert_eq!(fs::read(folder.database()).expect("the store"), before);
    assert_eq!(folder.keys(), 1);
}

#[test]
fn ndjson_with_a_bad_line_imports_nothing_and_the_error_does_not_repeat_it() {
    let folder = Folder::new();
    for (line, why) in [
        (format!("{{\"name\": \"Bad\", \"key\": {KEY}}}"), "not a JSON object"),
        (format!("[\"{KEY}\"]"), "not a JSON object"),
        (String::new(), "not a JSON object"),
        (format!("{{\"name\": \"Bad\", \"{KEY}\": 1}}"), "Field"),
        (format!("{{\"name\": \"Bad\", \"secret\": \"{KEY}\"}}"), "no column \"secret\""),
        (format!("{{\"name\": \"Bad\", \"key\": [\"{KEY}\"]}}"), "key must be a text or a number"),
    ] {
        let good = |number| json!({"name": "A", "key": external(number)}).to_string();
        let file = folder.file("keys.jsonl", &format!("{}\n{line}\n{}\n", good(1), good(2)));
        let output = run(folder.path(), &["import", "--organization-keys", &file]);
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains("Row 2 (line 2) is refused") && said.contains(why), "{said}");
        assert!(!said.contains(KEY), "{said}");
    }
    assert_eq!(folder.keys(), 1);
}

#[test]
fn ndjson_with_a_duplicate_field_is_refused() {
    let folder = Folder::new();
    let key = external(1);
    for (fields, why) in [
        ("\"name\":\"A\",\"name\":\"B\"", "Its field \"name\" appears twice."),
        ("\"name\":null,\"n\\u0061me\":\"B\"", "Its field \"name\" appears twice."),
        ("\"name\":\"A\",\"expires_at\":\"2099-01-01\",\"expires_at\":null", "Its field \"expires_at\" appears twice."),
        ("\"name\":\"A\",\"expires_at\":\"2099-01-01\",\"expiresAt\":null", "Its field \"expires_at\" appears twice."),
        ("\"name\":\"A\",\"valid\":false,\"Valid\":true", "Its field \"valid\" appears twice."),
        (
            "\"name\":\"A\",\"rateLimit\":{\"limit\":1,\"limit\":9,\"windowInSeconds\":60}",
            "Its field \"limit\" appears twice.",
        ),
        (
            "\"name\":\"A\",\"rateLimit\":{\"limit\":1,\"windowInSeconds\":60},\"rate_window_s\":9",
            "Its field \"rate_window_s\" appears twice.",
        ),
        (&format!("\"name\":\"A\",\"{KEY}\":1,\"{KEY}\":2"), "One of its fields appears twice."),
        (&format!("\"name\":{{\"{KEY}\":1,\"{KEY}\":2}}"), "One of its fields appears twice."),
    ] {
        let file = folder.file("keys.ndjson", &format!("{{\"key\":\"{key}\",{fields}}}\n"));
        let output = run(folder.path(), &["import", "--organization-keys", &file]);
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(1), "{fields}: {said}");
        assert!(said.contains("Row 1 (line 1) is refused") && said.contains(why), "{fields}: {said}");
        assert!(!said.contains(KEY), "{said}");
    }
    assert_eq!(folder.keys(), 1);
}

#[test]
fn a_file_of_the_wrong_format_is_refused_as_a_whole() {
    let folder = Folder::new();
    let many = format!("name,key\n{}", "Bad,short\n".repeat(20_000));
    let quote = format!("name,key\nA,\"{}", "x".repeat(3 << 20));
    for (lines, why) in [
        (format!("{KEY},A\n{KEY},B\n"), "Column 1 of the header line must have one of these names"),
        (format!("name,secret\nA,{KEY}\n"), "There is no column \"secret\""),
        (format!("name,key,name\nA,{KEY},B\n"), "has the column name twice"),
        (format!("name;key\nA;{KEY}\n"), "separated by semicolons"),
        (format!("\u{feff}\"secret\";\"Name\"\nA;{KEY}\n"), "separated by semicolons"),
        (format!("name\tkey\nA\t{KEY}\n"), "separated by tabs"),
        (format!("{KEY};A\n{KEY};B\n"), "Column 1 of the header line must have one of these names"),
        (many, "10000 rows cannot be imported"),
        (quote, "longer than a row can be"),
    ] {
        let output = folder.import(&lines, &["--skip-bad-rows"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
        assert!(!stderr(&output).contains(KEY));
    }
    let output = run(folder.path(), &["import", "missing.csv"]);
    assert!(stderr(&output).contains("missing.csv cannot be read"), "{}", stderr(&output));
    let output = run(folder.path(), &["import", "-"]);
    assert!(stderr(&output).contains("--format"), "{}", stderr(&output));
    assert_eq!(folder.keys(), 1);
}

#[test]
fn with_imported_keys_a_foreign_bearer_token_still_does_not_hide_a_key_in_another_header() {
    let folder = Folder::new();
    folder.import_well(&format!("name,key\nA,{}\nB,{}\n", external(1), external(2)));
    let server = folder.serve();
    let client = server.client();
    let (own, other, imported) = (client.key(), client.mint("other").1, external(1));
    let (bearer, imported_bearer) = (format!("Bearer {own}"), format!("Bearer {imported}"));
    let ask = |path, headers: &[(&str, &str)]| client.send("GET", path, headers, b"").status;
    for path in [ORGANIZATION, "/auth/nginx", "/auth/forward", "/auth/envoy"] {
        for key in
            [("X-API-Key", own), ("CONFIDENT_API_KEY", own), ("X-API-Key", &imported), ("Authorization", &bearer)]
        {
            assert_eq!(ask(path, &[("Authorization", JWT), key]), 200, "{path}: {key:?}");
            assert_eq!(ask(path, &[key, ("Authorization", JWT)]), 200, "{path}: {key:?}");
        }
        // Alone, or beside text that is not a key, it is the client's key.
        assert_eq!(ask(path, &[("Authorization", &imported_bearer)]), 200);
        assert_eq!(ask(path, &[("Authorization", &imported_bearer), ("X-API-Key", "")]), 200);
        assert_eq!(ask(path, &[("Authorization", JWT)]), 401);
        assert_eq!(ask(path, &[("Authorization", JWT), ("X-API-Key", &external(9))]), 401);
    }
    for two in [
        [("Authorization", bearer.as_str()), ("X-API-Key", other.as_str())],
        [("Authorization", &bearer), ("X-API-Key", &imported)],
        [("CONFIDENT_API_KEY", &imported), ("X-API-Key", &external(2))],
        [("Authorization", &imported_bearer), ("Authorization", JWT)],
        [("Authorization", &imported_bearer), ("X-API-Key", "short")],
    ] {
        client.send("GET", ORGANIZATION, &two, b"").refused_with(400);
    }
}

#[test]
fn keys_that_the_store_has_are_named_and_the_others_imported_where_asked_to() {
    let folder = Folder::new();
    folder.import_well(&format!(
        "name,key,digest,algorithm\nA,{},,\nB,,{},sha256\n",
        external(1),
        sha256(&external(2))
    ));
    let lines: String = (0..6).map(|number| format!("C,{}\n", external(number))).collect();
    let lines = format!("name,key\n{lines}D,{}\nE,short\n", external(5));
    let outcomes = |output: &Output| -> Vec<(i64, String)> {
        let object = |line| serde_json::from_str::<Value>(line).expect("JSON");
        let row = |it: Value| (it["row"].as_i64().expect("a row"), it["outcome"].as_str().expect("a word").to_owned());
        let mut rows: Vec<_> = stdout(output).lines().map(object).map(row).collect();
        rows.sort();
        rows
    };
    let of = |good: &str| -> Vec<(i64, String)> {
        let word = |row| if matches!(row, 2 | 3 | 7 | 8) { "refused" } else { good };
        (1..=8).map(|row| (row, word(row).to_owned())).collect()
    };
    let dry = folder.import(&lines, &["--dry-run", "--json"]);
    assert_eq!((dry.status.code(), outcomes(&dry)), (Some(1), of("good")));
    assert_eq!(folder.keys(), 3);
    let refused = folder.import(&lines.replace("D,", "D,x").replace("E,short", "E,longer-than-sixteen"), &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stdout(&refused).contains("Row 3 is refused: The store already has this key"), "{}", stdout(&refused));
    assert_eq!(folder.keys(), 3);
    let skipped = folder.import(&lines, &["--skip-bad-rows", "--json"]);
    assert_eq!((skipped.status.code(), outcomes(&skipped)), (Some(1), of("imported")));
    assert!(
        stderr(&skipped).contains("4 keys were imported: 4 to 7; 4 rows were skipped as bad."),
        "{}",
        stderr(&skipped)
    );
    let server = folder.serve();
    assert!((0..6).all(|number| server.client_with(&external(number)).is_good()));
    assert_eq!(folder.keys(), 7);
    // Each digest leads to its own key.
    for (number, id) in [(0, 4), (1, 2), (3, 5), (4, 6), (5, 7)] {
        let answer = server.client().post("/v2/verify", json!({"value": external(number)})).data();
        assert_eq!(answer["apiKey"]["id"], id);
    }
}

#[test]
fn keys_are_imported_beside_a_running_server_and_indexed_at_once() {
    let folder = Folder::new();
    let server = folder.serve();
    let minted: Vec<String> = (0..3).map(|_| server.client().mint("before").1).collect();
    let lines: String = (0..5000).map(|number| format!("a,{}\n", external(number))).collect();
    folder.import_well(&format!("name,key\n{lines}"));
    eventually(Duration::from_secs(5), || server.client_with(&external(0)).is_good());
    for number in (0..5000).step_by(99) {
        assert!(server.client_with(&external(number)).is_good());
    }
    let minted_after = server.client().mint("after");
    for key in minted.iter().chain([&minted_after.1, &server.first_key()]) {
        assert!(server.client_with(key).is_good());
    }
    let indexed: i64 = folder.query("SELECT indexed_through FROM digest_index_state");
    assert_eq!(indexed, minted_after.0 - 1, "all that there was at the import");
    assert_eq!(folder.query::<i64>("SELECT count(*) FROM digest_index"), indexed);
    let events = server.client().get("/v2/organization/audit-logs?action=api_keys.imported").data();
    let change = &events["auditLogs"][0]["change"];
    assert_eq!((&change["count"], &change["first"]), (&json!(5000), &json!(5)));
    assert_eq!(change["last"], 5004);
    let file = fs::read(folder.files.path().join("keys.csv")).expect("the file");
    assert_eq!(change["file"], blake3::hash(&file).to_hex().as_str());
}

#[test]
fn a_killed_import_is_complete_or_has_no_effect() {
    const ROWS: usize = 20_000;
    let folder = Folder::new();
    let lines: String = (0..ROWS).map(|number| format!("a,{}\n", external(number))).collect();
    let file = folder.file("keys.csv", &format!("name,key\n{lines}"));
    for round in 0..8_u64 {
        let mut child = keystead(folder.path())
            .args(["import", "--organization-keys", &file])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program runs");
        // The test varies the moment of the kill; it does not wait for a condition.
        std::thread::sleep(Duration::from_millis(40 + 150 * round));
        child.kill().expect("a kill");
        child.wait().expect("an end");
        let server = folder.serve();
        let keys = folder.keys();
        assert!(keys == 1 || keys == 1 + ROWS as i64, "{keys} keys");
        assert_eq!(server.client_with(&external(ROWS - 1)).is_good(), keys > 1);
        assert!(server.stop().success());
        assert_eq!(folder.query::<String>("PRAGMA integrity_check"), "ok");
        assert!(run(folder.path(), &["audit", "verify"]).status.success());
        if keys > 1 {
            return;
        }
    }
    assert!(
        run(folder.path(), &["import", "--organization-keys", &file]).status.success(),
        "nothing is left in its way"
    );
}

#[test]
fn an_interrupted_import_reports_whether_its_keys_were_imported() {
    const ROWS: usize = 20_000;
    for has_server in [false, true] {
        let folder = Folder::new();
        let _server = has_server.then(|| folder.serve());
        let lines: String = (0..ROWS).map(|number| format!("a,{}\n", external(number))).collect();
        let file = folder.file("keys.csv", &format!("name,key\n{lines}"));
        let mut command = keystead(folder.path());
        command.args(["import", "--organization-keys", &file]).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().expect("the program runs");
        eventually(Duration::from_secs(20), || folder.query::<i64>("SELECT count(*) FROM imports") > 0);
        signal(&child, "INT");
        let output = child.wait_with_output().expect("an end");
        let (keys, said) = (folder.keys(), stderr(&output));
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("Stopped by SIGINT."), "{said}");
        if keys == 1 {
            assert!(said.ends_with("keystead: Nothing was imported.\n"), "{said}");
            assert!(run(folder.path(), &["import", "--organization-keys", &file]).status.success(), "{said}");
        } else {
            assert_eq!(keys, 1 + ROWS as i64);
            assert!(said.contains("The import was complete"), "{said}");
        }
    }
}

#[test]
fn no_imported_key_is_in_the_store_its_log_or_the_output() {
    let folder = Folder::new();
    let server = Server::start_in(folder.path(), &[("KEYSTEAD_LOG_LEVEL", "trace"), ("RUST_LOG", "trace")]);
    let keys: Vec<String> = (0..20).map(external).collect();
    let lines: String = keys
        .iter()
        .enumerate()
        .map(
            |(number, key)| {
                if number % 2 == 0 { format!("a,{key},,\n") } else { format!("a,,{},sha256\n", sha256(key)) }
            },
        )
        .collect();
    let output =
        folder.import(&format!("name,key,digest,algorithm\n{lines}b,{} x,,\n", external(99)), &["--skip-bad-rows"]);
    eventually(Duration::from_secs(5), || server.client_with(&keys[0]).is_good());
    assert!(keys.iter().all(|key| server.client_with(key).is_good()));
    let exported = run(folder.path(), &["export", "--digests"]);
    let said = [&output, &exported].map(|output| format!("{}{}", stdout(output), stderr(output))).join("");
    let search = || {
        for entry in fs::read_dir(folder.path()).expect("the folder") {
            let path = entry.expect("an entry").path();
            let bytes = fs::read(&path).expect("a file");
            let text = String::from_utf8_lossy(&bytes);
            for key in keys.iter().chain([&external(99)]) {
                assert!(!text.contains(&key[3..28]) && !said.contains(&key[3..28]), "{}", path.display());
            }
        }
    };
    search();
    assert!(server.stop().success());
    search();
}

#[test]
fn an_export_has_everything_but_secrets_and_with_digests_another_store_can_import_it() {
    let folder = Folder::new();
    let server = folder.serve();
    let admin = server.client();
    admin.post("/v2/projects", json!({"name": "=Web", "description": "Line 1\nLine 2"})).data();
    let (id, value) = admin.mint("+formula, \"quoted\"");
    admin.put(
        &format!("/v2/organization/api-keys/{id}"),
        json!({"rateLimit": {"limit": 7, "windowInSeconds": 60}, "allowedAddresses": ["127.0.0.0/8", "::1"]}),
    );
    folder.import_well(&format!("name,digest,algorithm,tail\n'=odd,{SHA256},sha256,zdp7dc\n"));
    for format in ["csv", "ndjson"] {
        let plain = stdout(&run(folder.path(), &["export", "--format", format]));
        assert!(!plain.contains(SHA256) && !plain.contains("sha256"), "{plain}");
        let export = stdout(&run(folder.path(), &["export", "--format", format, "--digests"]));
        assert!(export.contains(SHA256) && export.contains("Line 1"), "{export}");
        let other = Folder::new();
        let elsewhere = other.serve();
        elsewhere.client().post("/v2/projects", json!({"name": "=Web"})).data();
        let file = other.file(&format!("keys.{format}"), &export);
        let output = run(other.path(), &["import", "--organization-keys", &file]);
        assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
        assert!(stdout(&output).contains("Row 1 is skipped"), "{}", stdout(&output));
        eventually(Duration::from_secs(5), || elsewhere.client_with(KEY).is_good());
        for key in [&value, &server.first_key()] {
            assert!(elsewhere.client_with(key).is_good());
        }
        let again = stdout(&run(other.path(), &["export", "--format", "ndjson", "--digests"]));
        assert_eq!(essence(&again).len(), 1 + essence(&export_of(&folder)).len(), "its own project's key besides");
        assert!(essence(&export_of(&folder)).iter().all(|line| essence(&again).contains(line)), "{again}");
    }
}

#[test]
fn an_export_can_go_to_a_new_private_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    for arguments in [&["export", "--digests"][..], &["export", "--format", "csv"], &["audit", "export"]] {
        let printed = stdout(&run(folder.path(), arguments));
        let file = folder.path().join("exported");
        let to_file = || run(folder.path(), &[arguments, &["--output", "exported"]].concat());
        let output = to_file();
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""), "{}", stderr(&output));
        assert_eq!(std::fs::read_to_string(&file).expect("the file"), printed);
        assert_eq!(std::fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "something else").expect("a file");
        assert_failed_with(&to_file(), 1, "exported cannot be created: it already exists");
        assert_eq!(std::fs::read_to_string(&file).expect("the file"), "something else");
        std::fs::remove_file(&file).expect("the file goes");
    }
    assert_failed_with(&run(folder.path(), &["export", "--output", "no/where"]), 1, "no/where cannot be created");
}

#[test]
fn an_interrupted_export_leaves_no_file_and_does_not_block_the_next_one() {
    let folder = Folder::new();
    let rows: String = (0..3_000).map(|number| format!("a,sk_live_{number:024}\n")).collect();
    std::fs::write(folder.path().join("many.csv"), format!("name,key\n{rows}")).expect("a file");
    let imported = run(folder.path(), &["import", "--organization-keys", "many.csv"]);
    assert!(imported.status.success(), "{}", stderr(&imported));
    let (file, unfinished) = (folder.path().join("all"), folder.path().join("all-unfinished"));
    // The system kills the process at once, in the middle of its work.
    let ended = std::process::Command::new("sh")
        .args(["-c", "ulimit -c 0; ulimit -f 200; exec \"$0\" export --output all", env!("CARGO_BIN_EXE_keystead")])
        .current_dir(folder.path())
        .output()
        .expect("a shell");
    assert!(!ended.status.success(), "{}", stderr(&ended));
    assert!(!file.exists() && unfinished.metadata().expect("what was left").len() > 0);
    for arguments in [&["export"][..], &["export", "--format", "csv"], &["audit", "export"]] {
        let to_file = || run(folder.path(), &[arguments, &["--output", "all"]].concat());
        std::fs::write(&unfinished, "what was left").expect("a file");
        let held = std::fs::File::open(&unfinished).expect("the file");
        held.lock().expect("a lock");
        assert_failed_with(&to_file(), 1, "all cannot be created: another process is writing it");
        drop(held);
        let output = to_file();
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(std::fs::read_to_string(&file).expect("the file"), stdout(&run(folder.path(), arguments)));
        assert!(!unfinished.exists());
        assert_failed_with(&to_file(), 1, "all cannot be created: it already exists");
        std::fs::remove_file(&file).expect("the file goes");
    }
}

fn export_of(folder: &Folder) -> String {
    stdout(&run(folder.path(), &["export", "--digests"]))
}

/// The fields of an exported key that are the same in every store.
fn essence(export: &str) -> Vec<String> {
    let objects = export.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let keys = objects.filter(|object| object["kind"] == "api_key" && object["name"] != "First key");
    let mut lines: Vec<String> = keys
        .map(|mut key| {
            for column in ["id", "organization_id", "project_id", "last_used_at", "digest", "algorithm"] {
                key.as_object_mut().expect("an object").remove(column);
            }
            key.to_string()
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_key_in_a_rotation_is_not_imported_with_only_one_value() {
    let folder = Folder::new();
    let server = folder.serve();
    let (id, _) = server.client().mint("a");
    server.client().post(&format!("/v2/organization/api-keys/{id}/rotate"), json!({"gracePeriodInHours": 1})).data();
    let export = stdout(&run(folder.path(), &["export", "--digests"]));
    let other = Folder::new();
    let output = run(other.path(), &["import", "--organization-keys", &other.file("keys.ndjson", &export)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("is being rotated"), "{}", stdout(&output));
    assert_eq!(other.keys(), 1);
}

#[test]
fn a_row_goes_to_the_organization_and_project_that_it_names() {
    let folder = Folder::new();
    let store = open_store(&folder.database());
    let (second, _, _) = insert_organization(&store, "Second");
    let (twin, _, _) = insert_organization(&store, "Acme");
    store.close();
    let id = |id: &keystead::domain::OrganizationId| id.to_string();
    let row = |number, organization: &str| format!("name,key,organization\nA,{},{organization}\n", external(number));
    for (organization, why) in
        [("", "there are several"), ("Acme", "Several organizations"), ("Third", "no such organization")]
    {
        let output = folder.import(&row(1, organization), &[]);
        assert!(stdout(&output).contains(why), "{}", stdout(&output));
    }
    assert!(folder.import(&row(1, "Second"), &[]).status.success());
    assert!(folder.import(&row(2, &id(&twin.id)), &[]).status.success());
    assert!(folder.import(&row(3, ""), &["--organization", "Second"]).status.success());
    let wrong = folder.import(&row(4, ""), &["--organization", "Third"]);
    assert!(stderr(&wrong).contains("--organization does not name"), "{}", stderr(&wrong));
    let count = |of: &keystead::domain::OrganizationId| {
        folder.query::<i64>(&format!("SELECT count(*) FROM api_keys WHERE organization_id = {} AND id > 3", of.get()))
    };
    assert_eq!((count(&second.id), count(&twin.id)), (2, 1));
    // One event for each organization that got keys.
    let both = format!(
        "name,key,organization\nA,{},Second\nB,{},{}\nC,{},Second\n",
        external(5),
        external(6),
        id(&twin.id),
        external(7)
    );
    folder.import_well(&both);
    let listed = run(folder.path(), &["audit", "list", "--action", "api_keys.imported", "--json", "--limit", "2"]);
    let changes: Vec<Value> = stdout(&listed)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|event| json!([event["organizationId"], event["change"]["count"], event["change"]["first"]]))
        .collect();
    assert_eq!(changes, [json!([id(&twin.id), 1, 7]), json!([id(&second.id), 2, 7])]);
}

#[test]
fn digests_with_a_common_prefix_are_different_keys() {
    let folder = Folder::new();
    let digest = |end: char| format!("ffeeddccbbaa9988{}{end}", "0".repeat(47));
    let row = |end| format!("a,{},blake3\n", digest(end));
    let head = "name,digest,algorithm\n";
    folder.import_well(&format!("{head}{}", row('1')));
    folder.import_well(&format!("{head}{}{}{}", row('2'), row('3'), row('4')));
    let output = folder.import(&format!("{head}{}{}{}{}", row('5'), row('3'), row('6'), row('5')), &["--dry-run"]);
    let said = stdout(&output);
    assert!(said.contains("Row 4 is refused: Row 1 has the same key."), "{said}");
    assert!(said.contains("Row 2 is refused: The store already has this key"), "{said}");
    assert_eq!(said.matches("can be imported").count(), 2, "{said}");
    // The same bytes under the other algorithm are another key.
    folder.import_well(&format!("name,digest,algorithm\na,{},sha256\n", digest('1')));
    assert_eq!(folder.keys(), 6);
}

/// Rows staged beside the store: a new key of the organization for each of these projects.
fn staged(store: &Path, organization: OrganizationId, keys: &[(Fingerprint, Option<ProjectId>)]) -> Staging {
    let mut staged = Staging::beside_store(store, Duration::ZERO).expect("a place to wait");
    for (place, (value, project)) in (1..).zip(keys) {
        let parent = Parent { organization, project: *project };
        let new = NewApiKey { parent, value: *value, ..new_key(organization, &new_secret()) };
        let key = ImportedApiKey { new, sha256: None, is_ours: true };
        staged.push(&[(place, key)]).expect("a row");
    }
    assert_eq!(staged.duplicates(10).expect("a look"), []);
    staged
}

/// An import of these rows, all or nothing.
fn import_of(staged: Staging) -> Import {
    Import {
        staged,
        file: String::new(),
        skips_taken: false,
        allows_ended: false,
        max_taken: 10,
        progress: Box::new(|_| ()),
        start_writer: Box::new(|| None),
    }
}

/// Starts an import as a process does that is then stopped: this many more transactions.
fn begin(store: &StoreFile, staged: Staging, steps: usize) -> Arc<Mutex<Staging>> {
    begin_by(store, staged, order(), steps)
}

fn order() -> ImportOrder {
    ImportOrder { token: [7; 16], file: String::new(), at: at(0), allows_ended: false }
}

fn begin_by(store: &StoreFile, mut staged: Staging, order: ImportOrder, steps: usize) -> Arc<Mutex<Staging>> {
    staged.seal(order).expect("a seal");
    let staged = Arc::new(Mutex::new(staged));
    let begun = Arc::clone(&staged);
    wait(store.write(move |writes| writes.begin_import(&begun.lock().expect("rows")))).expect("a beginning");
    (0..steps).for_each(|_| carry(store, &staged));
    staged
}

fn carry(store: &StoreFile, staged: &Arc<Mutex<Staging>>) {
    let staged = Arc::clone(staged);
    wait(store.write(move |writes| writes.advance_import(&staged.lock().expect("rows"), 1))).expect("a step");
}

fn publish(store: &StoreFile, staged: &Arc<Mutex<Staging>>) -> Result<[KeyId; 2]> {
    let staged = Arc::clone(staged);
    wait(store.write(move |writes| writes.publish_import(&staged.lock().expect("rows"))))
}

#[test]
fn an_import_writes_digests_from_memory_into_the_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let service = Service::open(&service_options(folder.path()), metrics()).expect("a service");
    let (name, first) = (|| Name::parse("a").expect("a name"), new_secret());
    let digest = first.fingerprint().digest;
    let first = FirstKey { organization: name(), organization_random: [1; 8], name: name(), secret: first };
    let (organization, _) = wait(service.initialize(&first, at(1_709_164_800_000))).expect("an organization");
    let imported = new_secret().fingerprint();
    let staged = staged(&path, organization.id, &[(imported, None)]);
    wait(service.import(import_of(staged), [7; 16], at(1_709_164_800_000))).expect("an import");
    // The store is still open: only the import can have written to the index what the store has in memory.
    let view = StoreView::open(&path, Duration::from_secs(5)).expect("a look");
    for digest in [digest, imported.digest] {
        assert!(view.lookup(&digest).expect("a read").is_some());
    }
    let files = fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(files, 5, "the store, its log, shared memory, lock and ledger");
}

#[test]
fn no_key_of_an_import_is_visible_before_all_of_them_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let store = open_file(&path);
    let (organization, first, _) = insert_organization(&store.store(), "Acme");
    let organization = organization.id;
    let rows: Vec<_> = (0..3).map(|_| (new_secret().fingerprint(), None)).collect();
    let digests: Vec<_> = rows.iter().map(|(value, _)| value.digest).collect();
    let staged = staged(&path, organization, &rows);
    let parent = Parent { organization, project: None };
    let ids = |store: &StoreFile| -> Vec<i64> {
        let keys = wait(store.read(move |reads| reads.api_keys(parent, None, None, 10))).expect("a list");
        keys.iter().map(|key| key.id.get()).collect()
    };
    let is_found = |digest: Digest| {
        let other = StoreView::open(&path, Duration::from_secs(5)).expect("a look");
        let found = other.lookup(&digest).expect("a read").is_some();
        assert_eq!(wait(store.store().lookup(digest, at(0))).expect("a read").is_some(), found);
        found
    };
    // One step for the key in memory, three for rows, three for the index.
    let staged = begin(&store, staged, 1);
    let later = wait(store.write(move |writes| writes.insert_api_key(new_key(organization, &new_secret()))));
    let later = later.expect("a key").id.get();
    for _ in 0..6 {
        publish(&store, &staged).expect_err("not all of it is there");
        carry(&store, &staged);
        assert_eq!(ids(&store), [later, first.id.get()]);
        assert!(digests.iter().all(|digest| !is_found(*digest)));
        wait(store.read(move |reads| {
            assert_eq!(reads.api_key_anywhere(KeyId::new(2).expect("a number"))?, None);
            assert_eq!(reads.api_key(parent, KeyId::new(2).expect("a number"))?, None);
            assert_eq!(reads.count_api_keys(None, 100, at(0))?.0.active, 2);
            // A slice that ends before the import's numbers, and one that begins there.
            let (counts, last) = reads.count_api_keys(None, 1, at(0))?;
            assert_eq!((counts.active, last), (1, KeyId::new(1)));
            assert_eq!(reads.count_api_keys(last, 100, at(0))?.0.active, 1);
            let sizes = reads.sizes(Counted::Keys, 0, 100)?;
            assert_eq!((sizes.rows, sizes.through), (2, later));
            Ok(())
        }))
        .expect("a read");
    }
    let backup = folder.path().join("backup.db");
    assert_eq!(wait(store.back_up(backup, |_| ())).expect("a backup").keys, 2);
    // A value of an import cannot become the value of another key.
    let value = digests[1];
    assert!(wait(store.write(move |writes| writes.is_taken(&value))).expect("a read"));
    assert_eq!(publish(&store, &staged).expect("all of it").map(KeyId::get), [2, 4]);
    assert_eq!(ids(&store), [later, 4, 3, 2, 1]);
    assert!(digests.iter().all(|digest| is_found(*digest)));
}

/// Runs an import to its end, which must be a failure that leaves nothing.
#[track_caller]
fn comes_to_nothing(store: &StoreFile, path: &Path, staged: &Arc<Mutex<Staging>>, keys: i64) {
    (0..8).for_each(|_| carry(store, staged));
    publish(store, staged).expect_err("nothing to publish");
    while !wait(store.write(|writes| writes.remove_import(&[7; 16], 1))).expect("a step") {}
    let file = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the file");
    let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a count");
    assert_eq!(count("SELECT stage FROM imports"), 3);
    assert_eq!(count("SELECT count(*) FROM api_keys"), keys);
    assert_eq!(count("SELECT count(*) FROM digest_index WHERE key_id NOT IN (SELECT id FROM api_keys)"), 0);
}

#[test]
fn an_import_into_a_project_deleted_meanwhile_is_refused_as_a_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let store = open_file(&path);
    let organization = insert_organization(&store.store(), "Acme").0.id;
    let id = ProjectId::new(7).expect("a number");
    let name = Name::parse("Web").expect("a name");
    let project = Project { id, organization, name, description: None, created_at: at(0) };
    for steps in 0..6 {
        let (new, gone) = (project.clone(), project.clone());
        wait(store.write(move |writes| writes.insert_project(&new))).expect("a project");
        let rows = [None, Some(id)].map(|project| (new_secret().fingerprint(), project));
        let staged = staged(&path, organization, &rows);
        let staged = begin(&store, staged, steps);
        wait(store.write(move |writes| writes.delete_project(&gone))).expect("the project's end");
        comes_to_nothing(&store, &path, &staged, 1);
    }
}

#[test]
fn an_import_and_a_new_key_with_the_same_value_cannot_both_succeed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let store = open_file(&path);
    let organization = insert_organization(&store.store(), "Acme").0.id;
    let mut keys = 1;
    for steps in 0..6 {
        let rows = [(); 2].map(|()| (new_secret().fingerprint(), None));
        let staged = staged(&path, organization, &rows);
        let staged = begin(&store, staged, steps);
        let twin = rows[0].0;
        let is_minted = wait(store.write(move |writes| {
            let is_taken = writes.is_taken(&twin.digest)?;
            if !is_taken {
                writes.insert_api_key(NewApiKey { value: twin, ..new_key(organization, &new_secret()) })?;
            }
            Ok(!is_taken)
        }))
        .expect("an answer");
        assert!(is_minted || steps > 3, "it is in the index at the earliest after that many steps");
        keys += if is_minted { 1 } else { 2 };
        if is_minted {
            comes_to_nothing(&store, &path, &staged, keys);
        } else {
            (0..8).for_each(|_| carry(&store, &staged));
            publish(&store, &staged).expect("all of it");
        }
    }
}

#[test]
fn an_import_with_a_value_revoked_meanwhile_is_refused_unless_revoked_values_are_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let store = open_file(&path);
    let organization = insert_organization(&store.store(), "Acme").0.id;
    // Prefixes are signed numbers: the test revokes values of both halves.
    for (round, allows_ended) in [false, false, false, false, true].into_iter().enumerate() {
        let rows = [(); 3].map(|()| (new_secret().fingerprint(), None));
        let staged = staged(&path, organization, &rows);
        let order = ImportOrder { allows_ended, ..order() };
        let staged = begin_by(&store, staged, order, round.min(3));
        let twin = rows[round % 3].0;
        wait(store.write(move |writes| {
            let key = writes.insert_api_key(NewApiKey { value: twin, ..new_key(organization, &new_secret()) })?;
            writes.delete_api_key(&key)
        }))
        .expect("a key that is revoked");
        if allows_ended {
            (0..8).for_each(|_| carry(&store, &staged));
            publish(&store, &staged).expect("all of it");
        } else {
            comes_to_nothing(&store, &path, &staged, 1);
        }
    }
}

#[test]
fn the_rows_of_a_killed_import_are_invisible_and_deleted_at_the_next_start() {
    let folder = Folder::new();
    let path = folder.database();
    let store = open_file(&path);
    let organization = wait(store.read(|reads| reads.organizations(None, 1))).expect("a list")[0].id;
    let rows: Vec<_> = (0..50).map(|_| (new_secret().fingerprint(), None)).collect();
    let staged = staged(&path, organization, &rows);
    let staged = begin(&store, staged, 60);
    store.store().close();
    // A killed process releases its locks and leaves its file.
    let left = folder.path().join("keystead.db-import");
    let bytes = fs::read(&left).expect("the rows");
    drop((store, staged));
    fs::write(&left, bytes).expect("the rows");
    assert_eq!(done(folder.path(), &["keys", "list", "--json"]).lines().count(), 1);
    assert_eq!(folder.query::<i64>("SELECT count(*) FROM api_keys"), 51);
    let server = folder.serve();
    eventually(Duration::from_secs(5), || folder.query::<i64>("SELECT count(*) FROM imports WHERE stage < 2") == 0);
    assert_eq!(folder.query::<i64>("SELECT count(*) FROM api_keys"), 1);
    assert!(!left.exists());
    assert!(server.stop().success());
    folder.import_well(&format!("name,key\nA,{KEY}\n"));
    assert!(!left.exists());
}

#[test]
fn a_key_is_revoked_at_once_and_the_server_is_ready_beside_an_import_that_is_stopped_at_any_moment() {
    const ROWS: usize = 20_000;
    let folder = Folder::new();
    let server = folder.serve();
    let admin = server.client();
    let lines: String = (0..ROWS).map(|number| format!("a,{}\n", external(number))).collect();
    let file = folder.file("keys.csv", &format!("name,key\n{lines}"));
    for round in 0..10_u64 {
        let (id, value) = admin.mint("leaked");
        let mut child = begin_import(&folder, &file);
        // The test varies this moment; it does not wait for a condition.
        std::thread::sleep(Duration::from_millis(200 + 170 * round));
        signal(&child, "STOP");
        let begun = Instant::now();
        admin.revoke(id).data();
        assert!(!server.client_with(&value).is_good());
        assert_eq!(server.client().get("/readyz").status, 200);
        assert!(begun.elapsed() < Duration::from_secs(1), "round {round}: {:?}", begun.elapsed());
        signal(&child, "KILL");
        child.wait().expect("an end");
        eventually(Duration::from_secs(20), || {
            folder.query::<i64>("SELECT count(*) FROM imports WHERE stage < 2") == 0
        });
        let keys = folder.query::<i64>("SELECT count(*) FROM api_keys");
        assert!(keys == 1 || keys == 1 + ROWS as i64, "{keys} keys");
        if keys > 1 {
            break;
        }
    }
}

#[test]
fn a_key_is_revoked_at_once_beside_a_little_import_that_is_stopped_at_any_moment() {
    let folder = Folder::new();
    let server = folder.serve();
    let admin = server.client();
    let lines: String = (0..1_000).map(|number| format!("a,{}\n", external(number))).collect();
    let file = folder.file("keys.csv", &format!("name,key\n{lines}"));
    for round in 0..40_u64 {
        let (id, value) = admin.mint("leaked");
        let mut import = begin_import(&folder, &file);
        // The test varies this moment; it does not wait for a condition.
        std::thread::sleep(Duration::from_millis(20 + 5 * round));
        signal(&import, "STOP");
        let begun = Instant::now();
        admin.revoke(id).data();
        assert!(!server.client_with(&value).is_good());
        assert!(begun.elapsed() < Duration::from_secs(1), "round {round}: {:?}", begun.elapsed());
        signal(&import, "KILL");
        import.wait().expect("an end");
        if folder.query::<i64>("SELECT count(*) FROM api_keys") > 1_000 {
            break;
        }
    }
}

#[test]
fn a_server_started_beside_a_stopped_import_revokes_at_once_and_continues_the_import() {
    const ROWS: usize = 20_000;
    let folder = Folder::new();
    let lines: String = (0..ROWS).map(|number| format!("a,{}\n", external(number))).collect();
    let file = folder.file("keys.csv", &format!("name,key\n{lines}"));
    let mut import = begin_import(&folder, &file);
    eventually(Duration::from_secs(20), || folder.query::<i64>("SELECT count(*) FROM imports") > 0);
    signal(&import, "STOP");
    let server = folder.serve();
    let admin = server.client();
    let (id, value) = admin.mint("leaked");
    let begun = Instant::now();
    admin.revoke(id).data();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(!server.client_with(&value).is_good());
    eventually(Duration::from_secs(20), || folder.query::<i64>("SELECT count(*) FROM imports WHERE stage < 2") == 0);
    signal(&import, "CONT");
    assert!(import.wait().expect("an end").success());
    assert_eq!(folder.query::<i64>("SELECT count(*) FROM api_keys"), 1 + ROWS as i64);
}

fn begin_import(folder: &Folder, file: &str) -> Child {
    let mut command = keystead(folder.path());
    command
        .args(["import", "--organization-keys", file])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs")
}

fn signal(process: &Child, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", process.id())]).status();
    assert!(status.expect("a shell").success());
}

#[test]
fn an_import_whose_process_died_is_not_published_when_another_one_begins() {
    let folder = Folder::new();
    let path = folder.database();
    let service = Service::open(&service_options(folder.path()), metrics()).expect("a service");
    let organization = folder.organization();
    let rows = [(); 3].map(|()| (new_secret().fingerprint(), None));
    let mut first = staged(&path, organization, &rows);
    first.seal(order()).expect("a seal");
    let other = Connection::open(&path).expect("the file");
    other.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    let next = std::thread::scope(|scope| {
        let carrying = scope.spawn(|| wait(service.carry_imports()));
        // By then it waits for the store, with the first import in progress.
        std::thread::sleep(Duration::from_millis(300));
        drop(first);
        let next = staged(&path, organization, &[]);
        other.execute_batch("ROLLBACK").expect("an end");
        carrying.join().expect("no panic").expect("an end");
        next
    });
    assert_eq!(folder.keys(), 1);
    drop(next);
    wait(service.carry_imports()).expect("a removal");
    assert_eq!(folder.query::<i64>("SELECT count(*) FROM imports WHERE stage < 2"), 0);
    assert_eq!(folder.query::<i64>("SELECT count(*) FROM api_keys"), 1);
}

#[test]
fn a_server_continues_an_import_soon_after_the_store_was_busy() {
    let folder = Folder::new();
    let server = Server::start_in(folder.path(), &[("KEYSTEAD_STORE_BUSY_TIMEOUT_MS", "50")]);
    let other = Connection::open(folder.database()).expect("the file");
    let mut waiting = staged(&folder.database(), folder.organization(), &[(new_secret().fingerprint(), None)]);
    other.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    waiting.seal(order()).expect("a seal");
    let warnings = || server.log().matches("could not be found or stored").count();
    eventually(Duration::from_secs(5), || warnings() > 0);
    // Long enough for a second attempt.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(warnings(), 1, "{}", server.log());
    other.execute_batch("ROLLBACK").expect("an end");
    eventually(Duration::from_secs(10), || folder.keys() == 2);
}

/// A small service with a short busy timeout.
fn hasty_service(folder: &Folder) -> Service {
    let mut options = service_options(folder.path());
    options.store.busy_timeout = Duration::from_millis(100);
    Service::open(&options, metrics()).expect("a service")
}

#[test]
fn an_import_that_a_stopped_server_may_still_publish_is_reported_as_uncertain() {
    let folder = Folder::new();
    let staged = || staged(&folder.database(), folder.organization(), &[(new_secret().fingerprint(), None)]);
    let server = folder.serve();
    let store = open_file(&folder.database());
    eventually(Duration::from_secs(5), || store.has_server());
    drop(store);
    let service = hasty_service(&folder);
    let other = Connection::open(folder.database()).expect("the file");
    other.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    let said = |service: &Service| match wait(service.import(import_of(staged()), [7; 16], at(0))) {
        Ok(_) => panic!("it was imported"),
        Err(error) => error.detail().expect("a detail").to_owned(),
    };
    let uncertain = said(&service);
    assert!(uncertain.starts_with("The result of the import is unknown. When the server"), "{uncertain}");
    assert!(uncertain.contains("another process holds the store"), "{uncertain}");
    // No other process could have done it.
    other.execute_batch("ROLLBACK").expect("an end");
    assert!(server.stop().success());
    other.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    assert_eq!(said(&service), "another process holds the store. Nothing was imported.");
    other.execute_batch("ROLLBACK").expect("an end");
}

#[test]
fn an_import_that_a_server_published_before_the_store_was_busy_has_succeeded() {
    let folder = Folder::new();
    let staged = staged(&folder.database(), folder.organization(), &[(new_secret().fingerprint(), None)]);
    let service = hasty_service(&folder);
    let other = Connection::open(folder.database()).expect("the file");
    // What a server does after the command looked.
    let progress = Box::new(move |_| {
        other.execute_batch("UPDATE imports SET stage = 2; BEGIN IMMEDIATE").expect("it is published");
    });
    let outcome = wait(service.import(Import { progress, ..import_of(staged) }, [7; 16], at(0))).expect("success");
    assert_eq!(outcome.ids.map(|ids| ids.map(KeyId::get)), Some([2, 2]));
}

#[test]
fn a_failed_import_names_the_row_with_the_conflict() {
    let twin = new_secret().fingerprint();
    let digest = twin.digest.to_hex();
    let brought = format!(
        "UPDATE api_keys SET digest = x'{digest}' WHERE id = 1; INSERT INTO digest_index (prefix, key_id) VALUES ({}, 1)",
        u64::from_str_radix(&digest[..16], 16).expect("a number").cast_signed()
    );
    let ended = format!("INSERT INTO ended_values (digest, algorithm) VALUES (x'{digest}', 0)");
    let removed = "DELETE FROM api_keys WHERE project_id = 7; UPDATE imports SET stage = 1; DELETE FROM projects";
    for (change, sentence) in [
        (brought.as_str(), "The key of row 1 was added to the store meanwhile; nothing was imported."),
        (
            &ended,
            "The key of row 1 was revoked or rotated out meanwhile; nothing was imported. Use --allow-revoked to import it.",
        ),
        (removed, "The project of row 2 was deleted meanwhile; nothing was imported."),
    ] {
        let folder = Folder::new();
        let organization = folder.organization();
        let other = Connection::open(folder.database()).expect("the file");
        let sql = "INSERT INTO projects (id, organization_id, name, created_at) VALUES (7, ?1, 'Web', 0)";
        other.execute(sql, [organization.get()]).expect("a project");
        let rows = [(twin, None), (new_secret().fingerprint(), ProjectId::new(7))];
        let staged = staged(&folder.database(), organization, &rows);
        let service = Service::open(&service_options(folder.path()), metrics()).expect("a service");
        let (change, is_first) = (change.to_owned(), Mutex::new(true));
        let progress = Box::new(move |_| {
            if std::mem::take(&mut *is_first.lock().expect("a flag")) {
                other.execute_batch(&format!("BEGIN IMMEDIATE; {change}; COMMIT")).expect("a change");
            }
        });
        let import = Import { progress, ..import_of(staged) };
        let error = wait(service.import(import, [7; 16], at(0))).err().expect("a conflict");
        assert_eq!(error.to_string(), sentence);
        assert_eq!(folder.keys(), 1);
    }
}

#[test]
fn of_two_concurrent_imports_one_is_refused() {
    let folder = Folder::new();
    let _first = staged(&folder.database(), OrganizationId::from_random([1; 8]), &[]);
    let file = folder.file("keys.csv", &format!("name,key\nA,{KEY}\n"));
    let mut command = keystead(folder.path());
    let output =
        command.args(["import", "--organization-keys", &file]).env("KEYSTEAD_STORE_BUSY_TIMEOUT_MS", "100").output();
    assert_failed_with(&output.expect("the program runs"), 1, "Another import is under way");
    assert!(folder.import(&format!("name,key\nA,{KEY}\n"), &["--dry-run"]).status.success());
}
