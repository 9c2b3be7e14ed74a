//! `keystead export`: all organizations, projects and keys without secrets, in the columns that `keystead import` reads.

use crate::cli::error::CommandError;
use crate::cli::import::columns::FileColumn;
use crate::cli::import::source::RowFormat;
use crate::cli::output::export_target::{ExportTarget, ExportWriter, csv_export_failed, export_failed};
use crate::cli::output::progress;
use crate::cli::store::open::{behind_ledger_warning, service_options};
use crate::cli::system::clock_and_random;
use crate::config::Config;
use crate::domain::{Description, Organization, Project, Timestamp};
use crate::service::{ExportItem, ImportExportView};
use crate::spreadsheet::escape_formula;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Map, Value};
use std::io::{self, IsTerminal as _, Write as _};

#[derive(Args, Debug)]
pub(in crate::cli) struct ExportArguments {
    /// The format of the output
    #[arg(long, value_enum, default_value_t = RowFormat::Ndjson)]
    format: RowFormat,
    /// Include the keys' digests, with which another store can verify the keys
    #[arg(long)]
    digests: bool,
    #[command(flatten)]
    target: ExportTarget,
}

pub(in crate::cli) fn run(config: &Config, arguments: &ExportArguments) -> Result<(), CommandError> {
    let content = ImportExportView::open(&service_options(config)?.store)?;
    if content.is_behind_ledger()? {
        log::warn!("{}", behind_ledger_warning(content.has_server()));
    }
    let is_written =
        |column: &FileColumn| arguments.digests || !matches!(column, FileColumn::Digest | FileColumn::Algorithm);
    let columns: Vec<FileColumn> = FileColumn::EXPORTED.into_iter().filter(is_written).collect();
    let out = arguments.target.open()?;
    let mut writer = match arguments.format {
        RowFormat::Ndjson => RowWriter::Ndjson(out),
        RowFormat::Csv => {
            let mut writer = csv::Writer::from_writer(out);
            writer.write_record(columns.iter().map(|column| column.name())).map_err(csv_export_failed)?;
            RowWriter::Csv(Box::new(writer))
        }
    };
    let now = clock_and_random::now();
    let progress = progress(&content, &arguments.target, now)?;
    content.export(now, |exported| {
        if let ExportItem::Key(..) = exported {
            progress.inc(1);
        }
        writer.write(&columns, |column| cell(column, &exported))
    })?;
    progress.finish_and_clear();
    writer.finish()
}

/// A progress bar, unless standard error is no terminal or the rows themselves go to the terminal.
fn progress(content: &ImportExportView, target: &ExportTarget, now: Timestamp) -> Result<ProgressBar, CommandError> {
    if target.is_terminal() || !io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    Ok(progress::bar(Some(content.count_keys(now)?), "keys"))
}

enum RowWriter {
    Csv(Box<csv::Writer<ExportWriter>>),
    Ndjson(ExportWriter),
}

impl RowWriter {
    /// Writes one row. In JSON, empty fields are left out.
    fn write(
        &mut self,
        columns: &[FileColumn],
        cell: impl Fn(FileColumn) -> Option<Value>,
    ) -> Result<(), CommandError> {
        match self {
            Self::Csv(writer) => {
                let text = |column: &FileColumn| {
                    let text = match cell(*column) {
                        None => String::new(),
                        Some(Value::String(text)) => text,
                        Some(other) => other.to_string(),
                    };
                    if column.is_for_people() { escape_formula(text) } else { text }
                };
                writer.write_record(columns.iter().map(text)).map_err(csv_export_failed)
            }
            Self::Ndjson(out) => {
                let object: Map<String, Value> =
                    columns.iter().filter_map(|it| Some((it.name().to_owned(), cell(*it)?))).collect();
                writeln!(out, "{}", Value::Object(object)).map_err(|e| export_failed(&e))
            }
        }
    }

    fn finish(self) -> Result<(), CommandError> {
        match self {
            Self::Csv(writer) => writer.into_inner().map_err(|e| export_failed(e.error()))?.finish(),
            Self::Ndjson(out) => out.finish(),
        }
    }
}

fn cell(column: FileColumn, exported: &ExportItem<'_>) -> Option<Value> {
    let (organization, project, key) = match exported {
        ExportItem::Organization(organization) => (*organization, None, None),
        ExportItem::Project(organization, project) => (*organization, Some(*project), None),
        ExportItem::Key(organization, project, key) => (*organization, *project, Some(*key)),
    };
    match column {
        FileColumn::Organization => return Some(organization.name.as_str().into()),
        FileColumn::OrganizationId => return Some(organization.id.to_string().into()),
        FileColumn::Project => return project.map(|project| project.name.as_str().into()),
        FileColumn::ProjectId => return project.map(|project| project.id.to_string().into()),
        _ => {}
    }
    match (key, project) {
        (Some(key), _) => column.of_key(key),
        (None, Some(project)) => of_project(column, project),
        (None, None) => of_organization(column, organization),
    }
}

fn of_organization(column: FileColumn, organization: &Organization) -> Option<Value> {
    match column {
        FileColumn::Kind => Some("organization".into()),
        FileColumn::Id => Some(organization.id.to_string().into()),
        FileColumn::Name => Some(organization.name.as_str().into()),
        FileColumn::CreatedAt => Some(organization.created_at.to_string().into()),
        _ => None,
    }
}

fn of_project(column: FileColumn, project: &Project) -> Option<Value> {
    match column {
        FileColumn::Kind => Some("project".into()),
        FileColumn::Id => Some(project.id.to_string().into()),
        FileColumn::Name => Some(project.name.as_str().into()),
        FileColumn::Description => project.description.as_ref().map(Description::as_str).map(Value::from),
        FileColumn::CreatedAt => Some(project.created_at.to_string().into()),
        _ => None,
    }
}
