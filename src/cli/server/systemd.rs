//! What is agreed on with the service manager: sockets that it hands over, and when the server begins and stops.

use crate::cli::error::CommandError;
use crate::cli::server::listeners::BoundSockets;
use crate::config::ListenAddress;
use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use sd_notify::NotifyState;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// The sockets that were handed over, if any were. Asked first of all: it changes the process's environment, which no
/// other thread must look at meanwhile.
pub(in crate::cli) fn sockets() -> Result<Option<BoundSockets>, CommandError> {
    let mut handed = ListenFd::from_env();
    let mut all = BoundSockets::default();
    for index in 0..handed.len() {
        take(&mut handed, index, &mut all).map_err(|error| {
            CommandError::new(format!("Socket {} of the service manager cannot be listened on: {error}.", index + 1))
        })?;
    }
    Ok((!all.places.is_empty()).then_some(all))
}

fn take(handed: &mut ListenFd, index: usize, all: &mut BoundSockets) -> io::Result<()> {
    if let Ok(Some(socket)) = handed.take_tcp_listener(index) {
        expect_listener(&socket)?;
        all.places.push(ListenAddress::Tcp(socket.local_addr()?));
        all.tcp.push(socket);
        return Ok(());
    }
    if let Some(socket) = handed.take_unix_listener(index)? {
        expect_listener(&socket)?;
        // Its file is the service manager's, and stays at a stop.
        let address = socket.local_addr()?;
        all.places.push(ListenAddress::Unix(address.as_pathname().unwrap_or(Path::new("(without a path)")).to_owned()));
        all.unix.push(socket);
    }
    Ok(())
}

/// With `Accept=yes`, it would be a connection.
fn expect_listener(socket: &impl AsFd) -> io::Result<()> {
    if socket_acceptconn(socket)? {
        return Ok(());
    }
    Err(io::Error::other("it takes no connections (its unit needs Accept=no)"))
}

/// Tells that requests are answered from now on.
pub(in crate::cli) fn ready() {
    tell(&NotifyState::Ready);
}

/// Tells that the server finishes what is in flight.
pub(in crate::cli) fn stopping() {
    tell(&NotifyState::Stopping);
}

fn tell(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, std::slice::from_ref(state)) {
        log::warn!("the service manager could not be told {state}: {error}");
    }
}
