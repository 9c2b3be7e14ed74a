//! Names with invisible or misleading characters, and texts that contain a full key.

use super::helpers::*;
use serde_json::json;

/// Each of these is in the middle or at the end of a name.
const UNSEEN: [&str; 8] =
    ["\u{202e}", "\u{2066}", "\u{200b}", "\u{2028}x", "\u{feff}", "\u{e0041}", "\u{200d}", "\u{3164}"];

#[test]
fn a_new_name_with_an_invisible_character_is_refused_everywhere() {
    let server = Server::start();
    let admin = server.client();
    let project = admin.post("/v2/projects", json!({"name": "PA"})).data()["project"]["id"].take();
    let project = format!("/v2/projects/{}", project.as_str().expect("an id"));
    for unseen in UNSEEN {
        let name = format!("PA{unseen}");
        let body = json!({"name": name});
        for path in [KEYS, "/v2/organization/api-keys", "/v1/projects", "/v2/projects", &format!("{project}/api-keys")]
        {
            let sentence = admin.post(path, body.clone()).refused_with(400);
            assert!(sentence.starts_with("The name contains an invisible character (U+"), "{path}: {sentence}");
            assert!(!sentence.contains(unseen));
        }
        for path in [ORGANIZATION, &project] {
            admin.put(path, body.clone()).refused_with(400);
        }
        let sentence = admin.put(&project, json!({"description": name})).refused_with(400);
        assert!(sentence.starts_with("The description contains an invisible character"), "{sentence}");
        for command in [&["keys", "create"][..], &["projects", "create"], &["organizations", "create"]] {
            let output = run(server.folder(), &[command, &[&name]].concat());
            assert!(!output.status.success() && stderr(&output).contains("invisible character"), "{}", stderr(&output));
            assert!(!stderr(&output).contains(unseen));
        }
    }
    for name in ["می\u{200c}خواهم", "क्\u{200d}ष", "👩\u{200d}💻", "❤\u{fe0f}", "日本語"] {
        assert_eq!(admin.post(KEYS, json!({"name": name})).data()["apiKey"]["name"], json!(name));
    }
}

