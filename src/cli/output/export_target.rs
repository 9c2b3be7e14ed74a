//! The target of an export: standard output, or a new file that only its owner can read.

use crate::cli::error::CommandError;
use crate::cli::output::stdout_error;
use crate::cli::system::private_file::UnfinishedFile;
use clap::Args;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(in crate::cli) struct ExportTarget {
    /// Write to this new file, which only you can read, instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl ExportTarget {
    /// Whether the export appears on a terminal.
    pub(in crate::cli) fn is_terminal(&self) -> bool {
        self.output.is_none() && io::stdout().is_terminal()
    }

    /// Opens the target. A file must not exist yet, and gets its name when it is complete.
    pub(in crate::cli) fn open(&self) -> Result<ExportWriter, CommandError> {
        Ok(match &self.output {
            None => ExportWriter::Standard(BufWriter::new(io::stdout().lock())),
            Some(path) => ExportWriter::File(BufWriter::new(UnfinishedFile::begin(path, "The file")?)),
        })
    }
}

/// Writes an export. A file that was not finished is deleted.
pub(in crate::cli) enum ExportWriter {
    Standard(BufWriter<StdoutLock<'static>>),
    File(BufWriter<UnfinishedFile>),
}

impl ExportWriter {
    /// Flushes the export; a file is synced and gets its name.
    pub(in crate::cli) fn finish(self) -> Result<(), CommandError> {
        match self {
            Self::Standard(mut out) => out.flush().map_err(|e| stdout_error(&e)),
            Self::File(out) => {
                let file = out.into_inner().map_err(|e| export_failed(e.error()))?;
                file.finish().map_err(|e| export_failed(&e))
            }
        }
    }
}

impl Write for ExportWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Standard(out) => out.write(bytes),
            Self::File(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Standard(out) => out.flush(),
            Self::File(out) => out.flush(),
        }
    }
}

/// The error of an export that could not be completed.
pub(in crate::cli) fn export_failed(error: &io::Error) -> CommandError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return CommandError::closed_pipe();
    }
    CommandError::new(format!("The export could not be completed: {error}."))
}

/// The same for errors of the CSV library.
pub(in crate::cli) fn csv_export_failed(error: csv::Error) -> CommandError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => export_failed(&error),
        _ => CommandError::new("The export could not be completed: a row cannot be written as CSV."),
    }
}
