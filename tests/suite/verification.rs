//! `POST /v1/verify`, `/v1/verify/batch` and their `/v2` twins: whether a key is valid, and whose it is.

use super::helpers::*;
use serde_json::{Value, json};

const CLOCK: (&str, &str) = ("KEYSTEAD_DEV_CLOCK", "true");

/// The response to a verification of a full key.
#[track_caller]
fn verify(asker: &Client, value: &str) -> Value {
    asker.post("/v2/verify", json!({"value": value})).data()
}

#[track_caller]
fn code(asker: &Client, value: &str) -> String {
    let data = verify(asker, value);
    let code = data["code"].as_str().expect("a code").to_owned();
    assert_eq!(data["valid"], json!(code == "VALID"), "{data}");
    code
}

/// A new key of `/v2` with these fields beside its name.
fn create(client: &Client, mut fields: Value) -> (i64, String) {
    fields["name"] = json!("a");
    let key = client.post("/v2/organization/api-keys", fields).data();
    (key["id"].as_i64().expect("an id"), key["value"].as_str().expect("a value").to_owned())
}

fn rotate(client: &Client, id: i64, fields: Value) -> Value {
    client.post(&format!("/v2/organization/api-keys/{id}/rotate"), fields).data()
}

fn advance(server: &Server, hours: u64) {
    server.client().post("/dev/clock", json!({"advanceInMs": hours * 3_600_000})).data();
}

#[test]
fn a_good_key_is_shown_masked_with_its_organization_in_the_shapes_of_each_version() {
    let server = Server::start();
    let admin = server.client();
    let (id, value) = admin.mint("CI/CD key");
    for version in ["v1", "v2"] {
        let answer = admin.post(&format!("/{version}/verify"), json!({ "value": value }));
        let data = answer.data();
        assert_eq!((&data["valid"], &data["code"], &data["project"]), (&json!(true), &json!("VALID"), &Value::Null));
        let key = admin.get(&format!("/{version}/organization/api-keys/{id}")).data();
        let key = if version == "v1" { &key["apiKey"] } else { &key };
        assert_eq!(&data["apiKey"], key, "as a read shows it, its use included");
        assert!(key["lastUsed"].is_string() && key["value"].as_str().is_some_and(|it| it.starts_with("*****")));
        assert_eq!(data["organization"], admin.get(ORGANIZATION).data()["organization"]);
        let fields: Vec<&String> = data.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["apiKey", "code", "organization", "project", "valid"]);
        assert!(!answer.text.contains(&value));
    }
}

#[test]
fn every_state_of_a_key_has_its_code() {
    let server = Server::start_with(&[CLOCK]);
    let admin = server.client();
    let (off, off_value) = create(&admin, json!({}));
    admin.set_valid(off, false).data();
    assert_eq!(code(&admin, &off_value), "DEACTIVATED");
    admin.set_valid(off, true).data();
    assert_eq!(code(&admin, &off_value), "VALID");
    admin.revoke(off).data();
    assert_eq!(code(&admin, &off_value), "UNKNOWN");

    let (_, short) = create(&admin, json!({"expiresInDays": 1}));
    assert_eq!(code(&admin, &short), "VALID");
    advance(&server, 24);
    let expired = verify(&admin, &short);
    assert_eq!((&expired["code"], &expired["apiKey"]["name"]), (&json!("EXPIRED"), &json!("a")));

    for value in ["", "nonsense", &"x".repeat(5000), "confident_org_00000000000000000000000000000000"] {
        let unknown = verify(&admin, value);
        let nothing = json!({"valid": false, "code": "UNKNOWN", "apiKey": null, "organization": null, "project": null});
        assert_eq!(unknown, nothing, "{value}");
    }
}

