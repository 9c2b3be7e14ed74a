//! Unix signals: those that stop a program, SIGHUP, and SIGXFSZ.

use crate::cli::error::CommandError;
use std::future::{pending, poll_fn};
use std::io;
use std::task::Poll;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that stop the program, with their names.
pub(in crate::cli) struct Signals(Vec<(&'static str, Signal)>);

impl Signals {
    /// SIGTERM and SIGINT.
    pub(in crate::cli) fn listen() -> Result<Self, CommandError> {
        let all = [("SIGTERM", SignalKind::terminate()), ("SIGINT", SignalKind::interrupt())];
        Self::to(&all)
    }

    /// All signals that would kill a program that asks something at a terminal: SIGHUP and SIGQUIT as well.
    pub(in crate::cli) fn listen_at_terminal() -> Result<Self, CommandError> {
        let more = [("SIGHUP", SignalKind::hangup()), ("SIGQUIT", SignalKind::quit())];
        let mut signals = Self::listen()?;
        signals.0.extend(Self::to(&more)?.0);
        Ok(signals)
    }

    fn to(all: &[(&'static str, SignalKind)]) -> Result<Self, CommandError> {
        all.iter().map(|(name, kind)| Ok((*name, listen(*kind)?))).collect::<Result<_, _>>().map(Self)
    }

    /// Waits for the next signal and returns its name.
    pub(in crate::cli) async fn next(&mut self) -> &'static str {
        poll_fn(|context| {
            let mut names =
                self.0.iter_mut().filter_map(|(name, it)| it.poll_recv(context).is_ready().then_some(*name));
            names.next().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// SIGHUP, which asks the server to read its files again.
pub(in crate::cli) struct Hangup(Option<Signal>);

impl Hangup {
    /// Listens if `is_wanted`. Otherwise SIGHUP keeps its default action: the process ends with its terminal.
    pub(in crate::cli) fn listen(is_wanted: bool) -> Result<Self, CommandError> {
        is_wanted.then(|| listen(SignalKind::hangup())).transpose().map(Self)
    }

    /// Waits for the next SIGHUP.
    pub(in crate::cli) async fn next(&mut self) {
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

/// Lets a write beyond the limit of file sizes (`ulimit -f`) fail like one on a full disk. By default, SIGXFSZ ends the
/// process. It stays so for the rest of the process.
pub(in crate::cli) fn survive_file_size_limit() -> Result<(), CommandError> {
    listen(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

fn listen(kind: SignalKind) -> Result<Signal, CommandError> {
    signal(kind).map_err(|error: io::Error| CommandError::new(format!("Signals cannot be received: {error}.")))
}
