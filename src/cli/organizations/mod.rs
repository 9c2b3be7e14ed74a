//! `keystead organizations`: whom keys belong to, also beside a running server.

pub(in crate::cli) mod projects;

use crate::cli::error::CommandError;
use crate::cli::keys::secret_output::{Handover, MANAGES, key_prefix};
use crate::cli::output::list::{Listing, Wanted};
use crate::cli::output::table_rows;
use crate::cli::output::views::{KeyRecord, OrganizationRecord};
use crate::cli::output::{print, print_json, print_secret, say};
use crate::cli::resolve;
use crate::cli::store::open::change;
use crate::cli::store::open::overview;
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::{Name, OrganizationId, Parent};
use crate::service::{Authority, FirstKey};
use clap::{Args, Subcommand};
use serde::Serialize;

#[derive(Args, Debug)]
pub(in crate::cli) struct Organizations {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create an organization and its first key, and print that, this once
    Create {
        /// The organization's name
        name: String,
        /// What its first key is called [default: the setting setup.key_name]
        #[arg(long, value_name = "NAME")]
        key_name: Option<String>,
        #[command(flatten)]
        handover: Handover,
        /// Print one JSON object: the organization and its key
        #[arg(long)]
        json: bool,
    },
    /// Show all organizations, by name
    List {
        #[command(flatten)]
        wanted: Wanted,
        /// One JSON object a line instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one organization
    Get {
        /// Its id or name
        organization: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Rename an organization
    Rename {
        /// Its id or its name so far
        organization: String,
        /// Its name from now on
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    organization: OrganizationRecord,
    api_key: KeyRecord,
}

pub(in crate::cli) async fn run(config: &Config, arguments: Organizations) -> Result<(), CommandError> {
    match arguments.command {
        Command::Create { name, key_name, handover, json } => {
            create(config, &name, key_name.as_deref().unwrap_or(&config.setup.key_name), &handover, json).await
        }
        Command::List { wanted, json } => {
            let now = clock_and_random::now();
            let mut listing = Listing::new(json, table_rows::ORGANIZATION_COLUMNS, &wanted);
            resolve::each_organization(&overview(config)?, |it| {
                if !wanted.has_name(&it.name) {
                    return Ok(true);
                }
                listing.add(|| OrganizationRecord::from(&it), || table_rows::organization(&it, now))
            })?;
            listing.finish()
        }
        Command::Get { organization, json } => {
            let record = OrganizationRecord::from(&resolve::organization(&overview(config)?, &organization)?);
            if json { print_json(&record) } else { print(&record.describe()) }
        }
        Command::Rename { organization, name, json } => {
            let name = Name::parse(&name)?;
            let authority = Authority::operator(
                resolve::organization(&overview(config)?, &organization)?.id,
                clock_and_random::now(),
            );
            let renamed =
                change(config, async |service| Ok(service.rename_organization(authority, name).await?)).await?;
            say(format_args!("{} is called {} now.", renamed.id, renamed.name.as_str()));
            if json { print_json(&OrganizationRecord::from(&renamed)) } else { Ok(()) }
        }
    }
}

async fn create(
    config: &Config,
    name: &str,
    key_name: &str,
    handover: &Handover,
    json: bool,
) -> Result<(), CommandError> {
    let (organization, name) = (Name::parse(name)?, Name::parse(key_name)?);
    if overview(config)?.organizations(None)?.is_empty() {
        return Err(CommandError::new("The store has no organization yet; set it up with keystead init."));
    }
    let organization_random = clock_and_random::random()?;
    let parent = Parent { organization: OrganizationId::from_random(organization_random), project: None };
    let secret = handover.secret(&key_prefix(config, parent)?).await?;
    let file = handover.prepare(&secret)?;
    let now = clock_and_random::now();
    let first = FirstKey { organization, organization_random, name, secret };
    let created = change(config, async |service| Ok(service.create_organization(&first, now).await?));
    let (organization, key) = created.await?;
    if let Some(file) = file {
        file.keep();
    }
    let (id, shown) = (organization.id, handover.shown(&first.secret));
    let done = match shown {
        _ if json => print_json(&Created {
            organization: OrganizationRecord::from(&organization),
            api_key: KeyRecord::new(&key, now).with_secret(shown),
        }),
        Some(shown) => print_secret(shown),
        None => Ok(()),
    };
    done.map_err(|e| {
        CommandError::new(format!("{e} The organization {id} is there all the same: mint another key for it."))
    })?;
    say(format_args!(
        "{id} ({}) was created; its first key {}. It {MANAGES}.",
        organization.name.as_str(),
        handover.describe(&first.secret)
    ));
    Ok(())
}
