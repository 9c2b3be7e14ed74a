//! `keystead keys`, on a store of its own and beside a running server.

use super::helpers::*;
use keystead::domain::Timestamp;
use keystead::store::NewApiKey;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::SystemTime;

const V2_KEYS: &str = "/v2/organization/api-keys";

/// A folder with a store of the organization Acme, and its first key.
pub fn store() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let key = done(folder.path(), &["init", "--organization", "Acme"]).trim().to_owned();
    (folder, key)
}

/// Creates a key; returns its id and its full value.
fn create(folder: &Path, more: &[&str]) -> (String, String) {
    let key = done_json(folder, &[&["keys", "create", "A key", "--json"], more].concat());
    (key["id"].to_string(), key["value"].as_str().expect("a value").to_owned())
}

/// The result of `keys verify`: the exit code and the first word.
fn verdict(folder: &Path, key: &str) -> (Option<i32>, String) {
    let output = run_with_input(folder, &["keys", "verify"], key.as_bytes());
    let text = stdout(&output);
    (output.status.code(), text.split(['\n', ':']).next().unwrap_or_default().to_owned())
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

/// Every file of the folder with its bytes and modification time.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>, SystemTime)> {
    let files = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = files
        .map(|path| {
            let modified = fs::metadata(&path).and_then(|it| it.modified()).expect("a time");
            (path.display().to_string(), fs::read(&path).expect("a file"), modified)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_lost_admin_key_is_replaced_beside_a_running_server_and_the_new_one_works_at_once() {
    let server = Server::start();
    let key = done(server.folder(), &["keys", "create", "Admin"]);
    let key = key.strip_suffix('\n').expect("one line");
    assert_eq!(server.client_with(key).get(KEYS).status, 200);
    let lost = server.first_key();
    assert!(server.client_with(&lost).is_good());
    done(server.folder(), &["keys", "revoke", "1", "--yes"]);
    assert!(!server.client_with(&lost).is_good());
    assert!(server.client_with(key).is_good());
}

#[test]
fn commands_that_invalidate_a_key_take_effect_in_a_running_server_before_they_end() {
    let server = Server::start();
    let folder = server.folder();
    let new = || create(folder, &[]);
    for (before, command) in [
        (None, &["keys", "revoke", "ID", "--yes"][..]),
        (None, &["keys", "deactivate", "ID"]),
        (None, &["keys", "rotate", "ID", "--yes"]),
        (Some(["keys", "rotate", "ID", "--grace-hours", "1"]), &["keys", "rotate", "ID", "--complete", "--yes"]),
    ] {
        let (id, value) = new();
        let named = |words: &[&str]| words.iter().map(|word| word.replace("ID", &id)).collect::<Vec<_>>();
        let run = |words: &[&str]| done(folder, &named(words).iter().map(String::as_str).collect::<Vec<_>>());
        if let Some(before) = before {
            run(&before);
        }
        let client = server.client_with(&value);
        assert!(client.is_good(), "{command:?}: the server remembers the key from now on");
        run(command);
        assert!(!client.is_good(), "{command:?}");
    }
    let (id, value) = new();
    let fresh = done(folder, &["keys", "rotate", &id, "--grace-hours", "1"]);
    let [old, new] = [server.client_with(&value), server.client_with(fresh.trim())];
    assert!(old.is_good() && new.is_good());
    done(folder, &["keys", "rotate", &id, "--cancel", "--yes"]);
    assert!(old.is_good() && !new.is_good());
    done(folder, &["keys", "deactivate", &id]);
    assert!(!old.is_good());
    done(folder, &["keys", "activate", &id]);
    assert!(old.is_good());
}

#[test]
fn a_key_is_created_with_an_expiry_in_a_project_and_shown_as_in_v2() {
    let server = Server::start();
    let folder = server.folder();
    let project = done_json(folder, &["projects", "create", "Web shop", "--json"]);
    let (id, value) = create(folder, &["--project", "Web shop", "--expires-in-days", "3"]);
    assert!(value.starts_with("confident_proj_") && server.client_with(&value).is_let_in("/auth/nginx"));
    let project = project["project"]["id"].as_str().expect("an id");
    let shown = done_json(folder, &["keys", "get", &id, "--json"]);
    let mut answered = server.client().get(&format!("/v2/projects/{project}/api-keys/{id}")).data();
    // A use is written to disk within a second.
    answered["lastUsed"] = shown["lastUsed"].clone();
    for (name, value) in answered.as_object().expect("an object") {
        assert_eq!(shown[name], *value, "{name}");
    }
    assert_eq!(shown["projectId"], project);
    assert_eq!(shown["state"], "active");
    let text = done(folder, &["keys", "get", &id]);
    assert!(text.contains(project) && text.contains("***************") && !text.contains(&value), "{text}");
}

#[test]
fn keys_are_listed_with_those_of_projects_newest_first_and_masked() {
    let (folder, first) = store();
    let folder = folder.path();
    let (_, second) = create(folder, &["--expires-in-days", "3"]);
    done(folder, &["projects", "create", "Shop"]);
    done(folder, &["keys", "deactivate", "1"]);
    let table = done(folder, &["keys", "list"]);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..4], ["NUMBER", "NAME", "STATE", "VALUE"]);
    assert_eq!([rows[1][0], rows[2][0], rows[3][0]], ["3", "2", "1"], "{table}");
    assert!(rows[1].contains(&"Shop") && rows[2].contains(&"active") && rows[3].contains(&"deactivated"), "{table}");
    assert!(!table.contains(&first) && !table.contains(&second));
    let listed = lines(&done(folder, &["keys", "list", "--json"]));
    assert_eq!(listed.iter().map(|key| key["id"].clone()).collect::<Vec<_>>(), [json!(3), json!(2), json!(1)]);
    let listed = lines(&done(folder, &["keys", "list", "--project", "Shop", "--json"]));
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["name"], "Default key");
}

