//! Errors in the settings, with the file and line, the environment variable or the flag that they come from.

use super::excerpt::Excerpt;
use super::explain;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A sentence that names the setting and says what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct ConfigError {
    sentence: String,
    excerpt: Option<String>,
    /// Of a value that is of the right kind, and wrong all the same.
    value: Option<WrongValue>,
}

/// A setting whose value is wrong.
#[derive(Debug)]
struct WrongValue {
    setting: String,
    /// Which entry of a list it is; the first is 0.
    entry: Option<usize>,
    /// What the sentence goes on with after the setting's name.
    why: String,
}

impl ConfigError {
    pub(super) fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), excerpt: None, value: None }
    }

    pub(super) fn with_excerpt(self, excerpt: Option<String>) -> Self {
        Self { excerpt, ..self }
    }

    /// `why` is what the sentence goes on with after the setting's name.
    pub(super) fn of_value(setting: &str, entry: Option<usize>, why: String) -> Self {
        let place = entry.map(|entry| format!(" (entry {})", entry + 1)).unwrap_or_default();
        let sentence = format!("The setting {setting}{place} {why}");
        Self { value: Some(WrongValue { setting: setting.to_owned(), entry, why }), ..Self::new(sentence) }
    }

    /// The line of the configuration file that is wrong, drawn over several lines with a mark below it; `None` where the
    /// sentence is about no line.
    pub fn excerpt(&self) -> Option<&str> {
        self.excerpt.as_deref()
    }
}

/// Where the settings come from that are not the defaults.
#[derive(Debug, Default)]
pub struct Sources {
    /// The configuration file, and its text.
    file: Option<(PathBuf, String)>,
    /// The environment variable or the flag, in words, by the setting.
    others: BTreeMap<String, String>,
}

impl Sources {
    pub(super) fn set_file(&mut self, file: &Path, text: String) {
        self.file = Some((file.to_owned(), text));
    }

    pub(super) fn add_variable(&mut self, setting: &str, variable: &str) {
        self.others.insert(setting.to_owned(), format!("the environment variable {variable}"));
    }

    /// Notes that a flag says what this setting is.
    pub fn add_flag(&mut self, setting: &str, flag: &str) {
        self.others.insert(setting.to_owned(), format!("the flag {flag}"));
    }

    /// The same error, which says where the wrong value comes from.
    pub fn locate(&self, error: ConfigError) -> ConfigError {
        let Some(WrongValue { setting, entry, why }) = &error.value else { return error };
        let (place, excerpt) = match (self.others.get(setting), &self.file) {
            (Some(other), _) => (other.clone(), None),
            (None, Some((file, text))) => {
                let span = explain::span_of(text, setting, *entry);
                let Some(place) = span.and_then(|span| Excerpt::of(text, &span)) else { return error };
                (format!("{}, line {}", file.display(), place.line), Some(place.draw(false)))
            }
            (None, None) => return error,
        };
        let entry = entry.map(|entry| format!(", entry {}", entry + 1)).unwrap_or_default();
        let sentence = format!("The setting {setting} ({place}{entry}) {why}");
        ConfigError { sentence, excerpt, ..error }
    }
}
