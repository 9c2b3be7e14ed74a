//! A negative lookup filter: while many unknown keys come, it refuses most of them without a read of the file.
//!
//! A read that finds nothing costs about five times as much as a cached valid key, so guessing would slow down the
//! users of valid keys. The filter does not exist, and costs nothing, until [`MISSES`] unknown keys came within a
//! minute. Then a thread reads the prefixes of all digests into a [`Bloom`] filter, with four bytes a prefix. It
//! rebuilds the filter when there are twice as many prefixes; both exist for that moment. The filter is dropped after a
//! minute with fewer unknown keys, or at the next lookup after a longer pause.
//!
//! Invariants:
//! - No key is refused that this process created or gave another value: after the commit and before the answer, the
//!   writer adds its digest to the filter, and to a filter that is being filled.
//! - A filter is registered *before* the snapshot begins from which it is filled: a commit is in the snapshot, or is
//!   added.
//! - A commit of another process invalidates the filter, and one that is being filled, when the writer notices it
//!   (within the watch interval, and at each write). Until then, a key that another process has just created may be
//!   refused.
//! - Without a filter, all lookups read the file. No lookup waits for a filter.
//!
//! Digests that no longer belong to a key stay in the filter; they cost a read.

mod bloom;

use super::connect;
use crate::domain::{Digest, Result, Timestamp};
use bloom::Bloom;
use rusqlite::{Connection, OpenFlags};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Unknown keys in a minute from which a filter is worth its cost.
const MISSES: u64 = 1_000;
const MINUTE_MS: i64 = 60_000;
/// Reading this many prefixes costs at most as much as one lookup in the file. A filter that was invalidated is
/// refilled only after as many lookups as refilling costs.
const PREFIXES_A_LOOK: u64 = 64;
/// How many prefixes are read between two checks whether to stop.
const STEP: usize = 4096;

/// The negative filter, if there is one.
pub(super) struct NegativeFilter {
    path: PathBuf,
    busy_timeout: Duration,
    state: Mutex<FilterState>,
    is_closed: AtomicBool,
}

#[derive(Default)]
struct FilterState {
    filter: Option<Arc<Bloom>>,
    /// The next filter, unless other processes commit before it is filled.
    filling: Option<Arc<Bloom>>,
    thread: Option<JoinHandle<()>>,
    /// The number of prefixes when they were last counted.
    prefixes: u64,
    /// The beginning of the current minute.
    minute: Timestamp,
    /// Unknown keys in this minute, since the filter was last invalidated.
    misses: u64,
}

impl NegativeFilter {
    pub(super) fn new(path: PathBuf, busy_timeout: Duration) -> Self {
        Self { path, busy_timeout, state: Mutex::default(), is_closed: AtomicBool::new(false) }
    }

    /// Whether a key may have this digest, now or formerly; `false` is certain, and counts as a miss.
    pub(super) fn may_hold(self: &Arc<Self>, digest: &Digest, now: Timestamp) -> bool {
        let mut state = self.lock();
        state.enter(now);
        if state.filter.as_ref().is_none_or(|filter| filter.may_hold(digest.prefix())) {
            return true;
        }
        self.count_miss(&mut state);
        false
    }

    /// Counts a lookup in the file that found nothing.
    pub(super) fn record_miss(self: &Arc<Self>, now: Timestamp) {
        let mut state = self.lock();
        state.enter(now);
        self.count_miss(&mut state);
    }

    /// Adds the prefixes of committed digests.
    pub(super) fn add(&self, prefixes: impl Iterator<Item = i64>) {
        let filters = {
            let state = self.lock();
            [state.filter.clone(), state.filling.clone()]
        };
        // Added outside the lock. A filter that is registered from now on is filled from a state with this commit.
        for prefix in prefixes {
            filters.iter().flatten().for_each(|filter| filter.insert(prefix));
        }
    }

    /// Drops the filter: other processes have committed unknown changes.
    pub(super) fn invalidate(&self) {
        let mut state = self.lock();
        state.filter = None;
        state.filling = None;
        state.misses = 0;
    }

