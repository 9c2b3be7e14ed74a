//! Revisions of cached keys: they tell whether a commit may have changed a key since it was cached.

use crate::domain::Digest;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a process may use cached data after its last check for other processes' commits. A command waits this long
/// before it reports that its change is in force. A server that is stopped meanwhile, or cannot check, then finds its
/// cached data too old.
///
/// The same for all processes, whatever their settings. A process that checks less often rereads keys more often.
pub const MAX_STALENESS: Duration = Duration::from_millis(200);

/// When data about a key was read, and the number of invalidations until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    count: u64,
    read_at: Duration,
}

/// Counts invalidations, to tell whether cached data is outdated.
///
/// Counted separately for 256 groups of digests: revoking one key does not invalidate all.
pub(super) struct Revisions {
    uptime: fn() -> Duration,
    /// When the last check for other processes' commits began, in nanoseconds of `uptime`.
    checked_at_ns: AtomicU64,
    counts: [AtomicU64; 256],
}

impl Revisions {
    pub(super) fn new(uptime: fn() -> Duration) -> Self {
        Self { uptime, checked_at_ns: AtomicU64::new(0), counts: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    pub(super) fn revision(&self, digest: &Digest) -> Revision {
        let read_at = (self.uptime)();
        Revision { count: self.count(digest), read_at }
    }

    pub(super) fn is_current(&self, digest: &Digest, revision: Revision) -> bool {
        // The time of the check is read before the count: everything that the check found is then in the count.
        let known_at = self.checked_at().max(revision.read_at);
        self.is_recent(known_at) && self.count(digest) == revision.count
    }

    /// Whether all commits of other processes older than [`MAX_STALENESS`] are known.
    pub(super) fn is_up_to_date(&self) -> bool {
        self.is_recent(self.checked_at())
    }

    /// Waits until no process uses cached data from before now.
    pub(super) async fn wait_for_other_processes(&self) {
        let end = (self.uptime)() + MAX_STALENESS;
        // The runtime's clock may differ from the one that the other processes measure by.
        while let Some(left) = end.checked_sub((self.uptime)()).filter(|left| !left.is_zero()) {
            tokio::time::sleep(left).await;
        }
    }

    /// Records a check for other processes' commits that began at this time. Invalidate what it found first.
    pub(super) fn checked(&self, began: Duration) {
        let ns = u64::try_from(began.as_nanos()).unwrap_or(u64::MAX);
        self.checked_at_ns.store(ns, Ordering::SeqCst);
    }

    fn checked_at(&self) -> Duration {
        Duration::from_nanos(self.checked_at_ns.load(Ordering::SeqCst))
    }

    fn is_recent(&self, at: Duration) -> bool {
        (self.uptime)().saturating_sub(at) < MAX_STALENESS
    }

    fn count(&self, digest: &Digest) -> u64 {
        self.counts[group(digest)].load(Ordering::SeqCst)
    }

    /// Invalidates cached data. Called by the writer after a commit and before its answer, and by the check for other
    /// processes' commits.
    pub(super) fn invalidate(&self, stale: Stale) {
        match stale {
            Stale::Key(digest) => _ = self.counts[group(&digest)].fetch_add(1, Ordering::SeqCst),
            Stale::AllKeys => self.counts.iter().for_each(|r| _ = r.fetch_add(1, Ordering::SeqCst)),
            // Cached keys remain valid.
            Stale::NegativeFilter => {}
        }
    }
}

fn group(digest: &Digest) -> usize {
    usize::from(digest.as_bytes()[0])
}

/// What to invalidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stale {
    /// One key.
    Key(Digest),
    /// All keys.
    AllKeys,
    /// The negative filter: there are new keys that are not added to it one by one.
    NegativeFilter,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        static UPTIME: Cell<Duration> = const { Cell::new(Duration::from_secs(1_000)) };
    }

    fn revisions() -> Revisions {
        let revisions = Revisions::new(|| UPTIME.get());
        revisions.checked(UPTIME.get());
        revisions
    }

    fn pass(time: Duration) {
        UPTIME.set(UPTIME.get() + time);
    }

    const INSTANT: Duration = Duration::from_nanos(1);

    #[test]
    fn cached_data_is_used_until_the_last_check_is_too_old() {
        let (revisions, digest) = (revisions(), Digest::from_bytes([7; 32]));
        let revision = revisions.revision(&digest);
        pass(MAX_STALENESS - INSTANT);
        assert!(revisions.is_current(&digest, revision));
        assert!(revisions.is_up_to_date());
        pass(INSTANT);
        assert!(!revisions.is_current(&digest, revision));
        assert!(!revisions.is_up_to_date());
        revisions.checked(UPTIME.get());
        assert!(revisions.is_current(&digest, revision), "nothing was committed meanwhile");
        assert!(revisions.is_up_to_date());
    }

    #[test]
    fn data_read_after_the_last_check_is_used_for_the_same_time() {
        let (revisions, digest) = (revisions(), Digest::from_bytes([7; 32]));
        pass(2 * MAX_STALENESS);
        let revision = revisions.revision(&digest);
        pass(MAX_STALENESS - INSTANT);
        assert!(revisions.is_current(&digest, revision));
        pass(INSTANT);
        assert!(!revisions.is_current(&digest, revision));
    }

    #[test]
    fn invalidated_data_is_not_used_however_recent_the_check_is() {
        for stale in [Stale::Key(Digest::from_bytes([7; 32])), Stale::AllKeys] {
            let (revisions, digest) = (revisions(), Digest::from_bytes([7; 32]));
            let revision = revisions.revision(&digest);
            revisions.invalidate(stale);
            revisions.checked(UPTIME.get());
            assert!(!revisions.is_current(&digest, revision));
            assert!(revisions.is_current(&digest, revisions.revision(&digest)));
        }
    }
}
