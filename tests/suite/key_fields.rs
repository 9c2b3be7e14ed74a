//! Role, permissions, owner and metadata of a key over HTTP: what is taken, what is refused, and how they are shown.

use super::helpers::*;
use serde_json::{Value, json};

const V2_KEYS: &str = "/v2/organization/api-keys";

/// The fields of a key in version 1, and those that version 2 had before these.
const V1_FIELDS: [&str; 6] = ["id", "valid", "value", "created_at", "name", "lastUsed"];
const V2_FIELDS: [&str; 13] = [
    "id",
    "name",
    "valid",
    "created_at",
    "expiresAt",
    "value",
    "shadowValue",
    "rotatesAt",
    "lastUsed",
    "role",
    "permissions",
    "owner",
    "metadata",
];

/// The names of the fields of the first object that begins with `"id":`, in the order of the text.
fn names(text: &str) -> Vec<String> {
    let object = &text[text.find(r#"{"id":"#).expect("an object")..];
    let (mut names, mut depth, mut rest) = (Vec::new(), 0, object);
    while let Some(at) = rest.find(['{', '}', '[', ']', '"']) {
        let (mark, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        match mark {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {
                let (word, after) = after.split_once('"').expect("a whole string");
                if depth == 1 && after.starts_with(':') {
                    names.push(word.to_owned());
                }
                rest = after;
                continue;
            }
        }
        if depth == 0 {
            return names;
        }
        rest = after;
    }
    panic!("no end: {object}")
}

/// An object whose JSON has this many bytes.
fn metadata_of(bytes: usize) -> Value {
    json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())})
}

