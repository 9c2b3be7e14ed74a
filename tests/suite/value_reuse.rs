//! Revoked and rotated-out values cannot be reused by mistake.

use super::helpers::*;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const KEYS: &str = "/v2/organization/api-keys";
const ENDED: &str = "The value was revoked or rotated out and cannot be used again; create a new key.";

/// The body of a caller that keeps the secret to itself.
fn digest(value: &str) -> Value {
    let tail = &value[value.len() - 6..];
    json!({"name": "a", "digest": blake3::hash(value.as_bytes()).to_hex().as_str(), "tail": tail})
}

fn rotate(client: &Client, id: i64, body: &Value) -> Answer {
    client.post(&format!("{KEYS}/{id}/rotate"), body.clone())
}

#[track_caller]
fn assert_ended(client: &Client, value: &str) {
    assert_eq!(client.post(KEYS, digest(value)).refused_with(409), ENDED);
}

#[test]
fn a_revoked_or_rotated_out_value_cannot_be_the_value_of_a_new_key() {
    let server = Server::start();
    let client = server.client();
    let [(revoked, dead), (rotated, first), (other, _)] = std::array::from_fn(|_| client.mint("a"));
    client.revoke(revoked);
    // The store recognizes the last 16 values of a key; older ones are unusable as well.
    for _ in 0..18 {
        assert_eq!(rotate(&client, rotated, &json!({})).status, 200);
    }
    for value in [&dead, &first] {
        assert_ended(&client, value);
        let mut new_value = digest(value);
        new_value.as_object_mut().expect("an object").remove("name");
        assert_eq!(rotate(&client, other, &new_value).refused_with(409), ENDED);
        assert!(!server.client_with(value).is_good());
    }
    // The new value of a cancelled rotation is unusable, too.
    let grace = rotate(&client, other, &json!({"gracePeriodInHours": 1})).data();
    let new_value = grace["shadowValue"].as_str().expect("a value").to_owned();
    assert_eq!(client.post(&format!("{KEYS}/{other}/rotate/cancel"), json!({})).status, 200);
    assert_ended(&client, &new_value);
}

#[test]
fn a_revoked_value_stays_unusable_after_a_restore_to_before_its_creation() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    done(folder.path(), &["backup", "backup.db"]);
    let (id, dead) = server.client().mint("a");
    server.client().revoke(id);
    assert_eq!(server.stop().code(), Some(0));
    done(folder.path(), &["restore", "backup.db"]);
    let server = Server::start_in(folder.path(), &[]);
    assert_ended(&server.client(), &dead);
}

#[test]
fn an_operator_can_explicitly_reuse_a_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    let client = server.client();
    let [(revoked, dead), (other, first)] = std::array::from_fn(|_| client.mint("a"));
    client.revoke(revoked);
    rotate(&client, other, &json!({}));
    let is_good = |value: &str| server.client_with(value).is_good();
    fs::write(folder.path().join("dead"), &dead).expect("the key");
    fs::write(folder.path().join("first"), &first).expect("the key");
    let told =
        format!("{ENDED} If you mean it, keystead keys create and keystead keys rotate take it with --allow-revoked.");
    let create = ["keys", "create", "again", "--adopt-key-file", "dead"];
    assert_failed_with(&run(folder.path(), &create), 1, &told);
    let number = other.to_string();
    let back = ["keys", "rotate", &number, "--adopt-key-file", "first", "--yes"];
    assert_failed_with(&run(folder.path(), &back), 1, &told);
    let organization = ["organizations", "create", "Other", "--adopt-key-file", "dead"];
    assert_failed_with(&run(folder.path(), &organization), 1, &told);
    assert!(!is_good(&dead) && !is_good(&first));
    done(folder.path(), &[&create[..], &["--allow-revoked"]].concat());
    done(folder.path(), &[&back[..], &["--allow-revoked"]].concat());
    assert!(is_good(&dead) && is_good(&first));
    drop(server);
    // The ledger does not revoke them again.
    done(folder.path(), &["backup", "backup.db"]);
    done(folder.path(), &["restore", "backup.db"]);
    let server = Server::start_in(folder.path(), &[]);
    assert!(server.client_with(&dead).is_good() && server.client_with(&first).is_good());
}

fn import(folder: &Path, rows: &str, arguments: &[&str]) -> std::process::Output {
    fs::write(folder.join("keys.csv"), rows).expect("a file");
    run(folder, &[&["import", "--organization-keys", "keys.csv"], arguments].concat())
}

