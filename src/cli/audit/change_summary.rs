//! Summarizes what an audit event changed, for a table.

use crate::cli::output::one_line;
use crate::cli::output::table_rows::to_minute;
use crate::domain::Timestamp;
use serde_json::{Map, Value};

/// The mask in front of a value's last characters, as events store it.
const MASK: &str = "***************";
/// The most characters of a text that are shown.
const MAX_SHOWN: usize = 60;

/// The fields that a change may have, in the order of the summary: key, label, and the word for "not set".
/// Permissions have words of their own.
const FIELDS: [(&str, &str, &str); 9] = [
    ("value", "value", "none"),
    ("role", "role", "unknown"),
    ("owner", "owner", "none"),
    ("expiresAt", "expires", "never"),
    ("rateLimit", "limit", "none"),
    ("allowedAddresses", "only from", "anywhere"),
    ("description", "description", "none"),
    ("metadata", "metadata", "none"),
    ("schema", "schema", "none"),
];

/// Further facts of events: key and label. Hashes are left out.
const FACTS: [(&str, &str); 10] = [
    ("reason", "reason"),
    ("count", "count"),
    ("first", "first number"),
    ("last", "last number"),
    ("through", "through event"),
    ("events", "events"),
    ("apiKeys", "API keys"),
    ("changedByLedger", "changed by the ledger"),
    ("withoutLedger", "without the ledger"),
    ("file", "file"),
];

/// The name of the changed resource: the new one, or the last one of a deleted resource.
pub(in crate::cli) fn name(change: &Value) -> String {
    let name = |side: &str| change[side]["name"].as_str();
    name("after").or(name("before")).unwrap_or_default().to_owned()
}

/// The change with old and new values; the content of a resource that was created or deleted.
pub(in crate::cli) fn words(change: &Value) -> String {
    said(change, from_what_to_what)
}

/// The change with its new values only, for narrow terminals. It never starts with an old value.
pub(in crate::cli) fn new_values(change: &Value) -> String {
    said(change, |called, _, after| format!("{called} → {after}"))
}

fn from_what_to_what(called: &str, before: &str, after: &str) -> String {
    format!("{called} {before} → {after}")
}

/// `told` formats one field from its label, its old value and its new value.
fn said(change: &Value, told: fn(&str, &str, &str) -> String) -> String {
    let nothing = Map::new();
    let side = |side: &str| change[side].as_object();
    let mut said = match (side("before"), side("after")) {
        (Some(before), Some(after)) => differences(before, after, told),
        (None, Some(it)) | (Some(it), None) => contents(it),
        // The last fact is the file; for an import it is a hash.
        (None, None) => return facts(change.as_object().unwrap_or(&nothing), &FACTS[..FACTS.len() - 1]).join(", "),
    };
    // In full, other than long values: people wrote it to be read here.
    said.extend(change["reason"].as_str().map(|reason| format!("reason: {}", one_line(reason))));
    said.join(", ")
}

fn differences(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    told: fn(&str, &str, &str) -> String,
) -> Vec<String> {
    let mut said = Vec::new();
    let change = |key: &str| Some((before.get(key), after.get(key))).filter(|(before, after)| before != after);
    if let Some((before, after)) = change("name") {
        said.push(told("name", &text(before, "none"), &text(after, "none")));
    }
    if let Some((_, after)) = change("valid") {
        said.push(switched(after).to_owned());
    }
    said.extend(change("permissions").into_iter().flat_map(|(before, after)| permissions(before, after)));
    for (key, called, none) in FIELDS {
        said.extend(change(key).map(|(before, after)| told(called, &text(before, none), &text(after, none))));
    }
    match change("shadowValue") {
        Some((_, Some(new))) => said.extend(rotation(new, after)),
        // If the value changed too, the new value has replaced it.
        Some((Some(new), None)) if change("value").is_none() => said.push(format!("new value {} dropped", of(new))),
        _ => {}
    }
    said
}

/// The permissions that were granted and withdrawn.
fn permissions(before: Option<&Value>, after: Option<&Value>) -> Vec<String> {
    let [before, after] = [before, after].map(list);
    let only = |some: &[&str], others: &[&str]| {
        let only: Vec<&str> = some.iter().filter(|it| !others.contains(it)).copied().collect();
        (!only.is_empty()).then(|| only.join(" "))
    };
    let granted = only(&after, &before).map(|them| format!("granted {them}"));
    let withdrawn = only(&before, &after).map(|them| format!("withdrawn {them}"));
    if granted.is_none() && withdrawn.is_none() {
        return vec!["permissions in another order".to_owned()];
    }
    [granted, withdrawn].into_iter().flatten().collect()
}

