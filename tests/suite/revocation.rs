//! Revocation is immediate: no request that starts after the response passes with a revoked key.

use super::helpers::*;
use super::revocation_race::{is_valid_after, race, race_through};
use serde_json::json;
use std::time::{Duration, Instant};

const ROUNDS: usize = 1_000;

/// A user of the value.
fn user(server: &Server, value: &str) -> impl Fn() -> bool + use<> {
    let user = server.client_with(value);
    move || user.is_good()
}

#[test]
fn no_request_after_the_response_passes_with_a_deactivated_or_revoked_key() {
    let server = Server::start();
    race_through(ROUNDS, &server.client(), |value| user(&server, value));
}

#[test]
fn no_proxy_request_after_the_response_passes_with_a_revoked_key() {
    let server = Server::start();
    for (path, rounds) in [("/auth/nginx", ROUNDS), ("/auth/forward", 100), ("/auth/envoy/some/path", 100)] {
        race_through(rounds, &server.client(), |value| {
            let user = server.client_with(value);
            move || user.is_let_in(path)
        });
    }
}

#[test]
fn no_request_after_the_response_passes_with_a_rotated_out_value() {
    let server = Server::start();
    let admin = server.client();
    let post = |path: &str| admin.send("POST", path, &[("X-API-Key", admin.key())], b"");
    for round in 0..ROUNDS {
        let (id, value) = admin.mint("a");
        let path = format!("/v2/organization/api-keys/{id}/rotate");
        let grace = || admin.post(&path, json!({"gracePeriodInHours": 1})).data()["shadowValue"].take();
        match round % 3 {
            0 => race(|| user(&server, &value), [|| is_valid_after(&admin.post(&path, json!({})), false)]),
            1 => {
                grace();
                race(|| user(&server, &value), [|| is_valid_after(&post(&format!("{path}/complete")), false)]);
            }
            _ => {
                let shadow = grace();
                let shadow = shadow.as_str().expect("a value");
                race(|| user(&server, shadow), [|| is_valid_after(&post(&format!("{path}/cancel")), false)]);
            }
        }
    }
}

#[test]
fn a_revocation_by_another_process_takes_effect_within_250_milliseconds() {
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
        let parent = keystead::domain::Parent { organization, project: None };
        let id = keystead::domain::KeyId::new(id).expect("an id");
        let revoke = store.write(move |writes| {
            let key = writes.api_key(parent, id)?.expect("the key");
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
fn a_key_created_by_another_process_is_accepted_at_once() {
    let server = Server::start();
    let store = open_store(&server.store_path());
    for round in 0..20 {
        let (_, _, secret) = insert_organization(&store, &format!("Organization {round}"));
        assert!(server.client_with(secret.expose()).is_good());
        assert!(server.client_with(&server.client().mint("in between").1).is_good());
    }
}
