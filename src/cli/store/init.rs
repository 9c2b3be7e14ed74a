//! `keystead init`: creates the store, an organization and its first key.

use crate::cli::error::CommandError;
use crate::cli::keys::key_file::KeyFile;
use crate::cli::keys::secret_output::{MANAGES_ORGANIZATION, SecretOutput};
use crate::cli::output::say;
use crate::cli::store::open::open_service;
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::{ApiKey, KeyPrefix, Name, Organization, Secret};
use crate::service::{FirstKey, Service};
use clap::Args;
use serde_json::json;
use std::io::{self, Write as _};

const EXAMPLES: &str = "Examples:\n  keystead init --organization \"Acme\" --key-file admin.key\n  keystead init --organization \
    \"Acme\" --json --store /var/lib/keystead/keystead.db";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct InitArguments {
    /// The organization's name
    #[arg(long, value_name = "NAME")]
    organization: String,
    /// Print one JSON object: the key, the organization, the store's path
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    secret_output: SecretOutput,
}

pub(in crate::cli) async fn run(config: &Config, arguments: &InitArguments) -> Result<(), CommandError> {
    let prefix = KeyPrefix::parse(&config.keys.organization_prefix)?;
    let organization = Name::parse(&arguments.organization)?;
    let secret = arguments.secret_output.secret(&prefix).await?;
    let first = FirstKey {
        organization,
        organization_random: clock_and_random::random()?,
        name: Name::parse(&config.setup.key_name)?,
        secret,
    };
    // If the key cannot be delivered, neither it nor the store is created.
    let key_file = arguments.secret_output.prepare(&first.secret)?;
    let service = open_service(config)?;
    let outcome = set_up(&service, &first, key_file).await;
    service.close().await;
    let (organization, key) = outcome?;
    report(config, arguments, &first.secret, &organization, &key).map_err(|e| {
        CommandError::new(format!("The store was created, but standard output cannot be written to: {e}."))
    })
}

/// Creates the organization and its key, and then keeps the key's file.
pub(in crate::cli) async fn set_up(
    service: &Service,
    first: &FirstKey,
    key_file: Option<KeyFile>,
) -> Result<(Organization, ApiKey), CommandError> {
    if service.is_initialized().await? {
        return Err(CommandError::new("The store is already initialized; no key was created."));
    }
    let created = service.initialize(first, clock_and_random::now()).await?;
    if let Some(key_file) = key_file {
        key_file.keep();
    }
    Ok(created)
}

fn report(
    config: &Config,
    arguments: &InitArguments,
    secret: &Secret,
    organization: &Organization,
    key: &ApiKey,
) -> io::Result<()> {
    let shown = arguments.secret_output.shown(secret);
    let store = std::path::absolute(&config.store.path)?;
    let mut out = io::stdout().lock();
    if arguments.json {
        let value = shown.map_or_else(|| key.value.tail.to_string(), str::to_owned);
        let object = json!({
            "apiKey": {"id": key.id.get(), "name": key.name.as_str(), "value": value},
            "organization": {"id": organization.id.to_string(), "name": organization.name.as_str()},
            "store": store,
        });
        writeln!(out, "{object}")?;
    } else if let Some(shown) = shown {
        writeln!(out, "{shown}")?;
    }
    out.flush()?;
    let where_to = arguments.secret_output.describe(secret);
    say(format_args!(
        "{} is set up for {}; its first key {where_to}. It {MANAGES_ORGANIZATION}.",
        store.display(),
        organization.name.as_str()
    ));
    Ok(())
}
