//! The settings: the defaults, then the configuration file, then the environment, then flags.
//!
//! What each setting means, and what its default is, says the `config.toml` of the sources, which is part of the program.

mod error;
mod excerpt;
mod explain;
mod listen;
mod range;
mod sections;

pub use error::{ConfigError, Sources};
pub use listen::{ListenAddress, ListenAddresses};
pub use sections::{
    AuditSettings, BackupSettings, BruteForceSettings, CacheSettings, ChangesSettings, DevSettings,
    ForwardAuthSettings, KeysSettings, LogFormat, LogSettings, MetricsListen, MetricsSettings, ServerSettings,
    SetupSettings, StoreSettings, TlsSettings, UnknownFields,
};

use crate::domain::{AddressList, KeyPrefix, Name};
use excerpt::Excerpt;
use explain::Setting;
use sections::UNIX_PEERS;
use serde::Deserialize;
use std::path::Path;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};
use toml::{Spanned, Table, Value};

/// What the names of environment variables begin with: `KEYSTEAD_SERVER_LISTEN` is `server.listen`.
const ENVIRONMENT_PREFIX: &str = "KEYSTEAD_";
/// The file that is read where no other is named and this one exists.
const DEFAULT_FILE: &str = "config.toml";
/// All settings with their defaults.
const DEFAULTS: &str = include_str!("../config.toml");

/// Every setting.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How the server listens and what it puts up with.
    pub server: ServerSettings,
    /// The certificate that it shows.
    pub tls: TlsSettings,
    /// Where everything is kept.
    pub store: StoreSettings,
    /// What is remembered between requests.
    pub cache: CacheSettings,
    /// How proxies ask about their clients.
    pub forward_auth: ForwardAuthSettings,
    /// What is done about wrong keys.
    pub brute_force: BruteForceSettings,
    /// How many changes an organization may make.
    pub changes: ChangesSettings,
    /// The record of what was done.
    pub audit: AuditSettings,
    /// Copies of the store that the server makes.
    pub backup: BackupSettings,
    /// How keys are made.
    pub keys: KeysSettings,
    /// What a new store begins with.
    pub setup: SetupSettings,
    /// What watches it.
    pub metrics: MetricsSettings,
    /// What is logged.
    pub log: LogSettings,
    /// What helps to develop against Keystead.
    pub dev: DevSettings,
}

impl Config {
    /// Defaults, then the file, then the environment. A file that was named must exist. A variable that is no setting, and is
    /// not like one either, is passed over: see [`Config::unknown_variables`]. Gives, too, where what came from.
    ///
    /// # Errors
    /// A sentence that names the setting that is unknown or wrong.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<(Self, Sources), ConfigError> {
        let defaults = Self::table()?;
        let (mut settings, mut sources) = (defaults.clone(), Sources::default());
        let file = file.or_else(|| Some(Path::new(DEFAULT_FILE)).filter(|file| file.exists()));
        if let Some(file) = file {
            let (text, read) = read_file(file, &defaults)?;
            sources.set_file(file, text);
            for (section, keys) in read {
                if let (Some(Value::Table(section)), Value::Table(keys)) = (settings.get_mut(&section), keys) {
                    section.extend(keys);
                }
            }
        }
        for (name, text) in environment {
            let Some(variable) = setting_of(&name) else { continue };
            let Some((setting, value)) = from_environment(&defaults, &name, &variable, &text)? else { continue };
            sources.add_variable(&setting.to_string(), &name);
            settings[setting.section][setting.key] = value;
        }
        check_numbers(&settings).map_err(|error| sources.locate(error))?;
        let config = settings.try_into().map_err(|e: toml::de::Error| {
            let why = explain::in_words(e.message(), None, None, &defaults);
            ConfigError::new(format!("The configuration is wrong: {why}."))
        })?;
        Ok((config, sources))
    }

    /// Which of these environment variables have the name of a setting without being one, and are passed over.
    ///
    /// # Errors
    /// Where the defaults cannot be read.
    pub fn unknown_variables(names: impl Iterator<Item = String>) -> Result<Vec<String>, ConfigError> {
        let defaults = Self::table()?;
        let is_none = |name: &String| setting_of(name).is_some_and(|setting| find(&defaults, &setting).is_none());
        Ok(names.filter(is_none).collect())
    }

    /// All settings as they are where nobody says anything.
    ///
    /// # Errors
    /// Where the defaults cannot be read.
    pub fn defaults() -> Result<Self, ConfigError> {
        parse("").map_err(|e| ConfigError::new(e.to_string()))
    }

    fn table() -> Result<Table, ConfigError> {
        toml::from_str(DEFAULTS).map_err(|e| ConfigError::new(e.to_string()))
    }

    /// Checks what the types and the ranges of numbers do not.
    ///
    /// # Errors
    /// A sentence that names the setting that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |name: &str, why: String| ConfigError::of_value(name, None, format!("is wrong. {why}"));
        if is_special(&self.store.path) {
            let path = self.store.path.display();
            let why = format!("SQLite takes \"{path}\" for something else than a file. Write ./ before a file's name.");
            return Err(wrong("store.path", why));
        }
        KeyPrefix::parse(&self.keys.organization_prefix)
            .map_err(|e| wrong("keys.organization_prefix", e.to_string()))?;
        KeyPrefix::parse(&self.keys.project_prefix).map_err(|e| wrong("keys.project_prefix", e.to_string()))?;
        // Whether they are good for a store that is new, whoever sets it up finds out: an older store goes on with older settings.
        Name::stored(&self.setup.organization).map_err(|e| wrong("setup.organization", e.to_string()))?;
        Name::stored(&self.setup.key_name).map_err(|e| wrong("setup.key_name", e.to_string()))?;
        self.server.trusted_proxies().map_err(|e| {
            let is_wrong = |entry: &String| entry != UNIX_PEERS && AddressList::parse([entry.as_str()]).is_err();
            let entry = self.server.trusted_proxies.iter().position(is_wrong);
            ConfigError::of_value("server.trusted_proxies", entry, format!("is wrong. {e}"))
        })?;
        if self.tls.is_on() == self.tls.key.as_os_str().is_empty() {
            return Err(ConfigError::new("The settings tls.certificate and tls.key go together.".to_owned()));
        }
        if self.server.socket_mode().is_none() {
            return Err(wrong("server.socket_mode", "It must be octal digits such as \"0660\".".to_owned()));
        }
        if self.log.level.parse::<log::LevelFilter>().is_err() {
            return Err(wrong("log.level", "It must be off, error, warn, info, debug or trace.".to_owned()));
        }
        Ok(())
    }
}

