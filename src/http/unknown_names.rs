//! Unknown and repeated names in requests. A misspelt field must not count as missing, and no repetition may
//! be dropped: a rotation that loses its grace period would end a key at once.

use super::error::Failure;
use std::collections::HashSet;

/// Minimum length of a key of any form.
const MIN_KEY: usize = 16;
/// Longer names are not compared with known ones.
const MAX_COMPARED: usize = 64;
/// Minimum similarity to suggest a known name; 1 is equality.
const SIMILAR: f64 = 0.6;
/// The same for names of other endpoints: a weak similarity is more likely a coincidence.
const SIMILAR_IN_OTHER_ENDPOINT: f64 = 0.8;
const VALUE: &str = "it belongs to creating or rotating a key: rotate the key to change its value";
const RESTRICTION: &str = "it belongs to creating, changing or rotating a key";
const LIMIT: &str = "it belongs inside \"rateLimit\"";
const REASON: &str = "it belongs to changing, rotating or revoking a key, or to deleting a project";
/// Fields about keys and where they belong, for requests that send one to the wrong endpoint.
const OTHER_ENDPOINTS: [(&str, &str); 15] = [
    ("expiresInDays", RESTRICTION),
    ("expiresInSeconds", RESTRICTION),
    ("expiresAt", "use \"expiresInDays\" when creating, changing or rotating a key"),
    ("gracePeriodInHours", "it belongs to rotating a key"),
    ("digest", VALUE),
    ("tail", VALUE),
    ("rateLimit", RESTRICTION),
    ("allowedAddresses", RESTRICTION),
    ("role", RESTRICTION),
    ("permissions", RESTRICTION),
    ("owner", RESTRICTION),
    ("metadata", RESTRICTION),
    ("reason", REASON),
    ("limit", LIMIT),
    ("windowInSeconds", LIMIT),
];

/// Checks that all names are known; `kind` is the kind of name. The sentence names the first unknown one and
/// suggests a known one. It repeats a name only if the part that differs from a known one is too short to
/// contain a key.
///
/// # Errors
/// 400 for an unknown name.
pub(super) fn expect_known<'a>(
    kind: &str,
    names: impl IntoIterator<Item = &'a str>,
    known: &[&str],
) -> Result<(), Failure> {
    let Some(name) = names.into_iter().find(|name| !known.contains(name)) else { return Ok(()) };
    let (similar, hint) = match (most_similar(name, known, SIMILAR), field_of_other_endpoint(kind, name, known)) {
        (Some(similar), _) => (Some(similar), format!("did you mean \"{similar}\"?")),
        (None, Some((meant, hint))) if meant == name => (Some(meant), hint),
        (None, Some((meant, hint))) => (Some(meant), format!("did you mean \"{meant}\"? {hint}")),
        (None, None) if known.is_empty() => (None, "none is allowed here".to_owned()),
        (None, None) => (None, format!("known: \"{}\"", known.join("\", \""))),
    };
    Err(Failure::bad_request(format!("{} is unknown ({hint}).", quoted(kind, name, similar))))
}

/// The field of another endpoint that was probably meant, and where it belongs.
fn field_of_other_endpoint(kind: &str, name: &str, known: &[&str]) -> Option<(&'static str, String)> {
    let others: Vec<&str> =
        OTHER_ENDPOINTS.iter().map(|(other, _)| *other).filter(|other| !known.contains(other)).collect();
    let meant = most_similar(name, &others, SIMILAR_IN_OTHER_ENDPOINT)?;
    let (meant, hint) = OTHER_ENDPOINTS.into_iter().find(|(other, _)| *other == meant)?;
    let hint = if kind == "field" { hint.to_owned() } else { format!("it is a field of a request body: {hint}") };
    Some((meant, hint))
}

/// Checks that no name is repeated. The sentence names it by the same rule.
///
/// # Errors
/// 400 for a repeated name.
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

