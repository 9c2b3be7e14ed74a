//! Where the server listens: addresses, and sockets in the file system.

use crate::cli::error::CommandError;
use crate::config::ListenAddress;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Connections that may wait to be accepted; the kernel has a bound of its own.
const BACKLOG: i32 = 4096;

/// What is listened on. Socket files are removed when it is dropped.
#[derive(Default)]
pub(in crate::cli) struct BoundSockets {
    /// Where, as it really is: first what was named first.
    pub(in crate::cli) places: Vec<ListenAddress>,
    pub(in crate::cli) tcp: Vec<TcpListener>,
    pub(in crate::cli) unix: Vec<UnixListener>,
    pub(in crate::cli) files: Vec<SocketFile>,
}

impl BoundSockets {
    /// Binds all of them. Sockets in the file system get this mode.
    pub(in crate::cli) fn bind(places: &[ListenAddress], mode: u32) -> Result<Self, CommandError> {
        let mut all = Self::default();
        for place in places {
            let failed = |error: io::Error| {
                let advice = match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        " Stop what listens there, or say another place with --listen or server.listen."
                    }
                    _ => "",
                };
                CommandError::new(format!("{place} cannot be listened on: {error}.{advice}"))
            };
            match place {
                ListenAddress::Tcp(address) => {
                    let (address, socket) = bind_tcp(*address).map_err(failed)?;
                    all.places.push(ListenAddress::Tcp(address));
                    all.tcp.push(socket);
                }
                ListenAddress::Unix(path) => {
                    let (file, socket) = bind_unix(path, mode).map_err(failed)?;
                    all.places.push(place.clone());
                    all.files.push(file);
                    all.unix.push(socket);
                }
            }
        }
        Ok(all)
    }
}

/// Listens there; gives the address as it really is.
pub(in crate::cli) fn bind_tcp(address: SocketAddr) -> io::Result<(SocketAddr, TcpListener)> {
    let socket = TcpListener::bind(address)?;
    Ok((socket.local_addr()?, socket))
}

fn bind_unix(path: &Path, mode: u32) -> io::Result<(SocketFile, UnixListener)> {
    remove_stale_socket(path)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    let file = SocketFile::of(path)?;
    // Before it listens nobody gets in, whatever mode the file came with.
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    listen(&socket, BACKLOG)?;
    Ok((file, socket.into()))
}

/// Removes the socket file of a server that is gone. One that somebody answers on stays, and so does every other file.
fn remove_stale_socket(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => Err(io::Error::other("there is a file that is no socket")),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::other("another server answers there")),
        },
    }
}

/// A socket's file, which goes with the server unless somebody else has put another one in its place.
pub(in crate::cli) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        // The working folder may be another one by the time it is removed.
        let path = std::path::absolute(path)?;
        let identity = identity(&fs::symlink_metadata(&path)?);
        Ok(Self { path, identity })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            log::warn!("{} could not be removed: {error}", self.path.display());
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
