//! Limit of changes per organization, since each change adds an audit event permanently. Exports of the audit
//! log add none, but count too.
//!
//! Changes that end a key's validity are never refused: a leaked key can be revoked at once, even during a
//! runaway job of the same organization. Rotations have their own bucket for the same reason.

use super::Service;
use super::authority::Authority;
use super::token_buckets::TokenBuckets;
use crate::domain::{Error, OrganizationId, Result};
use std::time::Duration;

/// Maximum number of organizations in memory.
const REMEMBERED: usize = 16_384;

/// The limit of an organization's changes through the API.
#[derive(Clone, Copy, Debug)]
pub struct ChangeLimit {
    /// Changes at once.
    pub burst: u32,
    /// Changes per minute after that; 0 for unlimited.
    pub per_minute: u32,
}

/// Kinds of changes with separate buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ChangeKind {
    /// A rotation, which may end a leaked value.
    Rotation,
    /// Any other limited change.
    Other,
}

/// The token buckets of organizations; `None` if changes are not limited.
pub(super) struct ChangeLimiter(Option<TokenBuckets<(OrganizationId, ChangeKind)>>);

impl ChangeLimiter {
    pub(super) fn new(limit: ChangeLimit) -> Self {
        let is_limited = limit.per_minute > 0;
        Self(is_limited.then(|| TokenBuckets::new(limit.burst, limit.per_minute, REMEMBERED)))
    }

    pub(super) fn count(&self, organization: OrganizationId, kind: ChangeKind, uptime: Duration) -> Result<()> {
        let Some(buckets) = &self.0 else { return Ok(()) };
        buckets.take(&(organization, kind), uptime).map_err(|retry_after_s| Error::TooManyChanges { retry_after_s })
    }
}

impl Service {
    /// Counts a change before it is queued. The operator is not limited.
    ///
    /// # Errors
    /// [`Error::TooManyChanges`].
    pub(super) fn count_change<P>(&self, authority: &Authority<P>, kind: ChangeKind) -> Result<()> {
        authority.uptime().map_or(Ok(()), |uptime| self.change_limiter.count(authority.organization(), kind, uptime))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn organizations_and_kinds_have_separate_buckets() {
        let limiter = ChangeLimiter::new(ChangeLimit { burst: 2, per_minute: 60 });
        let [one, other] = [1, 2].map(|seed| OrganizationId::from_random([seed; 8]));
        let count = |organization, kind, ms| match limiter.count(organization, kind, Duration::from_millis(ms)) {
            Ok(()) => None,
            Err(Error::TooManyChanges { retry_after_s }) => Some(retry_after_s),
            Err(error) => unreachable!("{error}"),
        };
        assert_eq!([0, 0, 0].map(|ms| count(one, ChangeKind::Other, ms)), [None, None, Some(1)]);
        assert_eq!([0, 0, 0].map(|ms| count(one, ChangeKind::Rotation, ms)), [None, None, Some(1)]);
        assert_eq!(count(other, ChangeKind::Other, 0), None);
        assert_eq!([1_000; 2].map(|ms| count(one, ChangeKind::Other, ms)), [None, Some(1)]);
    }

    #[test]
    fn a_limit_above_one_change_per_millisecond_is_exact_and_0_means_unlimited() {
        let organization = OrganizationId::from_random([1; 8]);
        let passing = |limit, ms| {
            let limiter = ChangeLimiter::new(limit);
            let passes = |ms| limiter.count(organization, ChangeKind::Other, Duration::from_millis(ms)).is_ok();
            let count = |ms| (0..10_000).filter(|_| passes(ms)).count();
            (count(0), count(ms))
        };
        assert_eq!(passing(ChangeLimit { burst: 5_000, per_minute: 240_000 }, 1_000), (5_000, 4_000));
        assert_eq!(passing(ChangeLimit { burst: 1, per_minute: 0 }, 0), (10_000, 10_000));
    }
}
