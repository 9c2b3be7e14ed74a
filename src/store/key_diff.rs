//! What a change of a key means: which values it gains and loses, what must not be believed any more, and what the ledger of
//! revocations must know. It is a function of the key before and after and of nothing else; a backend carries it out.

use super::key_record::KeyRecord;
use super::revisions::Stale;
use crate::domain::{ApiKey, Digest, Fingerprint};

/// What a change of a key means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyDiff {
    /// Values that the key is found by from now on.
    pub(super) gained: Vec<Digest>,
    /// Values that are the key's former ones from now on. It is found by them still.
    pub(super) retired: Vec<Digest>,
    /// Values that the key is found by no more. With the last of them go its former ones.
    pub(super) dropped: Vec<Digest>,
    /// Values that were good and never will be again.
    pub(super) ended: Vec<Digest>,
    /// Whether the new value of a rotation is the value by now, or gone: its uses are the key's.
    pub(super) joins_uses: bool,
    /// What must not be believed any more.
    pub(super) stale: Vec<Stale>,
    /// How the key stands from now on, where that is another way than before.
    pub(super) record: Option<KeyRecord>,
}

impl KeyDiff {
    /// The key is minted where there was none before, and revoked where there is none after. Otherwise both are the same key.
    pub(super) fn between(before: Option<&ApiKey>, after: Option<&ApiKey>) -> Self {
        let (old, new) = (values(before), values(after));
        let lost: Vec<Digest> = old.iter().filter(|it| !new.contains(it)).copied().collect();
        let gained = new.iter().filter(|it| !old.contains(it)).copied().collect();
        let (retired, dropped) = if after.is_some() { (lost.clone(), Vec::new()) } else { (Vec::new(), lost.clone()) };
        let record = match (before, after) {
            // No other copy of the store has a key that is minted: there is nothing that it could bring back.
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
            // What is remembered with a key has its name and more in it: whatever changes is read anew.
            stale: old.into_iter().map(Stale::Key).collect(),
            record,
        }
    }

    /// The key's value is known by another digest from now on. Nobody may bring it in again by the former one. The ledger names
    /// the digest, so it must know.
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

/// The digests of all of a key's values.
fn values(key: Option<&ApiKey>) -> Vec<Digest> {
    let of = |key: &ApiKey| {
        let new = key.shadow.as_ref().map(|shadow| shadow.fingerprint);
        [Some(key.value), new].into_iter().flatten().map(|it: Fingerprint| it.digest).collect()
    };
    key.map(of).unwrap_or_default()
}

#[cfg(test)]
mod tests;
