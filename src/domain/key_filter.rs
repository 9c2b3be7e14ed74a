//! Filters of lists of keys. Only this file says what the states of a key mean in a list.

use super::{ApiKey, Error, Lifetime, Owner, Permissions, Result, Role, Timestamp};

const DAY_MS: i64 = 86_400_000;
/// A key is expiring if it expires within this many days.
const EXPIRING_DAYS: FilterDays = FilterDays(30);
/// An active key is unused if it was not used for this many days.
const UNUSED_DAYS: FilterDays = FilterDays(90);

/// A state of a key. Every key is in exactly one of the first three states. A key that is expiring is also active. A key
/// of any state may be rotating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStateFilter {
    /// Switched on and not expired.
    Active,
    /// Switched off, expired or not.
    Deactivated,
    /// Expired and not switched off.
    Expired,
    /// Active, and expires within 30 days.
    Expiring,
    /// In the grace period of a rotation: both its outgoing and its new value are stored.
    Rotating,
}

impl KeyStateFilter {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Active, Self::Deactivated, Self::Expired, Self::Expiring, Self::Rotating];

    /// The name in requests and arguments.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deactivated => "deactivated",
            Self::Expired => "expired",
            Self::Expiring => "expiring",
            Self::Rotating => "rotating",
        }
    }

    /// The state with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether the key is in this state.
    pub fn matches(self, key: &ApiKey, now: Timestamp) -> bool {
        match self {
            Self::Active => key.valid && !key.is_expired(now),
            Self::Deactivated => !key.valid,
            Self::Expired => key.valid && key.is_expired(now),
            Self::Expiring => expires_within(key, EXPIRING_DAYS, now),
            Self::Rotating => key.shadow.as_ref().is_some_and(|shadow| now < shadow.rotates_at),
        }
    }
}

/// A number of days in a filter: 1 to 36,525 (a century), each of 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterDays(i64);

impl FilterDays {
    /// The maximum.
    pub const MAX: i64 = Lifetime::MAX_DAYS;

    /// `None` if the number is out of range.
    pub fn new(days: i64) -> Option<Self> {
        (1..=Self::MAX).contains(&days).then_some(Self(days))
    }
}

/// A part of a name, compared without regard to case: 1 to 255 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePart {
    lower_case: String,
}

impl NamePart {
    /// Maximum length in characters.
    pub const MAX: usize = 255;

    /// Checks a part of a name. It is not trimmed.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the text is empty or too long.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() || text.chars().count() > Self::MAX {
            return Err(Error::Invalid(format!("The part of a name must have 1 to {} characters.", Self::MAX)));
        }
        Ok(Self { lower_case: text.to_lowercase() })
    }

    fn is_in(&self, name: &str) -> bool {
        name.to_lowercase().contains(&self.lower_case)
    }
}

/// Which keys a list shows: those that match every condition. The default matches every key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// The key is in this state.
    pub state: Option<KeyStateFilter>,
    /// The key has exactly this owner.
    pub owner: Option<Owner>,
    /// The key has exactly this role.
    pub role: Option<Role>,
    /// The key's permissions grant these, as in a verification.
    pub permission: Option<Permissions>,
    /// The key's name contains this.
    pub name: Option<NamePart>,
    /// The key was last used at least so long ago; a key that was never used, created at least so long ago.
    pub unused_for_days: Option<FilterDays>,
    /// The key is active and expires within this time. With [`KeyStateFilter::Expiring`], this replaces the 30 days.
    pub expires_within_days: Option<FilterDays>,
}

impl KeyFilter {
    /// Unused keys: active ones that were last used at least 90 days ago.
    pub const UNUSED: Self = Self {
        state: Some(KeyStateFilter::Active),
        owner: None,
        role: None,
        permission: None,
        name: None,
        unused_for_days: Some(UNUSED_DAYS),
        expires_within_days: None,
    };

    /// Whether every key matches.
    pub fn matches_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the key matches at this time.
    pub fn matches(&self, key: &ApiKey, now: Timestamp) -> bool {
        let Self { state, owner, role, permission, name, unused_for_days, expires_within_days } = self;
        // The shorter or longer time is checked below.
        let state = state.filter(|state| *state != KeyStateFilter::Expiring || expires_within_days.is_none());
        state.is_none_or(|state| state.matches(key, now))
            && owner.as_ref().is_none_or(|owner| key.owner.as_ref() == Some(owner))
            && role.is_none_or(|role| key.role == role)
            && permission.as_ref().is_none_or(|needed| key.permissions.grant(needed))
            && unused_for_days.is_none_or(|days| is_unused_for(key, days, now))
            && expires_within_days.is_none_or(|days| expires_within(key, days, now))
            && name.as_ref().is_none_or(|part| part.is_in(key.name.as_str()))
    }
}

fn expires_within(key: &ApiKey, days: FilterDays, now: Timestamp) -> bool {
    let latest = now.unix_ms() + days.0 * DAY_MS;
    KeyStateFilter::Active.matches(key, now) && key.expires_at.is_some_and(|end| end.unix_ms() <= latest)
}

fn is_unused_for(key: &ApiKey, days: FilterDays, now: Timestamp) -> bool {
    let since = key.last_used().unwrap_or(key.created_at);
    since.unix_ms() + days.0 * DAY_MS <= now.unix_ms()
}

#[cfg(test)]
mod tests {
    use super::super::key::tests::{DAY_MS, NOW, at, fingerprint, key};
    use super::super::{Name, Shadow};
    use super::KeyStateFilter::{Active, Deactivated, Expired, Expiring, Rotating};
    use super::*;

