//! A flood of wrong keys: they are refused without a read of the store, and every valid key still works.

use super::helpers::*;
use super::metrics::{Reading, watched};
use keystead::domain::{ApiKey, Digest, Secret, Timestamp};
use keystead::store::Store;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// After this many wrong keys in a minute the server has built the negative filter.
const GUESSES: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(20);
const NOW: i64 = 1_700_000_000_000;

/// A server under a flood, and a client that reads its metrics.
struct Flooded {
    server: Server,
    watcher: Client,
    admin: Client,
}

impl Flooded {
    fn start() -> Self {
        let (server, watcher) = watched(&[]);
        let admin = server.client();
        let flooded = Self { server, watcher, admin };
        flooded.flood();
        flooded
    }

    /// Sends wrong keys until the server refuses them without a read.
    fn flood(&self) {
        let before = self.unread();
        eventually(PATIENCE, || {
            self.guess(GUESSES);
            self.unread() > before
        });
    }

    fn guess(&self, count: usize) {
        let keys: Vec<Value> = (0..count).map(|_| json!({"value": new_secret().expose()})).collect();
        let results = self.admin.post("/v2/verify/batch", json!({ "keys": keys })).data()["results"].take();
        let results = results.as_array().expect("results");
        assert_eq!(results.len(), count);
        assert!(results.iter().all(|result| result["code"] == json!("UNKNOWN")));
    }

