//! Brute-force protection: limits invalid keys per client address.
//!
//! Each address has a token bucket. Invalid keys are never counted per key, or a stranger could lock somebody's
//! key.

use super::token_buckets::TokenBuckets;
use crate::domain::{Error, Origin, Result};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Prefix length of an IPv6 client: one client has at least a /64 (RFC 6177).
const NETWORK_BITS: u32 = 64;

/// The limit of invalid keys per address.
#[derive(Clone, Copy, Debug)]
pub struct BruteForceLimit {
    /// Invalid keys at once.
    pub burst: u32,
    /// Invalid keys per minute after that.
    pub per_minute: u32,
    /// Maximum number of addresses in memory; others are forgotten.
    pub addresses: usize,
    /// Whether loopback addresses are limited too.
    pub counts_loopback: bool,
}

/// The token buckets of client addresses.
pub(super) struct BruteForceGuard {
    counts_loopback: bool,
    /// By address; all unreadable addresses share one bucket.
    buckets: TokenBuckets<Option<IpAddr>>,
}

impl BruteForceGuard {
    pub(super) fn new(limit: BruteForceLimit) -> Self {
        let buckets = TokenBuckets::new(limit.burst, limit.per_minute, limit.addresses);
        Self { counts_loopback: limit.counts_loopback, buckets }
    }

    /// Counts an invalid key. Requests over a Unix socket are not counted.
    ///
    /// # Errors
    /// [`Error::TooManyInvalidKeys`] if the bucket is empty.
    pub(super) fn count(&self, origin: &Origin, uptime: Duration) -> Result<()> {
        let address = origin.address.map(client).filter(|it| self.counts_loopback || !it.is_loopback());
        if address.is_none() && !origin.is_unreadable() {
            return Ok(());
        }
        self.buckets.take(&address, uptime).map_err(|retry_after_s| Error::TooManyInvalidKeys { retry_after_s })
    }
}

/// The client behind an address: an IPv4 address or an IPv6 /64 network.
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
            Err(Error::TooManyInvalidKeys { retry_after_s }) => Some(retry_after_s),
            Err(other) => unreachable!("{other}"),
        }
    }

    #[test]
    fn an_address_has_its_burst_and_then_the_rate_per_minute() {
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
    fn an_ipv6_network_is_one_client_and_ipv4_mapped_addresses_are_ipv4() {
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
    fn loopback_is_limited_only_if_configured() {
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
    fn the_number_of_remembered_addresses_is_bounded() {
        let guard = BruteForceGuard::new(LIMIT);
        for number in 0..100_000_u32 {
            let address = IpAddr::from(number.to_be_bytes());
            _ = guard.count(&Origin::new(Some(address), None, None), Duration::ZERO);
        }
        assert!(guard.buckets.remembered() <= LIMIT.addresses);
    }
}