/// Objects within each other.
fn nested(levels: usize) -> String {
    format!("{}{{}}{}", r#"{"a":"#.repeat(levels - 1), "}".repeat(levels - 1))
}

/// Invalid fields, and a part of the sentence.
fn invalid_fields() -> Vec<(Value, &'static str)> {
    let key = format!("confident_org_{}", "0a".repeat(16));
    let many: Vec<String> = (0..65).map(|number| format!("secret:{number}")).collect();
    let mut fields: Vec<(Value, &str)> = Vec::new();
    for malformed in [
        "",
        " ",
        ":",
        "secret:",
        ":secret",
        "secret::read",
        "Secret",
        "secret:READ",
        "secret read",
        "secret*",
        "*secret",
        "**",
        "*:secret",
        "secret:*:read",
        "secret:*:*",
        "secret:re*",
        "secret/read",
        "sécret",
        "secret\n",
        "secret\u{200b}",
        &"s".repeat(129),
        &format!("{}:*", "s".repeat(127)),
    ] {
        fields.push((json!({"permissions": ["fine", malformed]}), "A permission must have 1 to 128 characters"));
    }
    for not_strings in
        [json!("secret"), json!([1]), json!([null]), json!([["secret"]]), json!({"secret": true}), json!(1)]
    {
        fields.push((json!({"permissions": not_strings}), "\"permissions\" must be a list of strings or null."));
    }
    fields.push((json!({"permissions": many}), "at most 64 permissions"));
    fields.push((json!({"permissions": [key]}), "A permission contains text that looks like a full API key"));
    fields.push((json!({"permissions": [format!("secret:{key}:read")]}), "looks like a full API key"));
    for role in [json!("Admin"), json!("owner"), json!(""), json!("admin "), json!("administrator")] {
        fields
            .push((json!({ "role": role }), "must be \"admin\", \"manager\", \"auditor\", \"verifier\" or \"none\"."));
    }
    for role in [json!(null), json!(4), json!(["none"]), json!({}), json!(true)] {
        fields.push((json!({ "role": role }), "\"role\" must be a string."));
    }
    for owner in [json!(""), json!(" \u{3000}"), json!("é".repeat(256))] {
        fields.push((json!({ "owner": owner }), "The owner must have 1 to 255 characters."));
    }
    fields.push((json!({"owner": "secret\u{0}"}), "must not contain control characters"));
    fields.push((json!({"owner": "secret\nline"}), "must not contain control characters"));
    fields.push((json!({"owner": "secret\u{202e}"}), "an invisible character (U+202E)"));
    fields.push((json!({"owner": format!("of {key}")}), "The owner contains text that looks like a full API key"));
    for owner in [json!(17), json!(["secret"]), json!({"name": "secret"}), json!(false)] {
        fields.push((json!({ "owner": owner }), "\"owner\" must be a string or null."));
    }
    for metadata in [json!([]), json!("secret"), json!(1), json!(true), json!([{"secret": 1}])] {
        fields.push((json!({ "metadata": metadata }), "\"metadata\" must be an object or null."));
    }
    fields.push((json!({"metadata": metadata_of(4097)}), "at most 4096 bytes"));
    // The bytes are counted as sent back.
    fields.push((json!({"metadata": {"a": "\u{1}".repeat(1000)}}), "at most 4096 bytes"));
    fields.push((
        json!({"metadata": {"a": {"b": [format!("x{key}")]}}}),
        "metadata contains text that looks like a full",
    ));
    fields.push((json!({"metadata": {(key): 1}}), "The metadata contains text that looks like a full API key"));
    fields.push((json!({"metadata": {"a": "b\u{200b}"}}), "an invisible character (U+200B)"));
    let deep: Value = serde_json::from_str(&nested(33)).expect("an object");
    fields.push((json!({ "metadata": deep }), "nested at most 32 levels deep"));
    fields
}

#[test]
fn invalid_fields_are_refused_with_a_sentence_that_repeats_nothing() {
    let server = Server::start();
    let admin = server.client();
    let project = admin.post("/v2/projects", json!({"name": "Shop"})).data()["project"]["id"].take();
    let of_project = format!("/v2/projects/{}/api-keys", project.as_str().expect("an id"));
    let state = || {
        let keys = [V2_KEYS, &of_project].map(|place| admin.get(place).data()["apiKeys"].take());
        let events = admin.get("/v2/organization/audit-logs?limit=1").data();
        // Asking is a use.
        let without_uses = |mut keys: Value| {
            keys.as_array_mut().expect("keys").iter_mut().for_each(|key| key["lastUsed"] = Value::Null);
            keys
        };
        (keys.map(without_uses), events)
    };
    let mut tried = 0;
    for place in [V2_KEYS, &of_project] {
        let made = admin.post(place, json!({"name": "tried", "role": "none", "permissions": ["a"]})).data();
        let one = format!("{place}/{}", made["id"]);
        let before = state();
        for (fields, part) in invalid_fields() {
            let mut new = fields.clone();
            new["name"] = json!("new");
            for answer in [
                admin.post(place, new),
                admin.put(&one, fields.clone()),
                admin.post(&format!("{one}/rotate"), fields.clone()),
            ] {
                let sentence = answer.refused_with(400);
                assert!(sentence.contains(part), "{fields}: {sentence}");
                let repeats =
                    sentence.to_lowercase().contains("secret") || sentence.contains("0a0a") || sentence.len() > 220;
                assert!(!repeats, "{fields}: {sentence}");
                tried += 1;
            }
        }
        assert_eq!(state(), before, "nothing changed");
    }
    for role in ["admin", "auditor"] {
        let sentence = admin.post(&of_project, json!({"name": "a", "role": role})).refused_with(400);
        assert_eq!(sentence, "The role of a project's key must be manager, verifier or none.");
    }
    assert!(tried > 300, "{tried}");
}

#[test]
fn malformed_json_in_metadata_is_refused_with_a_sentence() {
    let server = Server::start();
    let admin = server.client();
    let send = |metadata: &str| {
        let body = format!(r#"{{"name":"a","metadata":{metadata}}}"#);
        let headers = [("X-API-Key", admin.key()), ("Content-Type", "application/json")];
        admin.send("POST", V2_KEYS, &headers, body.as_bytes())
    };
    for (metadata, part) in [
        (r#"{"a":{"b":1,"b":2}}"#.to_owned(), "The field \"b\" comes more than once."),
        (r#"{"a":[{"b":1,"\u0062":2}]}"#.to_owned(), "The field \"b\" comes more than once."),
        (format!(r#"{{"{0}":1,"{0}":2}}"#, "secret".repeat(5)), "A field of the request comes more than once."),
        (r#"{"secret":1e400}"#.to_owned(), "not valid JSON"),
        (r#"{"secret":01}"#.to_owned(), "not valid JSON"),
        (r#"{"secret":NaN}"#.to_owned(), "not valid JSON"),
        (r#"{"secret":"\ud800"}"#.to_owned(), "not valid JSON"),
        (nested(33), "nested at most 32 levels deep"),
        (nested(126), "nested at most 32 levels deep"),
        (nested(5000), "not valid JSON"),
        (format!(r#"{{"a":{}{}}}"#, "[".repeat(32), "]".repeat(32)), "nested at most 32 levels deep"),
        // The same key, written in another way.
        (format!(r#"{{"a":"confident\u005forg_{}"}}"#, "0a".repeat(16)), "looks like a full API key"),
    ] {
        let sentence = send(&metadata).refused_with(400);
        assert!(sentence.contains(part) && !sentence.contains("secret"), "{metadata}: {sentence}");
    }
    assert_eq!(admin.get(V2_KEYS).data()["apiKeys"].as_array().expect("keys").len(), 1);
}

#[test]
fn fields_are_shown_as_they_were_sent_wherever_a_key_is_shown() {
    let server = Server::start();
    let admin = server.client();
    let permissions: Vec<String> =
        (0..61).map(|number| format!("a.b-c_d:{number}")).chain(["*", "x:*"].map(str::to_owned)).collect();
    let permissions = [permissions, vec!["p".repeat(128)]].concat();
    let deepest: Value = serde_json::from_str(&nested(32)).expect("an object");
    let numbers = json!({"": null, "whole": [0, -1, 9_007_199_254_740_993_i64, u64::MAX, i64::MIN],
        "fractions": [0.1, 1e-7, 1.7976931348623157e308, 5e-324, 0.30000000000000004, 2.2250738585072014e-308],
        "text": "é\"\\\n\u{1F600}", "nested": {"a": [{}, [], [[]]], "b": false}});
    for (fields, shown) in [
        (json!({}), json!({"role": "admin", "permissions": [], "owner": null, "metadata": {}})),
        (
            json!({"permissions": null, "owner": null, "metadata": null}),
            json!({"role": "admin", "permissions": [], "owner": null, "metadata": {}}),
        ),
        (
            json!({"role": "none", "permissions": permissions, "owner": "é".repeat(255), "metadata": metadata_of(4096)}),
            json!({"role": "none", "permissions": permissions, "owner": "é".repeat(255), "metadata": metadata_of(4096)}),
        ),
        (
            json!({"role": "auditor", "permissions": ["b", "a", "b"], "owner": "\t customer 17 ", "metadata": numbers}),
            json!({"role": "auditor", "permissions": ["b", "a"], "owner": "customer 17", "metadata": numbers}),
        ),
        (
            json!({"role": "verifier", "metadata": deepest}),
            json!({"role": "verifier", "permissions": [], "owner": null, "metadata": deepest}),
        ),
    ] {
        let mut new = fields.clone();
        new["name"] = json!("a");
        let made = admin.post(V2_KEYS, new).data();
        let one = format!("{V2_KEYS}/{}", made["id"]);
        let question = json!({"value": made["value"]});
        let listed = || {
            let keys = admin.get(V2_KEYS).data()["apiKeys"].take();
            keys.as_array().and_then(|keys| keys.iter().find(|key| key["id"] == made["id"]).cloned()).expect("the key")
        };
        let shows = |key: &Value, what: &str| {
            for (field, value) in shown.as_object().expect("fields") {
                assert_eq!(&key[field], value, "{what}: {field}");
            }
        };
        shows(&made, "created");
        shows(&admin.get(&one).data(), "read");
        shows(&listed(), "listed");
        shows(&admin.post("/v2/verify", question.clone()).data()["apiKey"], "verified");
        let batch = admin.post("/v2/verify/batch", json!({"keys": [question]})).data();
        shows(&batch["results"][0]["apiKey"], "verified in a batch");
        // What was read may be sent back: nothing changes.
        let newest = || admin.get("/v2/organization/audit-logs?limit=1").data()["auditLogs"][0].take();
        let event = newest();
        assert!(event["change"].is_object(), "{event}");
        assert_eq!(event["change"]["after"]["role"], shown["role"]);
        shows(&admin.put(&one, shown.clone()).data(), "sent back");
        assert_eq!(newest(), event, "sent back");
        shows(&admin.put(&one, json!({"name": "b"})).data(), "renamed");
        shows(&admin.post(&format!("{one}/rotate"), json!({"gracePeriodInHours": 1})).data(), "rotated");
        shows(&admin.post(&format!("{one}/rotate/cancel"), json!({})).data(), "cancelled");
        // Null takes them away, but not the role.
        let cleared = admin.put(&one, json!({"permissions": null, "owner": null, "metadata": null})).data();
        let none = json!([shown["role"], [], null, {}]);
        assert_eq!(json!([cleared["role"], cleared["permissions"], cleared["owner"], cleared["metadata"]]), none);
    }
}

#[test]
fn version_1_ignores_the_fields_and_shows_none_of_them() {
    let server = Server::start();
    let admin = server.client();
    let fields = json!({"name": "a", "role": "none", "permissions": "wrong", "owner": 1, "metadata": []});
    let made = admin.post(KEYS, fields.clone());
    assert_eq!(names(&made.text), V1_FIELDS);
    let id = made.data()["apiKey"]["id"].clone();
    let one = format!("{V2_KEYS}/{id}");
    let key = admin.get(&one).data();
    assert_eq!(json!([key["role"], key["permissions"], key["owner"], key["metadata"]]), json!(["admin", [], null, {}]));
    let grants = json!({"role": "verifier", "permissions": ["a"], "owner": "o", "metadata": {"a": 1}});
    admin.put(&one, grants.clone()).data();
    let changed = json!({"valid": true, "role": "admin", "permissions": [], "owner": null, "metadata": null});
    let (v1, value) = (format!("{KEYS}/{id}"), made.data()["apiKey"]["value"].clone());
    for answer in
        [admin.put(&v1, changed), admin.get(&v1), admin.get(KEYS), admin.post("/v1/verify", json!({"value": value}))]
    {
        assert_eq!(names(&answer.text), V1_FIELDS, "{}", answer.text);
    }
    assert_eq!(admin.put(&v1, json!({"role": "none"})).refused_with(400), "The field \"valid\" is required.");
    let key = admin.get(&one).data();
    for (field, value) in grants.as_object().expect("fields") {
        assert_eq!(&key[field], value);
    }
}

#[test]
fn version_2_always_shows_the_fields_after_the_older_ones() {
    let server = Server::start();
    let admin = server.client();
    let bare = admin.post(V2_KEYS, json!({"name": "a"}));
    let one = format!("{V2_KEYS}/{}", bare.data()["id"]);
    for answer in [&bare, &admin.get(&one), &admin.get(V2_KEYS), &admin.put(&one, json!({"valid": true}))] {
        assert_eq!(names(&answer.text), V2_FIELDS, "{}", answer.text);
    }
    let verified = admin.post("/v2/verify", json!({"value": bare.data()["value"]}));
    assert_eq!(names(&verified.text), V2_FIELDS, "{}", verified.text);
    let limits = json!({"rateLimit": {"limit": 9, "windowInSeconds": 9}, "allowedAddresses": ["127.0.0.1"]});
    let limited = admin.put(&one, limits);
    let (older, fields) = V2_FIELDS.split_at(9);
    assert_eq!(names(&limited.text), [older, &["rateLimit", "allowedAddresses"], fields].concat());
}

#[test]
fn questions_take_permissions_as_keys_do() {
    let server = Server::start();
    let admin = server.client();
    let made = admin.post(V2_KEYS, json!({"name": "a", "permissions": ["invoices:*", "users"]})).data();
    let verify =
        |permissions: Value| admin.post("/v2/verify", json!({"value": made["value"], "permissions": permissions}));
    for (permissions, code) in [
        (json!(null), "VALID"),
        (json!([]), "VALID"),
        (json!(["users"]), "VALID"),
        (json!(["users", "invoices:items:read", "invoices:*"]), "VALID"),
        (json!(["invoices"]), "INSUFFICIENT_PERMISSIONS"),
        (json!(["users", "invoice:read"]), "INSUFFICIENT_PERMISSIONS"),
        (json!(["*"]), "INSUFFICIENT_PERMISSIONS"),
        (json!(["users:*"]), "INSUFFICIENT_PERMISSIONS"),
    ] {
        let verdict = verify(permissions.clone()).data();
        assert_eq!((&verdict["code"], &verdict["valid"]), (&json!(code), &json!(code == "VALID")), "{permissions}");
        assert_eq!(verdict["apiKey"]["permissions"], json!(["invoices:*", "users"]), "a refusal shows the key");
    }
    for (fields, part) in invalid_fields() {
        let Some(permissions) = fields.get("permissions") else { continue };
        let question = json!({"value": made["value"], "permissions": permissions});
        for answer in
            [verify(permissions.clone()), admin.post("/v2/verify/batch", json!({"keys": [{"value": "a"}, question]}))]
        {
            let sentence = answer.refused_with(400);
            assert!(sentence.contains(part), "{fields}: {sentence}");
        }
        // A misspelt permission must not open a gate.
        if let Some(text) = permissions[1].as_str().filter(|_| part.starts_with("A permission must")) {
            let text = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
            let path = format!("/auth/forward?permission={text}");
            let sentence = server.client_with(made["value"].as_str().expect("a value")).get(&path).refused_with(400);
            assert!(sentence.contains("The gate is misconfigured"), "{fields}: {sentence}");
        }
    }
    // A verification of version 1 asks for permissions, too: a question that is ignored would be answered with yes.
    let question = json!({"value": made["value"], "permissions": ["orders"]});
    assert_eq!(admin.post("/v1/verify", question).data()["code"], json!("INSUFFICIENT_PERMISSIONS"));
}
