//! `keystead projects`: what organizations divide their work into, also beside a running server.

use super::changes::{change, confirm};
use super::chosen::{self, InOrganization};
use super::handover::{Handover, key_prefix};
use super::listing::{Listing, Wanted};
use super::looking::overview;
use super::output::{print, print_json, print_secret, say};
use super::records::{KeyRecord, ProjectRecord};
use super::{Failed, ambient, rows};
use crate::config::Config;
use crate::domain::{Description, Name, Parent, Project, ProjectId, Secret};
use crate::service::{Authority, NewProject, ProjectChange};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct Projects {
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
    fn find(&self, config: &Config) -> Result<Project, Failed> {
        let overview = overview(config)?;
        let organization = self.organization.find(&overview)?;
        chosen::project(&overview, organization.id, &self.project)
    }
}

pub(super) async fn run(config: &Config, arguments: Projects) -> Result<(), Failed> {
    match arguments.command {
        Command::Create(create) => self::create(config, create).await,
        Command::List { organization, wanted, json } => {
            let (overview, now) = (overview(config)?, ambient::now());
            let organization = organization.find(&overview)?;
            let mut listing = Listing::new(json, rows::PROJECT_COLUMNS, &wanted);
            chosen::each_project(&overview, organization.id, |project| {
                if !wanted.has_name(&project.name) {
                    return Ok(true);
                }
                listing.add(|| ProjectRecord::from(&project), || rows::project(&project, now))
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

async fn create(config: &Config, arguments: Create) -> Result<(), Failed> {
    let name = Name::parse(&arguments.name)?;
    let description = arguments.description.as_deref().map(Description::parse).transpose()?;
    let organization = arguments.organization.find(&overview(config)?)?;
    let (random, key_random) = (ambient::random()?, ambient::random()?);
    let parent = Parent { organization: organization.id, project: Some(ProjectId::from_random(random)) };
    let secret = Secret::new(&key_prefix(config, parent)?, key_random);
    let handover = Handover { key_file: arguments.key_file, adopt_key_file: None };
    let file = handover.prepare(&secret)?;
    let now = ambient::now();
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
    done.map_err(|e| Failed::new(format!("{e} The project {id} is there all the same: mint another key for it.")))?;
    say(format_args!(
        "{} ({}) was created; its first key {}.",
        project.id,
        project.name.as_str(),
        handover.describe(&secret)
    ));
    Ok(())
}

async fn update(config: &Config, arguments: &Update) -> Result<(), Failed> {
    let Change { name, description, no_description } = &arguments.change;
    let description = match description {
        Some(text) => Some(Some(Description::parse(text)?)),
        None => no_description.then_some(None),
    };
    let change_to = ProjectChange { name: name.as_deref().map(Name::parse).transpose()?, description };
    let project = arguments.choice.find(config)?;
    let authority = Authority::operator(project.organization, ambient::now());
    let updated = change(config, async |service| Ok(service.update_project(authority, project.id, change_to).await?));
    let record = ProjectRecord::from(&updated.await?);
    if arguments.json { print_json(&record) } else { print(&record.describe()) }
}

async fn delete(config: &Config, project: &Project, yes: bool) -> Result<(), Failed> {
    let what = format!("The project {} ({})", project.id, project.name.as_str());
    confirm(&format!("{what} is to be removed, and all its keys with it."), yes)?;
    let authority = Authority::operator(project.organization, ambient::now());
    change(config, async |service| Ok(service.delete_project(authority, project.id).await?)).await?;
    say(format_args!("{what} is removed, and its keys are dead."));
    Ok(())
}
