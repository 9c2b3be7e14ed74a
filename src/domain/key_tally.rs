//! Counts keys by state, and finds the ones that need attention first.

use super::{ApiKey, KeyFilter, KeyId, KeyStateFilter, Name, ProjectId, Timestamp};

/// How many keys that need attention are named.
const NAMED: usize = 10;

/// A key that needs attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedKey {
    /// Its number.
    pub id: KeyId,
    /// Its name.
    pub name: Name,
    /// Its project; `None` for an organization's own key.
    pub project: Option<ProjectId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When any of its values was last used.
    pub last_used: Option<Timestamp>,
}

/// Numbers of keys by state. The states are those of [`KeyStateFilter`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyTally {
    /// All keys.
    pub total: u64,
    /// Active keys.
    pub active: u64,
    /// Deactivated keys.
    pub deactivated: u64,
    /// Expired keys.
    pub expired: u64,
    /// Expiring keys.
    pub expiring: u64,
    /// Rotating keys.
    pub rotating: u64,
    /// Keys that match [`KeyFilter::UNUSED`].
    pub unused: u64,
    /// Up to ten expiring keys, the one that expires first before the others.
    pub next_to_expire: Vec<NamedKey>,
    /// Up to ten unused keys, the one that was not used for the longest time before the others.
    pub longest_unused: Vec<NamedKey>,
}

impl KeyTally {
    /// Counts a key as it is at this time.
    pub fn add(&mut self, key: &ApiKey, now: Timestamp) {
        self.total += 1;
        for state in KeyStateFilter::ALL {
            if state.matches(key, now) {
                *self.of(state) += 1;
            }
        }
        if KeyStateFilter::Expiring.matches(key, now) {
            insert(&mut self.next_to_expire, key, |key| key.expires_at);
        }
        if KeyFilter::UNUSED.matches(key, now) {
            self.unused += 1;
            insert(&mut self.longest_unused, key, |key| Some(key.last_used.unwrap_or(key.created_at)));
        }
    }

    fn of(&mut self, state: KeyStateFilter) -> &mut u64 {
        match state {
            KeyStateFilter::Active => &mut self.active,
            KeyStateFilter::Deactivated => &mut self.deactivated,
            KeyStateFilter::Expired => &mut self.expired,
            KeyStateFilter::Expiring => &mut self.expiring,
            KeyStateFilter::Rotating => &mut self.rotating,
        }
    }
}

impl From<&ApiKey> for NamedKey {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name.clone(),
            project: key.parent.project,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used: key.last_used(),
        }
    }
}

/// Inserts the key by its time and its number, if it belongs to the first ones.
fn insert(list: &mut Vec<NamedKey>, key: &ApiKey, time: impl Fn(&NamedKey) -> Option<Timestamp>) {
    let key = NamedKey::from(key);
    let order = |key: &NamedKey| (time(key), key.id);
    let place = list.partition_point(|other| order(other) < order(&key));
    if place < NAMED {
        list.insert(place, key);
        list.truncate(NAMED);
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::tests::{DAY_MS, NOW, at, fingerprint, key};
    use super::super::{KeyId, Shadow};
    use super::*;

    fn numbered(id: i64, expires_at: Option<i64>) -> ApiKey {
        ApiKey { id: KeyId::new(id).unwrap(), ..key(expires_at.map(at)) }
    }

    fn ids(keys: &[NamedKey]) -> Vec<i64> {
        keys.iter().map(|key| key.id.get()).collect()
    }

    #[test]
    fn a_key_is_counted_in_each_of_its_states() {
        let now = NOW + 100 * DAY_MS;
        let used = Some(at(now));
        let rotating = Some(Shadow { fingerprint: fingerprint(2), rotates_at: at(now + 1), last_used: None });
        let mut tally = KeyTally::default();
        for key in [
            numbered(1, None),
            ApiKey { value_last_used: used, ..numbered(2, Some(now + DAY_MS)) },
            ApiKey { valid: false, ..numbered(3, Some(now - DAY_MS)) },
            numbered(4, Some(now)),
            ApiKey { valid: false, shadow: rotating, ..numbered(5, None) },
        ] {
            tally.add(&key, at(now));
        }
        let KeyTally { total, active, deactivated, expired, expiring, rotating, unused, .. } = tally;
        assert_eq!([total, active, deactivated, expired, expiring, rotating, unused], [5, 2, 2, 1, 1, 1, 1]);
        assert_eq!((ids(&tally.next_to_expire), ids(&tally.longest_unused)), (vec![2], vec![1]));
    }

    #[test]
    fn the_ten_keys_that_need_attention_first_are_named_in_order() {
        let now = NOW + 200 * DAY_MS;
        let mut tally = KeyTally::default();
        // Times in an order that is neither ascending nor descending; two keys share each time.
        for id in 1..=26 {
            let days = (id * 5) % 13;
            let expires_at = Some(now + DAY_MS + days * DAY_MS);
            let value_last_used = Some(at(NOW + days * DAY_MS));
            tally.add(&ApiKey { value_last_used, ..numbered(id, expires_at) }, at(now));
        }
        let mut expected: Vec<i64> = (1..=26).collect();
        expected.sort_by_key(|id| ((id * 5) % 13, *id));
        expected.truncate(10);
        assert_eq!(ids(&tally.next_to_expire), expected);
        assert_eq!(ids(&tally.longest_unused), expected);
        assert_eq!((tally.expiring, tally.unused), (26, 26));
    }
}
