//! What is known of commits that make outdated what is remembered about keys.

use crate::domain::Digest;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// For how long after its last look at other processes' commits a process believes what it remembers. A command waits as
/// long before it says that its change is in force: a server that is stopped meanwhile, or cannot look, then finds that what it
/// remembers is too old.
///
/// It is the same for all processes, whatever their settings. A process that looks less often reads keys anew more often.
pub const MAX_STALENESS: Duration = Duration::from_millis(200);

/// When something was read about a key, and the count of the commits that had made such things outdated by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    revision: u64,
    taken_at: Duration,
}

/// What is known of commits that take validity away, so that what is remembered about a key can be known to be outdated.
///
/// They are counted apart for 256 groups of digests: revoking one key does not make all others be read anew.
pub(super) struct Revisions {
    uptime: fn() -> Duration,
    /// When the last look at other processes' commits began, in nanoseconds of `uptime`.
    looked_at_ns: AtomicU64,
    revisions: [AtomicU64; 256],
}

impl Revisions {
    pub(super) fn new(uptime: fn() -> Duration) -> Self {
        Self { uptime, looked_at_ns: AtomicU64::new(0), revisions: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    pub(super) fn stamp(&self, digest: &Digest) -> Revision {
        let taken_at = (self.uptime)();
        Revision { revision: self.revision(digest), taken_at }
    }

    pub(super) fn is_current(&self, digest: &Digest, stamp: Revision) -> bool {
        // The time of the look before the count: whatever that look found is in the count then.
        let known_at = self.looked_at().max(stamp.taken_at);
        self.is_recent(known_at) && self.revision(digest) == stamp.revision
    }

    /// Whether all that other processes committed more than [`MAX_STALENESS`] ago is known.
    pub(super) fn is_up_to_date(&self) -> bool {
        self.is_recent(self.looked_at())
    }

    /// Waits until no process believes what it read before now.
    pub(super) async fn wait_for_other_processes(&self) {
        let end = (self.uptime)() + MAX_STALENESS;
        // The runtime's clock may be another one: what counts is what the others measure by.
        while let Some(left) = end.checked_sub((self.uptime)()).filter(|left| !left.is_zero()) {
            tokio::time::sleep(left).await;
        }
    }

    /// Takes note of a look at other processes' commits that began then. What it found must have been told before.
    pub(super) fn looked(&self, began: Duration) {
        let ns = u64::try_from(began.as_nanos()).unwrap_or(u64::MAX);
        self.looked_at_ns.store(ns, Ordering::SeqCst);
    }

    fn looked_at(&self) -> Duration {
        Duration::from_nanos(self.looked_at_ns.load(Ordering::SeqCst))
    }

    fn is_recent(&self, at: Duration) -> bool {
        (self.uptime)().saturating_sub(at) < MAX_STALENESS
    }

    fn revision(&self, digest: &Digest) -> u64 {
        self.revisions[group(digest)].load(Ordering::SeqCst)
    }

    /// Takes note that something does not hold any more. Whoever notices tells it here: the writer after a commit and before
    /// it answers, and a look at what other processes committed.
    pub(super) fn invalidate(&self, stale: Stale) {
        match stale {
            Stale::Key(digest) => _ = self.revisions[group(&digest)].fetch_add(1, Ordering::SeqCst),
            Stale::AllKeys => self.revisions.iter().for_each(|r| _ = r.fetch_add(1, Ordering::SeqCst)),
            // What is remembered about the keys that are there holds.
            Stale::NegativeFilter => {}
        }
    }
}

fn group(digest: &Digest) -> usize {
    usize::from(digest.as_bytes()[0])
}

/// What does not hold any more of what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stale {
    /// What is remembered about one key.
    Key(Digest),
    /// What is remembered about any key.
    AllKeys,
    /// That keys are not there: there are more now than are told of one by one.
    NegativeFilter,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        static UPTIME: Cell<Duration> = const { Cell::new(Duration::from_secs(1_000)) };
    }

    fn validity() -> Revisions {
        let validity = Revisions::new(|| UPTIME.get());
        validity.looked(UPTIME.get());
        validity
    }

    fn pass(time: Duration) {
        UPTIME.set(UPTIME.get() + time);
    }

    const INSTANT: Duration = Duration::from_nanos(1);

    #[test]
    fn what_was_read_is_believed_until_the_last_look_is_too_old() {
        let (validity, digest) = (validity(), Digest::from_bytes([7; 32]));
        let stamp = validity.stamp(&digest);
        pass(MAX_STALENESS - INSTANT);
        assert!(validity.is_current(&digest, stamp));
        assert!(validity.is_up_to_date());
        pass(INSTANT);
        assert!(!validity.is_current(&digest, stamp));
        assert!(!validity.is_up_to_date());
        validity.looked(UPTIME.get());
        assert!(validity.is_current(&digest, stamp), "nothing was committed meanwhile");
        assert!(validity.is_up_to_date());
    }

    #[test]
    fn what_was_read_after_the_last_look_is_believed_as_long() {
        let (validity, digest) = (validity(), Digest::from_bytes([7; 32]));
        pass(2 * MAX_STALENESS);
        let stamp = validity.stamp(&digest);
        pass(MAX_STALENESS - INSTANT);
        assert!(validity.is_current(&digest, stamp));
        pass(INSTANT);
        assert!(!validity.is_current(&digest, stamp));
    }

    #[test]
    fn what_a_commit_made_outdated_is_not_believed_however_recent_the_look_is() {
        for stale in [Stale::Key(Digest::from_bytes([7; 32])), Stale::AllKeys] {
            let (validity, digest) = (validity(), Digest::from_bytes([7; 32]));
            let stamp = validity.stamp(&digest);
            validity.invalidate(stale);
            validity.looked(UPTIME.get());
            assert!(!validity.is_current(&digest, stamp));
            assert!(validity.is_current(&digest, validity.stamp(&digest)));
        }
    }
}
