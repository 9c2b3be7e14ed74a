//! The setting `server.listen`: the addresses that the server listens on.

use serde::Deserialize;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// The prefix of a Unix socket.
const UNIX: &str = "unix:";
/// The error of a wrong address, as a part of a sentence.
const EXPECTED_ADDRESS: &str = "neither an address and port such as 127.0.0.1:8080 or [::1]:8080 nor unix: and a path";

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and port. With port 0 the system chooses a free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Whether only clients on this machine can connect.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(UNIX) {
            Some("") => Err(EXPECTED_ADDRESS.to_owned()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => {
                text.parse().map(Self::Tcp).map_err(|_| advice(text).unwrap_or_else(|| EXPECTED_ADDRESS.to_owned()))
            }
        }
    }
}

/// The advice for a host name or a port alone, as a part of a sentence.
pub(super) fn advice(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port: u16 = port.parse().ok()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let what = match host {
        "" => "a port needs an address",
        host if host.chars().all(is_name) && host.contains(|c: char| c.is_ascii_alphabetic()) => {
            "host names are not supported"
        }
        _ => return None,
    };
    Some(format!("{what}; write 127.0.0.1:{port} for this machine only, or 0.0.0.0:{port} for all of its addresses"))
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// All addresses to listen on; at least one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMore")]
pub struct ListenAddresses(Vec<ListenAddress>);

/// The forms of the setting: a text, with commas as in the environment, or a list of texts.
#[derive(Deserialize)]
#[serde(untagged, expecting = "neither a text nor a list of texts")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl ListenAddresses {
    /// These addresses; `None` for none.
    pub fn new(places: Vec<ListenAddress>) -> Option<Self> {
        (!places.is_empty()).then_some(Self(places))
    }

    /// The first address, which commands use by default.
    pub fn first(&self) -> &ListenAddress {
        &self.0[0]
    }

    /// All addresses.
    pub fn all(&self) -> &[ListenAddress] {
        &self.0
    }
}

impl TryFrom<OneOrMore> for ListenAddresses {
    type Error = String;

    fn try_from(text: OneOrMore) -> Result<Self, Self::Error> {
        let texts: Vec<String> = match text {
            OneOrMore::One(text) => text.split(',').map(str::trim).map(str::to_owned).collect(),
            OneOrMore::More(texts) => texts,
        };
        let entry = |at: usize| if texts.len() > 1 { format!("entry {}: ", at + 1) } else { String::new() };
        let parse = |(at, text): (usize, &String)| text.parse().map_err(|why: String| entry(at) + &why);
        let places: Result<Vec<_>, String> = texts.iter().enumerate().map(parse).collect();
        Self::new(places?).ok_or_else(|| "a list without an address".to_owned())
    }
}
