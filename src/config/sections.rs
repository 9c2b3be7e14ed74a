//! The sections of the settings.

use super::listen::{self, ListenAddresses};
use crate::domain::{self, AddressList};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The entry of `server.trusted_proxies` for all clients on Unix sockets.
pub(super) const UNIX_PEERS: &str = "unix:";

/// The section `[server]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// Addresses and ports, and Unix sockets.
    pub listen: ListenAddresses,
    /// The mode of Unix sockets, in octal digits.
    pub socket_mode: String,
    /// Worker threads; 0 for one per core.
    pub workers: usize,
    /// The most connections at once.
    pub max_connections: usize,
    /// The largest request body, in bytes.
    pub body_limit_bytes: usize,
    /// The time for a request body to arrive, in milliseconds.
    pub body_timeout_ms: u64,
    /// The time for a request head to arrive, in milliseconds.
    pub head_timeout_ms: u64,
    /// The time for a client to take any part of a response, in milliseconds.
    pub send_timeout_ms: u64,
    /// The time that an idle connection is kept open, in milliseconds.
    pub keep_alive_ms: u64,
    /// The time for requests to finish after a stop, in seconds.
    pub shutdown_timeout_s: u64,
    /// Proxies whose `X-Forwarded-For` is believed: addresses and networks.
    pub trusted_proxies: Vec<String>,
    /// What happens to unknown or duplicate fields and parameters of `/v2`.
    pub unknown_fields: UnknownFields,
}

/// The setting `server.unknown_fields`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownFields {
    /// The request is refused with 400.
    Refuse,
    /// They are ignored.
    Ignore,
}

impl ServerSettings {
    /// The mode of Unix sockets; `None` if the text is not octal.
    pub fn socket_mode(&self) -> Option<u32> {
        u32::from_str_radix(&self.socket_mode, 8).ok().filter(|mode| *mode <= 0o777)
    }

    /// The proxies whose `X-Forwarded-For` is believed, and whether clients on Unix sockets are among them.
    ///
    /// # Errors
    /// If an entry is wrong.
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
    /// The file with its private key; empty for none.
    pub key: PathBuf,
}

impl TlsSettings {
    /// Whether TLS is used.
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
    /// How long a change waits for another process, in milliseconds.
    pub busy_timeout_ms: u64,
    /// Connections that look up keys.
    pub readers: u32,
    /// The most writes that may wait.
    pub write_queue: usize,
    /// The most writes in one commit.
    pub write_batch: usize,
    /// The time between two checks for commits of other processes, in milliseconds.
    pub watch_interval_ms: u64,
}

/// The section `[console]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleSettings {
    /// Whether the console is served.
    pub enabled: bool,
}

/// The section `[cache]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheSettings {
    /// The most keys in the cache.
    pub capacity: usize,
}

/// The section `[forward_auth]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardAuthSettings {
    /// The headers that may hold a client's key; the first one present counts.
    pub credential_headers: Vec<String>,
}

/// The section `[brute_force]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BruteForceSettings {
    /// Invalid keys that a client IP address may send at once.
    pub burst: u32,
    /// Further invalid keys that it may send in a minute.
    pub per_minute: u32,
    /// The most client IP addresses that are tracked.
    pub addresses: usize,
    /// Whether loopback addresses are limited, too.
    pub loopback: bool,
}

/// The section `[changes]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangesSettings {
    /// Changes that an organization may make at once.
    pub burst: u32,
    /// Further changes that it may make in a minute; 0 for no limit.
    pub per_minute: u32,
}

/// The section `[audit]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// How long events are kept, in days; 0 for ever.
    pub retention_days: u32,
    /// The file with the Ed25519 key that signs the head; empty for none.
    pub signing_key: PathBuf,
}

/// The section `[usage]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageSettings {
    /// How long counts are kept, in days; 0 counts nothing.
    pub retention_days: u32,
}

/// The section `[backup]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSettings {
    /// The folder for backups; empty for none.
    pub folder: PathBuf,
    /// Hours between two backups.
    pub every_hours: u32,
    /// How many backups are kept.
    pub keep: usize,
}

/// The section `[keys]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysSettings {
    /// The prefix of organization keys.
    pub organization_prefix: String,
    /// The prefix of project keys.
    pub project_prefix: String,
}

/// The section `[setup]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetupSettings {
    /// The name of the first organization.
    pub organization: String,
    /// The name of the first key.
    pub key_name: String,
}

/// The section `[metrics]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsSettings {
    /// Where `/metrics` is served.
    pub listen: MetricsListen,
}

/// The setting `metrics.listen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum MetricsListen {
    /// Nowhere.
    Off,
    /// At this address. With port 0 the system chooses a free one.
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
    /// The format of a line.
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
    /// One JSON object per line.
    Json,
}
