//! Replays one record of the ledger of revocations on a key. A pure function.

use super::audit_details::{KeyDetails, audit_change};
use super::key_record::{KeyRecord, KeyState, RecordedGrants, RecordedLimits};
use crate::domain::{Action, Actor, ApiKey, NewEvent, Origin, Result, Shadow, Timestamp};

/// What to do with a key.
#[derive(Debug, PartialEq)]
pub(super) struct Replay {
    /// The key after it; `None`: revoke it.
    pub(super) after: Option<ApiKey>,
    /// The event for the audit log.
    pub(super) event: NewEvent,
}

/// The change that makes a key match its ledger record; `None` where it already matches. A record of another key that
/// had the same id does not apply.
pub(super) fn replay(key: &ApiKey, record: &KeyRecord, now: Timestamp) -> Result<Option<Replay>> {
    if key.created_at != record.created_at {
        return Ok(None);
    }
    let after = record.state.as_ref().map(|state| with_state(key, state));
    if after.as_ref() == Some(key) {
        return Ok(None);
    }
    let event = NewEvent {
        at: now,
        organization: Some(key.parent.organization),
        project: key.parent.project,
        actor: Actor::Keystead,
        action: after.as_ref().map_or(Action::KeyRevoked, |after| action(key, after)),
        resource: format!("api_key/{}", key.id.get()),
        change: audit_change([Some(key), after.as_ref()].map(|key| key.map(KeyDetails::from)), None)?,
        origin: Origin::default(),
    };
    Ok(Some(Replay { after, event }))
}

fn action(before: &ApiKey, after: &ApiKey) -> Action {
    // Another digest of the same value is not another value.
    let is_rehashed =
        after.value.digest.algorithm() != before.value.digest.algorithm() && after.value.tail == before.value.tail;
    if after.value == before.value || is_rehashed { Action::KeyUpdated } else { Action::KeyRotated }
}