fn list(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A rotation in its grace period.
fn rotation(new: &Value, after: &Map<String, Value>) -> Vec<String> {
    let end = after.get("rotatesAt").map(|at| format!("old value ends {}", of(at)));
    [Some(format!("new value {}", of(new))), end].into_iter().flatten().collect()
}

fn contents(it: &Map<String, Value>) -> Vec<String> {
    let is_set = |key: &str| it.get(key).filter(|value| !value.is_null());
    let mut said = Vec::new();
    for (key, called, _) in FIELDS {
        said.extend(is_set(key).map(|value| format!("{called} {}", of(value))));
    }
    let granted = list(it.get("permissions"));
    said.extend((!granted.is_empty()).then(|| format!("permissions {}", granted.join(" "))));
    said.extend(is_set("shadowValue").into_iter().flat_map(|new| rotation(new, it)));
    said.extend(it.get("valid").filter(|valid| **valid == false).map(|valid| switched(Some(valid)).to_owned()));
    said.extend(facts(it, &FACTS));
    said
}

fn facts(it: &Map<String, Value>, facts: &[(&str, &str)]) -> Vec<String> {
    let found = facts.iter().filter_map(|(key, called)| Some((called, it.get(*key).filter(|value| !value.is_null())?)));
    // A reason is a sentence; here it is a part of one.
    found.map(|(called, value)| format!("{called} {}", of(value).trim_end_matches('.'))).collect()
}

fn switched(valid: Option<&Value>) -> &'static str {
    if valid.is_some_and(|valid| *valid == false) { "deactivated" } else { "activated" }
}

fn text(value: Option<&Value>, none: &str) -> String {
    value.filter(|value| !value.is_null()).map_or_else(|| none.to_owned(), of)
}

fn of(value: &Value) -> String {
    match value {
        Value::String(text) => of_string(text),
        Value::Array(all) => all.iter().map(of).collect::<Vec<_>>().join(" "),
        Value::Object(it) => match (it.get("limit"), it.get("windowInSeconds"), it.get("beginning")) {
            (Some(limit), Some(window), _) => format!("{limit} in {window}s"),
            (_, _, Some(beginning)) => of(beginning),
            // Metadata; long ones are kept by their length and hash.
            _ => match (it.get("bytes"), it.get("blake3"), it.len()) {
                (Some(bytes), Some(_), 2) => format!("of {bytes} bytes"),
                _ => of_string(&value.to_string()),
            },
        },
        other => other.to_string(),
    }
}

