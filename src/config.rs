//! The settings: the defaults, the configuration file, the environment and the flags. Each overrides the ones before it.
//!
//! `config.toml` in the sources describes every setting, and the program reads the defaults from it.

mod error;
mod excerpt;
mod explain;
mod listen;
mod range;
mod sections;

pub use error::{ConfigError, Sources};
pub use listen::{ListenAddress, ListenAddresses};
pub use sections::{
    AuditSettings, BackupSettings, BruteForceSettings, CacheSettings, ChangesSettings, ConsoleSettings, DevSettings,
    ForwardAuthSettings, KeysSettings, LogFormat, LogSettings, MetricsListen, MetricsSettings, ServerSettings,
    SetupSettings, StoreSettings, TlsSettings, UnknownFields, UsageSettings,
};

use crate::domain::{AddressList, KeyPrefix, Name};
use excerpt::Excerpt;
use explain::Setting;
use sections::UNIX_PEERS;
use serde::Deserialize;
use std::path::Path;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};
use toml::{Spanned, Table, Value};

/// The prefix of environment variables: `KEYSTEAD_SERVER_LISTEN` is `server.listen`.
const ENVIRONMENT_PREFIX: &str = "KEYSTEAD_";
/// The configuration file that is read by default, if it exists.
const DEFAULT_FILE: &str = "config.toml";
/// All settings with their defaults.
const DEFAULTS: &str = include_str!("../config.toml");

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the server listens, and its limits.
    pub server: ServerSettings,
    /// The certificate and its key.
    pub tls: TlsSettings,
    /// The store's file and its limits.
    pub store: StoreSettings,
    /// The page for browsers.
    pub console: ConsoleSettings,
    /// The cache of keys.
    pub cache: CacheSettings,
    /// How clients behind a proxy present their keys.
    pub forward_auth: ForwardAuthSettings,
    /// The limit of invalid keys.
    pub brute_force: BruteForceSettings,
    /// The limit of changes of an organization.
    pub changes: ChangesSettings,
    /// The audit log.
    pub audit: AuditSettings,
    /// The counts of uses of keys.
    pub usage: UsageSettings,
    /// The scheduled backups.
    pub backup: BackupSettings,
    /// The prefixes of new keys.
    pub keys: KeysSettings,
    /// The first organization and key of a new store.
    pub setup: SetupSettings,
    /// The Prometheus metrics.
    pub metrics: MetricsSettings,
    /// The log.
    pub log: LogSettings,
    /// Aids for development.
    pub dev: DevSettings,
}

impl Config {
    /// Loads the defaults, then the file, then the environment. A file that was named must exist. Variables that name no setting and
    /// resemble none are ignored: see [`Config::unknown_variables`]. Also returns where each setting comes from.
    ///
    /// # Errors
    /// A sentence that names the unknown or wrong setting.
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
            refuse_plain_port(&name, &text)?;
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

    /// The environment variables among these that begin like a setting and name none. They are ignored.
    ///
    /// # Errors
    /// If the defaults cannot be read.
    pub fn unknown_variables(names: impl Iterator<Item = String>) -> Result<Vec<String>, ConfigError> {
        let defaults = Self::table()?;
        let is_none = |name: &String| setting_of(name).is_some_and(|setting| find(&defaults, &setting).is_none());
        Ok(names.filter(is_none).collect())
    }

    /// The default settings.
    ///
    /// # Errors
    /// If the defaults cannot be read.
    pub fn defaults() -> Result<Self, ConfigError> {
        parse("").map_err(|e| ConfigError::new(e.to_string()))
    }

    fn table() -> Result<Table, ConfigError> {
        toml::from_str(DEFAULTS).map_err(|e| ConfigError::new(e.to_string()))
    }

