//! `keystead projects`: what organizations divide their work into, also beside a running server.

use crate::cli::error::CommandError;
use crate::cli::keys::secret_output::{Handover, key_prefix};
use crate::cli::output::confirm::confirm;
use crate::cli::output::list::{Listing, Wanted};
use crate::cli::output::table_rows;
use crate::cli::output::views::{KeyRecord, ProjectRecord};
use crate::cli::output::{print, print_json, print_secret, say};
use crate::cli::resolve::{self, InOrganization};
use crate::cli::store::open::change;
use crate::cli::store::open::overview;
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::{Description, Name, Parent, Project, ProjectId, Secret};
use crate::service::{Authority, NewProject, ProjectChange};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(in crate::cli) struct Projects {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a project and its first key, and print that, this once
    Create(Create),
    /// Show the projects of an organization, by name
    List {
        #[command(flatten)]
        organization: InOrganization,
        #[command(flatten)]
        wanted: Wanted,
        /// One JSON object a line instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one project
    Get(One),
    /// Change a project's name or description
    Update(Update),
    /// Remove a project for good, its keys with it
    Delete {
        #[command(flatten)]
        project: Choice,
        /// Do it without being asked
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args, Debug)]
struct Create {
    /// The project's name, unique within the organization
    name: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    organization: InOrganization,
    /// Write its first key to this new file, readable by you alone, instead of printing it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print one JSON object: the project and its first key
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct Choice {
    /// The project's id or name
    project: String,
    #[command(flatten)]
    organization: InOrganization,
}

#[derive(Args, Debug)]
struct One {
    #[command(flatten)]
    choice: Choice,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct Update {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    change: Change,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
struct Change {
    /// Its name from now on
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT", conflicts_with = "no_description")]
    description: Option<String>,
    /// Remove the description
    #[arg(long)]
    no_description: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    project: ProjectRecord,
    api_key: KeyRecord,
}

impl Choice {
    fn find(&self, config: &Config) -> Result<Project, CommandError> {
        let overview = overview(config)?;
        let organization = self.organization.find(&overview)?;
        resolve::project(&overview, organization.id, &self.project)
    }
}

pub(in crate::cli) async fn run(config: &Config, arguments: Projects) -> Result<(), CommandError> {
    match arguments.command {
        Command::Create(create) => self::create(config, create).await,
        Command::List { organization, wanted, json } => {
            let (overview, now) = (overview(config)?, clock_and_random::now());
            let organization = organization.find(&overview)?;
            let mut listing = Listing::new(json, table_rows::PROJECT_COLUMNS, &wanted);
            resolve::each_project(&overview, organization.id, |project| {
                if !wanted.has_name(&project.name) {
                    return Ok(true);
                }
                listing.add(|| ProjectRecord::from(&project), || table_rows::project(&project, now))
            })?;
            listing.finish()
        }
        Command::Get(One { choice, json }) => {
            let record = ProjectRecord::from(&choice.find(config)?);
            if json { print_json(&record) } else { print(&record.describe()) }
        }
        Command::Update(update) => self::update(config, &update).await,
        Command::Delete { project, yes } => delete(config, &project.find(config)?, yes).await,
    }
}

async fn create(config: &Config, arguments: Create) -> Result<(), CommandError> {
    let name = Name::parse(&arguments.name)?;
    let description = arguments.description.as_deref().map(Description::parse).transpose()?;
    let organization = arguments.organization.find(&overview(config)?)?;
    let (random, key_random) = (clock_and_random::random()?, clock_and_random::random()?);
    let parent = Parent { organization: organization.id, project: Some(ProjectId::from_random(random)) };
    let secret = Secret::new(&key_prefix(config, parent)?, key_random);
    let handover = Handover { key_file: arguments.key_file, adopt_key_file: None };
    let file = handover.prepare(&secret)?;
    let now = clock_and_random::now();
    let new = NewProject { random, name, description, key_random };
    let authority = Authority::operator(organization.id, now);
    let created = change(config, async |service| Ok(service.create_project(authority, new).await?));
    let (project, key, _) = created.await?;
    if let Some(file) = file {
        file.keep();
    }
    let shown = handover.shown(&secret);
    let done = match shown {
        _ if arguments.json => print_json(&Created {
            project: ProjectRecord::from(&project),
            api_key: KeyRecord::new(&key, now).with_secret(shown),
        }),
        Some(shown) => print_secret(shown),
        None => Ok(()),
    };
    let id = project.id;
    done.map_err(|e| {
        CommandError::new(format!("{e} The project {id} is there all the same: mint another key for it."))
    })?;
    say(format_args!(
        "{} ({}) was created; its first key {}.",
        project.id,
        project.name.as_str(),
        handover.describe(&secret)
    ));
    Ok(())
}

async fn update(config: &Config, arguments: &Update) -> Result<(), CommandError> {
    let Change { name, description, no_description } = &arguments.change;
    let description = match description {
        Some(text) => Some(Some(Description::parse(text)?)),
        None => no_description.then_some(None),
    };
    let change_to = ProjectChange { name: name.as_deref().map(Name::parse).transpose()?, description };
    let project = arguments.choice.find(config)?;
    let authority = Authority::operator(project.organization, clock_and_random::now());
    let updated = change(config, async |service| Ok(service.update_project(authority, project.id, change_to).await?));
    let record = ProjectRecord::from(&updated.await?);
    if arguments.json { print_json(&record) } else { print(&record.describe()) }
}

async fn delete(config: &Config, project: &Project, yes: bool) -> Result<(), CommandError> {
    let what = format!("The project {} ({})", project.id, project.name.as_str());
    confirm(&format!("{what} is to be removed, and all its keys with it."), yes)?;
    let authority = Authority::operator(project.organization, clock_and_random::now());
    change(config, async |service| Ok(service.delete_project(authority, project.id).await?)).await?;
    say(format_args!("{what} is removed, and its keys are dead."));
    Ok(())
}