    /// Ends the thread that fills a filter. No other one is started.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        let thread = self.lock().thread.take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!("the thread that fills the negative filter ended in a panic");
        }
    }

    /// Counts an unknown key, and starts filling a filter if one is due.
    fn count_miss(self: &Arc<Self>, state: &mut FilterState) {
        state.misses += 1;
        let is_busy = state.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        if is_busy || !state.is_due() || self.is_closed.load(Ordering::SeqCst) {
            return;
        }
        let this = Arc::clone(self);
        let thread = std::thread::Builder::new().name("keystead-filter".to_owned()).spawn(move || {
            if let Err(error) = this.fill() {
                log::warn!("the negative filter could not be filled: {}", error.in_full());
                this.invalidate();
            }
        });
        match thread {
            Ok(thread) => state.thread = Some(thread),
            Err(error) => {
                log::warn!("the thread that fills the negative filter could not be started: {error}");
                state.misses = 0;
            }
        }
    }

    /// Fills a filter. Uses its own connection: the readers' connections are for waiting callers.
    fn fill(&self) -> Result<()> {
        let mut connection = connect::connect(&self.path, self.busy_timeout, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let filling = self.register(count(&connection)?);
        let snapshot = connection.transaction()?;
        let is_filled = each_prefix(&snapshot, |prefix| filling.insert(prefix), || self.is_wanted(&filling))?;
        if is_filled {
            self.publish(&filling);
        }
        Ok(())
    }

    /// Registers a filter: all later commits are added to it.
    fn register(&self, prefixes: u64) -> Arc<Bloom> {
        let filling = Arc::new(Bloom::for_twice(prefixes));
        let mut state = self.lock();
        state.prefixes = prefixes;
        state.filling = Some(Arc::clone(&filling));
        filling
    }

    /// Whether it was not invalidated while it was filled.
    fn is_wanted(&self, filling: &Arc<Bloom>) -> bool {
        !self.is_closed.load(Ordering::SeqCst) && self.lock().is_filling(filling)
    }

    fn publish(&self, filled: &Arc<Bloom>) {
        let mut state = self.lock();
        if state.is_filling(filled) {
            state.filter = state.filling.take();
        }
    }

    fn lock(&self) -> MutexGuard<'_, FilterState> {
        // Nothing can panic half-way while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FilterState {
    /// Begins a new minute if this one is over or the clock was set back; drops a filter that was of little use.
    fn enter(&mut self, now: Timestamp) {
        let elapsed_ms = now.unix_ms() - self.minute.unix_ms();
        if elapsed_ms.abs() < MINUTE_MS {
            return;
        }
        if self.misses < MISSES || elapsed_ms.abs() >= 2 * MINUTE_MS {
            self.filter = None;
        }
        self.minute = now;
        self.misses = 0;
    }

    fn is_due(&self) -> bool {
        match &self.filter {
            Some(filter) => filter.is_full(),
            None => self.misses >= MISSES.max(self.prefixes / PREFIXES_A_LOOK),
        }
    }

    fn is_filling(&self, filling: &Arc<Bloom>) -> bool {
        self.filling.as_ref().is_some_and(|it| Arc::ptr_eq(it, filling))
    }
}

