//! Guards against importing organization keys by mistake: without a role, they can manage everything in their organization.

use super::columns::FileColumn;
use super::row::is_about_key;
use super::source::{RowFields, RowFormat, RowSource};
use crate::cli::error::CommandError;
use crate::cli::output::confirm::ask;
use crate::cli::output::say;
use crate::service::ImportedApiKey;
use std::io::{self, IsTerminal as _};
use std::path::Path;

const ORGANIZATION_KEY_WARNING: &str =
    "Unless it has another role, a key without a project can manage everything in its organization.";

/// Whether keys without a project are allowed, and how many of them the file has.
pub(super) struct OrganizationKeys {
    are_allowed: bool,
    is_dry_run: bool,
    keys: u64,
    without_project: u64,
    /// Of the good rows.
    without_project_and_role: u64,
}

impl OrganizationKeys {
    /// `are_allowed`: the flag `--organization-keys`.
    pub(super) fn new(are_allowed: bool, is_dry_run: bool) -> Self {
        Self { are_allowed, is_dry_run, keys: 0, without_project: 0, without_project_and_role: 0 }
    }

    /// Reads the file before anything is staged. If it has keys without a project, asks at a terminal whether to import them. A pipe
    /// cannot be read twice: its import stops at the first such key.
    ///
    /// # Errors
    /// If the answer is no, or there is no terminal to ask at.
    pub(super) fn confirm(&mut self, file: &Path, format: Option<RowFormat>) -> Result<(), CommandError> {
        // A pipe cannot be read twice.
        if self.are_allowed || self.is_dry_run || !file.is_file() {
            return Ok(());
        }
        let mut source = RowSource::open(file, format)?;
        while let Some(row) = source.next()? {
            _ = row.fields.map(|fields| self.count(&fields));
        }
        if self.without_project == 0 {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(refused(&self.describe()));
        }
        let way = "The column \"project\" gives a key one. Import them as they are?";
        self.are_allowed =
            ask(&format!("{} {ORGANIZATION_KEY_WARNING} {way}", self.describe()), "Nothing was imported.")?;
        if self.are_allowed { Ok(()) } else { Err(CommandError::new("Nothing was imported.")) }
    }

    /// Counts a row.
    pub(super) fn count(&mut self, fields: &RowFields<'_>) {
        if is_about_key(fields) {
            self.keys += 1;
            self.without_project += u64::from(fields.get(FileColumn::Project).is_none());
        }
    }

    /// Checks whether the key of a row may be staged.
    ///
    /// # Errors
    /// If it has no project and that is not allowed.
    pub(super) fn check(&mut self, row: u64, key: &ImportedApiKey) -> Result<(), CommandError> {
        let is_admin_by_default = key.new.parent.project.is_none() && key.new.change.role.is_none();
        self.without_project_and_role += u64::from(is_admin_by_default);
        if self.are_allowed || self.is_dry_run || key.new.parent.project.is_some() {
            return Ok(());
        }
        Err(refused(&format!("The key of row {row} has no project.")))
    }

    /// Checks after a dry run whether the import would be allowed.
    ///
    /// # Errors
    /// If it would not.
    pub(super) fn check_all(&self) -> Result<(), CommandError> {
        if self.are_allowed || self.without_project == 0 { Ok(()) } else { Err(would_be_refused(&self.describe())) }
    }

    /// Says how many of the keys are admins because their rows name no role.
    pub(super) fn say_admins(&self) {
        let (rows, keys) = match self.without_project_and_role {
            0 => return,
            1 => ("1 row has".to_owned(), "its key is an admin and can manage everything in its organization"),
            count => {
                (format!("{count} rows have"), "their keys are admins and can manage everything in their organization")
            }
        };
        say(format_args!("{rows} neither a project nor a role: {keys}."));
    }

    fn describe(&self) -> String {
        match (self.without_project, self.keys) {
            (1, 1) => "The key in the file has no project.".to_owned(),
            (1, keys) => format!("1 of the {keys} keys in the file has no project."),
            (count, keys) => format!("{count} of the {keys} keys in the file have no project."),
        }
    }
}

fn refused(what: &str) -> CommandError {
    CommandError::new(format!(
        "{what} {ORGANIZATION_KEY_WARNING} Give each key a project in the column \"project\", or use --organization-keys to import \
        them as they are. Nothing was imported."
    ))
}

fn would_be_refused(what: &str) -> CommandError {
    CommandError::new(format!(
        "{what} {ORGANIZATION_KEY_WARNING} So an import would ask at a terminal, and fail elsewhere without --organization-keys. The \
        column \"project\" gives a key a project."
    ))
}
