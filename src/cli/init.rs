//! `keystead init`: the store, an organization and its first key.

use super::key_file::KeyFile;
use super::{Failed, ambient, open_service};
use crate::config::Config;
use crate::domain::{ApiKey, KeyPrefix, Name, Organization, Secret};
use crate::service::{FirstKey, Service};
use clap::Args;
use serde_json::json;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// No key file that we adopt is larger, in bytes.
const KEY_FILE_LIMIT: u64 = 4096;

#[derive(Args, Debug)]
pub(super) struct Init {
    /// The organization's name
    #[arg(long, value_name = "NAME")]
    organization: String,
    /// Print one JSON object: the key, the organization, the store's path
    #[arg(long)]
    json: bool,
    /// Write the key to this new file, readable by you alone, instead of printing it
    #[arg(long, value_name = "FILE", conflicts_with = "adopt_key_file")]
    key_file: Option<PathBuf>,
    /// Take the key in this file ('-' for standard input) as the first one, instead of making one
    #[arg(long, value_name = "FILE")]
    adopt_key_file: Option<PathBuf>,
}

pub(super) async fn run(config: &Config, arguments: &Init) -> Result<(), Failed> {
    let prefix = KeyPrefix::parse(&config.keys.organization_prefix)?;
    let organization = Name::parse(&arguments.organization)?;
    let secret = match &arguments.adopt_key_file {
        Some(file) => Secret::parse(&prefix, &read_key(file)?)?,
        None => Secret::new(&prefix, ambient::random()?),
    };
    let first = FirstKey {
        organization,
        organization_random: ambient::random()?,
        name: Name::parse(&config.setup.key_name)?,
        secret,
    };
    let service = open_service(config)?;
    let outcome = set_up(&service, &first, arguments.key_file.as_deref()).await;
    service.close().await;
    let (organization, key) = outcome?;
    report(config, arguments, &first.secret, &organization, &key)
        .map_err(|e| Failed::new(format!("The store is set up, but standard output took nothing: {e}.")))
}

/// Creates organization and key, and the key's file first where there is to be one: a key that could not be handed over
/// must not come to be.
pub(super) async fn set_up(
    service: &Service,
    first: &FirstKey,
    key_file: Option<&Path>,
) -> Result<(Organization, ApiKey), Failed> {
    if service.is_initialized().await? {
        return Err(Failed::new("The store is initialised already; nothing was changed."));
    }
    let key_file = key_file.map(|path| KeyFile::create(path, &first.secret)).transpose()?;
    let created = service.initialize(first, ambient::now()).await?;
    if let Some(key_file) = key_file {
        key_file.keep();
    }
    Ok(created)
}

fn report(
    config: &Config,
    arguments: &Init,
    secret: &Secret,
    organization: &Organization,
    key: &ApiKey,
) -> io::Result<()> {
    let is_shown = arguments.key_file.is_none() && arguments.adopt_key_file.is_none();
    let store = std::path::absolute(&config.store.path)?;
    let mut out = io::stdout().lock();
    if arguments.json {
        let value = if is_shown { secret.expose().to_owned() } else { key.value.tail.to_string() };
        let object = json!({
            "apiKey": {"id": key.id.get(), "name": key.name.as_str(), "value": value},
            "organization": {"id": organization.id.to_string(), "name": organization.name.as_str()},
            "store": store,
        });
        writeln!(out, "{object}")?;
    } else if is_shown {
        writeln!(out, "{}", secret.expose())?;
    }
    out.flush()?;
    let where_to = match (&arguments.key_file, &arguments.adopt_key_file) {
        (Some(file), _) => format!("is in {}", file.display()),
        (None, Some(_)) => format!("is the one you brought, {}", key.value.tail),
        (None, None) => "was shown this once; keep it safe".to_owned(),
    };
    eprintln!("{} is set up for {}; its first key {where_to}.", store.display(), organization.name.as_str());
    Ok(())
}

fn read_key(file: &Path) -> Result<Zeroizing<String>, Failed> {
    let mut text = Zeroizing::new(String::new());
    let read = if file == Path::new("-") {
        io::stdin().lock().take(KEY_FILE_LIMIT).read_to_string(&mut text)
    } else {
        File::open(file).and_then(|file| file.take(KEY_FILE_LIMIT).read_to_string(&mut text))
    };
    read.map_err(|e| Failed::new(format!("The key file {} cannot be read: {e}.", file.display())))?;
    Ok(text)
}
