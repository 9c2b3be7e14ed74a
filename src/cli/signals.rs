//! The signals that the server listens to.

use super::Failed;
use std::future::pending;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Those that ask for an end.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failed> {
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// The name of the next one.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The one that asks to read files again.
pub(super) struct Hangup(Option<Signal>);

impl Hangup {
    /// Listens to it. Who does not dies of it, as is right where it says that a terminal is gone.
    pub(super) fn listen(is_wanted: bool) -> Result<Self, Failed> {
        is_wanted.then(|| listen(SignalKind::hangup())).transpose().map(Self)
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        let received = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        match received {
            Some(()) => log::info!("SIGHUP received"),
            None => pending().await,
        }
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failed> {
    signal(kind).map_err(|error: io::Error| Failed::new(format!("Signals cannot be received: {error}.")))
}
