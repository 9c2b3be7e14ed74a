//! Reasons: why a key was changed, rotated or revoked, by HTTP and by commands. The audit log keeps them.

use super::helpers::*;
use serde_json::{Value, json};

const V2_KEYS: &str = "/v2/organization/api-keys";
const WHY: &str = "Laptop \"7\" was stolen, says Zoë 🔑.";

/// The newest events, newest first.
fn events(client: &Client, count: usize) -> Vec<Value> {
    let mut list = client.get(&format!("/v2/organization/audit-logs?limit={count}")).data()["auditLogs"].take();
    list.as_array_mut().map(std::mem::take).expect("a list")
}

/// The newest event's action and reason.
#[track_caller]
fn newest(client: &Client) -> (String, Value) {
    let event = events(client, 1).swap_remove(0);
    let members: Vec<&str> = event["change"].as_object().expect("an object").keys().map(String::as_str).collect();
    let expected: &[&str] =
        if event["change"]["reason"].is_null() { &["after", "before"] } else { &["after", "before", "reason"] };
    assert_eq!(members, expected);
    (event["action"].as_str().expect("an action").to_owned(), event["change"]["reason"].clone())
}

fn with_body(client: &Client, path: &str, body: &str) -> Answer {
    let headers = [("X-API-Key", client.key()), ("Content-Type", "application/json")];
    client.send("DELETE", path, &headers, body.as_bytes())
}

