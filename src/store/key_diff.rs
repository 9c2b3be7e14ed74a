//! The consequences of a change of a key: values that it gains and loses, cached data that becomes stale, and the new
//! record in the ledger of revocations. A pure function of the key before and after; a backend carries it out.

use super::key_record::KeyRecord;
use super::revisions::Stale;
use crate::domain::{ApiKey, Digest, Fingerprint};

/// The consequences of a change of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyDiff {
    /// Values that find the key from now on.
    pub(super) gained: Vec<Digest>,
    /// Values that become former values. They still find the key.
    pub(super) retired: Vec<Digest>,
    /// Values that no longer find the key. When its last value goes, its former values go too.
    pub(super) dropped: Vec<Digest>,
    /// Values that have ended: they were valid and never become valid again.
    pub(super) ended: Vec<Digest>,
    /// Whether a rotation ended, so that the last use of its new value becomes the key's.
    pub(super) joins_uses: bool,
    /// Cached data to invalidate.
    pub(super) stale: Vec<Stale>,
    /// The key's new ledger record, if it differs from the one before.
    pub(super) record: Option<KeyRecord>,
}

impl KeyDiff {
    /// `None` before means that the key is created, `None` after that it is revoked. Otherwise both are the same key.
    pub(super) fn between(before: Option<&ApiKey>, after: Option<&ApiKey>) -> Self {
        let (old, new) = (values(before), values(after));
        let lost: Vec<Digest> = old.iter().filter(|it| !new.contains(it)).copied().collect();
        let gained = new.iter().filter(|it| !old.contains(it)).copied().collect();
        let (retired, dropped) = if after.is_some() { (lost.clone(), Vec::new()) } else { (Vec::new(), lost.clone()) };
        let record = match (before, after) {
            // No other copy of the store has a new key, so no copy could revive it.
            (None, _) => None,
            (Some(before), None) => Some(KeyRecord::revoked(before)),
            (Some(before), Some(after)) => Some(KeyRecord::of(after)).filter(|it| *it != KeyRecord::of(before)),
        };
        let new_value = |key: &ApiKey| key.shadow.as_ref().map(|shadow| shadow.fingerprint);
        let before_rotation = before.and_then(new_value);
        Self {
            gained,
            retired,
            dropped,
            ended: lost,
            joins_uses: before_rotation.is_some() && after.is_some_and(|after| new_value(after) != before_rotation),
            // Cached data contains the name and more, so every change invalidates it.
            stale: old.into_iter().map(Stale::Key).collect(),
            record,
        }
    }

    /// The value's digest is replaced by another digest of the same value. The former digest must not be imported
    /// again. The ledger records the digest, so it gets a new record.
    pub(super) fn rehashed(before: &ApiKey, after: &ApiKey) -> Self {
        let (from, to) = (before.value.digest, after.value.digest);
        Self {
            gained: vec![to],
            dropped: vec![from],
            ended: vec![from],
            stale: [from, to].map(Stale::Key).to_vec(),
            record: Some(KeyRecord::of(after)),
            ..Self::default()
        }
    }
}

/// The digests of all values of a key.
fn values(key: Option<&ApiKey>) -> Vec<Digest> {
    let of = |key: &ApiKey| {
        let new = key.shadow.as_ref().map(|shadow| shadow.fingerprint);
        [Some(key.value), new].into_iter().flatten().map(|it: Fingerprint| it.digest).collect()
    };
    key.map(of).unwrap_or_default()
}

#[cfg(test)]
mod tests;
