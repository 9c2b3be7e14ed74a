//! What the ledger of revocations says about keys, done anew.

use super::authority::Authority;
use crate::domain::{Action, ApiKey, Result, Shadow, Timestamp};
use crate::store::{KeyState, Limits, Standing, Writes};

/// Brings a key to how it stands by the ledger; says whether that changed anything. A key that the store does not know is
/// none of its business: the store is from before the key was minted, or from after it was revoked.
pub(super) fn settle(writes: &mut dyn Writes, standing: &Standing, now: Timestamp) -> Result<bool> {
    let key = writes.api_key_anywhere(standing.id)?.filter(|key| key.created_at == standing.created_at);
    let Some(key) = key else { return Ok(false) };
    let authority = Authority::keystead(key.scope.organization, now);
    let Some(state) = &standing.state else {
        writes.delete_api_key(&key)?;
        writes.append_event(&authority.on_key(Action::KeyRevoked, &key, [Some(&key), None])?)?;
        return Ok(true);
    };
    let after = with_state(&key, state);
    if after == key {
        return Ok(false);
    }
    writes.update_api_key(&key, &after)?;
    // A value that is known by another digest by now is the same value.
    let is_rehashed =
        after.value.digest.algorithm() != key.value.digest.algorithm() && after.value.tail == key.value.tail;
    let is_same = after.value == key.value || is_rehashed;
    let action = if is_same { Action::KeyUpdated } else { Action::KeyRotated };
    writes.append_event(&authority.on_key(action, &after, [Some(&key), Some(&after)])?)?;
    Ok(true)
}

/// The key with what the ledger knows of it; what it does not know stays.
fn with_state(key: &ApiKey, state: &KeyState) -> ApiKey {
    let KeyState { valid, value, shadow, expires_at, limits } = state;
    let known = key.shadow.as_ref();
    let shadow = shadow.map(|(fingerprint, rotates_at)| Shadow {
        fingerprint,
        rotates_at,
        last_used: known.filter(|it| it.fingerprint == fingerprint).and_then(|it| it.last_used),
    });
    let after = ApiKey { valid: *valid, value: *value, shadow, expires_at: *expires_at, ..key.clone() };
    match limits.clone() {
        None => after,
        Some(Limits { rate_limit, allowed_addresses }) => ApiKey { rate_limit, allowed_addresses, ..after },
    }
}
