//! Dead means dead: no request that begins after the answer passes with a dead key.

use super::helpers::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: usize = 1_000;
const USERS: usize = 3;

/// What is done to a key in one round, and whether it is good after the answer.
#[derive(Clone, Copy)]
enum Deed {
    Deactivate,
    Reactivate,
    Revoke,
}

/// What users know of the key: even rounds promise nothing (a change is on its way), odd ones that the last answer's
/// state holds. A request that lies within one odd round must agree with it.
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

    /// Uses the key once and holds the outcome against what was promised; says whether anything was.
    fn hold_against(&self, user: &Client) -> bool {
        let before = self.round.load(Ordering::SeqCst);
        let promised = self.is_good.load(Ordering::SeqCst);
        let outcome = user.is_good();
        let is_promised = before % 2 == 1;
        // A dead key must not pass even if it is brought back to life while the request is under way ... but that it
        // was brought back means that the round has changed, and nothing can be said.
        let is_same_round = self.round.load(Ordering::SeqCst) == before;
        if is_promised && is_same_round {
            assert_eq!(outcome, promised, "in round {before}");
        }
        is_promised && is_same_round
    }
}

#[test]
fn no_request_that_begins_after_the_answer_passes_with_a_dead_key() {
    let server = Server::start();
    let admin = server.client();
    let held = AtomicU64::new(0);
    let mut deeds = 0;
    while deeds < ROUNDS {
        let (id, value) = admin.mint("a");
        let promise = Promise::default();
        let is_over = AtomicBool::new(false);
        let everybody = Barrier::new(USERS + 1);
        std::thread::scope(|scope| {
            for _ in 0..USERS {
                scope.spawn(|| {
                    let user = server.client_with(&value);
                    everybody.wait();
                    while !is_over.load(Ordering::SeqCst) {
                        held.fetch_add(promise.hold_against(&user).into(), Ordering::Relaxed);
                    }
                    // The last word: the key is revoked, and a request that begins now is refused.
                    assert!(!user.is_good());
                });
            }
            everybody.wait();
            promise.give(true);
            for deed in
                (0..24).map(|i| if i % 2 == 0 { Deed::Deactivate } else { Deed::Reactivate }).chain([Deed::Revoke])
            {
                promise.lapse();
                let status = match deed {
                    Deed::Deactivate => admin.set_valid(id, false).status,
                    Deed::Reactivate => admin.set_valid(id, true).status,
                    Deed::Revoke => admin.revoke(id).status,
                };
                assert_eq!(status, 200);
                promise.give(matches!(deed, Deed::Reactivate));
                deeds += 1;
                // Lets at least one request fall entirely behind the answer.
                let seen = held.load(Ordering::Relaxed);
                eventually(Duration::from_secs(10), || held.load(Ordering::Relaxed) > seen);
            }
            is_over.store(true, Ordering::SeqCst);
        });
    }
    assert!(held.into_inner() >= ROUNDS as u64, "every round was looked at");
}

#[test]
fn a_revocation_by_another_process_is_seen_within_250_milliseconds() {
    let server = Server::start();
    let admin = server.client();
    let store = open_store(&server.store_path());
    let organization = admin.get(ORGANIZATION).data()["organization"]["id"].as_str().map(str::to_owned).expect("an id");
    let number = i64::from_str_radix(organization.strip_prefix("org_").expect("its form"), 16).expect("a number");
    let organization = keystead::domain::OrganizationId::new(number).expect("an id");
    for _ in 0..10 {
        let (id, value) = admin.mint("a");
        let user = server.client_with(&value);
        assert!(user.is_good());
        let scope = keystead::domain::Scope { organization, project: None };
        let id = keystead::domain::KeyId::new(id).expect("an id");
        let revoke = store.write(move |writes| {
            let key = writes.api_key(scope, id)?.expect("the key");
            writes.delete_api_key(&key)
        });
        wait(revoke).expect("a revocation");
        let answered = Instant::now();
        eventually(Duration::from_millis(250), || !user.is_good());
        let seen = answered.elapsed();
        assert!(seen < Duration::from_millis(250), "{seen:?}");
        assert!(!user.is_good());
    }
}

#[test]
fn a_key_that_another_process_mints_is_good_at_once() {
    let server = Server::start();
    let store = open_store(&server.store_path());
    for round in 0..20 {
        let (_, _, secret) = insert_organization(&store, &format!("Organization {round}"));
        assert!(server.client_with(secret.expose()).is_good());
        assert!(server.client_with(&server.client().mint("in between").1).is_good());
    }
}
