//! Tips below a usage error: what the user probably meant. clap's own tips compare letters only.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Replaces misleading tips of a usage error, and adds tips that clap does not know.
pub(in crate::cli) fn with_tips(mut error: clap::Error, all: &Command) -> clap::Error {
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            if let Some(tip) = text(&error, ContextKind::InvalidSubcommand).and_then(|word| in_group(all, &word)) {
                error.remove(ContextKind::SuggestedSubcommand);
                suggest(&mut error, tip);
            }
        }
        ErrorKind::UnknownArgument => {
            let argument = text(&error, ContextKind::InvalidArg).unwrap_or_default();
            let usage = text(&error, ContextKind::Usage).unwrap_or_default();
            if argument.starts_with("--") {
                // It advises to write the flag as a value.
                error.remove(ContextKind::Suggested);
            }
            if let Some(tip) = about_argument(&argument, &usage) {
                suggest(&mut error, tip.to_owned());
            }
        }
        _ => {}
    }
    error
}

/// The command that is meant by the name of a subcommand, such as `revoke`: `keystead keys revoke`. An exact name is a better guess
/// than a similar one.
fn in_group(all: &Command, word: &str) -> Option<String> {
    let found = all.get_subcommands().find_map(|group| Some((group, group.find_subcommand(word)?)));
    found.map(|(group, command)| format!("the command is 'keystead {} {}'", group.get_name(), command.get_name()))
}

fn about_argument(argument: &str, usage: &str) -> Option<&'static str> {
    let is_flag = argument.starts_with('-');
    match argument {
        "--port" => Some("the address and port are '--listen 127.0.0.1:8080'"),
        "--project" if usage.contains("keystead import") => {
            Some("the column 'project' of the file names the project of each key")
        }
        _ if !is_flag && usage.contains("keystead keys verify") => {
            Some("the key is read from standard input or from '--key-file', never from an argument")
        }
        _ => None,
    }
}

fn suggest(error: &mut clap::Error, tip: String) {
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        _ => None,
    }
}