#[test]
fn a_value_revoked_by_its_sha_256_digest_cannot_be_adopted_as_a_full_key() {
    let folder = tempfile::tempdir().expect("a folder");
    done(folder.path(), &["init", "--organization", "Acme", "--key-file", "admin.key"]);
    let forms = keystead::domain::KeyForms { external: true, sha256: true };
    let value = new_secret();
    let sha256 = keystead::domain::Digest::sha256_of_presented(value.expose().as_bytes(), forms).expect("a key");
    let rows = format!("name,digest,algorithm\na,{},sha256\n", sha256.to_hex());
    assert!(import(folder.path(), &rows, &[]).status.success());
    fs::write(folder.path().join("value"), value.expose()).expect("the key");
    let adopt = ["keys", "create", "again", "--adopt-key-file", "value"];
    assert_failed_with(&run(folder.path(), &adopt), 1, "The digest is that of a key that exists; make a new key.");
    done(folder.path(), &["keys", "revoke", "2", "--yes"]);
    for command in [&adopt[..], &["organizations", "create", "Other", "--adopt-key-file", "value"]] {
        let output = run(folder.path(), command);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(ENDED), "{}", stderr(&output));
    }
    done(folder.path(), &[&adopt[..], &["--allow-revoked"]].concat());
}

/// By the SHA-256 digest alone, the value is not recognized until a client presents it.
#[test]
fn a_revoked_value_is_refused_by_each_of_its_digests() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    let (id, dead) = server.client().mint("a");
    let (twin, value) = server.client().mint("a");
    server.client().revoke(id);
    let forms = keystead::domain::KeyForms { external: true, sha256: true };
    let sha256 =
        |value: &str| keystead::domain::Digest::sha256_of_presented(value.as_bytes(), forms).expect("a key").to_hex();
    let rows = format!("name,digest,algorithm\na,{},sha256\nb,{},sha256\n", sha256(&dead), sha256(&value));
    assert!(import(folder.path(), &rows, &[]).status.success());
    let verify = |value: &str| {
        let output = run_with_input(folder.path(), &["keys", "verify"], value.as_bytes());
        stdout(&output).contains("VALID") && output.status.success()
    };
    let code = |value: &str| server.client().post("/v2/verify", json!({"value": value})).data()["code"].take();
    for _ in 0..2 {
        assert!(!server.client_with(&dead).is_good() && !verify(&dead));
        assert_eq!(code(&dead), "UNKNOWN");
    }
    // If two keys have one value, the revocation of one key makes the value unusable.
    assert!(server.client_with(&value).is_good() && verify(&value));
    server.client().revoke(twin);
    assert!(!server.client_with(&value).is_good() && !verify(&value));
    assert_eq!(code(&value), "UNKNOWN");
    assert_eq!(server.stop().code(), Some(0));
    let server = Server::start_in(folder.path(), &[]);
    assert!(!server.client_with(&dead).is_good() && !server.client_with(&value).is_good());
}

#[test]
fn an_import_refuses_rows_with_revoked_values() {
    const SHA256: &str = "cf22cc2e2c5ec9d1ee7a3ec0b3d5b5cc8f3a4eac0d8ccbbcdd5d6bbd0fd1e6f1";
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    let rows = format!(
        "name,key,digest,algorithm\na,sk_live_0123456789abcdef,,\nb,,{SHA256},sha256\nc,sk_live_fedcba9876543210,,\n"
    );
    assert!(import(folder.path(), &rows, &[]).status.success());
    for number in ["2", "3"] {
        done(folder.path(), &["keys", "revoke", number, "--yes"]);
    }
    // The digest was revoked; the full key has the same digest.
    let forms = keystead::domain::KeyForms { external: true, sha256: true };
    let never_used = "sk_live_aaaaaaaaaaaaaaaa";
    let sha256 = keystead::domain::Digest::sha256_of_presented(never_used.as_bytes(), forms).expect("a key").to_hex();
    assert!(import(folder.path(), &format!("name,digest,algorithm\nd,{sha256},sha256\n"), &[]).status.success());
    done(folder.path(), &["keys", "revoke", "5", "--yes"]);
    let output = import(folder.path(), &format!("name,key\nd,{never_used}\n"), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));

    let sentence =
        "The key was revoked or rotated out; leave it out with --skip-bad-rows, or take it in with --allow-revoked.";
    for arguments in [&[][..], &["--dry-run"]] {
        let output = import(folder.path(), &rows, arguments);
        assert_eq!(output.status.code(), Some(1));
        let told = stdout(&output);
        assert_eq!(told.matches(sentence).count(), 2, "{told}");
        assert_eq!(told.matches("The store has this key already.").count(), 1, "{told}");
    }
    let output = import(folder.path(), "name,key\nsee sk_live_bbbbbbbbbbbbbbbb,sk_live_bbbbbbbbbbbbbbbb\n", &[]);
    assert!(stdout(&output).contains("Its name has the key in it"), "{}", stdout(&output));
    let rows = rows.rsplit_once("c,").expect("three rows").0;
    let output = import(folder.path(), rows, &["--allow-revoked"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(server.client_with("sk_live_0123456789abcdef").is_good());
}