/// The number of prefixes.
fn count(connection: &Connection) -> Result<u64> {
    let sql = "SELECT (SELECT count(*) FROM digest_index) \
               + (SELECT count(*) FROM api_keys WHERE id > (SELECT indexed_through FROM digest_index_state))";
    let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Calls `take` with each prefix, in the caller's transaction: those in the index's table, and those of newer keys.
/// Stops and returns `false` when `goes_on` returns `false`.
fn each_prefix(connection: &Connection, mut take: impl FnMut(i64), goes_on: impl Fn() -> bool) -> Result<bool> {
    let mut statement = connection.prepare(
        "SELECT prefix, NULL FROM digest_index UNION ALL \
         SELECT NULL, digest FROM api_keys WHERE id > (SELECT indexed_through FROM digest_index_state)",
    )?;
    let mut rows = statement.query([])?;
    for number in 1.. {
        let Some(row) = rows.next()? else { break };
        let prefix = match row.get(0)? {
            Some(prefix) => prefix,
            None => Digest::from_bytes(row.get(1)?).prefix(),
        };
        take(prefix);
        if number % STEP == 0 && !goes_on() {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn filter() -> Arc<NegativeFilter> {
        Arc::new(NegativeFilter::new(PathBuf::from("/nowhere/at/all"), Duration::ZERO))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_700_000_000_000 + 1000 * seconds).unwrap()
    }

    fn digest(number: u64) -> Digest {
        Digest::from_bytes(*blake3::hash(&number.to_be_bytes()).as_bytes())
    }

    /// An empty filter, in the minute that begins at 0.
    fn with_empty_filter() -> Arc<NegativeFilter> {
        let filter = filter();
        filter.lock().enter(at(0));
        let filling = filter.register(0);
        filter.publish(&filling);
        filter
    }

    #[test]
    fn without_a_filter_any_key_may_exist() {
        assert!(filter().may_hold(&digest(1), at(0)));
        assert!(!with_empty_filter().may_hold(&digest(1), at(0)));
    }

    #[test]
    fn commits_after_its_registration_are_in_the_filter() {
        let filter = filter();
        filter.lock().enter(at(0));
        let filling = filter.register(0);
        filter.add([digest(1).prefix()].into_iter());
        filter.publish(&filling);
        filter.add([digest(2).prefix()].into_iter());
        let again = filter.register(0);
        filter.add([digest(3).prefix()].into_iter());
        assert!(filter.may_hold(&digest(3), at(0)), "the old filter counts until there is the new one");
        assert_eq!([1, 2, 4].map(|it| filter.may_hold(&digest(it), at(0))), [true, true, false]);
        filter.publish(&again);
        assert_eq!([1, 2, 3].map(|it| filter.may_hold(&digest(it), at(0))), [false, false, true]);
    }

    #[test]
    fn invalidation_drops_the_filter_and_one_that_is_being_filled() {
        let filter = with_empty_filter();
        let filling = filter.register(0);
        assert!(filter.is_wanted(&filling));
        filter.invalidate();
        assert!(filter.may_hold(&digest(1), at(0)));
        assert!(!filter.is_wanted(&filling));
        filter.publish(&filling);
        assert!(filter.may_hold(&digest(1), at(0)));
    }

    #[test]
    fn a_filter_is_dropped_after_a_minute_with_few_misses() {
        let filter = with_empty_filter();
        let miss = |count: u64, second| (0..count).all(|number| !filter.may_hold(&digest(number), at(second)));
        assert!(miss(MISSES, 0), "the first minute");
        assert!(miss(MISSES, 59), "still");
        assert!(miss(MISSES, 60), "the second, after many misses in the first");
        assert!(miss(MISSES - 1, 120), "the third, with too few");
        assert!(!miss(1, 180));
    }

    #[test]
    fn a_filter_is_dropped_after_a_long_pause_or_a_clock_set_far_back() {
        for second in [120, -120] {
            let filter = with_empty_filter();
            assert!((0..MISSES).all(|number| !filter.may_hold(&digest(number), at(0))));
            assert!(filter.may_hold(&digest(1), at(second)), "{second}");
        }
    }

    #[test]
    fn a_filter_is_due_after_enough_misses_in_a_minute_or_when_it_is_full() {
        let mut state = FilterState { minute: at(0), misses: MISSES - 1, ..FilterState::default() };
        assert!(!state.is_due());
        state.misses += 1;
        assert!(state.is_due());
        state.enter(at(60));
        assert!(!state.is_due(), "another minute");
        state = FilterState { misses: MISSES, prefixes: 1_000_000, ..FilterState::default() };
        assert!(!state.is_due(), "to read a million prefixes costs more than a thousand looks");
        state.misses = 1_000_000 / PREFIXES_A_LOOK;
        assert!(state.is_due());
        let filter = Arc::new(Bloom::for_twice(0));
        state.filter = Some(Arc::clone(&filter));
        assert!(!state.is_due(), "there is one");
        (0..65_537).for_each(|prefix| filter.insert(prefix));
        assert!(state.is_due(), "it is full");
    }

    #[test]
    fn an_unreadable_file_does_no_harm() {
        let filter = filter();
        (0..MISSES).for_each(|_| filter.record_miss(at(0)));
        filter.close();
        assert_eq!(filter.lock().misses, 0, "it was tried");
        assert!(filter.may_hold(&digest(1), at(0)));
    }
}