#[test]
fn a_list_longer_than_a_page_has_every_key_once() {
    let (folder, _) = store();
    let path = folder.path().join("keystead.db");
    let id = done_json(folder.path(), &["organizations", "get", "Acme", "--json"])["id"].clone();
    let id = keystead::domain::OrganizationId::parse(id.as_str().expect("an id")).expect("an id");
    let store = open_store(&path);
    let secrets: Vec<_> = std::iter::repeat_with(new_secret).take(2500).collect();
    insert_keys(&store, id, &secrets).expect("keys");
    store.close();
    let listed = lines(&done(folder.path(), &["keys", "list", "--json"]));
    let ids: Vec<i64> = listed.iter().filter_map(|key| key["id"].as_i64()).collect();
    assert_eq!(ids, (1..=2501).rev().collect::<Vec<_>>());
    let tables = done(folder.path(), &["keys", "list"]);
    let heads = tables.lines().filter(|line| line.starts_with("NUMBER")).count();
    assert_eq!((tables.lines().count() - heads, heads), (2501, 3), "a thousand a table");
}

#[test]
fn irreversible_commands_need_yes_without_a_terminal() {
    let (folder, first) = store();
    done(folder.path(), &["projects", "create", "Shop"]);
    done(folder.path(), &["keys", "rotate", "2", "--grace-hours", "1"]);
    let before = contents(folder.path());
    for arguments in [
        &["keys", "revoke", "1"][..],
        &["keys", "rotate", "1"],
        &["keys", "rotate", "1", "--grace-hours", "0", "--key-file", "new"],
        &["keys", "rotate", "2", "--complete"],
        &["keys", "rotate", "2", "--cancel"],
        &["projects", "delete", "Shop"],
    ] {
        let output = run(folder.path(), arguments);
        assert_failed_with(&output, 1, "This cannot be undone; use --yes to confirm. Nothing was changed.");
    }
    assert_eq!(contents(folder.path()), before);
    assert_eq!(verdict(folder.path(), &first), (Some(0), "VALID".to_owned()));
}

#[test]
fn irreversible_commands_ask_for_confirmation_at_a_terminal() {
    if !is_there("script") {
        return;
    }
    let (folder, first) = store();
    // A name from an older version. The test closes the file before the program opens it.
    let file = rusqlite::Connection::open(folder.path().join("keystead.db")).expect("the file");
    file.execute_batch("UPDATE api_keys SET name = 'P' || char(8238) || 'A'").expect("a name");
    drop(file);
    let (is_done, said) = at_a_terminal(folder.path(), "keys revoke 1", "n\n");
    assert!(said.contains("P\\u{202e}A") && !said.contains('\u{202e}'), "{said}");
    assert!(!is_done && said.contains("[y/N]") && said.contains("Nothing was changed."), "{said}");
    assert_eq!(verdict(folder.path(), &first).1, "VALID");
    let (is_done, said) = at_a_terminal(folder.path(), "keys revoke 1", "y\n");
    assert!(is_done && said.contains("is revoked"), "{said}");
    assert_eq!(verdict(folder.path(), &first).1, "UNKNOWN");
}