#[test]
fn a_rotated_out_value_is_reported_as_rotated_out_and_stays_refused() {
    let server = Server::start_with(&[CLOCK]);
    let admin = server.client();
    let (id, first) = create(&admin, json!({}));
    let second = rotate(&admin, id, json!({}))["value"].as_str().map(str::to_owned).expect("a value");
    let third = rotate(&admin, id, json!({"gracePeriodInHours": 1}));
    let third = third["shadowValue"].as_str().expect("a value");
    assert_eq!([&first, &second, third].map(|it| code(&admin, it)), ["ROTATED_OUT", "VALID", "VALID"]);
    advance(&server, 1);
    let out = verify(&admin, &second);
    assert_eq!((&out["code"], &out["apiKey"]["id"]), (&json!("ROTATED_OUT"), &json!(id)));
    assert_eq!(out["apiKey"]["shadowValue"], Value::Null, "the rotation is over");
    assert_eq!(code(&admin, third), "VALID");
    // A user of it learns no more than of any other wrong key.
    let refused = server.client_with(&first).get(ORGANIZATION).refused_with(401);
    assert_eq!(refused, "The API key is not valid.");
    let dropped = rotate(&admin, id, json!({"gracePeriodInHours": 1}))["shadowValue"].take();
    admin.post(&format!("/v2/organization/api-keys/{id}/rotate/cancel"), json!({})).data();
    assert_eq!(code(&admin, dropped.as_str().expect("a value")), "ROTATED_OUT");
    admin.revoke(id).data();
    assert_eq!([&first, &second, third].map(|it| code(&admin, it)), ["UNKNOWN"; 3]);
}

#[test]
fn the_last_sixteen_former_values_are_recognized_and_cannot_be_reused() {
    let server = Server::start();
    let admin = server.client();
    let (id, mut value) = create(&admin, json!({}));
    let mut former = Vec::new();
    for _ in 0..18 {
        let next = rotate(&admin, id, json!({}))["value"].as_str().map(str::to_owned).expect("a value");
        former.push(std::mem::replace(&mut value, next));
    }
    let codes: Vec<String> = former.iter().map(|it| code(&admin, it)).collect();
    assert_eq!(
        (&codes[..2], &codes[2..]),
        (&vec!["UNKNOWN".to_owned(); 2][..], &vec!["ROTATED_OUT".to_owned(); 16][..])
    );
    let leaked = former.last().expect("a value");
    let digest = blake3::hash(leaked.as_bytes()).to_hex().to_string();
    let brought = json!({"name": "b", "digest": digest, "tail": &leaked[leaked.len() - 6..]});
    admin.post("/v2/organization/api-keys", brought).refused_with(409);
}

#[test]
fn former_values_outlive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    let (id, value) = create(&server.client(), json!({}));
    rotate(&server.client(), id, json!({}));
    server.kill();
    let server = Server::start_in(folder.path(), &[]);
    assert_eq!(code(&server.client(), &value), "ROTATED_OUT");
}

#[test]
fn a_project_key_can_verify_its_organizations_keys_and_is_shown_with_its_project() {
    let server = Server::start();
    let admin = server.client();
    let created = admin.post("/v2/projects", json!({"name": "Web shop"})).data();
    let value = created["apiKey"]["value"].as_str().expect("a value");
    let project_client = server.client_with(value);
    assert_eq!(code(&project_client, admin.key()), "VALID");
    let own = verify(&project_client, value);
    assert_eq!((&own["project"], &own["code"]), (&created["project"], &json!("VALID")));
    let path = format!("/v2/projects/{}", created["project"]["id"].as_str().expect("an id"));
    let renamed = admin.put(&path, json!({"name": "Shop"})).data();
    assert_eq!(verify(&admin, value)["project"], renamed, "from the answer on");
    admin.put(ORGANIZATION, json!({"name": "Renamed"})).data();
    assert_eq!(verify(&admin, value)["organization"]["name"], json!("Renamed"));
    admin.delete(&path).data();
    assert_eq!(code(&admin, value), "UNKNOWN");
    project_client.post("/v2/verify", json!({"value": admin.key()})).refused_with(401);
}

