//! Buffer of last-used times: recorded in memory during requests, written to the store in the background.
//!
//! A time is on disk about a second later, so a crash may lose the last second's times. No other data is that
//! loose.

use super::Service;
use super::authentication::Identity;
use crate::domain::{ApiKey, Digest, KeyId, Result, Timestamp};
use crate::store::LastUse;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Times written per job, so that other writes can run in between.
const CHUNK: usize = 1000;

/// By key and by the first eight bytes of the used value's digest.
type Waiting = BTreeMap<(KeyId, i64), Arc<Identity>>;

/// Last-used times that are not on disk yet.
pub(super) struct LastUsedBuffer {
    capacity: usize,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    waiting: Waiting,
    /// The last flush, kept until the next one: a read that began before its commit still finds the times
    /// here.
    flushed: Waiting,
}

impl Pending {
    /// The pending times of a key, each with the value's digest.
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

    /// Records a use. It is dropped if as many keys are pending as the capacity allows, because the store
    /// accepts no writes.
    pub(super) fn record(&self, identity: &Arc<Identity>, now: Timestamp) {
        let last_used = &identity.last_used;
        if last_used.ms.load(Ordering::Relaxed) >= now.unix_ms() {
            return;
        }
        // Time before flag; take() does the reverse, so no use is lost between them.
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

    /// Adds pending times to keys that were read from the store.
    pub(super) fn overlay(&self, keys: &mut [ApiKey]) {
        let pending = self.lock();
        for key in keys {
            for (digest, at) in pending.of(key.id) {
                // A use of a replaced value counts for the current value.
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

    /// Puts back what the last [`LastUsedBuffer::take`] returned, up to the capacity. Writing a time twice is
    /// harmless.
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
    /// Writes pending last-used times.
    ///
    /// # Errors
    /// [`crate::domain::Error::Unavailable`]; the times are kept for the next attempt.
    pub(super) async fn flush_last_used(&self) -> Result<()> {
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
