//! What is said of a setting that is unknown or wrong, in words and with a picture of the line.

use toml::{Table, Value};

/// How similar a name must be to a known one to stand for it: 1 is equal.
const SIMILAR: f64 = 0.7;
/// The same among the settings of one section, or among a few words.
const SIMILAR_AMONG_FEW: f64 = 0.5;
/// The most bytes of a name that is compared with known ones.
const MAX_COMPARED: usize = 64;
/// The fewest letters of a setting's name that stands for it without its section: "key" may be anything.
const TELLING: usize = 5;

/// Serde's words for types, and ours.
const TYPES: [(&str, &str); 7] = [
    ("usize", "a whole number, 0 or more"),
    ("u64", "a whole number, 0 or more"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("a boolean", "true or false"),
    ("a string", "a text in quotes"),
    ("path string", "a text in quotes"),
    ("a sequence", "a list"),
];
/// Other words of the TOML library, and ours.
const OTHERS: [(&str, &str); 2] = [
    ("string values must be quoted", "a text must be in quotes; numbers, true and false are without"),
    ("duplicate key", "this name is there twice"),
];

/// What is wrong, from the words of the TOML library: without a full stop, and without the value of any setting.
/// `defaults` has all the settings that there are.
pub(super) fn in_words(message: &str, defaults: &Table) -> String {
    let message = message.trim().trim_end_matches('.');
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown(rest, defaults);
    }
    if let Some(expected) = expected(message) {
        return format!("this must be {expected}");
    }
    let ours = OTHERS.iter().find(|(theirs, _)| message.starts_with(theirs));
    ours.map_or(message, |(_, ours)| ours).to_owned()
}

/// What must stand in the place of what the message is about; `None` where it says more than that.
pub(super) fn expected(message: &str) -> Option<String> {
    let is_known = ["invalid type: ", "invalid value: ", "unknown variant "].iter().any(|it| message.starts_with(it));
    let (_, expected) = message.trim().rsplit_once(", expected ").filter(|_| is_known)?;
    if expected.starts_with("struct ") {
        return Some("a section".to_owned());
    }
    let ours = TYPES.iter().find(|(theirs, _)| *theirs == expected);
    Some(ours.map_or_else(|| expected.replace('`', "\""), |(_, ours)| (*ours).to_owned()))
}

/// Of a name, after which come those that are known, all in backticks.
fn unknown(rest: &str, defaults: &Table) -> String {
    let mut names = rest.split('`').skip(1).step_by(2);
    let name = names.next().unwrap_or_default();
    let known: Vec<&str> = names.collect();
    let is_section = known.iter().all(|known| defaults.contains_key(*known));
    let sections: Vec<String> = defaults
        .iter()
        .filter(|(_, settings)| is_section && settings.get(name).is_some())
        .map(|(section, _)| format!("[{section}]"))
        .collect();
    let hint = match most_similar(name, known.iter().copied(), SIMILAR_AMONG_FEW) {
        _ if !sections.is_empty() => format!("it belongs below {}", sections.join(" or ")),
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("there are {}", known.join(", ")),
    };
    format!("there is no setting {name} here; {hint}")
}

/// The settings that the name of a variable that is none was probably meant to be, in small letters and with their sections,
/// such as `server_listen`. None for a name that is not like any.
pub(super) fn meant(name: &str, defaults: &Table) -> Vec<String> {
    let settings = |(section, keys): (&String, &Value)| -> Vec<(String, String)> {
        keys.as_table().into_iter().flat_map(Table::keys).map(|key| (section.clone(), key.clone())).collect()
    };
    let all: Vec<(String, String)> = defaults.iter().flat_map(settings).collect();
    let full: Vec<String> = all.iter().map(|(section, key)| format!("{section}_{key}")).collect();
    if let Some(meant) = most_similar(name, full.iter().map(String::as_str), SIMILAR) {
        return vec![meant.to_owned()];
    }
    let those = |meant: &dyn Fn(&str, &str) -> bool| -> Vec<String> {
        all.iter().zip(&full).filter(|((section, key), _)| meant(section, key)).map(|(_, full)| full.clone()).collect()
    };
    // Without a section, or the section alone.
    let partly = those(&|section, key| section == name || (name.len() >= TELLING && key == name));
    if !partly.is_empty() {
        return partly;
    }
    those(&|section, key| {
        let rest = name.strip_prefix(section).and_then(|rest| rest.strip_prefix('_'));
        rest.is_some_and(|rest| {
            rest.len() >= 3 && (key.starts_with(rest) || similarity(rest, key) >= SIMILAR_AMONG_FEW)
        })
    })
}

