//! When one value was last used.

use crate::domain::{Digest, KeyId, Timestamp};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// The last use of one of a key's values. Cheap to note: once a millisecond a write to memory, once a flush a lock.
#[derive(Debug)]
pub(super) struct LastUsed {
    pub(super) key: KeyId,
    pub(super) digest: Digest,
    /// Unix milliseconds; 0 where never used.
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