/// Whether SQLite takes the path for something else than a file's: for a database in memory, a temporary one or a URI
/// (<https://sqlite.org/c3ref/open.html>).
fn is_special(path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    path.is_empty() || path == b":memory:" || path.starts_with(b"file:")
}

/// Whether every number is one that its setting may be.
fn check_numbers(settings: &Table) -> Result<(), ConfigError> {
    for (section, keys) in settings {
        for (key, value) in keys.as_table().into_iter().flatten() {
            let setting = format!("{section}.{key}");
            if value.as_integer().is_some_and(|number| !range::contains(&setting, number)) {
                return Err(ConfigError::of_value(&setting, None, format!("must be {}.", range::in_words(&setting))));
            }
        }
    }
    Ok(())
}

/// The file's text, and the settings in it.
fn read_file(file: &Path, defaults: &Table) -> Result<(String, Table), ConfigError> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| ConfigError::new(format!("The configuration file {} cannot be read: {e}.", file.display())))?;
    // Read as the whole configuration first, since that names the line of what is wrong.
    match parse(&text).and_then(|_| toml::from_str(&text)) {
        Ok(settings) => Ok((text, settings)),
        Err(error) => Err(wrong_file(file, &text, &error, defaults)),
    }
}

fn wrong_file(file: &Path, text: &str, error: &toml::de::Error, defaults: &Table) -> ConfigError {
    let mut span = error.span().unwrap_or_default();
    let setting = explain::setting_at(text, &span, defaults);
    let words = setting.and_then(|setting| words(setting, defaults));
    if let Some(entry) = setting.and_then(|setting| wrong_entry(text, setting)) {
        span = entry;
    }
    let mut place = Excerpt::of(text, &span);
    let slip = place.as_mut().filter(|_| DeTable::parse(text).is_err()).and_then(|place| {
        let (what, wrong) = explain::slip(place, setting, words.as_deref())?;
        place.wrong = wrong;
        Some(what)
    });
    let what = slip.unwrap_or_else(|| explain::in_words(error.message(), setting, words.as_deref(), defaults));
    let end = if what.ends_with('?') { "" } else { "." };
    let name = setting.map(|setting| format!(" ({setting})")).unwrap_or_default();
    let at = place.as_ref().map(|place| format!(" at line {}, column {}{name}", place.line, place.column()));
    let is_secret = |place: &Excerpt| explain::is_secret(place, text, error.message(), setting, defaults);
    let excerpt = place.map(|place| place.draw(is_secret(&place)));
    ConfigError::new(format!(
        "The configuration file {} is wrong{}: {what}{end}",
        file.display(),
        at.unwrap_or_default()
    ))
    .with_excerpt(excerpt)
}

/// The words that a setting may be, where it may not be any text.
fn words(setting: Setting, defaults: &Table) -> Option<String> {
    let mut all = defaults.clone();
    all[setting.section][setting.key] = Value::String("?".to_owned());
    all.try_into::<Config>().err().and_then(|error| explain::words(error.message()))
}

