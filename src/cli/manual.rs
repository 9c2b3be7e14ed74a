//! `keystead completions` and `keystead man`, generated from the definitions of the commands.

use crate::cli::error::CommandError;
use crate::cli::output::write as write_out;
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man as Page;
use std::fs;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(in crate::cli) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

#[derive(Args, Debug)]
#[command(after_help = MAN_EXAMPLES)]
pub(in crate::cli) struct ManArguments {
    /// The folder to write the pages to; without it, the main page is printed
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

const COMPLETIONS_EXAMPLES: &str = "Examples:\n  keystead completions bash > /etc/bash_completion.d/keystead\n  keystead \
    completions zsh > /usr/local/share/zsh/site-functions/_keystead\n  keystead completions fish > \
    ~/.config/fish/completions/keystead.fish";
const MAN_EXAMPLES: &str = "Examples:\n  keystead man /usr/local/share/man/man1\n  keystead man | man -l -";

pub(in crate::cli) fn complete(arguments: &CompletionsArguments, mut command: Command) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "keystead", &mut script);
    write_out(&script)
}

pub(in crate::cli) fn write(arguments: &ManArguments, command: Command) -> Result<(), CommandError> {
    let Some(folder) = &arguments.folder else {
        let mut page = Vec::new();
        let made = Page::new(command).render(&mut page);
        made.map_err(|e| CommandError::new(format!("The manual cannot be made: {e}.")))?;
        return write_out(&page);
    };
    let written = fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written
        .map_err(|e| CommandError::new(format!("The manual's pages cannot be written to {}: {e}.", folder.display())))
}
