//! A withdrawn permission and a lowered role are in force at once: no question that begins after the response passes.

use super::helpers::*;
use super::revocation_race::{is_valid_after, race};
use serde_json::{Value, json};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

const ROUNDS: usize = 1_000;
/// Changes per key.
const CHANGES: usize = 25;
const V2_KEYS: &str = "/v2/organization/api-keys";
/// Many changes, without a limit per minute.
const UNLIMITED: &[(&str, &str)] = &[("KEYSTEAD_CHANGES_PER_MINUTE", "0")];

/// A way to ask: whether the answer lets the key in.
type Question<'a> = Box<dyn Fn() -> bool + 'a>;

/// A user that asks in each of these ways in turn. Each user begins with another one.
fn in_turn<'a>(questions: Vec<Question<'a>>) -> impl Fn() -> bool + 'a {
    static USERS: AtomicUsize = AtomicUsize::new(0);
    let next = Cell::new(USERS.fetch_add(1, Ordering::Relaxed));
    move || questions[next.replace(next.get() + 1) % questions.len()]()
}

/// Whether the verification says that the key is valid; the only other answer is that it lacks a permission.
#[track_caller]
fn is_valid(result: &Value) -> bool {
    match result["code"].as_str() {
        Some("VALID") => true,
        Some("INSUFFICIENT_PERMISSIONS") => false,
        _ => panic!("{result}"),
    }
}

/// All ways to ask whether the key has the permission `invoices:read`.
fn questions_about_permission<'a>(server: &Server, value: &str) -> Vec<Question<'a>> {
    let digest = blake3::hash(value.as_bytes()).to_hex().to_string();
    let by_value = json!({"value": value, "permissions": ["invoices:read"]});
    let by_digest = json!({"digest": digest, "permissions": ["invoices:read"]});
    let batch = json!({"keys": [{"value": value}, by_digest, by_value]});
    let verify = |question: Value| {
        let asker = server.client();
        Box::new(move || is_valid(&asker.post("/v2/verify", question.clone()).data())) as Question<'a>
    };
    let batch = {
        let asker = server.client();
        move || {
            let results = asker.post("/v2/verify/batch", batch.clone()).data()["results"].take();
            assert!(is_valid(&results[0]), "nothing is asked for: {results}");
            // Each of them is judged by itself: a change may come between them.
            is_valid(&results[1]) || is_valid(&results[2])
        }
    };
    let gate = |path: &'static str| {
        let user = server.client_with(value);
        Box::new(move || passes(&user.send("GET", path, &[("X-API-Key", user.key())], b""))) as Question<'a>
    };
    vec![
        verify(by_value),
        gate("/auth/nginx?permission=invoices:read"),
        verify(by_digest),
        gate("/auth/forward?permission=invoices%3Aread&permission=invoices:read"),
        Box::new(batch),
    ]
}

#[track_caller]
fn passes(answer: &Answer) -> bool {
    match answer.status {
        200..=299 => true,
        403 => false,
        other => panic!("neither passed nor refused: {other}: {}", answer.text),
    }
}

#[test]
fn no_question_after_the_response_passes_with_a_withdrawn_permission() {
    let server = Server::start_with(UNLIMITED);
    let admin = server.client();
    // In turn, the permission is granted and withdrawn in these ways.
    let granting = [json!(["invoices:read"]), json!(["orders:*", "invoices:*"]), json!(["*"])];
    let withdrawing =
        [json!([]), json!(null), json!(["invoices", "invoices:write", "invoices:read:*"]), json!(["orders:*"])];
    for _ in 0..ROUNDS / CHANGES {
        let made = admin.post(V2_KEYS, json!({"name": "a", "permissions": ["invoices:*"]})).data();
        let (path, value) = (format!("{V2_KEYS}/{}", made["id"]), made["value"].as_str().expect("a value"));
        let changes = (0..CHANGES).map(|change| {
            let grants = change % 2 == 1;
            let list = if grants { &granting[change % 3] } else { &withdrawing[change % 4] };
            let (admin, path) = (&admin, &path);
            move || is_valid_after(&admin.put(path, json!({"permissions": list})), grants)
        });
        race(|| in_turn(questions_about_permission(&server, value)), changes);
    }
}

#[test]
fn no_request_after_the_response_is_permitted_by_a_lowered_role() {
    let server = Server::start_with(UNLIMITED);
    let admin = server.client();
    let (victim, presented) = admin.mint("victim");
    let victim = format!("{V2_KEYS}/{victim}");
    let user = |value: &str| {
        let client = || server.client_with(value);
        let (lister, reader, changer, verifier) = (client(), client(), client(), client());
        let (victim, presented) = (victim.clone(), presented.clone());
        in_turn(vec![
            Box::new(move || passes(&lister.get("/v1/organization/api-keys"))),
            // Nothing differs, so it only asks whether it may.
            Box::new({
                let victim = victim.clone();
                move || passes(&changer.put(&victim, json!({"valid": true})))
            }),
            Box::new(move || passes(&reader.get(&victim))),
            Box::new(move || passes(&verifier.post("/v2/verify", json!({"value": presented})))),
        ])
    };
    for round in 0..ROUNDS / CHANGES {
        let role = if round % 2 == 0 { "manager" } else { "admin" };
        // A manager may not change an admin.
        admin.put(&victim, json!({"role": "verifier"})).data();
        let made = admin.post(V2_KEYS, json!({"name": "a", "role": role})).data();
        let (path, value) = (format!("{V2_KEYS}/{}", made["id"]), made["value"].as_str().expect("a value"));
        let changes = (0..CHANGES).map(|change| {
            let raises = change % 2 == 1;
            let (admin, path) = (&admin, &path);
            move || is_valid_after(&admin.put(path, json!({"role": if raises { role } else { "none" }})), raises)
        });
        race(|| user(value), changes);
    }
}

#[test]
fn a_command_that_withdraws_a_permission_or_lowers_a_role_is_in_force_when_it_ends() {
    let server = Server::start();
    let admin = server.client();
    for round in 0..10 {
        let new = json!({"name": "a", "role": "manager", "permissions": ["invoices:*"]});
        let made = admin.post(V2_KEYS, new).data();
        let value = made["value"].as_str().expect("a value");
        let (number, key) = (made["id"].to_string(), server.client_with(value));
        let mut questions = questions_about_permission(&server, value);
        let mut change: &[&str] = &["--permission", "invoices:write"];
        if round % 2 == 1 {
            questions = vec![Box::new(|| passes(&key.get(V2_KEYS)))];
            change = &["--role", "verifier"];
        }
        assert!(questions.iter().all(|is_let_in| is_let_in()), "the server remembers it");
        super::helpers::done(server.folder(), &[&["keys", "update", &number], change].concat());
        assert!(!questions.iter().any(|is_let_in| is_let_in()), "round {round}");
    }
}