#[test]
fn a_new_text_with_a_full_key_is_refused_everywhere_and_not_repeated() {
    let server = Server::start();
    let admin = server.client();
    let project = admin.post("/v2/projects", json!({"name": "PA"})).data()["project"]["id"].take();
    let project = format!("/v2/projects/{}", project.as_str().expect("an id"));
    let digits = "0123456789abcdef0123456789abcdef";
    // Also under an earlier prefix of the settings: such keys stay valid.
    for key in [admin.key(), &format!("confident_proj_{digits}"), &format!("acme_{digits}")] {
        for name in [key.to_owned(), format!("the key of CI: {key}."), format!("X_{key}0")] {
            let body = json!({"name": name});
            let own_keys = format!("{project}/api-keys");
            for path in [KEYS, "/v2/organization/api-keys", "/v1/projects", "/v2/projects", &own_keys] {
                let sentence = admin.post(path, body.clone()).refused_with(400);
                let expected = "The name contains text that looks like a full API key; remove it.";
                assert_eq!(sentence, expected, "{path}");
            }
            for path in [ORGANIZATION, &project] {
                admin.put(path, body.clone()).refused_with(400);
            }
            for sent in [
                admin.put(&project, json!({"description": name})),
                admin.post("/v2/projects", json!({"name": "PB", "description": format!("two\nlines {name}")})),
            ] {
                let sentence = sent.refused_with(400);
                assert!(sentence.starts_with("The description contains text"), "{sentence}");
            }
            for arguments in [
                &["keys", "create", &name][..],
                &["projects", "create", &name],
                &["projects", "create", "PB", "--description", &name],
                &["projects", "update", "PA", "--name", &name],
                &["organizations", "create", &name],
                &["organizations", "create", "PB", "--key-name", &name],
            ] {
                let output = run(server.folder(), arguments);
                assert!(!output.status.success(), "{arguments:?}");
                assert!(stderr(&output).contains("looks like a full API key"), "{arguments:?}: {}", stderr(&output));
                assert!(!stderr(&output).contains(&key[key.len() - 32..]), "{}", stderr(&output));
            }
        }
    }
    let rows = format!("name,key\nthe key {},sk_live_0123456789\n", admin.key());
    let output =
        run_with_input(server.folder(), &["import", "-", "--format", "csv", "--organization-keys"], rows.as_bytes());
    let said = stdout(&output) + &stderr(&output);
    assert!(!output.status.success() && said.contains("looks like a full API key"), "{said}");
    assert!(!said.contains(&admin.key()[14..]), "{said}");
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = keystead(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("KEYSTEAD_SETUP_KEY_NAME", admin.key());
    let output = command.output().expect("the program runs");
    assert_failed_with(&output, 1, "The name contains text that looks like a full API key; remove it.");
    // Text that only resembles a part of a key is an ordinary name.
    for name in ["confident_org_", digits, &format!("confident_org_{}", &digits[1..]), &format!("sha-{digits}")] {
        assert_eq!(admin.post(KEYS, json!({"name": name})).data()["apiKey"]["name"], json!(name));
    }
}

#[test]
fn the_audit_log_masks_full_keys_in_user_agents_and_file_names() {
    let server = Server::start();
    let admin = server.client();
    let key = format!("acme_{}", "0123456789abcdef".repeat(2));
    let headers = [
        ("CONFIDENT_API_KEY", admin.key()),
        ("Content-Type", "application/json"),
        ("User-Agent", &format!("curl {key}")),
        ("X-Request-Id", &key),
    ];
    assert_eq!(admin.send("POST", KEYS, &headers, br#"{"name":"a"}"#).status, 200);
    done(server.folder(), &["backup", &format!("{key}.db")]);
    let events = done(server.folder(), &["audit", "list", "--json"]);
    assert!(events.contains("store.backed_up") && !events.contains(&key), "{events}");
}

#[test]
fn a_text_from_an_older_version_with_a_full_key_in_it_stays_readable() {
    let server = Server::start();
    let admin = server.client();
    let (id, value) = admin.mint("a");
    admin.post("/v2/projects", json!({"name": "Shop"})).data();
    let store = rusqlite::Connection::open(server.store_path()).expect("the file");
    store.execute("UPDATE api_keys SET name = ?1 WHERE id = ?2", rusqlite::params![value, id]).expect("a name");
    store.execute("UPDATE projects SET name = ?1, description = ?1", [&value]).expect("a name");
    drop(store);
    assert_eq!(admin.set_valid(id, false).data()["apiKey"]["name"], json!(value));
    assert_eq!(admin.get("/v2/projects").data()["projects"][0]["description"], json!(value));
}

#[test]
fn a_name_from_an_older_version_is_shown_with_its_characters_numbers_and_its_key_can_be_changed() {
    let server = Server::start();
    let admin = server.client();
    let (id, _) = admin.mint("PA");
    let project = admin.post("/v2/projects", json!({"name": "Shop"})).data()["project"]["id"].take();
    let store = rusqlite::Connection::open(server.store_path()).expect("the file");
    store.execute("UPDATE api_keys SET name = ?1 WHERE id = ?2", rusqlite::params!["P\u{202e}A", id]).expect("a name");
    store.execute_batch("UPDATE projects SET name = 'Shop' || char(8203), description = char(8238)").expect("a name");
    store.execute_batch("UPDATE organizations SET name = 'Org' || char(65279)").expect("a name");
    drop(store);
    assert_eq!(admin.set_valid(id, false).data()["apiKey"]["name"], json!("P\u{202e}A"), "as it is");
    assert_eq!(admin.get("/v2/projects?limit=1").status, 200);
    let folder = server.folder();
    let number = id.to_string();
    for arguments in [
        &["keys", "list"][..],
        &["keys", "get", &number],
        &["projects", "list"],
        &["projects", "get", "Shop\u{200b}"],
        &["projects", "get", project.as_str().expect("an id")],
        &["organizations", "list"],
        &["audit", "list"],
        &["status"],
    ] {
        let shown = done(folder, arguments);
        assert!(!shown.contains(['\u{202e}', '\u{200b}', '\u{feff}']), "{arguments:?}: {shown}");
    }
    assert!(done(folder, &["keys", "list"]).contains("P\\u{202e}A"));
    let record = done_json(folder, &["keys", "get", &number, "--json"]);
    assert_eq!(record["name"], json!("P\u{202e}A"), "programs get it as it is");
    let output = run(folder, &["keys", "activate", &number]);
    assert!(output.status.success() && stderr(&output).contains("P\\u{202e}A"), "{}", stderr(&output));
}

#[test]
fn a_setting_with_an_older_name_starts_an_older_store_and_sets_up_none() {
    let setting = [("KEYSTEAD_SETUP_ORGANIZATION", "Org\u{200b}")];
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = keystead(folder.path());
    let output = command.args(["serve", "--listen", "127.0.0.1:0"]).envs(setting).output().expect("the program runs");
    assert_failed_with(&output, 1, "The name contains an invisible character (U+200B); remove it.");
    assert!(Server::start_in(folder.path(), &[]).stop().success());
    assert!(Server::start_in(folder.path(), &setting).client().is_good());
}

#[test]
fn a_wide_name_leaves_the_columns_of_a_table_in_line() {
    let server = Server::start();
    let admin = server.client();
    for name in ["plain", "日本語", "👩\u{200d}💻 dev", "e\u{301}e\u{301}"] {
        admin.mint(name);
    }
    let table = done(server.folder(), &["keys", "list"]);
    let ends = |line: &str| {
        let stars = line.find("***").or(line.find("VALUE"))?;
        Some(unicode_width::UnicodeWidthStr::width(&line[..stars]))
    };
    let columns: Vec<Option<usize>> = table.lines().map(ends).collect();
    assert!(columns[0].is_some() && columns.iter().all(|it| *it == columns[0]), "{columns:?}\n{table}");
}
