//! Where an export goes: to standard output, or to a new file that nobody else may read.

use crate::cli::error::CommandError;
use crate::cli::output::stdout_error;
use crate::cli::system::private_file::UnfinishedFile;
use clap::Args;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(in crate::cli) struct ExportTarget {
    /// Write to this new file, readable by you alone, instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl ExportTarget {
    /// Whether what is written there is seen at once.
    pub(in crate::cli) fn is_terminal(&self) -> bool {
        self.output.is_none() && io::stdout().is_terminal()
    }

    /// Begins the file, where there is to be one; it must not exist yet, and has its name once it is whole.
    pub(in crate::cli) fn open(&self) -> Result<ExportWriter, CommandError> {
        Ok(match &self.output {
            None => ExportWriter::Standard(BufWriter::new(io::stdout().lock())),
            Some(path) => ExportWriter::File(BufWriter::new(UnfinishedFile::begin(path, "The file")?)),
        })
    }
}

/// What is written to. A file that was not finished is removed.
pub(in crate::cli) enum ExportWriter {
    Standard(BufWriter<StdoutLock<'static>>),
    File(BufWriter<UnfinishedFile>),
}

impl ExportWriter {
    /// Brings all of it to where it belongs; a file is on disk when this returns.
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

/// Why an export has no end.
pub(in crate::cli) fn export_failed(error: &io::Error) -> CommandError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return CommandError::closed_pipe();
    }
    CommandError::new(format!("The export could not be written to its end: {error}."))
}

/// The same of what the CSV library says.
pub(in crate::cli) fn csv_export_failed(error: csv::Error) -> CommandError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => export_failed(&error),
        _ => CommandError::new("The export could not be written to its end: a row is no CSV."),
    }
}
