//! Explains unknown and wrong settings, and suggests the right ones.

use super::excerpt::Excerpt;
use super::range;
use std::fmt;
use std::ops::Range;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// The least similarity of a name to the one that is suggested: 1 is equal.
const SIMILAR: f64 = 0.7;
/// The least similarity among the settings of one section, or among a few words.
const SIMILAR_AMONG_FEW: f64 = 0.5;
/// The most bytes of a name that are compared.
const MAX_COMPARED: usize = 64;
/// The shortest name that is suggested without its section: "key" may mean anything.
const MIN_SUGGESTED: usize = 5;

/// Messages of the TOML library, and our words for them.
const REWORDED_MESSAGES: [(&str, &str); 7] = [
    ("string values must be quoted", "a text must be in quotes; numbers, true and false are without"),
    ("duplicate key", "this name appears twice"),
    ("key with no value, expected `=`", "an equals sign and a value are missing"),
    ("unexpected key or value, expected newline", "nothing more is allowed on this line"),
    ("invalid basic string, expected `\"`", "this text does not end: a quote is missing"),
    ("invalid literal string, expected `'`", "this text does not end: a quote is missing"),
    ("invalid multi-line basic string, expected `\"`", "this text does not end: three quotes are missing"),
];
/// Beginnings, or ends, of Serde's messages about a value of the wrong type.
const WRONG_TYPE_MESSAGES: [&str; 5] =
    ["invalid type: ", "invalid value: ", "unknown variant ", "wanted ", "neither a text nor a list of texts"];
const WRONG_SIZE_MESSAGES: [&str; 2] = [" value was too large", " value was too small"];

/// A setting's name and default.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    pub(super) section: &'a str,
    pub(super) key: &'a str,
    pub(super) default: &'a Value,
}

impl<'a> Setting<'a> {
    /// Finds the setting with this name.
    pub(super) fn find(defaults: &'a Table, section: &str, key: &str) -> Option<Self> {
        let (section, keys) = defaults.get_key_value(section)?;
        let (key, default) = keys.as_table()?.get_key_value(key)?;
        Some(Self { section, key, default })
    }

    /// What the value must be. `words` are the words that it may be, if not any text.
    pub(super) fn must_be(&self, words: Option<&str>) -> String {
        let example = || {
            // An empty text makes no example.
            let texts = self.default.as_array().map_or(self.default.as_str(), |list| list.first()?.as_str());
            let text = texts.filter(|text| !text.is_empty()).unwrap_or("…");
            if self.default.is_array() {
                format!(", such as {} = [\"{text}\"]", self.key)
            } else {
                format!(", such as {} = \"{text}\"", self.key)
            }
        };
        match (self.default, words) {
            (Value::Integer(_), _) => range::in_words(&self.to_string()),
            (Value::Boolean(_), _) => "true or false".to_owned(),
            (_, Some(words)) => words.to_owned(),
            (Value::Array(_), _) => format!("a list of texts in quotes{}", example()),
            _ => format!("a text in quotes{}", example()),
        }
    }
}

impl fmt::Display for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.section, self.key)
    }
}

/// Explains a message of the TOML library, without a full stop and without any value. `setting` is the setting that it is about, and
/// `words` are the words that it may be.
pub(super) fn in_words(message: &str, setting: Option<Setting>, words: Option<&str>, defaults: &Table) -> String {
    let message = message.trim().trim_end_matches('.');
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown(rest, defaults);
    }
    if is_of_other_kind(message) {
        // If a section is expected, Serde names our type: "struct ServerSettings".
        let section = message.rsplit_once("expected struct ").map(|(_, name)| section_name(name));
        if let Some(section) = section {
            return format!("this must be a section, [{section}]");
        }
        if let Some(setting) = setting {
            return format!("this must be {}", setting.must_be(words));
        }
    }
    let ours = REWORDED_MESSAGES.iter().find(|(theirs, _)| message.starts_with(theirs));
    ours.map_or(message, |(_, ours)| ours).to_owned()
}

/// Whether the message is only about a value of the wrong type.
pub(super) fn is_of_other_kind(message: &str) -> bool {
    WRONG_TYPE_MESSAGES.iter().any(|it| message.starts_with(it))
        || WRONG_SIZE_MESSAGES.iter().any(|it| message.ends_with(it))
}

/// The words that a setting may be, from Serde's message.
pub(super) fn words(message: &str) -> Option<String> {
    let (_, words) = message.trim().strip_prefix("unknown variant ")?.rsplit_once(", expected ")?;
    Some(words.replace('`', "\""))
}

/// The section of a type: `ForwardAuthSettings` is `forward_auth`.
fn section_name(name: &str) -> String {
    let name = name.strip_suffix("Settings").unwrap_or(name);
    let letter = |(at, c): (usize, char)| {
        let gap = (at > 0 && c.is_ascii_uppercase()).then_some('_');
        gap.into_iter().chain([c.to_ascii_lowercase()])
    };
    name.char_indices().flat_map(letter).collect()
}

