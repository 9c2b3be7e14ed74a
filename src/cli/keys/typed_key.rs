//! Prompts for a key at a terminal, without showing it.

use crate::cli::error::CommandError;
use crate::cli::keys::key_file::{read_key, read_line};
use crate::cli::output::say;
use crate::cli::system::signals::Signals;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal as _};
use std::path::Path;
use zeroize::Zeroizing;

/// A terminal without echo and without the keys that stop or quit a program. Dropping it restores the terminal.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // The line break is still shown.
        hidden.local_modes.insert(LocalModes::ECHONL);
        // Ctrl-Z and Ctrl-\ would leave the terminal in this state. Zero disables them.
        for code in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
            hidden.special_codes[code] = 0;
        }
        tcsetattr(io::stdin(), OptionalActions::Now, &hidden)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Flushes the rest of a pasted key, which must not go to the shell.
        if let Err(error) = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before) {
            say(format_args!("The terminal's settings could not be restored: {error}; run stty sane."));
        }
    }
}

/// Whether the key must be typed: `file` is `-`, and standard input is a terminal.
pub(in crate::cli) fn is_typed(file: &Path) -> bool {
    file == Path::new("-") && io::stdin().is_terminal()
}

/// Reads a file with a key; `-` is standard input, where a terminal prompts for the key.
///
/// # Errors
/// If it cannot be read, or nothing is typed.
pub(in crate::cli) async fn read_or_ask_for_key(file: &Path) -> Result<Zeroizing<String>, CommandError> {
    if is_typed(file) { ask_for_key().await } else { read_key(file) }
}

/// Prompts for a key at the terminal. The terminal is restored when this returns, also after Ctrl-C or another signal that would
/// end the program.
///
/// # Errors
/// If the terminal cannot be read, no key is typed, or such a signal arrives.
async fn ask_for_key() -> Result<Zeroizing<String>, CommandError> {
    // Otherwise they would end the program at once.
    let mut signals = Signals::listen_at_terminal()?;
    let no_terminal = |e: io::Error| CommandError::new(format!("The terminal cannot be read: {e}."));
    let hidden = Hidden::begin().map_err(no_terminal)?;
    say("Type or paste the key, which is not shown, and press Enter:");
    let line = tokio::task::spawn_blocking(read_line);
    tokio::select! {
        line = line => {
            drop(hidden);
            let line = line.map_err(io::Error::other).and_then(|line| line).map_err(no_terminal)?;
            if line.trim().is_empty() {
                return Err(CommandError::new("No key was typed, and nothing was done. Run the command again, and type or paste the key."));
            }
            Ok(line)
        }
        name = signals.next() => {
            drop(hidden);
            Err(CommandError::new(format!("No key was read, and nothing was done: stopped by {name}.")))
        }
    }
}
