//! Asks a running server for its readiness, in plain HTTP without a client library.

use crate::cli::system::clock_and_random;
use crate::config::{Config, ListenAddress};
use crate::tls;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The largest response that is read, in bytes.
const ANSWER_LIMIT: u64 = 16 * 1024;

/// A possible reason for silence, if the address comes from the settings.
const ANOTHER_ADDRESS_HINT: &str =
    "; if the server listens elsewhere, give its address with --listen or KEYSTEAD_SERVER_LISTEN";

/// The result of a probe.
pub(in crate::cli) enum ProbeResult {
    /// The server answers, and its store can be read and written.
    Ready,
    /// The server answers that it is not ready, with the reason.
    NotReady(String),
    /// No answer in time, or another program answers.
    Silent(String),
}

/// The address to ask: the one that was named, or the first one of the settings.
pub(in crate::cli) fn server_address<'a>(config: &'a Config, named: Option<&'a ListenAddress>) -> &'a ListenAddress {
    named.unwrap_or(config.server.listen.first())
}

/// Asks the server for its readiness.
pub(in crate::cli) fn ask(config: &Config, named: Option<&ListenAddress>, timeout: Duration) -> ProbeResult {
    let listen = server_address(config, named);
    if matches!(listen, ListenAddress::Tcp(address) if address.port() == 0) {
        let why = "it listens on a port that the system chose (port 0), which is unknown here; give the address with --listen";
        return ProbeResult::Silent(why.to_owned());
    }
    let health = match get_ready(listen, config.tls.is_on(), timeout) {
        Ok(answer) => judge(&answer),
        Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            ProbeResult::Silent(format!("it did not answer within {} milliseconds", timeout.as_millis()))
        }
        Err(e) => ProbeResult::Silent(e.to_string()),
    };
    match health {
        ProbeResult::Silent(why) if named.is_none() => ProbeResult::Silent(why + ANOTHER_ADDRESS_HINT),
        health => health,
    }
}

/// The URL scheme of TCP addresses.
pub(in crate::cli) fn scheme(config: &Config) -> &'static str {
    if config.tls.is_on() { "https" } else { "http" }
}

/// The address as a URL.
pub(in crate::cli) fn url(config: &Config, listen: &ListenAddress) -> String {
    match listen {
        ListenAddress::Tcp(address) => format!("{}://{}", scheme(config), reachable(*address)),
        ListenAddress::Unix(_) => listen.to_string(),
    }
}

/// The address at which a local client reaches the server: loopback if it listens on all addresses.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// A connection over TCP, TLS or a Unix socket.
trait Connection: Read + Write {
    /// Limits the next read or write to this time.
    fn allow(&self, time: Duration) -> io::Result<()>;
}

impl Connection for TcpStream {
    fn allow(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time)).and_then(|()| self.set_write_timeout(Some(time)))
    }
}

impl Connection for UnixStream {
    fn allow(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time)).and_then(|()| self.set_write_timeout(Some(time)))
    }
}

impl Connection for tls::Client<TcpStream> {
    fn allow(&self, time: Duration) -> io::Result<()> {
        self.sock.allow(time)
    }
}

/// Connects within a time limit: connecting blocks while the server accepts nobody.
fn connect_unix(path: &Path, timeout: Duration) -> io::Result<UnixStream> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(timeout))?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.into())
}

fn get_ready(listen: &ListenAddress, is_tls: bool, timeout: Duration) -> io::Result<String> {
    let begun = clock_and_random::monotonic();
    // Each read gets the rest of the whole timeout, so that a slow trickle of bytes cannot extend it.
    let left = || {
        let left = timeout.saturating_sub(begun.elapsed());
        if left.is_zero() { Err(io::Error::from(io::ErrorKind::TimedOut)) } else { Ok(left) }
    };
    let (mut stream, host): (Box<dyn Connection>, String) = match listen {
        ListenAddress::Tcp(address) => {
            let address = reachable(*address);
            let stream = TcpStream::connect_timeout(&address, timeout)?;
            stream.allow(left()?)?;
            let stream: Box<dyn Connection> =
                if is_tls { Box::new(tls::connect(stream, address.ip())?) } else { Box::new(stream) };
            (stream, address.to_string())
        }
        ListenAddress::Unix(path) => (Box::new(connect_unix(path, timeout)?), "localhost".to_owned()),
    };
    stream.allow(left()?)?;
    // HTTP/1.0: the response is not chunked, and ends with the connection.
    stream.write_all(format!("GET /readyz HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while (answer.len() as u64) < ANSWER_LIMIT {
        stream.allow(left()?)?;
        match stream.read(&mut piece)? {
            0 => break,
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn judge(answer: &str) -> ProbeResult {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    match (status, body["data"]["status"].as_str(), body["error"].as_str()) {
        ("200", Some("ready"), _) => ProbeResult::Ready,
        ("503", _, Some(why)) => ProbeResult::NotReady(why.to_owned()),
        _ => ProbeResult::Silent("another program answers there, not Keystead".to_owned()),
    }
}