#[test]
fn every_change_of_a_key_keeps_its_reason_in_its_event() {
    let server = Server::start();
    let admin = server.client();
    let project = admin.post("/v2/projects", json!({"name": "Web"})).data()["project"]["id"].take();
    let project = format!("/v2/projects/{}", project.as_str().expect("an id"));
    for keys in [V2_KEYS, &format!("{project}/api-keys")] {
        let one = format!("{keys}/{}", admin.post(keys, json!({"name": "a"})).data()["id"]);
        assert_eq!(newest(&admin), ("api_key.created".to_owned(), Value::Null));
        let grace = json!({"gracePeriodInHours": 1, "reason": WHY});
        admin.put(&one, json!({"valid": false, "reason": format!(" {WHY}\t")})).data();
        assert_eq!(newest(&admin), ("api_key.updated".to_owned(), json!(WHY)), "without white space around it");
        admin.post(&format!("{one}/rotate"), grace.clone()).data();
        assert_eq!(newest(&admin), ("api_key.rotated".to_owned(), json!(WHY)));
        admin.post(&format!("{one}/rotate/complete"), json!({"reason": WHY})).data();
        assert_eq!(newest(&admin), ("api_key.rotation_completed".to_owned(), json!(WHY)));
        admin.post(&format!("{one}/rotate"), grace).data();
        admin.post(&format!("{one}/rotate/cancel"), json!({"reason": WHY})).data();
        assert_eq!(newest(&admin), ("api_key.rotation_cancelled".to_owned(), json!(WHY)));
        admin.put(&one, json!({"valid": true, "reason": null})).data();
        assert_eq!(newest(&admin), ("api_key.updated".to_owned(), Value::Null));
        with_body(&admin, &one, &json!({"reason": WHY}).to_string()).data();
        assert_eq!(newest(&admin), ("api_key.revoked".to_owned(), json!(WHY)));
        let one = format!("{keys}/{}", admin.post(keys, json!({"name": "a"})).data()["id"]);
        admin.delete(&format!("{one}?reason=Stolen%2C+I%20think")).data();
        assert_eq!(newest(&admin), ("api_key.revoked".to_owned(), json!("Stolen, I think")));
    }
    with_body(&admin, &project, r#"{"reason":"Sold"}"#).data();
    assert_eq!(newest(&admin), ("project.deleted".to_owned(), json!("Sold")));
    let listed = done(server.folder(), &["audit", "list", "--text", "Zoë"]);
    assert!(listed.contains(&format!("deactivated, reason: {WHY}")), "{listed}");
    done(server.folder(), &["audit", "verify"]);
    let csv = done(server.folder(), &["audit", "export", "--format", "csv", "--action", "project.deleted"]);
    assert!(csv.contains(r#""reason"":""Sold""#), "{csv}");
}

#[test]
fn a_deletion_without_a_body_or_with_an_empty_one_has_no_reason() {
    let server = Server::start();
    let admin = server.client();
    for body in ["", "{}", r#"{"reason":null}"#] {
        let (id, _) = admin.mint("a");
        with_body(&admin, &format!("{V2_KEYS}/{id}"), body).data();
        assert_eq!(newest(&admin), ("api_key.revoked".to_owned(), Value::Null), "{body}");
    }
    let (id, _) = admin.mint("a");
    with_body(&admin, &format!("{V2_KEYS}/{id}?reason=Sold"), r#"{"reason":null}"#).data();
    assert_eq!(newest(&admin).1, json!("Sold"));
}

#[test]
fn a_wrong_reason_is_refused_and_nothing_changes() {
    let server = Server::start();
    let admin = server.client();
    let (id, value) = admin.mint("a");
    let one = format!("{V2_KEYS}/{id}");
    admin.post(&format!("{one}/rotate"), json!({"gracePeriodInHours": 1})).data();
    let before = (admin.get(&one).data(), events(&admin, 1));
    let long = "é".repeat(256);
    for (reason, why) in [
        (json!(""), "The reason must have 1 to 255 characters."),
        (json!(" "), "The reason must have 1 to 255 characters."),
        (json!(long), "The reason must have 1 to 255 characters."),
        (json!("a\nb"), "The reason must not contain control characters."),
        (json!("a\u{200b}b"), "The reason contains an invisible character (U+200B); remove it."),
        (json!(value), "The reason contains text that looks like a full API key; remove it."),
        (json!(7), "The field \"reason\" must be a string or null."),
        (json!(["a"]), "The field \"reason\" must be a string or null."),
    ] {
        let body = json!({"reason": reason});
        for answer in [
            admin.put(&one, json!({"valid": false, "reason": reason})),
            admin.post(&format!("{one}/rotate"), body.clone()),
            admin.post(&format!("{one}/rotate/complete"), body.clone()),
            admin.post(&format!("{one}/rotate/cancel"), body.clone()),
            with_body(&admin, &one, &body.to_string()),
        ] {
            assert_eq!(answer.refused_with(400), why);
        }
    }
    for (path, body, status, why) in [
        (format!("{one}?reason=a"), r#"{"reason":"b"}"#, 400, "Send the reason either in the body or in the query."),
        (format!("{one}?reason="), "", 400, "The reason must have 1 to 255 characters."),
        (format!("{one}?reason=a%0Ab"), "", 400, "The reason must not contain control characters."),
        (
            format!("{one}?reason={value}"),
            "",
            400,
            "The reason contains text that looks like a full API key; remove it.",
        ),
        (format!("{one}?reason=a&reason=b"), "", 400, "The parameter \"reason\" comes more than once."),
        (format!("{one}?raeson=a"), "", 400, "The parameter \"raeson\" is unknown (did you mean \"reason\"?)."),
        (one.clone(), r#"{"raeson":"a"}"#, 400, "The field \"raeson\" is unknown (did you mean \"reason\"?)."),
        (one.clone(), r#"{"reason":"a","reason":"b"}"#, 400, "The field \"reason\" comes more than once."),
        (one.clone(), "[]", 400, "The request body must be a JSON object."),
    ] {
        assert_eq!(with_body(&admin, &path, body).refused_with(status), why);
    }
    let no_json = admin.send("DELETE", &one, &[("X-API-Key", admin.key())], b"reason=a");
    no_json.refused_with(415);
    let alone = admin.put(&one, json!({"reason": WHY})).refused_with(400);
    assert!(alone.starts_with("Send at least one of the fields \"name\"") && !alone.contains("reason"), "{alone}");
    let created = admin.post(V2_KEYS, json!({"name": "b", "reason": WHY})).refused_with(400);
    assert!(created.contains("it belongs to changing, rotating or revoking a key"), "{created}");
    let same = admin.put(&one, json!({"name": "a", "valid": true, "reason": WHY}));
    assert_eq!(same.status, 200);
    assert_eq!((admin.get(&one).data(), events(&admin, 1)), before, "what changes nothing is not recorded");
    assert_eq!(admin.delete(&format!("{V2_KEYS}/999?reason=a")).status, 404);
}

#[test]
fn version_1_has_no_reasons() {
    let server = Server::start();
    let admin = server.client();
    let (id, _) = admin.mint("a");
    let one = format!("{KEYS}/{id}");
    admin.put(&one, json!({"valid": false, "reason": 7})).data();
    assert_eq!(newest(&admin), ("api_key.updated".to_owned(), Value::Null));
    admin.send("DELETE", &format!("{one}?reason="), &[("X-API-Key", admin.key())], b"any body").data();
    assert_eq!(newest(&admin), ("api_key.revoked".to_owned(), Value::Null));
}

#[test]
fn a_repeated_rotation_must_have_the_same_reason() {
    let server = Server::start();
    let admin = server.client();
    let path = format!("{V2_KEYS}/{}/rotate", admin.mint("a").0);
    let headers = [("X-API-Key", admin.key()), ("Content-Type", "application/json"), ("Idempotency-Key", "rotation-1")];
    let rotate = |body: Value| admin.send("POST", &path, &headers, body.to_string().as_bytes());
    rotate(json!({"reason": "Leaked"})).data();
    assert_eq!(rotate(json!({"reason": "Leaked"})).header("idempotency-replayed"), Some("true"));
    rotate(json!({"reason": "Routine"})).refused_with(422);
    rotate(json!({})).refused_with(422);
    let reasons: Vec<Value> = events(&admin, 2).iter().map(|event| event["change"]["reason"].clone()).collect();
    assert_eq!(reasons, [json!("Leaked"), Value::Null], "it was done once");
}

#[test]
fn commands_take_a_reason() {
    let server = Server::start();
    let (folder, admin) = (server.folder(), server.client());
    let id = admin.mint("a").0.to_string();
    let why = ["--reason", WHY];
    for (arguments, action) in [
        (&["keys", "deactivate", &id][..], "api_key.updated"),
        (&["keys", "activate", &id], "api_key.updated"),
        (&["keys", "update", &id, "--role", "none"], "api_key.updated"),
        (&["keys", "rotate", &id, "--yes"], "api_key.rotated"),
        (&["keys", "rotate", &id, "--grace-hours", "1"], "api_key.rotated"),
        (&["keys", "rotate", &id, "--complete", "--yes"], "api_key.rotation_completed"),
        (&["keys", "rotate", &id, "--grace-hours", "1"], "api_key.rotated"),
        (&["keys", "rotate", &id, "--cancel", "--yes"], "api_key.rotation_cancelled"),
        (&["keys", "revoke", &id, "--yes"], "api_key.revoked"),
    ] {
        done(folder, &[arguments, &why].concat());
        assert_eq!(newest(&admin), (action.to_owned(), json!(WHY)), "{arguments:?}");
    }
    done(folder, &["projects", "create", "Web"]);
    done(folder, &["projects", "delete", "Web", "--yes", "--reason", "Sold"]);
    assert_eq!(newest(&admin), ("project.deleted".to_owned(), json!("Sold")));
    let (id, value) = admin.mint("b");
    let id = id.to_string();
    let before = events(&admin, 1);
    for command in [
        &["keys", "deactivate", &id][..],
        &["keys", "update", &id, "--name", "c"],
        &["keys", "rotate", &id, "--yes"],
        &["keys", "revoke", &id, "--yes"],
    ] {
        for (reason, sentence) in
            [(" ", "must have 1 to 255"), (&value, "looks like a full API key"), ("a\nb", "control")]
        {
            let output = run(folder, &[command, &["--reason", reason]].concat());
            assert_failed_with(&output, 1, sentence);
            assert!(!stderr(&output).contains(&value));
        }
    }
    let alone = run(folder, &["keys", "update", &id, "--reason", "a"]);
    assert_failed_with(&alone, 2, "there is nothing to change");
    assert_eq!(events(&admin, 1), before);
}