#[test]
fn another_organizations_key_is_unknown() {
    let server = Server::start();
    let store = open_store(&server.store_path());
    let (_, _, secret) = insert_organization(&store, "Other");
    assert_eq!(code(&server.client(), secret.expose()), "UNKNOWN");
    assert_eq!(code(&server.client_with(secret.expose()), server.client().key()), "UNKNOWN");
    assert_eq!(code(&server.client_with(secret.expose()), secret.expose()), "VALID");
}

#[test]
fn a_digest_can_be_verified_instead_of_the_key() {
    let server = Server::start();
    let admin = server.client();
    let digest = blake3::hash(admin.key().as_bytes()).to_hex().to_string();
    assert_eq!(admin.post("/v1/verify", json!({"digest": digest})).data()["code"], json!("VALID"));
    let both = json!({"digest": digest, "value": "a"});
    for wrong in [json!({}), both, json!({"digest": "abc"}), json!({"digest": digest.to_uppercase()})] {
        admin.post("/v1/verify", wrong).refused_with(400);
    }
    admin.post("/v1/verify", json!({"value": 1})).refused_with(400);
    admin.post("/v1/verify", json!({"value": "a", "address": "here"})).refused_with(400);
}

#[test]
fn a_batch_is_answered_in_order_and_has_at_most_a_thousand_entries() {
    let server = Server::start();
    let admin = server.client();
    let (off, off_value) = create(&admin, json!({}));
    admin.set_valid(off, false).data();
    let digest = blake3::hash(admin.key().as_bytes()).to_hex().to_string();
    let keys = json!([{"value": off_value}, {"digest": digest}, {"value": "nonsense", "address": "10.0.0.1"}]);
    for version in ["v1", "v2"] {
        let data = admin.post(&format!("/{version}/verify/batch"), json!({"keys": keys})).data();
        let codes: Vec<&Value> = data["results"].as_array().expect("results").iter().map(|it| &it["code"]).collect();
        assert_eq!(codes, [&json!("DEACTIVATED"), &json!("VALID"), &json!("UNKNOWN")]);
        assert_eq!(data["results"][0]["apiKey"]["id"], json!(off));
    }
    let many = |count| json!({"keys": vec![json!({"digest": digest, "address": "2001:db8::1"}); count]});
    let results = admin.post("/v2/verify/batch", many(1000)).data()["results"].take();
    assert_eq!(results.as_array().expect("results").len(), 1000);
    let bad_item = json!({"keys": [{"value": off_value}, {}]});
    for wrong in [many(1001), many(0), json!({}), json!({"keys": "a"}), json!({"keys": [1]}), bad_item] {
        admin.post("/v2/verify/batch", wrong).refused_with(400);
    }
}

#[test]
fn a_batch_of_a_thousand_keys_of_256_characters_fits_in_every_json_encoding() {
    let server = Server::start_with(&[("KEYSTEAD_SERVER_BODY_LIMIT_BYTES", "1000")]);
    let admin = server.client();
    let address = "2001:db8:1111:2222:3333:4444:5555:6666";
    let question = |value: &str| format!("{{\"value\": \"{value}\", \"address\": \"{address}\"}}");
    let batch = |questions: &[String]| format!("{{\n  \"keys\": [\n    {}\n  ]\n}}", questions.join(",\n    "));
    let headers = [("CONFIDENT_API_KEY", admin.key()), ("Content-Type", "application/json")];
    let ask = |body: &str| admin.send("POST", "/v2/verify/batch", &headers, body.as_bytes());
    for character in ["k", "\\u006b"] {
        let mut questions = vec![question(&character.repeat(256)); 1000];
        questions[999] = question(admin.key());
        let results = ask(&batch(&questions)).data()["results"].take();
        let codes = [0, 999].map(|number| results[number]["code"].as_str().expect("a code").to_owned());
        assert_eq!(codes, ["UNKNOWN", "VALID"]);
    }
    assert!(ask(&" ".repeat(2_048_001)).refused_with(413).contains("2048000 bytes"));
    let body = format!("{{\"value\": \"{}\"}}", "k".repeat(1000));
    admin.send("POST", "/v2/verify", &headers, body.as_bytes()).refused_with(413);
}

