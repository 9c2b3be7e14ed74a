//! `keystead projects`: creates, shows, changes and deletes the projects of an organization, also beside a running server.

use crate::cli::error::CommandError;
use crate::cli::keys::reason::ReasonArgument;
use crate::cli::keys::secret_output::{SecretOutput, key_prefix};
use crate::cli::output::confirm::confirm;
use crate::cli::output::list::{ListFilter, ListPrinter};
use crate::cli::output::views::{KeyView, ProjectView};
use crate::cli::output::{print, print_json, print_secret, say, table_rows};
use crate::cli::resolve::{self, InOrganization};
use crate::cli::store::open::{apply_change, open_overview};
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::{Description, Name, Parent, Project, ProjectId, Secret};
use crate::service::{Authority, NewProject, ProjectChange};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(in crate::cli) struct ProjectsArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a project and its first key, and print the key; it is shown only once
    Create(CreateArguments),
    /// Show the projects of an organization, by name
    List {
        #[command(flatten)]
        organization: InOrganization,
        #[command(flatten)]
        filter: ListFilter,
        /// Print one JSON object per line instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one project
    Get(OneArguments),
    /// Change a project's name or description
    Update(UpdateArguments),
    /// Delete a project permanently, with all its keys
    Delete {
        #[command(flatten)]
        project: Choice,
        #[command(flatten)]
        reason: ReasonArgument,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args, Debug)]
struct CreateArguments {
    /// The project's name, unique within the organization
    name: String,
    /// The project's description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    organization: InOrganization,
    /// Write its first key to this new file, readable by you only, instead of printing it
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
struct OneArguments {
    #[command(flatten)]
    choice: Choice,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct UpdateArguments {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    change: ProjectChangeArguments,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
struct ProjectChangeArguments {
    /// The new name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The new description
    #[arg(long, value_name = "TEXT", conflicts_with = "no_description")]
    description: Option<String>,
    /// Remove the description
    #[arg(long)]
    no_description: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    project: ProjectView,
    api_key: KeyView,
}

impl Choice {
    fn find(&self, config: &Config) -> Result<Project, CommandError> {
        let overview = open_overview(config)?;
        let organization = self.organization.find(&overview)?;
        resolve::project(&overview, organization.id, &self.project)
    }
}

pub(in crate::cli) async fn run(config: &Config, arguments: ProjectsArguments) -> Result<(), CommandError> {
    match arguments.command {
        Command::Create(create) => self::create(config, create).await,
        Command::List { organization, filter, json } => {
            let (overview, now) = (open_overview(config)?, clock_and_random::now());
            let organization = organization.find(&overview)?;
            let mut printer = ListPrinter::new(json, table_rows::PROJECT_COLUMNS, &filter);
            resolve::each_project(&overview, organization.id, |project| {
                if !filter.has_name(&project.name) {
                    return Ok(true);
                }
                printer.add(|| ProjectView::from(&project), || table_rows::project(&project, now))
            })?;
            printer.finish()
        }
        Command::Get(OneArguments { choice, json }) => {
            let record = ProjectView::from(&choice.find(config)?);
            if json { print_json(&record) } else { print(&record.describe()) }
        }
        Command::Update(update) => self::update(config, &update).await,
        Command::Delete { project, reason, yes } => delete(config, &project, &reason, yes).await,
    }
}

async fn create(config: &Config, arguments: CreateArguments) -> Result<(), CommandError> {
    let name = Name::parse(&arguments.name)?;
    let description = arguments.description.as_deref().map(Description::parse).transpose()?;
    let organization = arguments.organization.find(&open_overview(config)?)?;
    let (random, key_random) = (clock_and_random::random()?, clock_and_random::random()?);
    let parent = Parent { organization: organization.id, project: Some(ProjectId::from_random(random)) };
    let secret = Secret::new(&key_prefix(config, parent)?, key_random);
    let secret_output = SecretOutput { key_file: arguments.key_file, adopt_key_file: None };
    let file = secret_output.prepare(&secret)?;
    let now = clock_and_random::now();
    let new = NewProject { random, name, description, key_random };
    let authority = Authority::operator(organization.id, now);
    let created = apply_change(config, async |service| Ok(service.create_project(authority, new).await?));
    let (project, key, _) = created.await?;
    if let Some(file) = file {
        file.keep();
    }
    let shown = secret_output.shown(&secret);
    let done = match shown {
        _ if arguments.json => print_json(&Created {
            project: ProjectView::from(&project),
            api_key: KeyView::new(&key, now).with_secret(shown),
        }),
        Some(shown) => print_secret(shown),
        None => Ok(()),
    };
    let id = project.id;
    done.map_err(|e| {
        CommandError::new(format!("{e} The project {id} was created anyway: create another key for it."))
    })?;
    say(format_args!(
        "{} ({}) was created; its first key {}.",
        project.id,
        project.name.as_str(),
        secret_output.describe(&secret)
    ));
    Ok(())
}

async fn update(config: &Config, arguments: &UpdateArguments) -> Result<(), CommandError> {
    let ProjectChangeArguments { name, description, no_description } = &arguments.change;
    let description = match description {
        Some(text) => Some(Some(Description::parse(text)?)),
        None => no_description.then_some(None),
    };
    let change_to = ProjectChange { name: name.as_deref().map(Name::parse).transpose()?, description };
    let project = arguments.choice.find(config)?;
    let authority = Authority::operator(project.organization, clock_and_random::now());
    let updated =
        apply_change(config, async |service| Ok(service.update_project(authority, project.id, change_to).await?));
    let record = ProjectView::from(&updated.await?);
    if arguments.json { print_json(&record) } else { print(&record.describe()) }
}

async fn delete(config: &Config, choice: &Choice, reason: &ReasonArgument, yes: bool) -> Result<(), CommandError> {
    let (reason, project) = (reason.parse()?, choice.find(config)?);
    let what = format!("The project {} ({})", project.id, project.name.as_str());
    confirm(&format!("{what} will be deleted, with all its keys."), yes)?;
    let authority = Authority::operator(project.organization, clock_and_random::now()).because(reason);
    apply_change(config, async |service| Ok(service.delete_project(authority, project.id).await?)).await?;
    say(format_args!("{what} is deleted, and its keys are invalid."));
    Ok(())
}
