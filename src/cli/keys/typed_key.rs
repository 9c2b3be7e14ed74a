//! A key that somebody types or pastes at a terminal: it is not shown there.

use crate::cli::error::CommandError;
use crate::cli::keys::key_file::{read_key, read_line};
use crate::cli::output::say;
use crate::cli::system::signals::Signals;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal as _};
use std::path::Path;
use zeroize::Zeroizing;

/// What the terminal shows of what is typed, and which keys stop the program: as before once this is dropped.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // The line's end is shown all the same.
        hidden.local_modes.insert(LocalModes::ECHONL);
        // Ctrl-Z and Ctrl-\ would leave the terminal as it is now. Zero stands for no key.
        for code in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
            hidden.special_codes[code] = 0;
        }
        tcsetattr(io::stdin(), OptionalActions::Now, &hidden)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // What is left of a key that was pasted must not go to the shell.
        if let Err(error) = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before) {
            say(format_args!("The terminal's settings could not be put back: {error}; stty sane does it."));
        }
    }
}

/// Whether the key in this file has to be typed: `-` is standard input, and that is a terminal.
pub(in crate::cli) fn is_typed(file: &Path) -> bool {
    file == Path::new("-") && io::stdin().is_terminal()
}

/// What is in a file with a key; `-` is standard input, where a terminal asks for the key.
///
/// # Errors
/// Where it cannot be read, or nothing is typed.
pub(in crate::cli) async fn read_or_ask_for_key(file: &Path) -> Result<Zeroizing<String>, CommandError> {
    if is_typed(file) { ask_for_key().await } else { read_key(file) }
}

/// Asks for a key at the terminal that standard input is. The terminal shows what is typed again when this returns, also after
/// Ctrl-C or another signal that ends a program.
///
/// # Errors
/// Where the terminal cannot be read, no key is typed, or one of these came.
async fn ask_for_key() -> Result<Zeroizing<String>, CommandError> {
    // They would end the program at once otherwise.
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
                return Err(CommandError::new("No key was typed, and nothing was done. Start again, and type or paste the key."));
            }
            Ok(line)
        }
        name = signals.next() => {
            drop(hidden);
            Err(CommandError::new(format!("No key was taken, and nothing was done: {name} ended it.")))
        }
    }
}
