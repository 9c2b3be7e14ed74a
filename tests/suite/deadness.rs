//! Dead means dead: no request that begins after the answer passes with a dead key.

use super::helpers::*;
use serde_json::json;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: usize = 1_000;
const USERS: usize = 3;

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
        // What overlaps a change may see either state.
        let is_same_round = self.round.load(Ordering::SeqCst) == before;
        if is_promised && is_same_round {
            assert_eq!(outcome, promised, "in round {before}");
        }
        is_promised && is_same_round
    }
}

/// Has users use the value without pause while the deeds are done, each of which says whether the value is good after
/// its answer. The last deed leaves it dead.
fn race(server: &Server, value: &str, deeds: impl IntoIterator<Item = impl FnOnce() -> bool>) {
    let (promise, is_over, held) = (Promise::default(), AtomicBool::new(false), AtomicU64::new(0));
    let everybody = Barrier::new(USERS + 1);
    std::thread::scope(|scope| {
        for _ in 0..USERS {
            scope.spawn(|| {
                let user = server.client_with(value);
                everybody.wait();
                while !is_over.load(Ordering::SeqCst) {
                    held.fetch_add(promise.hold_against(&user).into(), Ordering::Relaxed);
                }
                // The last word: a request that begins now is refused.
                assert!(!user.is_good());
            });
        }
        everybody.wait();
        promise.give(true);
        for deed in deeds {
            promise.lapse();
            promise.give(deed());
            // Lets at least one request fall entirely behind the answer.
            let seen = held.load(Ordering::Relaxed);
            eventually(Duration::from_secs(10), || held.load(Ordering::Relaxed) > seen);
        }
        is_over.store(true, Ordering::SeqCst);
    });
}

/// Does it, and says whether the value is good afterwards.
fn done(answer: &Answer, is_good: bool) -> bool {
    assert_eq!(answer.status, 200, "{}", answer.text);
    is_good
}

#[test]
fn no_request_that_begins_after_the_answer_passes_with_a_key_that_was_switched_off_or_revoked() {
    let server = Server::start();
    let admin = server.client();
    for _ in 0..ROUNDS / 25 {
        let (id, value) = admin.mint("a");
        let toggles = (0..24).map(|i| {
            let valid = i % 2 == 1;
            let admin = &admin;
            Box::new(move || done(&admin.set_valid(id, valid), valid)) as Box<dyn FnOnce() -> bool>
        });
        let revocation = Box::new(|| done(&admin.revoke(id), false)) as Box<dyn FnOnce() -> bool>;
        race(&server, &value, toggles.chain([revocation]));
    }
}

#[test]
fn no_request_that_begins_after_the_answer_passes_with_a_value_that_a_rotation_ended() {
    let server = Server::start();
    let admin = server.client();
    let post = |path: &str| admin.send("POST", path, &[("X-API-Key", admin.key())], b"");
    for round in 0..ROUNDS {
        let (id, value) = admin.mint("a");
        let path = format!("/v2/organization/api-keys/{id}/rotate");
        let grace = || admin.post(&path, json!({"gracePeriodInHours": 1})).data()["shadowValue"].take();
        match round % 3 {
            0 => race(&server, &value, [|| done(&admin.post(&path, json!({})), false)]),
            1 => {
                grace();
                race(&server, &value, [|| done(&post(&format!("{path}/complete")), false)]);
            }
            _ => {
                let shadow = grace();
                let shadow = shadow.as_str().expect("a value");
                race(&server, shadow, [|| done(&post(&format!("{path}/cancel")), false)]);
            }
        }
    }
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
