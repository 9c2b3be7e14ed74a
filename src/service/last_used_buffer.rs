//! When keys were last used: noted in memory as requests come, written behind their back.
//!
//! A use is on disk about a second later, so a power failure may take the last second's times with it. Nothing else is
//! that loose.

use super::Service;
use super::authentication::Identity;
use crate::domain::{ApiKey, Digest, KeyId, Result, Timestamp};
use crate::store::LastUse;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many times are written by one job, so that others get in between.
const CHUNK: usize = 1000;

/// By key, and by the beginning of the digest of the value that was used.
type Waiting = BTreeMap<(KeyId, i64), Arc<Identity>>;

/// The uses that are not on disk yet.
pub(super) struct LastUsedBuffer {
    capacity: usize,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    waiting: Waiting,
    /// What the last flush took. Kept until the next, so that a read that began before it was committed finds it here.
    flushed: Waiting,
}

impl Pending {
    /// The uses of a key: the value's digest and the time.
    fn of(&self, key: KeyId) -> impl Iterator<Item = (Digest, Timestamp)> {
        let of = move |uses: &Waiting| {
            let uses = uses.range((key, i64::MIN)..=(key, i64::MAX));
            let uses = uses.filter_map(|(_, identity)| Some((identity.last_used.digest, identity.last_used.get()?)));
            uses.collect::<Vec<_>>()
        };
        of(&self.waiting).into_iter().chain(of(&self.flushed))
    }
}

impl LastUsedBuffer {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, pending: Mutex::default() }
    }

    /// Notes a use. Where more keys wait than the capacity (the store has not taken any for a while), it is let go.
    pub(super) fn record(&self, identity: &Arc<Identity>, now: Timestamp) {
        let last_used = &identity.last_used;
        if last_used.ms.load(Ordering::Relaxed) >= now.unix_ms() {
            return;
        }
        // Time first, flag second; take() goes the other way about, so no use falls between the two.
        last_used.ms.fetch_max(now.unix_ms(), Ordering::SeqCst);
        if last_used.is_waiting.swap(true, Ordering::SeqCst) {
            return;
        }
        let mut pending = self.lock();
        if pending.waiting.len() < self.capacity {
            pending.waiting.insert((last_used.key, last_used.digest.prefix()), Arc::clone(identity));
        } else {
            last_used.is_waiting.store(false, Ordering::SeqCst);
        }
    }

    /// Puts the newest uses over what was read from the store.
    pub(super) fn overlay(&self, keys: &mut [ApiKey]) {
        let pending = self.lock();
        for key in keys {
            for (digest, at) in pending.of(key.id) {
                // The use of a value that is gone counts as one of the value that is there.
                match &mut key.shadow {
                    Some(shadow) if shadow.fingerprint.digest == digest => {
                        shadow.last_used = shadow.last_used.max(Some(at))
                    }
                    _ => key.value_last_used = key.value_last_used.max(Some(at)),
                }
            }
        }
    }

    fn take(&self) -> Vec<LastUse> {
        let mut pending = self.lock();
        pending.flushed = std::mem::take(&mut pending.waiting);
        let mut uses = Vec::with_capacity(pending.flushed.len());
        for identity in pending.flushed.values() {
            identity.last_used.is_waiting.store(false, Ordering::SeqCst);
            uses.extend(identity.last_used.get().map(|at| (identity.last_used.key, identity.last_used.digest, at)));
        }
        uses
    }

    /// Takes back what the last [`LastUsedBuffer::take`] gave away, as far as there is room. What was written is then written again,
    /// which changes nothing.
    pub(super) fn give_back(&self) {
        let mut pending = self.lock();
        for (key, identity) in std::mem::take(&mut pending.flushed) {
            if pending.waiting.len() >= self.capacity && !pending.waiting.contains_key(&key) {
                continue;
            }
            identity.last_used.is_waiting.store(true, Ordering::SeqCst);
            pending.waiting.entry(key).or_insert(identity);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Writes the last-used times that are not on disk yet.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`]; the times are kept for the next attempt.
    pub async fn flush_last_used(&self) -> Result<()> {
        let uses = self.last_used_buffer.take();
        for chunk in uses.chunks(CHUNK) {
            let chunk = chunk.to_vec();
            let written = self.store.write(move |writes| writes.record_last_used(&chunk)).await;
            if written.is_err() {
                self.last_used_buffer.give_back();
                return written;
            }
        }
        Ok(())
    }
}
