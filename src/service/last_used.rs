//! The last-used time of one value of a key, in memory.

use crate::domain::{Digest, KeyId, Timestamp};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Recording costs at most one memory write per millisecond, and one lock per flush.
#[derive(Debug)]
pub(super) struct LastUsed {
    pub(super) key: KeyId,
    pub(super) digest: Digest,
    /// Unix milliseconds; 0 if never used.
    pub(super) ms: AtomicI64,
    /// Whether the next flush will write it.
    pub(super) is_waiting: AtomicBool,
}

impl LastUsed {
    pub(super) fn new(key: KeyId, digest: Digest, last_used: Option<Timestamp>) -> Self {
        let ms = last_used.map_or(0, Timestamp::unix_ms);
        Self { key, digest, ms: AtomicI64::new(ms), is_waiting: AtomicBool::new(false) }
    }

    pub(super) fn get(&self) -> Option<Timestamp> {
        Timestamp::from_unix_ms(self.ms.load(Ordering::SeqCst)).filter(|at| at.unix_ms() > 0)
    }
}
