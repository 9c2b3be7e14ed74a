//! The secret of a new key: generated or read from a file, then printed or written to a file.

use crate::cli::error::CommandError;
use crate::cli::keys::key_file::KeyFile;
use crate::cli::keys::typed_key::read_or_ask_for_key;
use crate::cli::output::views::KeyView;
use crate::cli::output::{self, print_json, print_secret};
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::{ApiKey, KeyPrefix, Parent, Secret, Timestamp};
use crate::service::NewValue;
use clap::Args;
use std::path::PathBuf;

/// The warning for every new key of an organization, after its name or "It".
pub(in crate::cli) const MANAGES_ORGANIZATION: &str = "can manage everything in its organization";

#[derive(Args, Debug, Default)]
pub(in crate::cli) struct SecretOutput {
    /// Write the key to this new file, readable by you only, instead of printing it
    #[arg(long, value_name = "FILE", conflicts_with = "adopt_key_file")]
    pub(in crate::cli) key_file: Option<PathBuf>,
    /// Use the key in this file ('-' for standard input) instead of generating one
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) adopt_key_file: Option<PathBuf>,
}

impl SecretOutput {
    /// The key, generated or read. At a terminal, standard input prompts for it.
    pub(in crate::cli) async fn secret(&self, prefix: &KeyPrefix) -> Result<Secret, CommandError> {
        match &self.adopt_key_file {
            Some(file) => Ok(Secret::parse(prefix, &read_or_ask_for_key(file).await?)?),
            None => Ok(Secret::new(prefix, clock_and_random::random()?)),
        }
    }

    /// Checks that the key can be delivered, and writes its file if there is one. Call this before the key is created: a key that
    /// cannot be delivered must not be created.
    pub(in crate::cli) fn prepare(&self, secret: &Secret) -> Result<Option<KeyFile>, CommandError> {
        if self.shown(secret).is_some() {
            output::require_stdout_reader()?;
        }
        self.key_file.as_ref().map(|path| KeyFile::create(path, secret)).transpose()
    }

    /// The full key for standard output, unless it goes to a file or was provided by the operator.
    pub(in crate::cli) fn shown<'a>(&self, secret: &'a Secret) -> Option<&'a str> {
        (self.key_file.is_none() && self.adopt_key_file.is_none()).then(|| secret.expose())
    }

    /// Where the key is now, for a sentence that begins "Its key …".
    pub(in crate::cli) fn describe(&self, secret: &Secret) -> String {
        match (&self.key_file, &self.adopt_key_file) {
            (Some(file), _) => format!("is in {}", file.display()),
            (None, Some(_)) => format!("is the one you provided, {}", secret.fingerprint().tail),
            (None, None) => "is not shown again; keep it in a safe place".to_owned(),
        }
    }
}

/// The new value for the service, generated or provided.
pub(in crate::cli) fn provided_value(secret: &Secret, allows_ended: bool) -> NewValue {
    NewValue::Provided { value: secret.fingerprint(), sha256: Some(secret.sha256()), allows_ended }
}

/// Prints a new key if it is to be shown. If that fails, `lost` ends the error sentence: what happened to the key.
pub(in crate::cli) fn print_new_key(
    key: &ApiKey,
    secret_output: &SecretOutput,
    secret: &Secret,
    json: bool,
    now: Timestamp,
    lost: &str,
) -> Result<(), CommandError> {
    let shown = secret_output.shown(secret);
    let done = match shown {
        _ if json => print_json(&KeyView::new(key, now).with_secret(shown)),
        Some(shown) => print_secret(shown),
        None => Ok(()),
    };
    done.map_err(|e| CommandError::new(format!("{e} API key {} {lost}.", key.id.get())))
}

/// The prefix of new keys of this parent.
pub(in crate::cli) fn key_prefix(config: &Config, parent: Parent) -> Result<KeyPrefix, CommandError> {
    let keys = &config.keys;
    let prefix = if parent.project.is_some() { &keys.project_prefix } else { &keys.organization_prefix };
    Ok(KeyPrefix::parse(prefix)?)
}