#[test]
fn a_key_without_all_the_needed_permissions_is_not_valid_for_the_request_and_is_not_used() {
    let server = Server::start();
    let admin = server.client();
    let (id, value) = create(&admin, json!({"permissions": ["invoices:*", "users:read"], "role": "none"}));
    let digest = blake3::hash(value.as_bytes()).to_hex().to_string();
    let question = |needed: &Value| json!({"digest": digest, "permissions": needed});
    let last_used = || admin.get(&format!("{KEYS}/{id}")).data()["apiKey"]["lastUsed"].take();
    for needed in [json!(["users:write"]), json!(["invoices:read", "users:write"]), json!(["invoices"]), json!(["*"])] {
        for version in ["v1", "v2"] {
            let data = admin.post(&format!("/{version}/verify"), question(&needed)).data();
            let expected = (&json!(false), &json!("INSUFFICIENT_PERMISSIONS"), &json!(id));
            assert_eq!((&data["valid"], &data["code"], &data["apiKey"]["id"]), expected, "{needed}");
            assert_eq!(data["apiKey"].get("permissions").is_some(), version == "v2");
        }
    }
    assert_eq!(last_used(), Value::Null);
    let needed = [json!(["users:write"]), json!(["users:read", "invoices:items:read"]), json!([]), Value::Null];
    let keys: Vec<Value> = needed.iter().map(question).collect();
    let results = admin.post("/v2/verify/batch", json!({ "keys": keys })).data()["results"].take();
    let codes: Vec<&Value> = results.as_array().expect("results").iter().map(|it| &it["code"]).collect();
    assert_eq!(codes, ["INSUFFICIENT_PERMISSIONS", "VALID", "VALID", "VALID"]);
    assert!(last_used().is_string());
    // From the answer on that withdraws it.
    assert_eq!(admin.post("/v2/verify", question(&needed[1])).data()["code"], json!("VALID"));
    admin.put(&format!("/v2/organization/api-keys/{id}"), json!({"permissions": ["users:read"]})).data();
    assert_eq!(admin.post("/v2/verify", question(&needed[1])).data()["code"], json!("INSUFFICIENT_PERMISSIONS"));
    let too_many: Vec<String> = (0..65).map(|number| format!("a:{number}")).collect();
    for wrong in [json!("users:read"), json!([1]), json!(["A"]), json!(["a:*:b"]), json!([""]), json!(too_many)] {
        admin.post("/v2/verify", question(&wrong)).refused_with(400);
    }
    // Misspelt, it must not count as nothing needed.
    admin.post("/v2/verify", json!({"digest": digest, "permission": ["users:write"]})).refused_with(400);
}

#[test]
fn the_caller_needs_a_valid_key() {
    let server = Server::start();
    let body = json!({"value": server.first_key()});
    for path in ["/v1/verify", "/v2/verify", "/v1/verify/batch", "/v2/verify/batch"] {
        server.client_with("confident_org_00000000000000000000000000000000").post(path, body.clone()).refused_with(401);
        let nobody = server.client_with("").send("POST", path, &[("Content-Type", "application/json")], b"{}");
        nobody.refused_with(401);
    }
}

#[test]
fn a_verification_counts_as_a_use_of_a_valid_key() {
    let server = Server::start();
    let admin = server.client();
    let last_used = |id: i64| admin.get(&format!("{KEYS}/{id}")).data()["apiKey"]["lastUsed"].take();
    let (id, value) = admin.mint("a");
    assert_eq!(last_used(id), Value::Null);
    admin.set_valid(id, false).data();
    verify(&admin, &value);
    assert_eq!(last_used(id), Value::Null);
    admin.set_valid(id, true).data();
    let told = verify(&admin, &value)["apiKey"]["lastUsed"].take();
    assert!(told.is_string());
    assert_eq!(last_used(id), told);
    admin.set_valid(id, false).data();
    assert_eq!(verify(&admin, &value)["apiKey"]["lastUsed"], told, "a refusal knows it at once, too");
}
