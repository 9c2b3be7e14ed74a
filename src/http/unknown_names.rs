//! Names in a request that nobody asks for, or that come more than once. A misspelt name must not be taken for one that is not
//! there, and no value of a name dropped for another: a rotation whose grace period is misspelt or dropped would end a key at
//! once.

use super::error::Failure;
use std::collections::HashSet;

/// The fewest characters of a key of any form.
const MIN_KEY: usize = 16;
/// The most bytes of a name that is compared with known ones.
const MAX_COMPARED: usize = 64;
/// How similar a name must be to a known one to stand for it: 1 is equal.
const SIMILAR: f64 = 0.6;
/// The same where another endpoint knows it: a name that is only somewhat like it is rather anything else.
const SIMILAR_ELSEWHERE: f64 = 0.8;
const VALUE: &str = "it goes with a new key or a rotation: rotate the key to change its value";
const RESTRICTION: &str = "it goes with a new key, a change of a key or a rotation";
const LIMIT: &str = "it goes within \"rateLimit\"";
/// Fields of bodies that deal with keys, and where they belong, for whoever sends one to another endpoint.
const ELSEWHERE: [(&str, &str); 10] = [
    ("expiresInDays", RESTRICTION),
    ("expiresInSeconds", RESTRICTION),
    ("expiresAt", "say \"expiresInDays\" with a new key, a change of a key or a rotation"),
    ("gracePeriodInHours", "it goes with a rotation"),
    ("digest", VALUE),
    ("tail", VALUE),
    ("rateLimit", RESTRICTION),
    ("allowedAddresses", RESTRICTION),
    ("limit", LIMIT),
    ("windowInSeconds", LIMIT),
];

/// Makes sure that all names are known; `kind` says what they are names of. The sentence names the first that is not, and the
/// known one that was probably meant. It repeats a name only where what differs from a known one is too short to hold a key.
///
/// # Errors
/// 400 where a name is unknown.
pub(super) fn expect_known<'a>(
    kind: &str,
    names: impl IntoIterator<Item = &'a str>,
    known: &[&str],
) -> Result<(), Failure> {
    let Some(name) = names.into_iter().find(|name| !known.contains(name)) else { return Ok(()) };
    let (similar, hint) = match (most_similar(name, known, SIMILAR), elsewhere(kind, name, known)) {
        (Some(similar), _) => (Some(similar), format!("did you mean \"{similar}\"?")),
        (None, Some((meant, place))) if meant == name => (Some(meant), place),
        (None, Some((meant, place))) => (Some(meant), format!("did you mean \"{meant}\"? {place}")),
        (None, None) if known.is_empty() => (None, "none is known here".to_owned()),
        (None, None) => (None, format!("known are \"{}\"", known.join("\", \""))),
    };
    Err(Failure::bad_request(format!("{} is unknown ({hint}).", called(kind, name, similar))))
}

/// The field of another endpoint that this name is, or was probably meant to be, and where it belongs.
fn elsewhere(kind: &str, name: &str, known: &[&str]) -> Option<(&'static str, String)> {
    let others: Vec<&str> = ELSEWHERE.iter().map(|(other, _)| *other).filter(|other| !known.contains(other)).collect();
    let meant = most_similar(name, &others, SIMILAR_ELSEWHERE)?;
    let (meant, place) = ELSEWHERE.into_iter().find(|(other, _)| *other == meant)?;
    let place = if kind == "field" { place.to_owned() } else { format!("it is a field of a body: {place}") };
    Some((meant, place))
}

/// Makes sure that no name comes more than once. The sentence repeats one by the same rule.
///
/// # Errors
/// 400 where one does.
pub(super) fn expect_once<'a>(
    kind: &str,
    names: impl IntoIterator<Item = &'a str>,
    known: &[&str],
) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(duplicate(kind, name, known)),
        None => Ok(()),
    }
}

/// The refusal of a name that comes more than once.
pub(super) fn duplicate(kind: &str, name: &str, known: &[&str]) -> Failure {
    Failure::bad_request(format!("{} comes more than once.", called(kind, name, most_similar(name, known, SIMILAR))))
}

/// What a sentence calls a name: by itself where what differs from the similar known one is too short to hold a key.
fn called(kind: &str, name: &str, similar: Option<&str>) -> String {
    if name.len() < similar.map_or(0, str::len) + MIN_KEY {
        format!("The {kind} \"{}\"", name.escape_default())
    } else {
        format!("A {kind} of the request")
    }
}

