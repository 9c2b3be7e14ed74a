//! The settings of a command, from the configuration file, the environment and the flags.

use crate::cli::error::CommandError;
use crate::cli::masking::mask;
use crate::config::{Config, ListenAddress, ListenAddresses};
use std::fs;
use std::path::PathBuf;

/// How many symbolic links are followed at most: as many as the operating system follows.
const MAX_SYMLINKS: usize = 40;

/// The flags that change settings.
pub(in crate::cli) struct SettingFlags {
    /// `--config`: the configuration file.
    pub(in crate::cli) config: Option<PathBuf>,
    /// `--store`: `store.path`.
    pub(in crate::cli) store: Option<PathBuf>,
    /// `--listen` of `keystead serve`: `server.listen`.
    pub(in crate::cli) listen: Vec<ListenAddress>,
}

/// Loads the settings: the defaults, then the file, the environment and the flags. Each overrides the ones before it.
pub(in crate::cli) fn load_settings(flags: SettingFlags) -> Result<Config, CommandError> {
    let environment = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let environment = environment.map(|(name, value)| (name, value.to_string_lossy().into_owned()));
    let (mut config, mut sources) = Config::load(flags.config.as_deref(), environment)?;
    if let Some(path) = flags.store {
        config.store.path = path;
        sources.add_flag("store.path", "--store");
    }
    if let Some(listen) = ListenAddresses::new(flags.listen) {
        config.server.listen = listen;
    }
    config.store.path = resolve_symlinks(config.store.path);
    config.check().map_err(|error| sources.locate(error))?;
    Ok(config)
}

/// The environment variables that begin like a setting and name none. Invalid UTF-8 is replaced, and full keys are masked.
pub(in crate::cli) fn unknown_variables() -> Result<Vec<String>, CommandError> {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let masked = |name: String| mask(&name).unwrap_or(name);
    Ok(Config::unknown_variables(names)?.into_iter().map(masked).collect())
}

/// Follows symbolic links to the file itself: the write-ahead log, the lock and the ledger are stored beside that file, where
/// SQLite looks for the log.
pub(in crate::cli) fn resolve_symlinks(mut path: PathBuf) -> PathBuf {
    // A link may point to another link.
    for _ in 0..MAX_SYMLINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().map(|folder| folder.join(&target)).unwrap_or(target);
    }
    path
}
