//! The sections of the settings.

use super::listen::{self, ListenAddresses};
use crate::domain::{self, AddressList};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The entry of `server.trusted_proxies` that stands for all who come over a Unix socket.
pub(super) const UNIX_PEERS: &str = "unix:";

/// The section `[server]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// Addresses and ports, and Unix sockets.
    pub listen: ListenAddresses,
    /// The mode of Unix sockets, in octal digits.
    pub socket_mode: String,
    /// Threads that answer; 0 for as many as there are cores.
    pub workers: usize,
    /// Connections at once.
    pub max_connections: usize,
    /// Bytes of a request body.
    pub body_limit_bytes: usize,
    /// Milliseconds for a request's body to arrive.
    pub body_timeout_ms: u64,
    /// Milliseconds for a request's head to arrive.
    pub head_timeout_ms: u64,
    /// Milliseconds to take any part of an answer.
    pub send_timeout_ms: u64,
    /// Milliseconds that an idle connection is kept.
    pub keep_alive_ms: u64,
    /// Seconds that requests may go on after a stop.
    pub shutdown_timeout_s: u64,
    /// Peers whose `X-Forwarded-For` is believed: addresses and networks.
    pub trusted_proxies: Vec<String>,
    /// What is done about fields and parameters of `/v2` that nobody asks for, or that come more than once.
    pub unknown_fields: UnknownFields,
}

/// The setting `server.unknown_fields`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownFields {
    /// They are answered with 400.
    Refuse,
    /// They are passed over.
    Ignore,
}

impl ServerSettings {
    /// The mode of Unix sockets; `None` where the text is none.
    pub fn socket_mode(&self) -> Option<u32> {
        u32::from_str_radix(&self.socket_mode, 8).ok().filter(|mode| *mode <= 0o777)
    }

    /// Those whose `X-Forwarded-For` is believed, and whether everybody who comes over a Unix socket is, too.
    ///
    /// # Errors
    /// Where an entry is wrong.
    pub fn trusted_proxies(&self) -> domain::Result<(Option<AddressList>, bool)> {
        let addresses: Vec<&str> =
            self.trusted_proxies.iter().map(String::as_str).filter(|it| *it != UNIX_PEERS).collect();
        let trusts_unix_peers = addresses.len() < self.trusted_proxies.len();
        let addresses = (!addresses.is_empty()).then(|| AddressList::parse(addresses)).transpose()?;
        Ok((addresses, trusts_unix_peers))
    }
}

/// The section `[tls]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The file with the certificate and its chain; empty for none.
    pub certificate: PathBuf,
    /// The file with its key; empty for none.
    pub key: PathBuf,
}

impl TlsSettings {
    /// Whether TLS is spoken.
    pub fn is_on(&self) -> bool {
        !self.certificate.as_os_str().is_empty()
    }
}

/// The section `[store]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// The SQLite file.
    pub path: PathBuf,
    /// Milliseconds to wait for another process.
    pub busy_timeout_ms: u64,
    /// Connections that read.
    pub readers: u32,
    /// Writes that wait.
    pub write_queue: usize,
    /// Writes that share a commit.
    pub write_batch: usize,
    /// Milliseconds between looks at what other processes committed.
    pub watch_interval_ms: u64,
}

/// The section `[cache]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheSettings {
    /// Keys that are remembered.
    pub capacity: usize,
}

/// The section `[forward_auth]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardAuthSettings {
    /// The headers that a client's key is looked for in, first come first served.
    pub credential_headers: Vec<String>,
}

/// The section `[brute_force]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BruteForceSettings {
    /// Wrong keys that an address may send at once.
    pub burst: u32,
    /// Wrong keys that it may send in a minute, beyond that.
    pub per_minute: u32,
    /// Addresses that are remembered.
    pub addresses: usize,
    /// Whether loopback addresses count.
    pub loopback: bool,
}

/// The section `[changes]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangesSettings {
    /// Changes that an organization may make at once.
    pub burst: u32,
    /// Changes that it may make in a minute, beyond that; 0 for no limit.
    pub per_minute: u32,
}

/// The section `[audit]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// Days that events are kept; 0 for ever.
    pub retention_days: u32,
    /// A file with the Ed25519 key that signs the head; empty for none.
    pub signing_key: PathBuf,
}

/// The section `[backup]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSettings {
    /// The folder that backups go to; empty for none.
    pub folder: PathBuf,
    /// Hours between two backups.
    pub every_hours: u32,
    /// Backups that are kept.
    pub keep: usize,
}

/// The section `[keys]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysSettings {
    /// What organization keys begin with.
    pub organization_prefix: String,
    /// What project keys begin with.
    pub project_prefix: String,
}

/// The section `[setup]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetupSettings {
    /// The first organization's name.
    pub organization: String,
    /// The first key's name.
    pub key_name: String,
}

/// The section `[metrics]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsSettings {
    /// Where `/metrics` is.
    pub listen: MetricsListen,
}

/// The setting `metrics.listen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum MetricsListen {
    /// Nowhere.
    Off,
    /// At this address; port 0 picks a free one.
    On(SocketAddr),
}

impl TryFrom<String> for MetricsListen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::On).map_err(|_| {
            listen::advice(&text)
                .unwrap_or_else(|| "neither \"off\" nor an address and port such as 127.0.0.1:9408".to_owned())
        })
    }
}

/// The section `[dev]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevSettings {
    /// Whether the clock can be moved over HTTP.
    pub clock: bool,
}

/// The section `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// How a line is written.
    pub format: LogFormat,
    /// Whether requests are logged.
    pub requests: bool,
}

/// The setting `log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}