/// Where the first entry is that is wrong by itself, of a setting that is a list.
fn wrong_entry(text: &str, setting: Setting) -> Option<std::ops::Range<usize>> {
    let table = DeTable::parse(text).ok()?;
    let value = table.get_ref().get(setting.section)?.get_ref().as_table()?.get(setting.key)?;
    let is_wrong = |entry: &&Spanned<DeValue>| {
        let mut alone = DeArray::new();
        alone.push((*entry).clone());
        let keys =
            DeTable::from_iter([(Spanned::new(0..0, setting.key.into()), Spanned::new(0..0, DeValue::Array(alone)))]);
        let section = Spanned::new(0..0, DeValue::Table(keys));
        with_defaults(Spanned::new(0..0, DeTable::from_iter([(Spanned::new(0..0, setting.section.into()), section)])))
            .is_err()
    };
    value.get_ref().as_array()?.iter().find(is_wrong).map(Spanned::span)
}

/// The configuration of a text that need not say everything; an error says where in it.
fn parse(text: &str) -> Result<Config, toml::de::Error> {
    with_defaults(DeTable::parse(text)?).map_err(|mut error| {
        error.set_input(Some(text));
        error
    })
}

fn with_defaults(mut settings: Spanned<DeTable>) -> Result<Config, toml::de::Error> {
    for (section, defaults) in DeTable::parse(DEFAULTS)?.into_inner() {
        match (settings.get_mut().get_mut(&section).map(Spanned::get_mut), defaults.into_inner()) {
            (Some(DeValue::Table(keys)), DeValue::Table(defaults)) => {
                let missing: Vec<_> = defaults.into_iter().filter(|(key, _)| !keys.contains_key(key)).collect();
                keys.extend(missing);
            }
            // Serde takes a list for a section, too, which nobody means.
            (Some(other), _) => *other = DeValue::Boolean(false),
            (None, defaults) => _ = settings.get_mut().insert(section, Spanned::new(0..0, defaults)),
        }
    }
    Config::deserialize(Deserializer::from(settings))
}

/// Kubernetes tells every pod where the service called `keystead` is, where there is one: `KEYSTEAD_SERVICE_HOST`,
/// `KEYSTEAD_PORT_8080_TCP` and the like. They are no settings, and no section has such a name.
fn is_of_kubernetes(setting: &str) -> bool {
    setting == "PORT" || setting.starts_with("PORT_") || setting.starts_with("SERVICE_")
}

/// What the variable would set, in small letters; `None` where it is none of ours.
fn setting_of(variable: &str) -> Option<String> {
    let setting = variable.strip_prefix(ENVIRONMENT_PREFIX).filter(|it| !is_of_kubernetes(it))?;
    Some(setting.to_ascii_lowercase())
}

/// The setting that is written as in the name of a variable.
fn find<'a>(defaults: &'a Table, setting: &str) -> Option<Setting<'a>> {
    defaults.keys().find_map(|section| {
        Setting::find(defaults, section, setting.strip_prefix(section.as_str())?.strip_prefix('_')?)
    })
}

/// The setting that a variable stands for, and its value; the default's type says how its text is read. `None` for one that is
/// no setting, and not like one. A sentence never has the text in it, which may be a secret.
fn from_environment<'a>(
    defaults: &'a Table,
    name: &str,
    variable: &str,
    text: &str,
) -> Result<Option<(Setting<'a>, Value)>, ConfigError> {
    let Some(setting) = find(defaults, variable) else {
        let named = |meant: String| format!("{ENVIRONMENT_PREFIX}{}", meant.to_ascii_uppercase());
        let meant: Vec<String> = explain::meant(variable, defaults).into_iter().map(named).collect();
        if meant.is_empty() {
            return Ok(None);
        }
        let meant = meant.join(" or ");
        let sentence = format!("The environment variable {name} is no setting of Keystead. Did you mean {meant}?");
        return Err(ConfigError::new(sentence));
    };
    let must_be = |words: Option<&str>| {
        let what = setting.must_be(words);
        ConfigError::new(format!("The environment variable {name} ({setting}) must be {what}."))
    };
    let value = match setting.default {
        Value::Integer(_) => text.parse().map(Value::Integer).map_err(|_| must_be(None))?,
        Value::Boolean(_) => text.parse().map(Value::Boolean).map_err(|_| must_be(None))?,
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => Value::String(text.to_owned()),
    };
    let mut all = defaults.clone();
    all[setting.section][setting.key] = value.clone();
    if let Err(error) = all.try_into::<Config>() {
        let why = error.message();
        return Err(if explain::is_of_other_kind(why) {
            must_be(explain::words(why).as_deref())
        } else {
            ConfigError::new(format!("The environment variable {name} ({setting}) is wrong: {why}."))
        });
    }
    Ok(Some((setting, value)))
}