#[test]
fn a_key_goes_to_a_new_private_file_instead_of_standard_output() {
    let (folder, _) = store();
    for arguments in [
        &["keys", "create", "a", "--key-file", "new"][..],
        &["keys", "rotate", "1", "--yes", "--key-file", "new"],
        &["keys", "rotate", "2", "--grace-hours", "1", "--key-file", "new"],
        &["organizations", "create", "Other", "--key-file", "new"],
        &["projects", "create", "Shop", "--organization", "Acme", "--key-file", "new"],
    ] {
        assert_eq!(done(folder.path(), arguments), "", "{arguments:?}");
        let file = folder.path().join("new");
        assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
        let verified = done(folder.path(), &["keys", "verify", "--key-file", "new"]);
        assert!(verified.starts_with("VALID: API key "), "{arguments:?}: {verified}");
        let json = run(folder.path(), &[arguments, &["--json"]].concat());
        assert_failed_with(&json, 1, "already exists");
        fs::remove_file(file).expect("the file");
    }
}

#[test]
fn no_key_is_created_when_the_key_file_cannot_be_created() {
    let (folder, _) = store();
    fs::write(folder.path().join("new"), "precious").expect("a file");
    let before = contents(folder.path());
    for arguments in [
        &["keys", "create", "a"][..],
        &["keys", "rotate", "1", "--yes"],
        &["organizations", "create", "Other"],
        &["projects", "create", "Shop"],
    ] {
        let output = run(folder.path(), &[arguments, &["--key-file", "new"]].concat());
        assert_failed_with(&output, 1, "already exists");
    }
    assert_eq!(contents(folder.path()), before);
}

#[test]
fn an_existing_key_value_is_adopted_once() {
    let (folder, _) = store();
    let key = format!("confident_org_{}", "0123456789abcdef".repeat(2));
    let adopt = |command: &[&str]| {
        let arguments = [command, &["--adopt-key-file", "-", "--json"]].concat();
        run_with_input(folder.path(), &arguments, key.as_bytes())
    };
    let output = adopt(&["keys", "create", "a"]);
    assert!(output.status.success() && !stdout(&output).contains(&key), "{}", stderr(&output));
    assert!(stdout(&output).contains("***************abcdef"));
    assert_eq!(verdict(folder.path(), &key), (Some(0), "VALID".to_owned()));
    for command in [&["keys", "create", "b"][..], &["keys", "rotate", "1", "--yes"], &["organizations", "create", "b"]]
    {
        assert_failed_with(&adopt(command), 1, "exists");
    }
    let bad = run_with_input(folder.path(), &["keys", "create", "b", "--adopt-key-file", "-"], b"hunter2hunter2");
    assert_failed_with(&bad, 1, "A key must be confident_org_ followed by 32");
    assert!(!stderr(&bad).contains("hunter2"));
}

#[test]
fn verify_describes_a_key_and_exits_with_0_only_for_a_valid_one() {
    let (folder, _) = store();
    let folder = folder.path();
    let (off, deactivated) = create(folder, &[]);
    let (turned, rotated_out) = create(folder, &[]);
    let (gone, revoked) = create(folder, &[]);
    let (_, good) = create(folder, &["--expires-in-days", "1"]);
    done(folder, &["keys", "deactivate", &off]);
    done(folder, &["keys", "rotate", &turned, "--yes"]);
    done(folder, &["keys", "revoke", &gone, "--yes"]);
    let expired = new_secret();
    let id = done_json(folder, &["organizations", "get", "Acme", "--json"])["id"].clone();
    let id = keystead::domain::OrganizationId::parse(id.as_str().expect("an id")).expect("an id");
    let store = open_store(&folder.join("keystead.db"));
    let new = NewApiKey { expires_at: Timestamp::from_unix_ms(1_700_000_000_001), ..new_key(id, &expired) };
    wait(store.write(move |writes| writes.insert_api_key(new))).expect("a key");
    store.close();
    let unknown = new_secret();
    for (key, code, word) in [
        (good.as_str(), 0, "VALID"),
        (&deactivated, 1, "DEACTIVATED"),
        (&rotated_out, 1, "ROTATED_OUT"),
        (&revoked, 1, "UNKNOWN"),
        (expired.expose(), 1, "EXPIRED"),
        (unknown.expose(), 1, "UNKNOWN"),
        ("no key at all", 1, "UNKNOWN"),
        ("", 1, "UNKNOWN"),
    ] {
        assert_eq!(verdict(folder, key), (Some(code), word.to_owned()));
        let output = run_with_input(folder, &["keys", "verify", "--json"], format!(" {key}\n").as_bytes());
        assert_eq!(output.status.code(), Some(code));
        assert!(key.is_empty() || !(stdout(&output) + &stderr(&output)).contains(key), "{word}");
        let object: Value = serde_json::from_str(&stdout(&output)).expect("an object");
        assert_eq!(object["code"], word);
        assert_eq!(object["valid"], code == 0);
        assert_eq!(object["organization"]["name"].as_str(), (word != "UNKNOWN").then_some("Acme"));
    }
    let (_, of_project) = {
        done(folder, &["projects", "create", "Shop"]);
        create(folder, &["--project", "Shop"])
    };
    let output = run_with_input(folder, &["keys", "verify"], of_project.as_bytes());
    assert!(stdout(&output).contains("(A key) of Acme, project Shop"), "{}", stdout(&output));
}