/// The refusal of a repeated name.
pub(super) fn duplicate(kind: &str, name: &str, known: &[&str]) -> Failure {
    Failure::bad_request(format!("{} comes more than once.", quoted(kind, name, most_similar(name, known, SIMILAR))))
}

/// The name in quotes, if the part that differs from a known one is too short to contain a key.
fn quoted(kind: &str, name: &str, similar: Option<&str>) -> String {
    if name.len() < similar.map_or(0, str::len) + MIN_KEY {
        format!("The {kind} \"{}\"", name.escape_default())
    } else {
        format!("A {kind} of the request")
    }
}

/// The most similar known name, if it is similar enough.
fn most_similar<'a>(name: &str, known: &[&'a str], least: f64) -> Option<&'a str> {
    if name.len() > MAX_COMPARED {
        return None;
    }
    let name = normalized(name);
    let similarities = known.iter().map(|it| (strsim::normalized_damerau_levenshtein(&name, &normalized(it)), *it));
    let best = similarities.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(similarity, _)| *similarity >= least).map(|(_, name)| name)
}

/// The name without differences of spelling style: case, hyphens and underscores.
fn normalized(name: &str) -> String {
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
    fn a_misspelt_name_is_refused_with_a_suggestion() {
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
    fn a_name_without_similar_ones_is_refused_with_all_known_names() {
        assert_eq!(
            sentence("since", &["startTime", "endTime"]),
            "The field \"since\" is unknown (known: \"startTime\", \"endTime\")."
        );
        assert_eq!(sentence("", &[]), "The field \"\" is unknown (none is allowed here).");
        assert_eq!(sentence("a\"\n", &[]), "The field \"a\\\"\\n\" is unknown (none is allowed here).");
        assert!(expect_known("field", ["name", "expiresInDays"], &KNOWN).is_ok());
    }

    #[test]
    fn a_field_of_another_endpoint_is_refused_with_where_it_belongs() {
        let question = ["value", "digest", "address"];
        for name in ["expiresInSeconds", "expiresInDays"] {
            let expected =
                format!("The field \"{name}\" is unknown (it belongs to creating, changing or rotating a key).");
            assert_eq!(sentence(name, &question), expected);
        }
        assert_eq!(
            sentence("expiresAt", &question),
            "The field \"expiresAt\" is unknown (use \"expiresInDays\" when creating, changing or rotating a key)."
        );
        assert_eq!(
            sentence("expires_in_second", &question),
            "The field \"expires_in_second\" is unknown (did you mean \"expiresInSeconds\"? it belongs to \
             creating, changing or rotating a key)."
        );
        assert_eq!(
            sentence("gracePeriodInHours", &["name", "expiresInDays", "expiresInSeconds"]),
            "The field \"gracePeriodInHours\" is unknown (it belongs to rotating a key)."
        );
        assert_eq!(
            expect_known("parameter", ["gracePeriodInHours"], &["limit"]).unwrap_err().to_string(),
            "The parameter \"gracePeriodInHours\" is unknown (it is a field of a request body: it belongs to rotating a key)."
        );
        // Short names are similar to many: no suggestion.
        assert_eq!(sentence("mail", &["name"]), "The field \"mail\" is unknown (known: \"name\").");
        let hidden = format!("expiresInSeconds{}", "7".repeat(16));
        assert!(!sentence(&hidden, &question).contains("777"));
    }

    #[test]
    fn a_name_that_could_contain_a_key_is_not_repeated() {
        let key = format!("confident_org_{}", "0123456789abcdef".repeat(2));
        for name in [&key, "sk_live_4eC39Hql", &format!("name{key}"), &format!("gracePeriodInHours{}", "-".repeat(16))]
        {
            let sentence = sentence(name, &KNOWN);
            assert!(sentence.starts_with("A field of the request is unknown ("), "{sentence}");
        }
        assert!(sentence(&"name".repeat(100_000), &KNOWN).len() < 200);
    }
}
