//! The protocols of systemd: socket activation, and notifications of start and stop.

use crate::cli::error::CommandError;
use crate::cli::server::listeners::BoundSockets;
use crate::config::ListenAddress;
use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use sd_notify::NotifyState;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// The sockets passed by the service manager, if any. Call this before threads start: it changes the process's environment.
pub(in crate::cli) fn sockets() -> Result<Option<BoundSockets>, CommandError> {
    let mut handed = ListenFd::from_env();
    let mut all = BoundSockets::default();
    for index in 0..handed.len() {
        take(&mut handed, index, &mut all).map_err(|error| {
            CommandError::new(format!("Cannot listen on socket {} of the service manager: {error}.", index + 1))
        })?;
    }
    Ok((!all.addresses.is_empty()).then_some(all))
}

fn take(handed: &mut ListenFd, index: usize, all: &mut BoundSockets) -> io::Result<()> {
    if let Ok(Some(socket)) = handed.take_tcp_listener(index) {
        expect_listener(&socket)?;
        all.addresses.push(ListenAddress::Tcp(socket.local_addr()?));
        all.tcp.push(socket);
        return Ok(());
    }
    if let Some(socket) = handed.take_unix_listener(index)? {
        expect_listener(&socket)?;
        // The socket's file belongs to the service manager and stays.
        let address = socket.local_addr()?;
        all.addresses
            .push(ListenAddress::Unix(address.as_pathname().unwrap_or(Path::new("(without a path)")).to_owned()));
        all.unix.push(socket);
    }
    Ok(())
}

/// Fails for a connected socket, which `Accept=yes` would pass.
fn expect_listener(socket: &impl AsFd) -> io::Result<()> {
    if socket_acceptconn(socket)? {
        return Ok(());
    }
    Err(io::Error::other("it accepts no connections (its unit needs Accept=no)"))
}

/// Notifies that the server is ready.
pub(in crate::cli) fn ready() {
    tell(&NotifyState::Ready);
}

/// Notifies that the server is stopping.
pub(in crate::cli) fn stopping() {
    tell(&NotifyState::Stopping);
}

fn tell(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, std::slice::from_ref(state)) {
        log::warn!("the service manager could not be notified of {state}: {error}");
    }
}
