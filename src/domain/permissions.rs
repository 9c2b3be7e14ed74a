//! Permissions: what a key may do in the services that ask Keystead about it.
//!
//! A permission has segments, separated by colons: `invoices:read`. `invoices:*` grants everything below `invoices`,
//! but not `invoices` itself. `*` grants everything.

use super::{Error, Result, has_full_key};
use std::fmt;
use std::sync::Arc;

/// Separates segments.
const SEPARATOR: char = ':';
/// As the last segment: everything below. Alone: everything.
const ANY: &str = "*";

/// A set of permissions: granted to a key, or needed for a request. `Display` separates them with spaces, in the order
/// in which they were given. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions(Option<Arc<str>>);

impl Permissions {
    /// Maximum number of permissions in a set.
    pub const MAX: usize = 64;
    /// Maximum length of a permission.
    pub const MAX_LENGTH: usize = 128;

    /// Checks and collects permissions. A repeated one is kept once.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are too many, or one is malformed or contains a full key. The sentence does not
    /// repeat it.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut parsed: Vec<&str> = Vec::new();
        for (before, text) in texts.into_iter().enumerate() {
            if before == Self::MAX {
                return Err(Error::Invalid(format!("There must be at most {} permissions.", Self::MAX)));
            }
            check(text)?;
            if !parsed.contains(&text) {
                parsed.push(text);
            }
        }
        Ok(Self::stored(&parsed.join(" ")))
    }

    /// Permissions that were checked when they were stored, separated by spaces.
    pub fn stored(text: &str) -> Self {
        Self((!text.is_empty()).then(|| text.into()))
    }

    /// The same from one text, separated by white space.
    ///
    /// # Errors
    /// As [`Permissions::parse`].
    pub fn parse_list(text: &str) -> Result<Self> {
        Self::parse(text.split_whitespace())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// All of them, separated by spaces.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.as_str().split_terminator(' ')
    }

    /// The permissions that both sets grant. If there were too many for one set, some are left out.
    pub fn common(&self, other: &Self) -> Self {
        let granted_by = |set: &Self, it: &str| set.iter().any(|granted| grants(granted, it));
        let ours = self.iter().filter(|it| granted_by(other, it));
        let theirs = other.iter().filter(|it| granted_by(self, it) && !self.iter().any(|ours| ours == *it));
        Self::stored(&ours.chain(theirs).take(Self::MAX).collect::<Vec<_>>().join(" "))
    }

    /// Whether these permissions grant all the needed ones. Nothing is needed: always.
    pub fn grant(&self, needed: &Self) -> bool {
        needed.iter().all(|needed| self.iter().any(|granted| grants(granted, needed)))
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether one permission grants another. `invoices:*` also grants `invoices:items:*`: everything that it covers.
fn grants(granted: &str, needed: &str) -> bool {
    match granted.strip_suffix(ANY) {
        // The prefix ends with the separator, so more must follow it; of a lone `*` it is empty.
        Some(prefix) => needed.starts_with(prefix),
        None => granted == needed,
    }
}

fn check(text: &str) -> Result<()> {
    let is_allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '.' | '-');
    let is_word = |segment: &str| !segment.is_empty() && segment.chars().all(is_allowed);
    let (parents, last) = text.rsplit_once(SEPARATOR).map_or((None, text), |(parents, last)| (Some(parents), last));
    let is_formed = parents.is_none_or(|parents| parents.split(SEPARATOR).all(is_word))
        && (last == ANY || is_word(last))
        && text.len() <= Permissions::MAX_LENGTH;
    if !is_formed {
        return Err(Error::Invalid(format!(
            "A permission must have 1 to {} characters: segments of a-z, 0-9, _, . and -, separated by colons; * may only \
             be the whole last segment.",
            Permissions::MAX_LENGTH
        )));
    }
    if has_full_key(text.as_bytes()) {
        return Err(Error::Invalid("A permission contains text that looks like a full API key; remove it.".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn permissions(list: &str) -> Permissions {
        Permissions::parse_list(list).unwrap()
    }

    #[test]
    fn malformed_permissions_are_refused() {
        for bad in
            ["", ":", "a:", ":a", "a::b", "A", "a b", "**", "a*", "*a", "*:a", "a:*:b", "a:b*", "é", "a/b", "a:*:"]
        {
            assert!(Permissions::parse([bad]).is_err(), "{bad}");
        }
        for good in ["a", "*", "a:*", "a:b:*", "a.b-c_d:0", &"a".repeat(128)] {
            assert_eq!(Permissions::parse([good]).unwrap().as_str(), good);
        }
        assert!(Permissions::parse(["a".repeat(129).as_str()]).is_err());
        let key = format!("confident_org_{}", "0a".repeat(16));
        let sentence = Permissions::parse([key.as_str()]).unwrap_err().to_string();
        assert!(!sentence.contains("0a0a"), "{sentence}");
    }

    #[test]
    fn a_set_has_at_most_64_permissions_and_keeps_a_repeated_one_once() {
        let many: Vec<String> = (0..65).map(|number| format!("a:{number}")).collect();
        assert_eq!(Permissions::parse(many[..64].iter().map(String::as_str)).unwrap().iter().count(), 64);
        assert!(Permissions::parse(many.iter().map(String::as_str)).is_err());
        assert_eq!(permissions("b a b").as_str(), "b a");
        assert!(permissions("").is_empty());
    }

    #[test]
    fn an_empty_set_grants_nothing_and_everything_grants_nothing_needed() {
        assert!(!permissions("").grant(&permissions("a")));
        assert!(permissions("").grant(&permissions("")));
        assert!(permissions("*").grant(&permissions("a a:b *")));
        assert!(!permissions("a:*").grant(&permissions("a")));
        assert!(permissions("a:*").grant(&permissions("a:b a:b:c a:*")));
        assert!(!permissions("a:b").grant(&permissions("a:*")));
        assert!(!permissions("a:*").grant(&permissions("ab:c")));
    }

    /// A second, obvious implementation: compares segment by segment.
    fn obviously_grants(granted: &str, needed: &str) -> bool {
        let (granted, needed): (Vec<&str>, Vec<&str>) = (granted.split(':').collect(), needed.split(':').collect());
        for (at, segment) in granted.iter().enumerate() {
            if *segment == "*" {
                return needed.len() > at;
            }
            if needed.get(at) != Some(segment) {
                return false;
            }
        }
        granted.len() == needed.len()
    }

    proptest! {
        #[test]
        fn permissions_grant_what_a_comparison_of_segments_grants(
            granted in prop::collection::vec("[ab](:[ab]){0,2}(:\\*)?|\\*", 0..5),
            needed in prop::collection::vec("[ab](:[ab]){0,3}(:\\*)?|\\*", 0..4),
        ) {
            let expected = needed.iter().all(|needed| granted.iter().any(|granted| obviously_grants(granted, needed)));
            let [granted, needed] = [&granted, &needed].map(|list| permissions(&list.join(" ")));
            prop_assert_eq!(granted.grant(&needed), expected);
        }

        #[test]
        fn common_permissions_grant_what_both_sets_grant(
            one in prop::collection::vec("[ab](:[ab]){0,2}(:\\*)?|\\*", 0..5),
            other in prop::collection::vec("[ab](:[ab]){0,2}(:\\*)?|\\*", 0..5),
            needed in "[ab](:[ab]){0,3}",
        ) {
            let [one, other] = [&one, &other].map(|list| permissions(&list.join(" ")));
            let needed = permissions(&needed);
            prop_assert_eq!(one.common(&other).grant(&needed), one.grant(&needed) && other.grant(&needed));
            prop_assert_eq!(one.common(&one), one);
        }

        #[test]
        fn parsing_accepts_exactly_the_described_form(text in "[aZ0_.:* -]{0,6}") {
            let segments: Vec<&str> = text.split(':').collect();
            let (last, parents) = segments.split_last().unwrap();
            let is_word = |segment: &&str| !segment.is_empty() && segment.chars().all(|c| "a0_.-".contains(c));
            let expected = parents.iter().all(is_word) && (*last == "*" || is_word(last));
            prop_assert_eq!(Permissions::parse([text.as_str()]).is_ok(), expected);
        }
    }
}