/// Explains a common mistake in text that is not TOML, with its position on the line.
pub(super) fn common_mistake(
    excerpt: &Excerpt,
    setting: Option<Setting>,
    words: Option<&str>,
) -> Option<(String, Range<usize>)> {
    if excerpt.text.trim_start().starts_with('[') && excerpt.text.find(']').is_some_and(|end| excerpt.wrong.start > end)
    {
        return Some(("the name of a section must be alone on its line".to_owned(), excerpt.wrong.clone()));
    }
    let setting = setting?;
    let begin = excerpt.name().map_or(0, |(_, value)| value);
    if excerpt.wrong.start < begin {
        return None;
    }
    // In a list, the wrong entry.
    let before = &excerpt.text[begin..excerpt.wrong.start];
    let entry = before.rfind(['[', ',']).map_or(begin, |at| begin + at + 1);
    let value = excerpt.text[entry..].trim_start();
    if value.starts_with(['"', '\'', '[', '{', ',']) {
        return None;
    }
    let digits = value.trim_start_matches(['+', '-']).as_bytes();
    let has_zero = digits.first() == Some(&b'0') && digits.get(1).is_some_and(u8::is_ascii_digit);
    let zero = if setting.default.is_integer() && has_zero { "; it must not begin with a zero" } else { "" };
    let start = excerpt.text.len() - value.len();
    let length = value.find(['#', ',', ']', '}']).unwrap_or(value.len());
    let end = start + value[..length].trim_end().len();
    Some((format!("this must be {}{zero}", setting.must_be(words)), start..end))
}

/// Explains an unknown name. `rest` is the name and then the known names, all in backticks.
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
        None => format!("the settings are {}", known.join(", ")),
    };
    format!("there is no setting {name} here; {hint}")
}

/// The settings that an unknown variable probably means, in lower case and with their sections, such as `server_listen`. Empty if
/// it resembles none.
pub(super) fn suggestions(name: &str, defaults: &Table) -> Vec<String> {
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
    // The name without its section, or the section alone.
    let partly = those(&|section, key| section == name || (name.len() >= MIN_SUGGESTED && key == name));
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

/// The setting at this position of the text.
pub(super) fn setting_at<'a>(text: &str, span: &Range<usize>, defaults: &'a Table) -> Option<Setting<'a>> {
    let Ok(table) = DeTable::parse(text) else { return setting_near(text, span, defaults) };
    let has = |value: &Spanned<DeValue>| value.span().start <= span.start && span.end <= value.span().end;
    let sections = table.get_ref().iter().filter_map(|(section, keys)| Some((section, keys.get_ref().as_table()?)));
    let mut settings = sections.flat_map(|(section, keys)| keys.iter().map(move |(key, value)| (section, key, value)));
    let (section, key, _) = settings.find(|(_, _, value)| has(value))?;
    Setting::find(defaults, section.get_ref(), key.get_ref())
}

/// The same for text that is not TOML, from the names before the position.
fn setting_near<'a>(text: &str, span: &Range<usize>, defaults: &'a Table) -> Option<Setting<'a>> {
    let end = text.get(span.start..)?.find('\n').map_or(text.len(), |at| span.start + at);
    let mut above = text.get(..end)?.lines().rev();
    let begin = above.find(|line| line.contains('=') || line.trim_start().starts_with('['))?;
    let (name, _) = begin.split_once('=')?;
    if let Some((section, key)) = name.split_once('.') {
        return Setting::find(defaults, section.trim(), key.trim());
    }
    let section = above.find_map(|line| line.trim().strip_prefix('[')?.split(']').next())?;
    Setting::find(defaults, section.trim(), name.trim())
}

/// The position of a setting's value, or of an entry of it, in the text.
pub(super) fn span_of(text: &str, setting: &str, entry: Option<usize>) -> Option<Range<usize>> {
    let (section, key) = setting.split_once('.')?;
    let table = DeTable::parse(text).ok()?;
    let value = table.get_ref().get(section)?.get_ref().as_table()?.get(key)?;
    let entry = entry.and_then(|entry| Some(value.get_ref().as_array()?.get(entry)?.span()));
    Some(entry.unwrap_or_else(|| value.span()))
}

/// Whether the text after a name may be a secret: it may, unless it is the value of a known setting.
pub(super) fn is_secret(
    excerpt: &Excerpt,
    text: &str,
    message: &str,
    setting: Option<Setting>,
    defaults: &Table,
) -> bool {
    let Some((name, _)) = excerpt.name() else {
        return setting.is_none() && !excerpt.text.trim_start().starts_with('[');
    };
    let is_setting = |name: &str| defaults.values().any(|section| section.get(name).is_some());
    let name = name.rsplit('.').next().unwrap_or_default().trim();
    // A whole section on one line.
    let has_settings_alone = || {
        let table = DeTable::parse(text).ok()?;
        let keys = table.get_ref().get(name)?.get_ref().as_table()?;
        Some(keys.keys().all(|key| is_setting(key.get_ref())))
    };
    message.starts_with("unknown field") || !(is_setting(name) || has_settings_alone().unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn a_misspelt_setting_is_recognized_and_other_variables_are_not() {
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
            assert_eq!(suggestions(name, &defaults), settings, "{name}");
        }
        for name in
            ["", "key", "url", "token", "host", "home", "org", "api_key", "org_key", "project_key", "server_url"]
        {
            assert!(suggestions(name, &defaults).is_empty(), "{name}: {:?}", suggestions(name, &defaults));
        }
    }
}
