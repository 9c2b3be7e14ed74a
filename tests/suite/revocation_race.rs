//! Concurrent users of a key while it is deactivated, reactivated and revoked.

use super::helpers::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const USERS: usize = 3;

/// What users know about the key. In even rounds, nothing: a change is in progress. In odd rounds, the state of the
/// last response holds. A request that lies within one odd round must agree with it.
#[derive(Default)]
struct Expectation {
    round: AtomicU64,
    is_good: AtomicBool,
}

impl Expectation {
    fn begin_change(&self) {
        self.round.fetch_add(1, Ordering::SeqCst);
    }

    fn end_change(&self, is_good: bool) {
        self.is_good.store(is_good, Ordering::SeqCst);
        self.round.fetch_add(1, Ordering::SeqCst);
    }

    /// Uses the key once and compares the outcome with the expectation; returns whether there was one.
    fn check(&self, is_let_in: impl Fn() -> bool) -> bool {
        let before = self.round.load(Ordering::SeqCst);
        let expected = self.is_good.load(Ordering::SeqCst);
        let outcome = is_let_in();
        let is_known = before % 2 == 1;
        // A request that overlaps a change may see either state.
        let is_same_round = self.round.load(Ordering::SeqCst) == before;
        if is_known && is_same_round {
            assert_eq!(outcome, expected, "in round {before}");
        }
        is_known && is_same_round
    }
}

/// Users try to get in without pause while the changes are made. Each change returns whether the key is valid after its
/// response. The last change revokes it.
pub fn race<U: Fn() -> bool>(
    new_user: impl Fn() -> U + Sync,
    changes: impl IntoIterator<Item = impl FnOnce() -> bool>,
) {
    let (expectation, is_over, held) = (Expectation::default(), AtomicBool::new(false), AtomicU64::new(0));
    let start = Barrier::new(USERS + 1);
    std::thread::scope(|scope| {
        for _ in 0..USERS {
            scope.spawn(|| {
                let is_let_in = new_user();
                start.wait();
                while !is_over.load(Ordering::SeqCst) {
                    held.fetch_add(expectation.check(&is_let_in).into(), Ordering::Relaxed);
                }
                // Finally, a request that starts now is refused.
                assert!(!is_let_in());
            });
        }
        let _over = Over(&is_over);
        start.wait();
        expectation.end_change(true);
        for change in changes {
            expectation.begin_change();
            expectation.end_change(change());
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
            Box::new(move || is_valid_after(&admin.set_valid(id, valid), valid)) as Box<dyn FnOnce() -> bool>
        });
        let revocation = Box::new(|| is_valid_after(&admin.revoke(id), false)) as Box<dyn FnOnce() -> bool>;
        race(|| new_user(&value), toggles.chain([revocation]));
    }
}

/// Whether the value is valid after this response, which must be a success.
pub fn is_valid_after(answer: &Answer, is_good: bool) -> bool {
    assert_eq!(answer.status, 200, "{}", answer.text);
    is_good
}