fn similarity(name: &str, known: &str) -> f64 {
    if name.len() > MAX_COMPARED { 0.0 } else { strsim::normalized_damerau_levenshtein(name, known) }
}

fn most_similar<'a>(name: &str, known: impl Iterator<Item = &'a str>, least: f64) -> Option<&'a str> {
    let best = known.map(|it| (similarity(name, it), it)).max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(similarity, _)| *similarity >= least).map(|(_, name)| name)
}

/// The line that the error is about, with a mark below it, as the TOML library draws it. Whatever stands behind the name of a
/// setting that there is not may be a secret, and is left out.
pub(super) fn picture(error: &toml::de::Error, defaults: &Table) -> String {
    let drawn = error.to_string();
    let is_drawn = |line: &&str| line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).starts_with('|');
    let is_unknown = |name: &str| {
        let name = name.rsplit(['|', '.']).next().unwrap_or_default().trim();
        error.message().starts_with("unknown field") || !defaults.values().any(|section| section.get(name).is_some())
    };
    let shown = |line: &str| match line.split_once('=') {
        Some((name, _)) if is_unknown(name) => format!("{name}= …"),
        _ => line.to_owned(),
    };
    drawn.lines().filter(is_drawn).map(shown).collect::<Vec<_>>().join("\n")
}

/// Where in the text the error is, such as ` at line 3, column 11 (store.readers)`, with the setting where it is one.
pub(super) fn place(error: &toml::de::Error, text: &str, defaults: &Table) -> String {
    let start = error.span().map(|span| span.start);
    let Some((before, after)) = start.and_then(|start| text.split_at_checked(start)) else { return String::new() };
    let (above, begin) = before.rsplit_once('\n').unwrap_or(("", before));
    let section = above.lines().rev().find_map(|line| line.trim().strip_prefix('[')?.split(']').next());
    let line = format!("{begin}{}", after.lines().next().unwrap_or_default());
    let key = line.split_once('=').map(|(key, _)| key.trim());
    let setting =
        section.zip(key).filter(|(section, key)| defaults.get(*section).is_some_and(|it| it.get(*key).is_some()));
    let setting = setting.map(|(section, key)| format!(" ({section}.{key})")).unwrap_or_default();
    format!(" at line {}, column {}{setting}", before.matches('\n').count() + 1, begin.chars().count() + 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn a_name_that_is_like_a_setting_stands_for_it_and_what_a_shell_uses_does_not() {
        let defaults = Config::table().unwrap();
        for (name, settings) in [
            ("server_listn", &["server_listen"][..]),
            ("sever_listen", &["server_listen"]),
            ("serverlisten", &["server_listen"]),
            ("listen", &["metrics_listen", "server_listen"]),
            ("audit", &["audit_retention_days", "audit_signing_key"]),
            ("store_pth", &["store_path"]),
            ("tls_cert", &["tls_certificate"]),
            ("organization", &["setup_organization"]),
            ("max_connections", &["server_max_connections"]),
        ] {
            assert_eq!(meant(name, &defaults), settings, "{name}");
        }
        for name in
            ["", "key", "url", "token", "host", "home", "org", "api_key", "org_key", "project_key", "server_url"]
        {
            assert!(meant(name, &defaults).is_empty(), "{name}: {:?}", meant(name, &defaults));
        }
    }
}
