//! Allowed addresses: the networks that a key may be used from.

use super::{Error, Result};
use core::net::IpAddr;
use ipnet::{IpNet, Ipv4Net};
use std::fmt;
use std::sync::Arc;

/// 1 to 64 IP networks. `Display` separates them with commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressList(Arc<[IpNet]>);

impl AddressList {
    /// Maximum number of networks in a list.
    pub const MAX: usize = 64;
    /// Prefix length of IPv4's largest private network, 10.0.0.0/8 (RFC 1918).
    const LARGEST_PRIVATE_V4: u8 = 8;
    /// Prefix length of IPv6's largest private network, fc00::/7 (RFC 4193).
    const LARGEST_PRIVATE_V6: u8 = 7;

    /// Parses addresses (`203.0.113.7`) and networks in CIDR notation (`10.0.0.0/8`, `2001:db8::/32`).
    ///
    /// # Errors
    /// [`Error::Invalid`] if the list is empty or too long, or an entry is neither.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let networks: Arc<[IpNet]> = texts.into_iter().map(network).collect::<Result<_>>()?;
        if (1..=Self::MAX).contains(&networks.len()) {
            return Ok(Self(networks));
        }
        Err(Error::Invalid(format!("A list of addresses must have 1 to {} entries.", Self::MAX)))
    }

    /// Whether one of the networks contains the address. IPv4-mapped IPv6 addresses count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The first network that is wider than any private network: no single organization owns so many
    /// addresses.
    pub fn wide_network(&self) -> Option<String> {
        let is_wide = |network: &&IpNet| match network {
            IpNet::V4(network) => network.prefix_len() < Self::LARGEST_PRIVATE_V4,
            IpNet::V6(network) => network.prefix_len() < Self::LARGEST_PRIVATE_V6,
        };
        self.0.iter().find(is_wide).map(IpNet::to_string)
    }

    /// The networks as text; a network of one address is written as the address.
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|network| {
            let is_one_address = network.prefix_len() == network.max_prefix_len();
            if is_one_address { network.addr().to_string() } else { network.to_string() }
        })
    }
}

impl fmt::Display for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().collect::<Vec<_>>().join(","))
    }
}

/// Parses one entry of an [`AddressList`].
fn network(text: &str) -> Result<IpNet> {
    let address = text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()));
    let network = address.or_else(|| text.parse::<IpNet>().ok().map(|network| canonical(network.trunc())));
    network.ok_or_else(|| {
        let sentence = "An address must be written like 203.0.113.7, 10.0.0.0/8 or 2001:db8::/32.";
        Error::Invalid(sentence.to_owned())
    })
}

/// Addresses are compared in canonical form, so a network of IPv4-mapped addresses becomes an IPv4 network.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let bits = mapped.prefix_len().checked_sub(96);
    let network_v4 = bits.zip(mapped.addr().to_ipv4_mapped()).and_then(|(bits, addr)| Ipv4Net::new(addr, bits).ok());
    network_v4.map_or(network, IpNet::V4)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv4_mapped_addresses_becomes_an_ipv4_network() {
        let list = AddressList::parse(["::ffff:10.0.0.0/104", "::/0"]).unwrap();
        assert_eq!(list.to_string(), "10.0.0.0/8,::/0");
        assert!(list.contains("10.1.2.3".parse().unwrap()) && list.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!list.contains("11.1.2.3".parse().unwrap()));
    }

    #[test]
    fn a_list_contains_the_addresses_of_its_networks() {
        let list = AddressList::parse(["203.0.113.7", "10.0.0.0/8", "2001:db8::/32"]).unwrap();
        for inside in ["203.0.113.7", "10.255.0.1", "2001:db8:1::1", "::ffff:10.1.2.3"] {
            assert!(list.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["203.0.113.8", "11.0.0.0", "2001:db9::1", "::1"] {
            assert!(!list.contains(outside.parse().unwrap()), "{outside}");
        }
        assert_eq!(AddressList::parse(["10.1.2.3/8"]).unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(list.to_string(), "203.0.113.7,10.0.0.0/8,2001:db8::/32");
        assert_eq!(AddressList::parse(list.to_string().split(',')).unwrap(), list);
    }

    #[test]
    fn anything_but_addresses_and_networks_is_refused() {
        for wrong in ["", " 10.0.0.1", "10.0.0.0/33", "localhost", "10.0.0", "fe80::1%eth0", "1.2.3.4:80"] {
            assert!(AddressList::parse([wrong]).is_err(), "{wrong}");
        }
        assert!(AddressList::parse([]).is_err());
        assert!(AddressList::parse(["10.0.0.1"; 65]).is_err());
    }
}
