//! `keystead organizations`: creates, shows and renames organizations, also beside a running server.

pub(in crate::cli) mod projects;

use crate::cli::error::CommandError;
use crate::cli::keys::secret_output::{MANAGES_ORGANIZATION, SecretOutput, key_prefix};
use crate::cli::output::list::{ListFilter, ListPrinter};
use crate::cli::output::usage_chart::UsageDays;
use crate::cli::output::views::{KeyView, OrganizationView};
use crate::cli::output::{print, print_json, print_secret, say, table_rows};
use crate::cli::resolve;
use crate::cli::store::open::{apply_change, open_overview};
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::{Name, OrganizationId, Parent};
use crate::service::{Authority, FirstKey};
use clap::{Args, Subcommand};
use serde::Serialize;

#[derive(Args, Debug)]
pub(in crate::cli) struct OrganizationsArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create an organization and its first key, and print the key; it is shown only once
    Create {
        /// The organization's name
        name: String,
        /// The name of its first key [default: the setting setup.key_name]
        #[arg(long, value_name = "NAME")]
        key_name: Option<String>,
        #[command(flatten)]
        secret_output: SecretOutput,
        /// Print one JSON object: the organization and its key
        #[arg(long)]
        json: bool,
    },
    /// Show all organizations, by name
    List {
        #[command(flatten)]
        filter: ListFilter,
        /// Print one JSON object per line instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one organization
    Get {
        /// The organization's id or name
        organization: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show how often the keys of an organization were used and refused, one line a day
    Usage {
        /// The organization's id or name
        organization: String,
        #[command(flatten)]
        days: UsageDays,
    },
    /// Rename an organization
    Rename {
        /// The organization's id or current name
        organization: String,
        /// The new name
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    organization: OrganizationView,
    api_key: KeyView,
}

pub(in crate::cli) async fn run(config: &Config, arguments: OrganizationsArguments) -> Result<(), CommandError> {
    match arguments.command {
        Command::Create { name, key_name, secret_output, json } => {
            create(config, &name, key_name.as_deref().unwrap_or(&config.setup.key_name), &secret_output, json).await
        }
        Command::List { filter, json } => {
            let now = clock_and_random::now();
            let mut printer = ListPrinter::new(json, table_rows::ORGANIZATION_COLUMNS, &filter);
            resolve::each_organization(&open_overview(config)?, |it| {
                if !filter.has_name(&it.name) {
                    return Ok(true);
                }
                printer.add(|| OrganizationView::from(&it), || table_rows::organization(&it, now))
            })?;
            printer.finish()
        }
        Command::Get { organization, json } => {
            let record = OrganizationView::from(&resolve::organization(&open_overview(config)?, &organization)?);
            if json { print_json(&record) } else { print(&record.describe()) }
        }
        Command::Usage { organization, days } => {
            let overview = open_overview(config)?;
            let organization = resolve::organization(&overview, &organization)?;
            days.show(&overview, organization.id, None, organization.name.as_str())
        }
        Command::Rename { organization, name, json } => {
            let name = Name::parse(&name)?;
            let authority = Authority::operator(
                resolve::organization(&open_overview(config)?, &organization)?.id,
                clock_and_random::now(),
            );
            let renamed =
                apply_change(config, async |service| Ok(service.rename_organization(authority, name).await?)).await?;
            say(format_args!("{} is now called {}.", renamed.id, renamed.name.as_str()));
            if json { print_json(&OrganizationView::from(&renamed)) } else { Ok(()) }
        }
    }
}

async fn create(
    config: &Config,
    name: &str,
    key_name: &str,
    secret_output: &SecretOutput,
    json: bool,
) -> Result<(), CommandError> {
    let (organization, name) = (Name::parse(name)?, Name::parse(key_name)?);
    if open_overview(config)?.organizations(None)?.is_empty() {
        return Err(CommandError::new("The store has no organization yet; create one with keystead init."));
    }
    let organization_random = clock_and_random::random()?;
    let parent = Parent { organization: OrganizationId::from_random(organization_random), project: None };
    let secret = secret_output.secret(&key_prefix(config, parent)?).await?;
    let file = secret_output.prepare(&secret)?;
    let now = clock_and_random::now();
    let first = FirstKey { organization, organization_random, name, secret };
    let created = apply_change(config, async |service| Ok(service.create_organization(&first, now).await?));
    let (organization, key) = created.await?;
    if let Some(file) = file {
        file.keep();
    }
    let (id, shown) = (organization.id, secret_output.shown(&first.secret));
    let done = match shown {
        _ if json => print_json(&Created {
            organization: OrganizationView::from(&organization),
            api_key: KeyView::new(&key, now).with_secret(shown),
        }),
        Some(shown) => print_secret(shown),
        None => Ok(()),
    };
    done.map_err(|e| {
        CommandError::new(format!("{e} The organization {id} was created anyway: create another key for it."))
    })?;
    say(format_args!(
        "{id} ({}) was created; its first key {}. It {MANAGES_ORGANIZATION}.",
        organization.name.as_str(),
        secret_output.describe(&first.secret)
    ));
    Ok(())
}