    fn states(key: &ApiKey, now: i64) -> Vec<KeyStateFilter> {
        KeyStateFilter::ALL.into_iter().filter(|state| state.matches(key, at(now))).collect()
    }

    fn days(days: i64) -> Option<FilterDays> {
        Some(FilterDays::new(days).unwrap())
    }

    #[test]
    fn a_key_is_expiring_within_30_days_and_expired_from_its_last_millisecond() {
        let end = NOW + 40 * DAY_MS;
        let mut key = key(Some(at(end)));
        for (now, expected) in [
            (NOW, vec![Active]),
            (end - 30 * DAY_MS - 1, vec![Active]),
            (end - 30 * DAY_MS, vec![Active, Expiring]),
            (end - 1, vec![Active, Expiring]),
            (end, vec![Expired]),
        ] {
            assert_eq!(states(&key, now), expected, "{}", now - NOW);
        }
        key.valid = false;
        for now in [NOW, end - 1, end] {
            assert_eq!(states(&key, now), [Deactivated]);
        }
    }

    #[test]
    fn a_key_of_any_state_rotates_until_the_end_of_the_grace_period() {
        let mut key = key(None);
        let end = NOW + DAY_MS;
        key.shadow = Some(Shadow { fingerprint: fingerprint(2), rotates_at: at(end), last_used: None });
        assert_eq!(states(&key, end - 1), [Active, Rotating]);
        assert_eq!(states(&key, end), [Active]);
        key.valid = false;
        assert_eq!(states(&key, end - 1), [Deactivated, Rotating]);
    }

    #[test]
    fn another_number_of_days_replaces_the_30_of_expiring_and_holds_without_it() {
        let key = key(Some(at(NOW + 40 * DAY_MS)));
        for (state, within, expected) in [
            (Some(Expiring), None, false),
            (Some(Expiring), days(39), false),
            (Some(Expiring), days(40), true),
            (None, days(39), false),
            (None, days(40), true),
            (Some(Active), days(40), true),
            (Some(Rotating), days(40), false),
        ] {
            let filter = KeyFilter { state, expires_within_days: within, ..KeyFilter::default() };
            assert_eq!(filter.matches(&key, at(NOW)), expected, "{filter:?}");
        }
    }

    #[test]
    fn a_key_is_unused_since_the_last_use_of_any_value_or_since_its_creation() {
        let mut key = key(None);
        let matches = |key: &ApiKey, now: i64| {
            KeyFilter { unused_for_days: days(2), ..KeyFilter::default() }.matches(key, at(now))
        };
        assert!(!matches(&key, NOW + 2 * DAY_MS - 1) && matches(&key, NOW + 2 * DAY_MS));
        key.value_last_used = Some(at(NOW + DAY_MS));
        assert!(!matches(&key, NOW + 3 * DAY_MS - 1) && matches(&key, NOW + 3 * DAY_MS));
        let last_used = Some(at(NOW + 2 * DAY_MS));
        key.shadow = Some(Shadow { fingerprint: fingerprint(2), rotates_at: at(NOW + 9 * DAY_MS), last_used });
        assert!(!matches(&key, NOW + 4 * DAY_MS - 1) && matches(&key, NOW + 4 * DAY_MS));
    }

    #[test]
    fn a_name_is_found_by_any_part_in_any_case_and_an_owner_only_as_a_whole() {
        let mut key = key(None);
        key.name = Name::parse("Straße CI").unwrap();
        key.owner = Some(Owner::parse("Team A").unwrap());
        let named = |text: &str| KeyFilter { name: Some(NamePart::parse(text).unwrap()), ..KeyFilter::default() };
        for (text, expected) in [("STRAßE", true), (" ci", true), ("i", true), ("ci ", false), ("strasse", false)] {
            assert_eq!(named(text).matches(&key, at(NOW)), expected, "{text}");
        }
        let owned = |text: &str| KeyFilter { owner: Some(Owner::parse(text).unwrap()), ..KeyFilter::default() };
        for (text, expected) in [("Team A", true), ("team a", false), ("Team", false)] {
            assert_eq!(owned(text).matches(&key, at(NOW)), expected, "{text}");
        }
        key.owner = None;
        assert!(!owned("Team A").matches(&key, at(NOW)));
        assert!(KeyFilter::default().matches(&key, at(NOW)));
    }

    #[test]
    fn a_permission_is_granted_as_in_a_verification_and_a_role_is_compared_exactly() {
        let mut key = key(None);
        let granting =
            |text: &str| KeyFilter { permission: Some(Permissions::parse([text]).unwrap()), ..KeyFilter::default() };
        for (granted, needed, expected) in [
            ("", "a", false),
            ("a b", "b", true),
            ("a", "a:b", false),
            ("a:*", "a:b", true),
            ("a:*", "a", false),
            ("a:b", "a:*", false),
            ("*", "a:*", true),
        ] {
            key.permissions = Permissions::parse_list(granted).unwrap();
            assert_eq!(granting(needed).matches(&key, at(NOW)), expected, "{granted} for {needed}");
        }
        for role in Role::ALL {
            key.role = role;
            for asked in Role::ALL {
                let filter = KeyFilter { role: Some(asked), ..KeyFilter::default() };
                assert_eq!(filter.matches(&key, at(NOW)), role == asked);
            }
        }
    }

    #[test]
    fn days_and_parts_of_names_have_a_range() {
        assert!(FilterDays::new(0).is_none() && FilterDays::new(36_526).is_none());
        assert!(NamePart::parse("").is_err() && NamePart::parse(&"é".repeat(256)).is_err());
        assert!(NamePart::parse(&"é".repeat(255)).is_ok());
    }
}
