//! Wrong keys, counted by where they come from: nobody tries many, and nobody locks anybody else's key by trying.
//!
//! A token bucket an address. Never by key: a stranger could then lock it.

use super::token_buckets::TokenBuckets;
use crate::domain::{Error, Origin, Result};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// The part of an IPv6 address that one client has at the least: a /64 (RFC 6177).
const NETWORK_BITS: u32 = 64;

/// How many wrong keys an address may send.
#[derive(Clone, Copy, Debug)]
pub struct BruteForceLimit {
    /// At once.
    pub burst: u32,
    /// In a minute, beyond that.
    pub per_minute: u32,
    /// Addresses that are remembered; what is known of others is forgotten.
    pub addresses: usize,
    /// Whether loopback addresses count, too.
    pub counts_loopback: bool,
}

/// What addresses have tried.
pub(super) struct BruteForceGuard {
    counts_loopback: bool,
    /// By address; those whose address cannot be read share one.
    buckets: TokenBuckets<Option<IpAddr>>,
}

impl BruteForceGuard {
    pub(super) fn new(limit: BruteForceLimit) -> Self {
        let buckets = TokenBuckets::new(limit.burst, limit.per_minute, limit.addresses);
        Self { counts_loopback: limit.counts_loopback, buckets }
    }

    /// Takes note of a wrong key. One that came over a Unix socket is not counted.
    ///
    /// # Errors
    /// [`Error::TooManyWrongKeys`] where the address has no more tokens.
    pub(super) fn count(&self, origin: &Origin, uptime: Duration) -> Result<()> {
        let address = origin.address.map(client).filter(|it| self.counts_loopback || !it.is_loopback());
        if address.is_none() && !origin.is_unreadable() {
            return Ok(());
        }
        self.buckets.take(&address, uptime).map_err(|retry_after_s| Error::TooManyWrongKeys { retry_after_s })
    }
}

/// What stands for one client: an IPv4 address, or an IPv6 network.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << NETWORK_BITS)).into()
        }
        address => address,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LIMIT: BruteForceLimit = BruteForceLimit { burst: 3, per_minute: 6, addresses: 100, counts_loopback: false };

    fn failed(guard: &BruteForceGuard, address: &str, ms: u64) -> Option<u64> {
        let origin = Origin::new(Some(address.parse().unwrap()), None, None);
        match guard.count(&origin, Duration::from_millis(ms)) {
            Ok(()) => None,
            Err(Error::TooManyWrongKeys { retry_after_s }) => Some(retry_after_s),
            Err(other) => unreachable!("{other}"),
        }
    }

    #[test]
    fn an_address_has_its_burst_and_then_one_at_a_time() {
        let guard = BruteForceGuard::new(LIMIT);
        assert_eq!([0, 0, 0].map(|ms| failed(&guard, "203.0.113.7", ms)), [None; 3]);
        assert_eq!(failed(&guard, "203.0.113.7", 0), Some(10));
        assert_eq!(failed(&guard, "203.0.113.7", 9_999), Some(1));
        assert_eq!(failed(&guard, "203.0.113.7", 10_000), None);
        assert_eq!(failed(&guard, "203.0.113.7", 10_000), Some(10));
        assert_eq!([60_000; 3].map(|ms| failed(&guard, "203.0.113.7", ms)), [None; 3], "full again");
        assert_eq!(failed(&guard, "203.0.113.8", 0), None, "another address");
    }

    #[test]
    fn an_ipv6_network_is_one_client_and_so_is_an_address_in_either_spelling() {
        let guard = BruteForceGuard::new(LIMIT);
        for address in ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::1"] {
            assert_eq!(failed(&guard, address, 0), None);
        }
        assert_eq!(failed(&guard, "2001:db8::3", 0), Some(10));
        assert_eq!(failed(&guard, "2001:db8:0:1::3", 0), None);
        assert_eq!(["203.0.113.7"; 3].map(|it| failed(&guard, it, 0)), [None; 3]);
        assert_eq!(failed(&guard, "::ffff:203.0.113.7", 0), Some(10));
    }

    #[test]
    fn loopback_does_not_count_unless_it_is_told_to() {
        for address in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            let (lenient, strict) =
                (BruteForceGuard::new(LIMIT), BruteForceGuard::new(BruteForceLimit { counts_loopback: true, ..LIMIT }));
            for _ in 0..4 {
                assert_eq!(failed(&lenient, address, 0), None);
            }
            assert_eq!([0, 0, 0].map(|ms| failed(&strict, address, ms)), [None; 3]);
            assert_eq!(failed(&strict, address, 0), Some(10));
        }
    }

    #[test]
    fn memory_is_bounded_however_many_addresses_there_are() {
        let guard = BruteForceGuard::new(LIMIT);
        for number in 0..100_000_u32 {
            let address = IpAddr::from(number.to_be_bytes());
            _ = guard.count(&Origin::new(Some(address), None, None), Duration::ZERO);
        }
        assert!(guard.buckets.remembered() <= LIMIT.addresses);
    }
}
