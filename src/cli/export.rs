//! `keystead export`: everything but secrets, in the columns that `keystead import` reads.

use crate::cli::error::CommandError;
use crate::cli::import::columns::Column;
use crate::cli::import::source::Format;
use crate::cli::output::export_target::{Destination, Output, unfinished, unfinished_csv};
use crate::cli::output::progress;
use crate::cli::store::open::behind;
use crate::cli::store::open::service_options;
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::{Description, Organization, Project, Timestamp};
use crate::service::{ExportItem, ImportExportView};
use crate::spreadsheet::defused;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Map, Value};
use std::io::{self, IsTerminal as _, Write as _};

#[derive(Args, Debug)]
pub(in crate::cli) struct Export {
    /// In which form
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// With the keys' digests, by which another store can verify them
    #[arg(long)]
    digests: bool,
    #[command(flatten)]
    destination: Destination,
}

pub(in crate::cli) fn run(config: &Config, arguments: &Export) -> Result<(), CommandError> {
    let content = ImportExportView::open(&service_options(config)?.store)?;
    if content.is_behind_ledger()? {
        log::warn!("{}", behind(content.has_server()));
    }
    let is_written = |column: &Column| arguments.digests || !matches!(column, Column::Digest | Column::Algorithm);
    let columns: Vec<Column> = Column::EXPORTED.into_iter().filter(is_written).collect();
    let out = arguments.destination.open()?;
    let mut writer = match arguments.format {
        Format::Ndjson => Writer::Ndjson(out),
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(out);
            writer.write_record(columns.iter().map(|column| column.name())).map_err(unfinished_csv)?;
            Writer::Csv(Box::new(writer))
        }
    };
    let now = clock_and_random::now();
    let progress = progress(&content, &arguments.destination, now)?;
    content.export(now, |exported| {
        if let ExportItem::Key(..) = exported {
            progress.inc(1);
        }
        writer.write(&columns, |column| cell(column, &exported))
    })?;
    progress.finish_and_clear();
    writer.finish()
}

/// A bar where somebody looks on and does not see the rows themselves.
fn progress(
    content: &ImportExportView,
    destination: &Destination,
    now: Timestamp,
) -> Result<ProgressBar, CommandError> {
    if destination.is_terminal() || !io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    Ok(progress::bar(Some(content.count_keys(now)?), "keys"))
}

enum Writer {
    Csv(Box<csv::Writer<Output>>),
    Ndjson(Output),
}

impl Writer {
    /// One row; in JSON, what is not there is left out.
    fn write(&mut self, columns: &[Column], cell: impl Fn(Column) -> Option<Value>) -> Result<(), CommandError> {
        match self {
            Self::Csv(writer) => {
                let text = |column: &Column| {
                    let text = match cell(*column) {
                        None => String::new(),
                        Some(Value::String(text)) => text,
                        Some(other) => other.to_string(),
                    };
                    if column.is_for_people() { defused(text) } else { text }
                };
                writer.write_record(columns.iter().map(text)).map_err(unfinished_csv)
            }
            Self::Ndjson(out) => {
                let object: Map<String, Value> =
                    columns.iter().filter_map(|it| Some((it.name().to_owned(), cell(*it)?))).collect();
                writeln!(out, "{}", Value::Object(object)).map_err(|e| unfinished(&e))
            }
        }
    }

    fn finish(self) -> Result<(), CommandError> {
        match self {
            Self::Csv(writer) => writer.into_inner().map_err(|e| unfinished(e.error()))?.finish(),
            Self::Ndjson(out) => out.finish(),
        }
    }
}

fn cell(column: Column, exported: &ExportItem<'_>) -> Option<Value> {
    let (organization, project, key) = match exported {
        ExportItem::Organization(organization) => (*organization, None, None),
        ExportItem::Project(organization, project) => (*organization, Some(*project), None),
        ExportItem::Key(organization, project, key) => (*organization, *project, Some(*key)),
    };
    match column {
        Column::Organization => return Some(organization.name.as_str().into()),
        Column::OrganizationId => return Some(organization.id.to_string().into()),
        Column::Project => return project.map(|project| project.name.as_str().into()),
        Column::ProjectId => return project.map(|project| project.id.to_string().into()),
        _ => {}
    }
    match (key, project) {
        (Some(key), _) => column.of_key(key),
        (None, Some(project)) => of_project(column, project),
        (None, None) => of_organization(column, organization),
    }
}

fn of_organization(column: Column, organization: &Organization) -> Option<Value> {
    match column {
        Column::Kind => Some("organization".into()),
        Column::Id => Some(organization.id.to_string().into()),
        Column::Name => Some(organization.name.as_str().into()),
        Column::CreatedAt => Some(organization.created_at.to_string().into()),
        _ => None,
    }
}

fn of_project(column: Column, project: &Project) -> Option<Value> {
    match column {
        Column::Kind => Some("project".into()),
        Column::Id => Some(project.id.to_string().into()),
        Column::Name => Some(project.name.as_str().into()),
        Column::Description => project.description.as_ref().map(Description::as_str).map(Value::from),
        Column::CreatedAt => Some(project.created_at.to_string().into()),
        _ => None,
    }
}
