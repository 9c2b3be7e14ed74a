//! `keystead organizations`: whom keys belong to, also beside a running server.

use super::changes::change;
use super::chosen;
use super::handover::{Handover, MANAGES, key_prefix};
use super::listing::{Listing, Wanted};
use super::looking::overview;
use super::output::{print, print_json, print_secret, say};
use super::records::{KeyRecord, OrganizationRecord};
use super::{Failed, ambient, rows};
use crate::config::Config;
use crate::domain::{Name, OrganizationId, Parent};
use crate::service::{Authority, FirstKey};
use clap::{Args, Subcommand};
use serde::Serialize;

#[derive(Args, Debug)]
pub(super) struct Organizations {
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

pub(super) async fn run(config: &Config, arguments: Organizations) -> Result<(), Failed> {
    match arguments.command {
        Command::Create { name, key_name, handover, json } => {
            create(config, &name, key_name.as_deref().unwrap_or(&config.setup.key_name), &handover, json).await
        }
        Command::List { wanted, json } => {
            let now = ambient::now();
            let mut listing = Listing::new(json, rows::ORGANIZATION_COLUMNS, &wanted);
            chosen::each_organization(&overview(config)?, |it| {
                if !wanted.has_name(&it.name) {
                    return Ok(true);
                }
                listing.add(|| OrganizationRecord::from(&it), || rows::organization(&it, now))
            })?;
            listing.finish()
        }
        Command::Get { organization, json } => {
            let record = OrganizationRecord::from(&chosen::organization(&overview(config)?, &organization)?);
            if json { print_json(&record) } else { print(&record.describe()) }
        }
        Command::Rename { organization, name, json } => {
            let name = Name::parse(&name)?;
            let authority =
                Authority::operator(chosen::organization(&overview(config)?, &organization)?.id, ambient::now());
            let renamed =
                change(config, async |service| Ok(service.rename_organization(authority, name).await?)).await?;
            say(format_args!("{} is called {} now.", renamed.id, renamed.name.as_str()));
            if json { print_json(&OrganizationRecord::from(&renamed)) } else { Ok(()) }
        }
    }
}

async fn create(config: &Config, name: &str, key_name: &str, handover: &Handover, json: bool) -> Result<(), Failed> {
    let (organization, name) = (Name::parse(name)?, Name::parse(key_name)?);
    if overview(config)?.organizations(None)?.is_empty() {
        return Err(Failed::new("The store has no organization yet; set it up with keystead init."));
    }
    let organization_random = ambient::random()?;
    let parent = Parent { organization: OrganizationId::from_random(organization_random), project: None };
    let secret = handover.secret(&key_prefix(config, parent)?).await?;
    let file = handover.prepare(&secret)?;
    let now = ambient::now();
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
        Failed::new(format!("{e} The organization {id} is there all the same: mint another key for it."))
    })?;
    say(format_args!(
        "{id} ({}) was created; its first key {}. It {MANAGES}.",
        organization.name.as_str(),
        handover.describe(&first.secret)
    ));
    Ok(())
}
