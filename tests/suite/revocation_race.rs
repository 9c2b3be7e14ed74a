//! Concurrent users of a key while it is deactivated, reactivated and revoked.

use super::helpers::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const USERS: usize = 3;

/// What users know about the key. In even rounds, nothing: a change is in progress. In odd rounds, the state of the
/// last response holds. A request that lies within one odd round must agree with it.
#[derive(Default)]
struct Promise {
    round: AtomicU64,
    is_good: AtomicBool,
}

impl Promise {
    fn lapse(&self) {
        self.round.fetch_add(1, Ordering::SeqCst);
    }

    fn give(&self, is_good: bool) {
        self.is_good.store(is_good, Ordering::SeqCst);
        self.round.fetch_add(1, Ordering::SeqCst);
    }

    /// Uses the key once and compares the outcome with the promise; returns whether there was one.
    fn hold_against(&self, is_let_in: impl Fn() -> bool) -> bool {
        let before = self.round.load(Ordering::SeqCst);
        let promised = self.is_good.load(Ordering::SeqCst);
        let outcome = is_let_in();
        let is_promised = before % 2 == 1;
        // A request that overlaps a change may see either state.
        let is_same_round = self.round.load(Ordering::SeqCst) == before;
        if is_promised && is_same_round {
            assert_eq!(outcome, promised, "in round {before}");
        }
        is_promised && is_same_round
    }
}

/// Users try to get in without pause while the changes are made. Each change returns whether the key is valid after its
/// response. The last change revokes it.
pub fn race<U: Fn() -> bool>(new_user: impl Fn() -> U + Sync, deeds: impl IntoIterator<Item = impl FnOnce() -> bool>) {
    let (promise, is_over, held) = (Promise::default(), AtomicBool::new(false), AtomicU64::new(0));
    let everybody = Barrier::new(USERS + 1);
    std::thread::scope(|scope| {
        for _ in 0..USERS {
            scope.spawn(|| {
                let is_let_in = new_user();
                everybody.wait();
                while !is_over.load(Ordering::SeqCst) {
                    held.fetch_add(promise.hold_against(&is_let_in).into(), Ordering::Relaxed);
                }
                // Finally, a request that starts now is refused.
                assert!(!is_let_in());
            });
        }
        let _over = Over(&is_over);
        everybody.wait();
        promise.give(true);
        for deed in deeds {
            promise.lapse();
            promise.give(deed());
            // Waits until at least one request started and ended after the response.
            let seen = held.load(Ordering::Relaxed);
            eventually(Duration::from_secs(10), || held.load(Ordering::Relaxed) > seen);
        }
    });
}

/// Creates keys; in 25 rounds each, deactivates, reactivates and finally revokes them, while users try to get in.
pub fn race_through<U: Fn() -> bool>(rounds: usize, admin: &Client, new_user: impl Fn(&str) -> U + Sync) {
    for _ in 0..rounds.div_ceil(25) {
        let (id, value) = admin.mint("a");
        let toggles = (0..24).map(|i| {
            let valid = i % 2 == 1;
            Box::new(move || done(&admin.set_valid(id, valid), valid)) as Box<dyn FnOnce() -> bool>
        });
        let revocation = Box::new(|| done(&admin.revoke(id), false)) as Box<dyn FnOnce() -> bool>;
        race(|| new_user(&value), toggles.chain([revocation]));
    }
}

/// Whether the value is valid after this response, which must be a success.
pub fn done(answer: &Answer, is_good: bool) -> bool {
    assert_eq!(answer.status, 200, "{}", answer.text);
    is_good
}
