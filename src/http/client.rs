//! The client's IP address, directly or through trusted proxies.

use super::App;
use crate::domain::Origin;
use actix_web::HttpRequest;
use actix_web::http::header::X_FORWARDED_FOR;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The client of a request.
pub(super) struct Client {
    /// `None` for a Unix-socket client, and if a trusted proxy sent an unreadable address.
    pub(super) address: Option<IpAddr>,
    is_unreadable: bool,
}

impl Client {
    /// The client's IP address: the peer's, or the one that a trusted proxy reports. Of several in
    /// `X-Forwarded-For`, the last one that is not a trusted proxy counts, since clients can forge all before
    /// it. If a counted entry is not an IP address, the client is unknown: it must not pass for the proxy.
    pub(super) fn of(app: &App, request: &HttpRequest) -> Self {
        let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
        let is_proxy = |address| app.trusted_proxies.as_ref().is_some_and(|trusted| trusted.contains(address));
        let mut client = Self { address: peer, is_unreadable: false };
        if !peer.map_or(app.trusts_unix_peers, is_proxy) {
            return client;
        }
        let lines: Vec<&[u8]> = request.headers().get_all(X_FORWARDED_FOR).map(|line| line.as_bytes()).collect();
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            let Some(entry) = parse(entry) else {
                app.unreadable_client.call_once(|| {
                    log::warn!(
                        "a trusted proxy sent an X-Forwarded-For entry that is not an IP address; such clients count as one client \
                         with an unknown address, and keys with allowed addresses are refused to them. This is logged once"
                    );
                });
                return Self { address: None, is_unreadable: true };
            };
            client.address = Some(entry);
            if !is_proxy(entry) {
                break;
            }
        }
        client
    }

    /// The origin of the client's request, for events and limits.
    pub(super) fn origin(&self, user_agent: Option<&str>, request_id: Option<&str>) -> Origin {
        let origin = Origin::new(self.address, user_agent, request_id);
        if self.is_unreadable { origin.from_unreadable_address() } else { origin }
    }
}

/// Parses an address as proxies write it: alone, with a port, in brackets, with a zone, in quotes (RFC 7239,
/// section 6; Azure, IIS and HAProxy also write ports into `X-Forwarded-For`).
fn parse(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let address = if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(())?;
        parse_v6(address)?.into()
    } else if let Some(address) = parse_v6(text) {
        address.into()
    } else {
        let address = text.split_once(':').map_or(Some(text), |(address, port)| is_port(port).then_some(address))?;
        address.parse::<Ipv4Addr>().ok()?.into()
    };
    Some(IpAddr::to_canonical(&address))
}

/// Drops the zone, which has a meaning on one machine only (RFC 4007).
fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    let is_zone = |zone: &str| !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_graphic());
    let address = text.split_once('%').map_or(Some(text), |(address, zone)| is_zone(zone).then_some(address))?;
    address.parse().ok()
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_in_all_forms_that_proxies_write() {
        for (entry, address) in [
            ("198.51.100.1", "198.51.100.1"),
            (" 198.51.100.1\t", "198.51.100.1"),
            ("198.51.100.1:51234", "198.51.100.1"),
            ("\"198.51.100.1\"", "198.51.100.1"),
            ("\"198.51.100.1:80\"", "198.51.100.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("\"[2001:db8::1]:443\"", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:1", "fe80::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
            ("[::ffff:198.51.100.1]:7", "198.51.100.1"),
        ] {
            assert_eq!(parse(entry.as_bytes()), address.parse().ok(), "{entry}");
        }
    }

    #[test]
    fn anything_else_is_not_an_address() {
        for entry in [
            "",
            " ",
            "\"",
            "\"\"",
            "unknown",
            "_hidden",
            "localhost",
            "198.51.100",
            "198.51.100.1:",
            "198.51.100.1:65536",
            "198.51.100.1:+1",
            "198.51.100.1:80:80",
            "198.51.100.1%eth0",
            "198.51.100.1/32",
            "198.51.100.01",
            "[198.51.100.1]",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]443",
            "[2001:db8::1]:",
            "[2001:db8::1]:x",
            "fe80::1%",
            "[]",
            "::1::",
            "for=198.51.100.1",
            "198.51.100.1 198.51.100.2",
            "\u{661}98.51.100.1",
        ] {
            assert_eq!(parse(entry.as_bytes()), None, "{entry:?}");
        }
        assert_eq!(parse(b"198.51.100.1\xff"), None);
    }
}