/// The key with the state from the ledger; what the ledger does not record stays.
fn with_state(key: &ApiKey, state: &KeyState) -> ApiKey {
    let KeyState { valid, value, shadow, expires_at, limits, grants } = state;
    let known = key.shadow.as_ref();
    let shadow = shadow.map(|(fingerprint, rotates_at)| Shadow {
        fingerprint,
        rotates_at,
        last_used: known.filter(|it| it.fingerprint == fingerprint).and_then(|it| it.last_used),
    });
    let mut after = ApiKey { valid: *valid, value: *value, shadow, expires_at: *expires_at, ..key.clone() };
    if let Some(RecordedLimits { rate_limit, allowed_addresses }) = limits.clone() {
        after = ApiKey { rate_limit, allowed_addresses, ..after };
    }
    if let Some(RecordedGrants { role, permissions }) = grants.clone() {
        after = ApiKey { role, permissions, ..after };
    }
    after
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::{
        AddressList, Algorithm, Digest, Fingerprint, KeyId, Metadata, Name, OrganizationId, Owner, Parent, Permissions,
        RateLimit, Role, Tail,
    };

    const NOW: i64 = 9_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms).unwrap()
    }

    fn value(algorithm: Algorithm, byte: u8, tail: &str) -> Fingerprint {
        Fingerprint { digest: Digest::of(algorithm, [byte; 32]), tail: Tail::parse(tail).unwrap() }
    }

    /// A key in a rotation, with every field set.
    fn key() -> ApiKey {
        let (fingerprint, rotates_at) = (value(Algorithm::Blake3, 2, "aaaaa2"), at(50_000));
        ApiKey {
            id: KeyId::new(7).unwrap(),
            parent: Parent { organization: OrganizationId::from_random([1; 8]), project: None },
            name: Name::parse("CI").unwrap(),
            value: value(Algorithm::Sha256, 1, "aaaaa1"),
            shadow: Some(Shadow { fingerprint, rotates_at, last_used: Some(at(3_000)) }),
            valid: true,
            created_at: at(1_000),
            expires_at: Some(at(90_000)),
            value_last_used: Some(at(2_000)),
            rate_limit: RateLimit::new(5, 60),
            allowed_addresses: Some(AddressList::parse(["10.0.0.0/8"]).unwrap()),
            role: Role::Manager,
            permissions: Permissions::parse(["orders:*"]).unwrap(),
            owner: Some(Owner::parse("shop").unwrap()),
            metadata: Metadata::parse(r#"{"a":1}"#).unwrap(),
        }
    }

    #[test]
    fn replay_sets_what_the_ledger_records_and_keeps_the_rest() {
        let is = key();
        let cases = [
            ("deactivated", ApiKey { valid: false, ..key() }, Action::KeyUpdated),
            ("an earlier end", ApiKey { expires_at: Some(at(80_000)), ..key() }, Action::KeyUpdated),
            ("no new value", ApiKey { shadow: None, ..key() }, Action::KeyUpdated),
            ("another value", ApiKey { value: value(Algorithm::Blake3, 3, "aaaaa3"), ..key() }, Action::KeyRotated),
            (
                "the same value by another digest",
                ApiKey { value: value(Algorithm::Blake3, 1, "aaaaa1"), ..key() },
                Action::KeyUpdated,
            ),
            ("a narrower limit", ApiKey { rate_limit: RateLimit::new(1, 60), ..key() }, Action::KeyUpdated),
            (
                "fewer addresses",
                ApiKey { allowed_addresses: Some(AddressList::parse(["10.0.0.1"]).unwrap()), ..key() },
                Action::KeyUpdated,
            ),
            ("a lowered role", ApiKey { role: Role::Verifier, ..key() }, Action::KeyUpdated),
            ("a withdrawn permission", ApiKey { permissions: Permissions::default(), ..key() }, Action::KeyUpdated),
        ];
        for (what, becomes, action) in cases {
            let done = replay(&is, &KeyRecord::of(&becomes), at(NOW)).unwrap().unwrap();
            assert_eq!(done.after.as_ref(), Some(&becomes), "{what}");
            assert_eq!(
                (done.event.action, done.event.actor, done.event.at),
                (action, Actor::Keystead, at(NOW)),
                "{what}"
            );
            assert_eq!(done.event.resource, "api_key/7");
        }
    }

    #[test]
    fn replay_of_a_revocation_deletes_the_key() {
        let done = replay(&key(), &KeyRecord::revoked(&key()), at(NOW)).unwrap().unwrap();
        assert_eq!((done.after, done.event.action), (None, Action::KeyRevoked));
        assert!(done.event.change.contains(r#""after":null"#), "{}", done.event.change);
    }

    #[test]
    fn replay_ignores_a_matching_key_and_another_key_with_the_same_id() {
        assert_eq!(replay(&key(), &KeyRecord::of(&key()), at(NOW)).unwrap(), None);
        let other = ApiKey { created_at: at(1_001), ..key() };
        assert_eq!(replay(&key(), &KeyRecord::revoked(&other), at(NOW)).unwrap(), None);
        assert_eq!(replay(&key(), &KeyRecord::of(&ApiKey { valid: false, ..other }), at(NOW)).unwrap(), None);
    }

    #[test]
    fn limits_and_grants_that_an_older_version_did_not_record_stay() {
        let bare = ApiKey {
            rate_limit: None,
            allowed_addresses: None,
            role: Role::None,
            permissions: Permissions::default(),
            ..key()
        };
        let mut record = KeyRecord::of(&ApiKey { valid: false, ..bare });
        let state = record.state.as_mut().unwrap();
        (state.limits, state.grants) = (None, None);
        let after = replay(&key(), &record, at(NOW)).unwrap().unwrap().after;
        assert_eq!(after, Some(ApiKey { valid: false, ..key() }));
    }
}