#[test]
fn verify_works_beside_a_running_server_and_does_not_count_as_a_use() {
    let server = Server::start();
    let (id, value) = create(server.folder(), &[]);
    assert_eq!(verdict(server.folder(), &value), (Some(0), "VALID".to_owned()));
    let key = server.client().get(&format!("/v2/organization/api-keys/{id}")).data();
    assert_eq!(key["lastUsed"], Value::Null);
}

#[test]
fn read_only_commands_change_no_file() {
    let (folder, first) = store();
    done(folder.path(), &["projects", "create", "Shop"]);
    let before = contents(folder.path());
    for arguments in [
        &["keys", "list"][..],
        &["keys", "list", "--project", "Shop", "--json"],
        &["keys", "get", "1"],
        &["organizations", "list"],
        &["organizations", "get", "Acme"],
        &["projects", "list"],
        &["projects", "get", "Shop"],
    ] {
        done(folder.path(), arguments);
    }
    assert_eq!(verdict(folder.path(), &first).1, "VALID");
    assert_eq!(contents(folder.path()), before);
}

#[test]
fn a_store_that_is_not_there_is_not_created() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [
        &["keys", "create", "a"][..],
        &["keys", "list"],
        &["keys", "revoke", "1", "--yes"],
        &["keys", "verify"],
        &["audit", "list"],
        &["export"],
        &["organizations", "create", "a"],
        &["organizations", "list"],
        &["projects", "create", "a"],
        &["projects", "delete", "a", "--yes"],
    ] {
        let output = run(folder.path(), arguments);
        let looked_for = folder.path().canonicalize().expect("a path").join("keystead.db");
        assert_failed_with(&output, 1, &format!("{} is missing. Set --store (or", looked_for.display()));
        assert!(stderr(&output).contains("or create a store with keystead init."), "{}", stderr(&output));
        assert_eq!(contents(folder.path()), [], "{arguments:?}");
    }
}