    /// Checks what the types and the ranges do not.
    ///
    /// # Errors
    /// A sentence that names the wrong setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |name: &str, why: String| ConfigError::of_value(name, None, format!("is wrong. {why}"));
        if is_no_sqlite_file(&self.store.path) {
            let path = self.store.path.display();
            let why = format!("SQLite does not read \"{path}\" as a file's name. Write ./ before it.");
            return Err(wrong("store.path", why));
        }
        KeyPrefix::parse(&self.keys.organization_prefix)
            .map_err(|e| wrong("keys.organization_prefix", e.to_string()))?;
        KeyPrefix::parse(&self.keys.project_prefix).map_err(|e| wrong("keys.project_prefix", e.to_string()))?;
        // The stricter rules for new names are checked when a store is set up: with an older store, older settings stay valid.
        Name::stored(&self.setup.organization).map_err(|e| wrong("setup.organization", e.to_string()))?;
        Name::stored(&self.setup.key_name).map_err(|e| wrong("setup.key_name", e.to_string()))?;
        self.server.trusted_proxies().map_err(|e| {
            let is_wrong = |entry: &String| entry != UNIX_PEERS && AddressList::parse([entry.as_str()]).is_err();
            let entry = self.server.trusted_proxies.iter().position(is_wrong);
            ConfigError::of_value("server.trusted_proxies", entry, format!("is wrong. {e}"))
        })?;
        if self.tls.is_on() == self.tls.key.as_os_str().is_empty() {
            return Err(ConfigError::new("The settings tls.certificate and tls.key must be set together.".to_owned()));
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

/// Whether SQLite opens something else than this file: a database in memory, a temporary one or a URI
/// (<https://sqlite.org/c3ref/open.html>).
fn is_no_sqlite_file(path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    path.is_empty() || path == b":memory:" || path.starts_with(b"file:")
}

/// Checks each number against its range.
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

/// The file's text, and its settings.
fn read_file(file: &Path, defaults: &Table) -> Result<(String, Table), ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|e| {
        let why = if e.kind() == std::io::ErrorKind::NotFound { "it does not exist".to_owned() } else { e.to_string() };
        ConfigError::new(format!("The configuration file {} cannot be read: {why}.", file.display()))
    })?;
    // Parse the whole configuration first: its errors name the line.
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
        let (what, wrong) = explain::common_mistake(place, setting, words.as_deref())?;
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

/// The words that a setting may be; `None` if any text is allowed.
fn words(setting: Setting, defaults: &Table) -> Option<String> {
    let mut all = defaults.clone();
    all[setting.section][setting.key] = Value::String("?".to_owned());
    all.try_into::<Config>().err().and_then(|error| explain::words(error.message()))
}

/// The first wrong entry of a setting that is a list.
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

/// Parses a configuration; settings that are missing get their defaults. The error has the position.
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
            // Serde would accept a list as a section.
            (Some(other), _) => *other = DeValue::Boolean(false),
            (None, defaults) => _ = settings.get_mut().insert(section, Spanned::new(0..0, defaults)),
        }
    }
    Config::deserialize(Deserializer::from(settings))
}

/// Whether Kubernetes sets this variable. It describes a service called `keystead` to all pods, in `KEYSTEAD_SERVICE_HOST`,
/// `KEYSTEAD_PORT_8080_TCP` and the like. No section has such a name.
fn is_of_kubernetes(setting: &str) -> bool {
    setting == "PORT" || setting.starts_with("PORT_") || setting.starts_with("SERVICE_")
}

/// Kubernetes writes a URL into this variable. A plain number is a person's, who means the port to listen on.
fn refuse_plain_port(variable: &str, text: &str) -> Result<(), ConfigError> {
    if variable == "KEYSTEAD_PORT" && text.trim().parse::<u64>().is_ok() {
        let sentence = "The environment variable KEYSTEAD_PORT is not a setting of Keystead. Did you mean \
                        KEYSTEAD_SERVER_LISTEN, an address with a port such as 127.0.0.1:8080?";
        return Err(ConfigError::new(sentence.to_owned()));
    }
    Ok(())
}

/// The part of the variable's name after the prefix, in lower case; `None` if it has another prefix.
fn setting_of(variable: &str) -> Option<String> {
    let setting = variable.strip_prefix(ENVIRONMENT_PREFIX).filter(|it| !is_of_kubernetes(it))?;
    Some(setting.to_ascii_lowercase())
}

/// Finds a setting by its name in a variable.
fn find<'a>(defaults: &'a Table, setting: &str) -> Option<Setting<'a>> {
    defaults.keys().find_map(|section| {
        Setting::find(defaults, section, setting.strip_prefix(section.as_str())?.strip_prefix('_')?)
    })
}

/// The setting that a variable names, and its value, parsed by the type of the default. `None` if it names no setting and resembles
/// none. Errors never contain the value, which may be a secret.
fn from_environment<'a>(
    defaults: &'a Table,
    name: &str,
    variable: &str,
    text: &str,
) -> Result<Option<(Setting<'a>, Value)>, ConfigError> {
    let Some(setting) = find(defaults, variable) else {
        let named = |meant: String| format!("{ENVIRONMENT_PREFIX}{}", meant.to_ascii_uppercase());
        let meant: Vec<String> = explain::suggestions(variable, defaults).into_iter().map(named).collect();
        if meant.is_empty() {
            return Ok(None);
        }
        let meant = meant.join(" or ");
        let sentence = format!("The environment variable {name} is not a setting of Keystead. Did you mean {meant}?");
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
