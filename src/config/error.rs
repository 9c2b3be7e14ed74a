//! Errors in the settings, with their source: a line of the file, an environment variable or a flag.

use super::excerpt::Excerpt;
use super::explain;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A sentence that names the setting and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct ConfigError {
    sentence: String,
    excerpt: Option<String>,
    /// The wrong value, if the setting has the right type.
    value: Option<WrongValue>,
}

/// A setting with a wrong value.
#[derive(Debug)]
struct WrongValue {
    setting: String,
    /// The index of the wrong entry in a list.
    entry: Option<usize>,
    /// The end of the sentence, after the setting's name.
    why: String,
}

impl ConfigError {
    pub(super) fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), excerpt: None, value: None }
    }

    pub(super) fn with_excerpt(self, excerpt: Option<String>) -> Self {
        Self { excerpt, ..self }
    }

    /// `why` ends the sentence, after the setting's name.
    pub(super) fn of_value(setting: &str, entry: Option<usize>, why: String) -> Self {
        let suffix = entry.map(|entry| format!(" (entry {})", entry + 1)).unwrap_or_default();
        let sentence = format!("The setting {setting}{suffix} {why}");
        Self { value: Some(WrongValue { setting: setting.to_owned(), entry, why }), ..Self::new(sentence) }
    }

    /// The wrong line of the configuration file with a mark below it; `None` if the error is about no line.
    pub fn excerpt(&self) -> Option<&str> {
        self.excerpt.as_deref()
    }
}

/// The sources of settings that differ from the defaults.
#[derive(Debug, Default)]
pub struct Sources {
    /// The configuration file and its text.
    file: Option<(PathBuf, String)>,
    /// The environment variable or flag of each setting, in words.
    others: BTreeMap<String, String>,
}

impl Sources {
    pub(super) fn set_file(&mut self, file: &Path, text: String) {
        self.file = Some((file.to_owned(), text));
    }

    pub(super) fn add_variable(&mut self, setting: &str, variable: &str) {
        self.others.insert(setting.to_owned(), format!("the environment variable {variable}"));
    }

    /// Records that this flag sets the setting.
    pub fn add_flag(&mut self, setting: &str, flag: &str) {
        self.others.insert(setting.to_owned(), format!("the flag {flag}"));
    }

    /// Adds the source of the wrong value to the error.
    pub fn locate(&self, error: ConfigError) -> ConfigError {
        let Some(WrongValue { setting, entry, why }) = &error.value else { return error };
        let (location, excerpt) = match (self.others.get(setting), &self.file) {
            (Some(other), _) => (other.clone(), None),
            (None, Some((file, text))) => {
                let span = explain::span_of(text, setting, *entry);
                let Some(excerpt) = span.and_then(|span| Excerpt::of(text, &span)) else { return error };
                (format!("{}, line {}", file.display(), excerpt.line), Some(excerpt.draw(false)))
            }
            (None, None) => return error,
        };
        let entry = entry.map(|entry| format!(", entry {}", entry + 1)).unwrap_or_default();
        let sentence = format!("The setting {setting} ({location}{entry}) {why}");
        ConfigError { sentence, excerpt, ..error }
    }
}