#[test]
fn a_missing_key_and_an_impossible_rotation_are_refused_with_an_error_message() {
    let (folder, _) = store();
    for (arguments, sentence) in [
        (
            &["keys", "get", "7"][..],
            "There is no API key 7: it was never created, or it is revoked. keystead keys list shows",
        ),
        (&["keys", "revoke", "7", "--yes"], "There is no API key 7"),
        (&["keys", "rotate", "1", "--complete", "--yes"], "The key is not being rotated."),
        (&["keys", "rotate", "1", "--cancel", "--yes"], "The key is not being rotated."),
        (&["keys", "create", " "], "The name must have 1 to 255 characters."),
        (&["keys", "create", "a", "--project", "Nope"], "There is no project Nope in this organization"),
        (&["keys", "create", "a", "--organization", "Nope"], "There is no organization Nope in this store"),
    ] {
        assert_failed_with(&run(folder.path(), arguments), 1, sentence);
    }
    for arguments in [
        &["keys"][..],
        &["keys", "create"],
        &["keys", "get", "0"],
        &["keys", "get", "one"],
        &["keys", "create", "a", "--expires-in-days", "0"],
        &["keys", "create", "a", "--expires-in-days", "36526"],
        &["keys", "rotate", "1", "--grace-hours", "8785"],
        &["keys", "rotate", "1", "--complete", "--cancel"],
        &["keys", "rotate", "1", "--complete", "--grace-hours", "1"],
        &["keys", "rotate", "1", "--cancel", "--key-file", "a"],
        &["keys", "rotate", "1", "--never-expires", "--expires-in-days", "1"],
        &["keys", "create", "a", "--key-file", "a", "--adopt-key-file", "b"],
    ] {
        assert_eq!(run(folder.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn an_expired_key_is_revived_by_a_rotation_that_says_for_how_long() {
    let server = Server::start_with(&[("KEYSTEAD_DEV_CLOCK", "true")]);
    let (id, value) = create(server.folder(), &["--expires-in-days", "1"]);
    // Set by hand: commands know only the machine's clock.
    let store = open_store(&server.store_path());
    wait(store.write(move |writes| {
        let id = keystead::domain::KeyId::new(2).expect("a number");
        let before = writes.api_key_anywhere(id)?.expect("the key");
        let mut after = before.clone();
        after.expires_at = Some(before.created_at);
        writes.update_api_key(&before, &after)
    }))
    .expect("a change");
    store.close();
    assert_eq!(verdict(server.folder(), &value).1, "EXPIRED");
    let output = run(server.folder(), &["keys", "rotate", &id, "--yes"]);
    assert_failed_with(&output, 1, "--expires-in-seconds or --never-expires");
    let new = done(server.folder(), &["keys", "rotate", &id, "--yes", "--never-expires"]);
    assert!(server.client_with(new.trim()).is_good());
}

#[test]
fn a_rotation_reports_a_grace_period_shortened_by_the_expiry_of_the_key() {
    let (folder, _) = store();
    let rotate = |lifetime: &str, more: &[&str]| {
        let (id, _) = create(folder.path(), &["--expires-in-seconds", lifetime]);
        let output = run(folder.path(), &[&["keys", "rotate", &id, "--json"], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        (serde_json::from_str::<Value>(&stdout(&output)).expect("an object"), stderr(&output))
    };
    let (key, said) = rotate("7200", &["--grace-hours", "24"]);
    assert_eq!(key["rotatesAt"], key["expiresAt"]);
    let end = key["expiresAt"].as_str().expect("a time");
    let sentence = format!(
        "The key expires at {end}, before the 24 hours of grace are over: the old and the new value both end then"
    );
    assert!(said.contains(&sentence), "{said}");
    for (lifetime, more) in [
        ("7200", &["--grace-hours", "1"][..]),
        ("7200", &["--grace-hours", "24", "--never-expires"]),
        ("7200", &["--grace-hours", "24", "--expires-in-days", "2"]),
        ("7200", &["--yes"]),
    ] {
        let (key, said) = rotate(lifetime, more);
        assert!(key["rotatesAt"].is_null() || key["rotatesAt"] != key["expiresAt"]);
        assert!(!said.contains("of grace"), "{more:?}: {said}");
    }
    let (_, said) = rotate("7200", &["--grace-hours", "24", "--expires-in-seconds", "60"]);
    assert!(said.contains("before the 24 hours of grace are over"), "{said}");
}

#[test]
fn completing_or_cancelling_a_rotation_reports_the_removed_and_the_remaining_value() {
    let (folder, _) = store();
    for (end, is_old_dead) in [("--complete", true), ("--cancel", false)] {
        let (id, old) = create(folder.path(), &[]);
        let new = done(folder.path(), &["keys", "rotate", &id, "--grace-hours", "1"]).trim().to_owned();
        let output = run(folder.path(), &["keys", "rotate", &id, end, "--yes"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let masked = |value: &str| format!("***************{}", &value[value.len() - 6..]);
        let (dead, alive) = if is_old_dead { (&old, &new) } else { (&new, &old) };
        let which = if is_old_dead { ["old", "new"] } else { ["new", "old"] };
        let sentence = format!(
            "The {} value of API key {id} (A key), {}, is invalid; the {} one, {}, stays.",
            which[0],
            masked(dead),
            which[1],
            masked(alive)
        );
        assert!(stderr(&output).contains(&sentence), "{}", stderr(&output));
        assert_eq!(verdict(folder.path(), alive).1, "VALID");
        assert_eq!(verdict(folder.path(), dead).0, Some(1));
        // Once the rotation is over, the command removes no value, with or without --yes.
        for more in [&[][..], &["--yes"]] {
            let again = run(folder.path(), &[&["keys", "rotate", &id, end], more].concat());
            let sentence = format!(
                "The key is not being rotated. API key {id} (A key, {}) has one value, which stays.",
                masked(alive)
            );
            assert_failed_with(&again, 1, &sentence);
            assert!(!stderr(&again).contains("becomes invalid at once"), "{}", stderr(&again));
        }
    }
}

#[test]
fn every_change_is_recorded_as_the_operators() {
    let (folder, _) = store();
    let folder = folder.path();
    let (id, _) = create(folder, &[]);
    done(folder, &["keys", "deactivate", &id]);
    done(folder, &["keys", "activate", &id]);
    done(folder, &["keys", "rotate", &id, "--grace-hours", "1"]);
    done(folder, &["keys", "rotate", &id, "--cancel", "--yes"]);
    done(folder, &["keys", "revoke", &id, "--yes"]);
    let events = lines(&done(folder, &["audit", "list", "--json", "--resource", &format!("api_key/{id}")]));
    let actions: Vec<&str> = events.iter().rev().filter_map(|event| event["action"].as_str()).collect();
    assert_eq!(
        actions,
        [
            "api_key.created",
            "api_key.updated",
            "api_key.updated",
            "api_key.rotated",
            "api_key.rotation_cancelled",
            "api_key.revoked"
        ]
    );
    assert!(events.iter().all(|event| event["actorName"] == "operator"));
    assert!(done(folder, &["audit", "verify"]).contains("all intact"));
}

#[test]
fn a_command_mints_and_rotates_keys_that_are_restricted_from_the_start() {
    let server = Server::start();
    let folder = server.folder();
    let created = |more: &[&str]| {
        let key = done_json(folder, &[&["keys", "create", "Job", "--json"], more].concat());
        server.client().get(&format!("/v2/organization/api-keys/{}", key["id"])).data()
    };
    let more = ["--allowed-address", "10.0.0.0/8,192.0.2.1", "--allowed-address", "2001:db8::/32"];
    let key = created(&[&more[..], &["--rate-limit", "100/60", "--deactivated"]].concat());
    assert_eq!(key["allowedAddresses"], json!(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]));
    assert_eq!(key["rateLimit"], json!({"limit": 100, "windowInSeconds": 60}));
    assert_eq!(key["valid"], json!(false));
    let key = created(&["--expires-in-seconds", "60"]);
    let at = |name: &str| Timestamp::parse(key[name].as_str().expect("a time")).expect("a time").unix_ms();
    assert_eq!(at("expiresAt") - at("created_at"), 60_000);

    let id = key["id"].to_string();
    let more = ["--expires-in-seconds", "90", "--rate-limit", "1/1", "--allowed-address", "10.0.0.1", "--deactivated"];
    done(folder, &[&["keys", "rotate", &id, "--yes"], &more[..]].concat());
    let rotated = server.client().get(&format!("/v2/organization/api-keys/{id}")).data();
    assert_eq!((&rotated["valid"], &rotated["allowedAddresses"]), (&json!(false), &json!(["10.0.0.1"])));
    assert_eq!(rotated["rateLimit"], json!({"limit": 1, "windowInSeconds": 1}));
    assert_ne!(rotated["expiresAt"], key["expiresAt"]);
    done(folder, &["keys", "rotate", &id, "--yes"]);
    let kept = server.client().get(&format!("/v2/organization/api-keys/{id}")).data();
    assert_eq!(kept["allowedAddresses"], rotated["allowedAddresses"]);
}

#[test]
fn invalid_restrictions_are_refused_and_no_key_is_created() {
    let (folder, _) = store();
    let folder = folder.path();
    for (more, code, sentence) in [
        (&["--rate-limit", "100"][..], 2, "uses in 1 to 86400 seconds"),
        (&["--rate-limit", "0/60"], 2, "uses in 1 to 86400 seconds"),
        (&["--expires-in-seconds", "59"], 2, "it must be 60 to 3155760000 seconds"),
        (&["--expires-in-seconds", "60", "--expires-in-days", "1"], 2, "cannot be used with"),
        (&["--allowed-address", "here"], 1, "An address must be written like"),
    ] {
        let output = run(folder, &[&["keys", "create", "Job", "--key-file", "job.key"], more].concat());
        assert_failed_with(&output, code, sentence);
        let output = run(folder, &[&["keys", "rotate", "1", "--yes", "--key-file", "job.key"], more].concat());
        assert_failed_with(&output, code, sentence);
    }
    let output = run(folder, &["keys", "rotate", "1", "--complete", "--yes", "--deactivated"]);
    assert_failed_with(&output, 2, "cannot be used with");
    assert!(!folder.join("job.key").exists());
    assert_eq!(lines(&done(folder, &["keys", "list", "--json"])).len(), 1);
}

/// The role, permissions, owner and metadata of a key, as a command shows them.
fn grants(key: &Value) -> Value {
    json!([key["role"], key["permissions"], key["owner"], key["metadata"]])
}

#[test]
fn a_key_is_created_changed_and_rotated_with_a_role_permissions_an_owner_and_metadata() {
    let server = Server::start();
    let (folder, admin) = (server.folder(), server.client());
    let given = ["--role", "none", "--permission", "invoices:read,orders:*", "--permission", "users:list"];
    let more = ["--owner", " customer 17 ", "--metadata", r#"{ "plan": "basic", "seats": [1, 2.5] }"#];
    let (id, value) = create(folder, &[&given[..], &more].concat());
    let get = || done_json(folder, &["keys", "get", &id, "--json"]);
    let metadata = json!({"plan": "basic", "seats": [1, 2.5]});
    let expected = json!(["none", ["invoices:read", "orders:*", "users:list"], "customer 17", metadata]);
    assert_eq!(grants(&get()), expected);
    assert_eq!(grants(&admin.get(&format!("{V2_KEYS}/{id}")).data()), expected);
    let asked = |permission: &str| {
        admin.post("/v2/verify", json!({"value": value, "permissions": [permission]})).data()["code"].take()
    };
    assert_eq!(asked("orders:list"), json!("VALID"));

    done(folder, &["keys", "update", &id, "--role", "manager", "--permission", "invoices:read"]);
    assert_eq!(grants(&get()), json!(["manager", ["invoices:read"], "customer 17", metadata]), "what is omitted stays");
    assert_eq!(asked("orders:list"), json!("INSUFFICIENT_PERMISSIONS"), "in force when the command ends");
    done(folder, &["keys", "update", &id, "--no-owner", "--metadata", "{}"]);
    assert_eq!(grants(&get()), json!(["manager", ["invoices:read"], null, {}]));
    done(folder, &["keys", "update", &id, "--no-permissions", "--owner", "team", "--metadata", r#"{"a":1}"#]);
    assert_eq!(grants(&get()), json!(["manager", [], "team", {"a": 1}]));
    done(folder, &["keys", "update", &id, "--no-metadata"]);

    let rotated = ["keys", "rotate", &id, "--yes", "--role", "verifier", "--permission", "*", "--owner", "other"];
    let rotated = done_json(folder, &[&rotated[..], &["--metadata", r#"{"b":[]}"#, "--json"]].concat());
    assert_eq!(grants(&rotated), json!(["verifier", ["*"], "other", {"b": []}]));
    let shown = done(folder, &["keys", "get", &id]);
    for line in ["role          verifier", "permissions   *", "owner         other", r#"metadata      {"b":[]}"#] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    done(folder, &["keys", "update", &id, "--role", "none"]);
    done(folder, &["projects", "create", "Shop"]);
    let key = create(folder, &["--project", "Shop"]).0;
    assert_eq!(grants(&done_json(folder, &["keys", "get", &key, "--json"])), json!(["verifier", [], null, {}]));
}

#[test]
fn only_an_admin_is_said_to_manage_everything() {
    let (folder, _) = store();
    let folder = folder.path();
    let said = |role: &[&str]| stderr(&run(folder, &[&["keys", "create", "a"], role].concat()));
    assert!(said(&[]).contains("It can manage everything in its organization."));
    assert!(said(&["--role", "admin"]).contains("It can manage everything in its organization."));
    assert!(!said(&["--role", "manager"]).contains("everything"));
}

#[test]
fn wrong_roles_permissions_owners_and_metadata_are_refused_with_a_sentence_that_repeats_nothing() {
    let (folder, first) = store();
    let folder = folder.path();
    done(folder, &["projects", "create", "Shop"]);
    let before = contents(folder);
    let deep = "[".repeat(200);
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(4096));
    let secret = format!(r#"{{"a":"{first}"}}"#);
    let object = "The metadata must be a JSON object";
    for (more, code, sentence) in [
        (["--role", "owner"], 2, "[possible values: admin, manager, auditor, verifier, none]"),
        (["--permission", "Hunter2:read"], 1, "A permission must have 1 to 128 characters"),
        (["--permission", "hunter2,"], 1, "A permission must have 1 to 128 characters"),
        (["--permission", &first], 1, "A permission contains text that looks like a full API key; remove it."),
        (["--owner", " "], 1, "The owner must have 1 to 255 characters."),
        (["--owner", "hunter2\u{202e}"], 1, "The owner contains an invisible character (U+202E); remove it."),
        (["--owner", &first], 1, "The owner contains text that looks like a full API key; remove it."),
        (["--metadata", "hunter2"], 1, object),
        (["--metadata", r#"{"hunter2": }"#], 1, object),
        (["--metadata", r#"["hunter2"]"#], 1, object),
        (["--metadata", "null"], 1, object),
        (["--metadata", ""], 1, object),
        (["--metadata", &deep], 1, object),
        (["--metadata", r#"{"hunter2":1,"b":{"hunter2":1,"hunter2":2}}"#], 1, "the same name twice"),
        (["--metadata", &long], 1, "The metadata must have at most 4096 bytes as JSON."),
        (["--metadata", &secret], 1, "The metadata contains text that looks like a full API key; remove it."),
    ] {
        for command in [&["keys", "create", "a"][..], &["keys", "update", "1"], &["keys", "rotate", "1", "--yes"]] {
            let output = run(folder, &[command, &more].concat());
            assert_failed_with(&output, code, sentence);
            let said = stderr(&output);
            assert!(!said.to_lowercase().contains("hunter2") && !said.contains(&first), "{more:?}: {said}");
            assert!(code == 2 || said.lines().count() == 1, "{said}");
        }
    }
    let only = "The role of a project's key must be manager, verifier or none.";
    for role in ["admin", "auditor"] {
        let new = ["keys", "create", "a", "--project", "Shop", "--key-file", "new", "--role", role];
        assert_failed_with(&run(folder, &new), 1, only);
        assert_failed_with(&run(folder, &["keys", "update", "2", "--role", role]), 1, only);
        assert_failed_with(&run(folder, &["keys", "rotate", "2", "--yes", "--role", role]), 1, only);
    }
    for more in [
        &["--permission", "a", "--no-permissions"][..],
        &["--owner", "a", "--no-owner"],
        &["--metadata", "{}", "--no-metadata"],
    ] {
        assert_failed_with(&run(folder, &[&["keys", "update", "1"], more].concat()), 2, "cannot be used with");
    }
    for end in ["--complete", "--cancel"] {
        for more in [["--role", "none"], ["--permission", "a"], ["--owner", "a"], ["--metadata", "{}"]] {
            let output = run(folder, &[&["keys", "rotate", "1", end, "--yes"][..], &more].concat());
            assert_failed_with(&output, 2, "cannot be used with");
        }
    }
    assert_eq!(contents(folder), before);
}

#[test]
fn verify_checks_the_permissions_that_are_asked_for() {
    let (folder, first) = store();
    let folder = folder.path();
    let (id, value) = create(folder, &["--permission", "invoices:*"]);
    let verify = |key: &str, more: &[&str]| {
        let output = run_with_input(folder, &[&["keys", "verify", "--json"], more].concat(), key.as_bytes());
        let code = output.status.code();
        (code, serde_json::from_str::<Value>(&stdout(&output)).map_or(Value::Null, |mut it| it["code"].take()))
    };
    let lacks = (Some(1), json!("INSUFFICIENT_PERMISSIONS"));
    assert_eq!(verify(&value, &["--permission", "invoices:read,invoices:a:b"]), (Some(0), json!("VALID")));
    assert_eq!(verify(&value, &["--permission", "invoices:read", "--permission", "orders:read"]), lacks);
    assert_eq!(verify(&value, &["--permission", "invoices"]), lacks);
    assert_eq!(verify(&first, &["--permission", "invoices:read"]), lacks, "an admin has no permissions elsewhere");
    assert_eq!(verify(&first, &["--permission", "INVOICES"]), (Some(1), Value::Null));
    let output = run_with_input(folder, &["keys", "verify", "--permission", "a"], value.as_bytes());
    assert!(stdout(&output).starts_with("INSUFFICIENT_PERMISSIONS: API key 2 (A key) of Acme"), "{}", stdout(&output));
    assert!(stderr(&output).contains("The API key lacks a permission that this request needs."), "{}", stderr(&output));
    done(folder, &["keys", "deactivate", &id]);
    assert_eq!(verify(&value, &["--permission", "orders:read"]), (Some(1), json!("DEACTIVATED")));
}