fn of_string(text: &str) -> String {
    if let Some(tail) = text.strip_prefix(MASK) {
        return format!("…{tail}");
    }
    if let Some(at) = Timestamp::parse(text).filter(|at| at.to_string() == text) {
        return to_minute(at);
    }
    // The head of an audit log: people need its number only.
    let text = match text.split_once(':') {
        Some((number, hash)) if hash.len() == 64 && number.parse::<u64>().is_ok() => number,
        _ => text,
    };
    let text = one_line(text);
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_shows_old_and_new_values_and_a_created_or_deleted_resource_its_content() {
        let key = json!({"name": "CI", "valid": true, "value": "***************a1b2c3"});
        let with = |more: Value| {
            let mut key = key.clone();
            key.as_object_mut().into_iter().for_each(|it| it.extend(more.as_object().cloned().unwrap_or_default()));
            key
        };
        let limited =
            json!({"rateLimit": {"limit": 100, "windowInSeconds": 60}, "allowedAddresses": ["10.0.0.0/8", "::1"]});
        let rotating = json!({"shadowValue": "***************ffffff", "rotatesAt": "2026-11-23T19:31:17.000Z"});
        let long = json!({"beginning": "b ".repeat(128), "bytes": 9999, "blake3": "0".repeat(64)});
        for (before, after, said) in [
            (json!(null), key.clone(), "value …a1b2c3"),
            (key.clone(), json!(null), "value …a1b2c3"),
            (key.clone(), with(json!({"valid": false})), "deactivated"),
            (with(json!({"valid": false})), key.clone(), "activated"),
            (key.clone(), with(json!({"name": "Job"})), "name CI → Job"),
            (key.clone(), with(limited), "limit none → 100 in 60s, only from anywhere → 10.0.0.0/8 ::1"),
            (key.clone(), with(rotating.clone()), "new value …ffffff, old value ends 2026-11-23 19:31Z"),
            (with(rotating.clone()), key.clone(), "new value …ffffff dropped"),
            (with(rotating.clone()), with(json!({"value": "***************ffffff"})), "value …a1b2c3 → …ffffff"),
            (with(rotating), json!(null), "value …a1b2c3, new value …ffffff, old value ends 2026-11-23 19:31Z"),
            (key.clone(), with(json!({"expiresAt": "2026-11-23T19:31:17.000Z"})), "expires never → 2026-11-23 19:31Z"),
            (
                json!({"name": "Shop", "description": null}),
                json!({"name": "Shop", "description": "Two\nlines"}),
                "description none → Two lines",
            ),
            (json!({"name": "Shop", "description": null, "apiKeys": 3}), json!(null), "API keys 3"),
            (json!(null), json!({"name": "a", "description": long}), &format!("description {}…", "b ".repeat(30))),
            (json!({"schema": 5}), json!({"schema": 6}), "schema 5 → 6"),
            (
                with(json!({"role": "admin", "permissions": ["a:b", "c"], "owner": "Ann"})),
                with(json!({"role": "none", "permissions": ["c", "d:*", "e"], "metadata": {"plan": "basic"}})),
                "granted d:* e, withdrawn a:b, role admin → none, owner Ann → none, metadata none → {\"plan\":\"basic\"}",
            ),
            (with(json!({"permissions": ["a"]})), key.clone(), "withdrawn a"),
            (
                with(json!({"permissions": ["a", "b"]})),
                with(json!({"permissions": ["b", "a"]})),
                "permissions in another order",
            ),
            (
                json!(null),
                with(
                    json!({"role": "verifier", "permissions": ["a", "b"], "owner": "Ann", "metadata": {"bytes": 999, "blake3": "0"}}),
                ),
                "value …a1b2c3, role verifier, owner Ann, metadata of 999 bytes, permissions a b",
            ),
            (
                json!(null),
                json!({"file": "a.db", "head": format!("7:{}", "0".repeat(64)), "apiKeys": 12}),
                "API keys 12, file a.db",
            ),
            (json!(null), json!(null), ""),
        ] {
            assert_eq!(words(&json!({"before": before, "after": after})), said);
        }
    }

    #[test]
    fn a_change_shows_its_reason_and_what_else_its_event_says() {
        let key = json!({"name": "CI", "valid": true, "value": "***************a1b2c3"});
        let mut deactivated = key.clone();
        deactivated["valid"] = false.into();
        let stolen = json!({"before": key, "after": null, "reason": "Stolen,\tI think. ".repeat(5)});
        assert_eq!(words(&stolen), format!("value …a1b2c3, reason: {}", "Stolen, I think. ".repeat(5).trim_end()));
        let off = json!({"before": key, "after": deactivated, "reason": "Stolen"});
        assert_eq!((words(&off), new_values(&off)), ("deactivated, reason: Stolen".to_owned(), words(&off)));
        assert_eq!(words(&json!({"reason": "The key is unknown.", "count": 4})), "reason The key is unknown, count 4");
        assert_eq!(
            words(&json!({"through": format!("7:{}", "0".repeat(64)), "events": 7})),
            "through event 7, events 7"
        );
        assert_eq!(
            words(&json!({"count": 2, "first": 8, "last": 9, "file": "0".repeat(64)})),
            "count 2, first number 8, last number 9"
        );
        let limited = json!({"rateLimit": {"limit": 100, "windowInSeconds": 60}, "name": "CI"});
        let change = json!({"before": limited, "after": {"name": "Job"}});
        assert_eq!(words(&change), "name CI → Job, limit 100 in 60s → none");
        assert_eq!(new_values(&change), "name → Job, limit → none");
        assert_eq!(new_values(&json!({"before": null, "after": key})), "value …a1b2c3");
        assert_eq!(words(&json!("no object")), "");
        assert_eq!(name(&json!({"before": {"name": "CI"}, "after": {"name": "Job"}})), "Job");
        assert_eq!(name(&json!({"before": {"name": "CI"}, "after": null})), "CI");
        assert_eq!(name(&json!({"count": 1})), "");
    }
}
