//! The events that are measured on: such as a create leaves behind.

use super::stores;
use keystead::domain::{Action, Actor, ApiKey, KeyId, Name, NewEvent, Origin};
use serde_json::{Value, json};

/// The event of a key that was minted with the first key of any store.
pub fn created(key: &ApiKey, origin: Origin) -> NewEvent {
    minted(key.id.get(), key.name.as_str(), &key.value.tail.to_string(), origin)
}

/// The event of a key with this number that there never was.
pub fn numbered(number: usize) -> NewEvent {
    let id = i64::try_from(number).expect("a key's number");
    let tail = stores::secret(number).fingerprint().tail.to_string();
    minted(id, "CI/CD key", &tail, Origin::new(Some([203, 0, 113, 7].into()), Some("python-requests/2.32.3"), None))
}

fn minted(id: i64, name: &str, tail: &str, origin: Origin) -> NewEvent {
    let after = json!({"name": name, "valid": true, "value": tail});
    NewEvent {
        at: stores::created_at(),
        organization: Some(stores::organization()),
        project: None,
        actor: Actor::Key(KeyId::new(1).expect("a number"), Name::parse("CI/CD key").expect("a name")),
        action: Action::KeyCreated,
        resource: format!("api_key/{id}"),
        change: json!({"before": Value::Null, "after": after}).to_string(),
        origin,
    }
}
