//! The process that stores the rows of an import if no server does.
//!
//! It runs in its own process group, so that Ctrl-Z or `kill -STOP` for the command cannot stop it within a transaction, which would
//! lock the store for as long.

use crate::cli::error::CommandError;
use crate::cli::store::open::open_service;
use crate::config::Config;
use crate::service::ImportWriter;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The hidden command that the process runs.
pub(in crate::cli) const NAME: &str = "import-writer";

/// Starts the process; `None` if that fails: then the command stores the rows itself.
pub(super) fn start(store: &Path) -> Box<dyn Fn() -> Option<Box<dyn ImportWriter>> + Send> {
    let store = store.to_owned();
    Box::new(move || match spawn(&store) {
        Ok(child) => Some(Box::new(Process(child))),
        Err(error) => {
            log::debug!("no other process can be started to store the rows: {error}; this process stores them");
            None
        }
    })
}

fn spawn(store: &Path) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(NAME).arg("--store").arg(store).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

struct Process(Child);

impl ImportWriter for Process {
    fn is_there(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_none())
    }
}

impl Drop for Process {
    /// It can be killed at any time: it writes in whole transactions.
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            log::debug!("the process that stores the rows cannot be stopped: {error}");
        }
    }
}

/// Runs the hidden command.
pub(in crate::cli) async fn run(config: &Config) -> Result<(), CommandError> {
    let service = open_service(config)?;
    let written = service.write_import().await;
    service.close().await;
    Ok(written?)
}