/// The known name that this one was probably meant to be: the most similar one, where it is at least so similar.
fn most_similar<'a>(name: &str, known: &[&'a str], least: f64) -> Option<&'a str> {
    if name.len() > MAX_COMPARED {
        return None;
    }
    let name = plain(name);
    let similarities = known.iter().map(|it| (strsim::normalized_damerau_levenshtein(&name, &plain(it)), *it));
    let best = similarities.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(similarity, _)| *similarity >= least).map(|(_, name)| name)
}

/// The name without what differs between ways to write several words as one.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["name", "expiresInDays", "gracePeriodInHours", "allowedAddresses"];

    fn sentence(name: &str, known: &[&str]) -> String {
        expect_known("field", [name], known).unwrap_err().to_string()
    }

    #[test]
    fn a_misspelt_name_is_refused_with_the_one_that_was_meant() {
        for (name, meant) in [
            ("gracePeriodInHour", "gracePeriodInHours"),
            ("grace_period_in_hours", "gracePeriodInHours"),
            ("grace_period_hours", "gracePeriodInHours"),
            ("grace-period", "gracePeriodInHours"),
            ("GracePeriodInHours", "gracePeriodInHours"),
            ("expiresInDay", "expiresInDays"),
            ("expiresAt", "expiresInDays"),
            ("allowed_address", "allowedAddresses"),
            ("naem", "name"),
        ] {
            assert_eq!(sentence(name, &KNOWN), format!("The field \"{name}\" is unknown (did you mean \"{meant}\"?)."));
        }
    }

    #[test]
    fn a_name_that_is_like_no_other_is_refused_with_all_that_there_are() {
        assert_eq!(
            sentence("since", &["startTime", "endTime"]),
            "The field \"since\" is unknown (known are \"startTime\", \"endTime\")."
        );
        assert_eq!(sentence("", &[]), "The field \"\" is unknown (none is known here).");
        assert_eq!(sentence("a\"\n", &[]), "The field \"a\\\"\\n\" is unknown (none is known here).");
        assert!(expect_known("field", ["name", "expiresInDays"], &KNOWN).is_ok());
    }

    #[test]
    fn a_field_of_another_endpoint_is_named_with_where_it_belongs() {
        let question = ["value", "digest", "address"];
        for name in ["expiresInSeconds", "expiresInDays"] {
            let expected =
                format!("The field \"{name}\" is unknown (it goes with a new key, a change of a key or a rotation).");
            assert_eq!(sentence(name, &question), expected);
        }
        assert_eq!(
            sentence("expiresAt", &question),
            "The field \"expiresAt\" is unknown (say \"expiresInDays\" with a new key, a change of a key or a rotation)."
        );
        assert_eq!(
            sentence("expires_in_second", &question),
            "The field \"expires_in_second\" is unknown (did you mean \"expiresInSeconds\"? it goes with a new key, a \
             change of a key or a rotation)."
        );
        assert_eq!(
            sentence("gracePeriodInHours", &["name", "expiresInDays", "expiresInSeconds"]),
            "The field \"gracePeriodInHours\" is unknown (it goes with a rotation)."
        );
        assert_eq!(
            expect_known("parameter", ["gracePeriodInHours"], &["limit"]).unwrap_err().to_string(),
            "The parameter \"gracePeriodInHours\" is unknown (it is a field of a body: it goes with a rotation)."
        );
        // No more than that: what is short is like many.
        assert_eq!(sentence("mail", &["name"]), "The field \"mail\" is unknown (known are \"name\").");
        let hidden = format!("expiresInSeconds{}", "7".repeat(16));
        assert!(!sentence(&hidden, &question).contains("777"));
    }

    #[test]
    fn a_name_that_could_hold_a_key_is_not_repeated() {
        let key = format!("confident_org_{}", "0123456789abcdef".repeat(2));
        for name in [&key, "sk_live_4eC39Hql", &format!("name{key}"), &format!("gracePeriodInHours{}", "-".repeat(16))]
        {
            let sentence = sentence(name, &KNOWN);
            assert!(sentence.starts_with("A field of the request is unknown ("), "{sentence}");
        }
        assert!(sentence(&"name".repeat(100_000), &KNOWN).len() < 200);
    }
}