    fn lookups(&self, result: &str) -> f64 {
        Reading::of(&self.watcher).value(&format!(r#"keystead_cache_lookups_total{{result="{result}"}}"#))
    }

    /// How many keys were refused without a read.
    fn unread(&self) -> f64 {
        self.lookups("unknown")
    }

    #[track_caller]
    fn is_good(&self, value: &Value) {
        let value = value.as_str().expect("a value");
        assert!(self.server.client_with(value).is_good());
    }

    fn post(&self, path: &str, body: Value) -> Value {
        self.admin.post(path, body).data()
    }

    /// Fails if the server no longer refuses wrong keys without a read: a test of the filter would then show nothing.
    #[track_caller]
    fn is_still_on(&self) {
        let before = self.unread();
        self.guess(10);
        assert!(self.unread() >= before + 9.0);
    }
}

/// The body of a client that keeps a secret to itself.
fn brought(secret: &Secret) -> Value {
    let fingerprint = secret.fingerprint();
    let digest = blake3::Hash::from_bytes(*fingerprint.digest.as_bytes()).to_hex().to_string();
    json!({"digest": digest, "tail": fingerprint.tail.as_str()})
}

#[test]
fn wrong_keys_are_refused_without_a_read_of_the_store_and_with_the_same_answer() {
    let (server, watcher) = watched(&[]);
    let refuse = || server.client_with(new_secret().expose()).get(ORGANIZATION);
    let before = refuse();
    before.refused_with(401);
    let flooded = Flooded { admin: server.client(), server, watcher };
    flooded.flood();
    let (misses, unread) = (flooded.lookups("miss"), flooded.unread());
    for _ in 0..20 {
        let after = flooded.server.client_with(new_secret().expose()).get(ORGANIZATION);
        assert_eq!((after.status, &after.text), (before.status, &before.text));
        assert_eq!(after.header("www-authenticate"), before.header("www-authenticate"));
    }
    flooded.guess(GUESSES);
    // One in a thousand may be a false positive.
    assert!(flooded.lookups("miss") < misses + 12.0);
    assert!(flooded.unread() > unread + 1_008.0);
}

#[test]
fn wrong_keys_are_counted_and_recorded_as_before() {
    let (server, watcher) = watched(&[("KEYSTEAD_BRUTE_FORCE_LOOPBACK", "true"), ("KEYSTEAD_BRUTE_FORCE_BURST", "3")]);
    let mut flooded = Flooded { admin: server.client(), server, watcher };
    flooded.flood();
    let statuses = [(); 4].map(|()| flooded.server.client_with(new_secret().expose()).get(ORGANIZATION).status);
    assert_eq!(statuses, [401, 401, 401, 429]);
    assert!(flooded.admin.is_good());
    let verified = r#"keystead_verifications_total{code="UNKNOWN",via="authentication"}"#;
    assert!((Reading::of(&flooded.watcher).value(verified) - 4.0).abs() < 0.5);
    flooded.server.signal("TERM");
    assert!(flooded.server.wait().success());
    let log = run(flooded.server.folder(), &["audit", "list"]);
    assert!(stdout(&log).contains("authentication.failed"), "{}{}", stdout(&log), stderr(&log));
}

#[test]
fn every_key_from_before_the_flood_works_during_it() {
    let (server, watcher) = watched(&[]);
    let flooded = Flooded { admin: server.client(), server, watcher };
    let admin = &flooded.admin;
    let minted: Vec<(i64, String)> = (0..20).map(|_| admin.mint("a")).collect();
    let (rotating, outgoing) = &minted[0];
    let path = format!("/v2/organization/api-keys/{rotating}/rotate");
    let incoming = flooded.post(&path, json!({"gracePeriodInHours": 1}))["shadowValue"].take();
    let (rotated, former) = &minted[1];
    let replaced = flooded.post(&format!("/v2/organization/api-keys/{rotated}/rotate"), json!({}))["value"].take();
    let project = flooded.post("/v2/projects", json!({"name": "web"}))["apiKey"]["value"].take();
    flooded.flood();
    flooded.is_good(&incoming);
    flooded.is_good(&replaced);
    flooded.is_good(&json!(outgoing));
    minted[2..].iter().for_each(|(_, value)| flooded.is_good(&json!(value)));
    let code = |value: &Value| flooded.post("/v2/verify", json!({ "value": value }))["code"].take();
    assert_eq!(code(&project), json!("VALID"));
    assert_eq!(code(&json!(former)), json!("ROTATED_OUT"));
    flooded.is_still_on();
}

#[test]
fn every_key_created_during_the_flood_works_at_once() {
    let flooded = Flooded::start();
    let admin = &flooded.admin;
    for round in 0..10 {
        let (id, value) = admin.mint("a");
        flooded.is_good(&json!(value));
        let path = format!("/v2/organization/api-keys/{id}/rotate");
        let incoming = flooded.post(&path, json!({"gracePeriodInHours": 1}))["shadowValue"].take();
        flooded.is_good(&incoming);
        flooded.is_good(&json!(value));
        flooded.post(&format!("{path}/complete"), json!({}));
        flooded.is_good(&incoming);
        let replaced = flooded.post(&path, json!({}))["value"].take();
        flooded.is_good(&replaced);

        let (own, next) = (new_secret(), new_secret());
        let mut body = brought(&own);
        body["name"] = json!("mine");
        let id = flooded.post("/v2/organization/api-keys", body)["id"].as_i64().expect("an id");
        flooded.is_good(&json!(own.expose()));
        let mut body = brought(&next);
        body["gracePeriodInHours"] = json!(1);
        flooded.post(&format!("/v2/organization/api-keys/{id}/rotate"), body);
        flooded.is_good(&json!(next.expose()));
        flooded.is_good(&json!(own.expose()));

        let project = flooded.post("/v2/projects", json!({"name": format!("web {round}")}))["apiKey"]["value"].take();
        assert_eq!(flooded.post("/v2/verify", json!({ "value": project }))["code"], json!("VALID"));
    }
    flooded.is_still_on();
}

#[test]
fn a_key_created_or_rotated_by_another_process_during_the_flood_works_within_250_milliseconds() {
    let flooded = Flooded::start();
    let store = open_store(&flooded.server.store_path());
    for round in 0..5 {
        let (organization, key, secret) = insert_organization(&store, &format!("Organization {round}"));
        let user = flooded.server.client_with(secret.expose());
        eventually(Duration::from_millis(250), || user.is_good());
        flooded.flood();
        assert!(flooded.server.client_with(secret.expose()).is_good());

        let rotated = new_secret();
        let after = ApiKey { value: rotated.fingerprint(), ..key.clone() };
        assert_eq!(after.parent.organization, organization.id);
        wait(store.write(move |writes| writes.update_api_key(&key, &after))).expect("a rotation");
        let user = flooded.server.client_with(rotated.expose());
        eventually(Duration::from_millis(250), || user.is_good());
        flooded.flood();
        assert!(flooded.server.client_with(rotated.expose()).is_good());
    }
}

#[test]
fn a_revoked_key_stays_refused_during_a_flood() {
    let flooded = Flooded::start();
    for _ in 0..10 {
        let (id, value) = flooded.admin.mint("a");
        let user = flooded.server.client_with(&value);
        assert!(user.is_good());
        assert_eq!(flooded.admin.revoke(id).status, 200);
        assert!(!user.is_good());
        flooded.flood();
        assert!(!user.is_good());
    }
}

fn guess(store: &Store) -> bool {
    let digest = new_secret().fingerprint().digest;
    let may_be_there = store.may_hold(&digest, at(NOW));
    if may_be_there {
        assert!(wait(store.lookup(digest, at(NOW))).expect("a read").is_none());
    }
    may_be_there
}

/// Sends wrong keys until the store has built the negative filter.
fn flood(store: &Store) {
    // A thousandth of the unknown keys may be false positives.
    eventually(PATIENCE, || !guess(store) && !guess(store));
}

#[test]
fn keys_created_while_the_negative_filter_is_built_are_in_it() {
    const MINTERS: usize = 4;
    const MINTED: usize = 300;
    // So many that reading them takes longer than creating a key.
    const KEYS: usize = 30_000;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let (store, elsewhere) = (open_store(&path), open_store(&path));
    let (organization, _, _) = insert_organization(&store, "Acme");
    let before: Vec<Secret> = (0..KEYS).map(|_| new_secret()).collect();
    insert_keys(&store, organization.id, &before).expect("keys");
    let minted: Mutex<Vec<Digest>> = Mutex::new(before.iter().map(|secret| secret.fingerprint().digest).collect());
    let running = AtomicU64::new(MINTERS as u64);
    let unknown = || minted.lock().expect("digests").iter().filter(|it| !store.may_hold(it, at(NOW))).count();
    std::thread::scope(|scope| {
        for _ in 0..MINTERS {
            scope.spawn(|| {
                let _end = Countdown(&running);
                for _ in 0..MINTED {
                    let secret = new_secret();
                    insert_keys(&store, organization.id, std::slice::from_ref(&secret)).expect("a key");
                    let digest = secret.fingerprint().digest;
                    assert!(store.may_hold(&digest, at(NOW)), "refused after its answer");
                    minted.lock().expect("digests").push(digest);
                }
            });
        }
        // The filter is rebuilt all the time, and then invalidated by other processes.
        for round in 0.. {
            flood(&store);
            assert_eq!(unknown(), 0);
            if running.load(Ordering::SeqCst) == 0 {
                break;
            }
            insert_organization(&elsewhere, &format!("Organization {round}"));
            // A writer notices the commits of others, so a filter built from here on stays valid until the next round.
            wait(store.write(|_| Ok(()))).expect("a write");
        }
    });
    assert!(!guess(&store) || !guess(&store), "there is something that could refuse a key");
    assert_eq!(minted.lock().expect("digests").len(), KEYS + MINTERS * MINTED);
    assert_eq!(unknown(), 0);
}

struct Countdown<'a>(&'a AtomicU64);

impl Drop for Countdown<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn the_negative_filter_grows_with_the_store() {
    const KEYS: usize = 70_000;
    let folder = tempfile::tempdir().expect("a folder");
    let store = open_store(&folder.path().join("keystead.db"));
    let (organization, key, _) = insert_organization(&store, "Acme");
    flood(&store);
    let secrets: Vec<Secret> = (0..KEYS).map(|_| new_secret()).collect();
    insert_keys(&store, organization.id, &secrets).expect("keys");
    let holds_all = || secrets.iter().all(|secret| store.may_hold(&secret.fingerprint().digest, at(NOW)));
    assert!(holds_all());
    // The filter is too full for this, and is rebuilt with room for all while it stays in use.
    let digests: Vec<Digest> = (0..30_000).map(|_| new_secret().fingerprint().digest).collect();
    let seeming = || digests.iter().filter(|digest| store.may_hold(digest, at(NOW))).count();
    eventually(PATIENCE, || seeming() < 10);
    assert!(holds_all());
    assert!(store.may_hold(&key.value.digest, at(NOW)));
}

#[test]
fn after_the_flood_the_negative_filter_is_dropped_and_other_processes_keys_work_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let store = open_store(&path);
    insert_organization(&store, "Acme");
    flood(&store);
    let later: Timestamp = at(NOW + 120_000);
    let elsewhere = open_store(&path);
    let (_, key, _) = insert_organization(&elsewhere, "Other");
    assert!(store.may_hold(&key.value.digest, later));
    assert!(store.may_hold(&new_secret().fingerprint().digest, later));
}

#[test]
fn a_store_closed_while_the_negative_filter_is_built_leaves_one_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let store = open_store(&path);
    let (organization, _, _) = insert_organization(&store, "Acme");
    let secrets: Vec<Secret> = (0..20_000).map(|_| new_secret()).collect();
    insert_keys(&store, organization.id, &secrets).expect("keys");
    (0..GUESSES).for_each(|_| _ = guess(&store));
    store.close();
    assert!(path.exists());
    assert!(!path.with_extension("db-wal").exists());
}
