//! The server's listening sockets: TCP addresses and Unix sockets.

use crate::cli::error::CommandError;
use crate::config::ListenAddress;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// How many connections may wait to be accepted; the kernel may limit it further.
const BACKLOG: i32 = 4096;

/// Bound sockets. Dropping them deletes the files of Unix sockets.
#[derive(Default)]
pub(in crate::cli) struct BoundSockets {
    /// The addresses in the order of the settings, with the ports that the system chose.
    pub(in crate::cli) addresses: Vec<ListenAddress>,
    pub(in crate::cli) tcp: Vec<TcpListener>,
    pub(in crate::cli) unix: Vec<UnixListener>,
    pub(in crate::cli) files: Vec<SocketFile>,
}

impl BoundSockets {
    /// Binds all addresses. Unix sockets get this mode.
    pub(in crate::cli) fn bind(addresses: &[ListenAddress], mode: u32) -> Result<Self, CommandError> {
        let mut all = Self::default();
        for address in addresses {
            let failed = |error: io::Error| {
                let advice = match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        " Stop the program that listens there, or choose another address with --listen or server.listen."
                    }
                    io::ErrorKind::NotFound => " Create the folder of the socket with mkdir.",
                    io::ErrorKind::PermissionDenied => {
                        " Run keystead as a user who may listen there, or choose another address with --listen or server.listen."
                    }
                    _ => "",
                };
                CommandError::new(format!("Cannot listen on {address}: {error}.{advice}"))
            };
            match address {
                ListenAddress::Tcp(address) => {
                    let (address, socket) = bind_tcp(*address).map_err(failed)?;
                    all.addresses.push(ListenAddress::Tcp(address));
                    all.tcp.push(socket);
                }
                ListenAddress::Unix(path) => {
                    let (file, socket) = bind_unix(path, mode).map_err(failed)?;
                    all.addresses.push(address.clone());
                    all.files.push(file);
                    all.unix.push(socket);
                }
            }
        }
        Ok(all)
    }
}

/// Binds a TCP address; returns the address with the port that the system chose.
pub(in crate::cli) fn bind_tcp(address: SocketAddr) -> io::Result<(SocketAddr, TcpListener)> {
    let socket = TcpListener::bind(address)?;
    Ok((socket.local_addr()?, socket))
}

fn bind_unix(path: &Path, mode: u32) -> io::Result<(SocketFile, UnixListener)> {
    remove_stale_socket(path)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    let file = SocketFile::of(path)?;
    // Set before the socket listens: until then nobody can connect, whatever the mode.
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    listen(&socket, BACKLOG)?;
    Ok((file, socket.into()))
}

/// Deletes the socket file of a server that is gone. A socket that accepts connections stays, and so does any other file.
fn remove_stale_socket(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::other("a file exists there that is not a socket"))
        }
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::other("another server is listening there")),
        },
    }
}

/// The file of a Unix socket. Dropping it deletes the file, unless another one has replaced it.
pub(in crate::cli) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        // The working directory may have changed by then.
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
            log::warn!("{} could not be deleted: {error}", self.path.display());
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
