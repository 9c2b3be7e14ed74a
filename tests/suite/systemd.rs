//! Under a service manager: passed sockets, and notifications.

use super::helpers::*;
use std::fs::File;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Passes its standard input as the first socket and its standard error as the second, as a service manager does.
const MANAGER: &str =
    "LISTEN_FDS=$1 LISTEN_PID=${2:-$$} exec \"$0\" serve --listen ${PLACE:-127.0.0.1:0} 3<&0 4<&2 0</dev/null 2>>log";

fn manager(folder: &Path, first: OwnedFd, second: Option<OwnedFd>, count: &str) -> Command {
    let mut command = Command::new("sh");
    let program = keystead(folder);
    command.args(["-c", MANAGER]).arg(program.get_program()).arg(count).current_dir(folder);
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::from(first));
    command.stderr(second.map_or_else(|| Stdio::from(File::create(folder.join("log")).expect("a log")), Stdio::from));
    command
}

#[test]
fn passed_sockets_replace_the_configured_listeners() {
    let folder = tempfile::tempdir().expect("a folder");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let path = folder.path().join("k.sock");
    let unix = UnixListener::bind(&path).expect("a socket");
    let address = tcp.local_addr().expect("an address");
    // The client connects before there is a server, and waits.
    let mut early = TcpStream::connect(address).expect("a connection");
    early.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("a request");

    let mut server = Server::spawn(folder.path(), manager(folder.path(), tcp.into(), Some(unix.into()), "2"));
    assert_eq!(server.base, format!("http://{address}"));
    assert_eq!(server.next_line(), format!("Keystead is listening on unix:{}", path.display()));
    assert!(server.client().is_good());
    let mut late = UnixStream::connect(&path).expect("a connection");
    late.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("a request");
    for stream in [&mut early as &mut dyn Read, &mut late] {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert!(server.stop().success());
    assert!(path.exists(), "the socket's file is the service manager's");
}

#[test]
fn sockets_for_another_process_are_ignored() {
    let folder = tempfile::tempdir().expect("a folder");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a socket");
    // The settings name an address that is in use, so that the server can start only with the passed socket.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let mut command = manager(folder.path(), tcp.into(), None, "1");
    let place = taken.local_addr().expect("an address").to_string();
    let status = command.arg("1").env("PLACE", &place).status().expect("an end");
    let log = std::fs::read_to_string(folder.path().join("log")).expect("the log");
    assert!(status.code() == Some(1) && log.contains(&format!("{place} cannot be listened on")), "{log}");
}

#[test]
fn descriptors_that_are_not_listening_sockets_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let connection = TcpStream::connect(tcp.local_addr().expect("an address")).expect("a connection");
    let status = manager(folder.path(), connection.into(), None, "1").status().expect("an end");
    let log = std::fs::read_to_string(folder.path().join("log")).expect("the log");
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("Socket 1 of the service manager cannot be listened on: it takes no connections"), "{log}");
    let file = File::open("/dev/null").expect("a file");
    let status = manager(folder.path(), file.into(), None, "1").status().expect("an end");
    assert_eq!(status.code(), Some(1));
    assert!(!folder.path().join("keystead.db").exists(), "nothing was begun");
}

#[test]
fn the_service_manager_is_told_when_requests_are_answered_and_when_the_server_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let notified = UnixDatagram::bind(&path).expect("a socket");
    notified.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    let next = || {
        let mut message = [0; 256];
        let length = notified.recv(&mut message).expect("a message");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let server = Server::start_in(folder.path(), &[("NOTIFY_SOCKET", path.to_str().expect("a path"))]);
    assert_eq!(next(), "READY=1\n");
    assert!(server.client().is_good());
    server.signal("TERM");
    assert_eq!(next(), "STOPPING=1\n");
    assert!(server.stop().success());

    let server = Server::start_in(folder.path(), &[("NOTIFY_SOCKET", "/nowhere/at/all")]);
    assert!(server.client().is_good(), "who is not told does not matter to anybody else");
    eventually(Duration::from_secs(20), || server.log().contains("could not be told READY=1"));
}
