//! Usage: how often keys were used and refused, by hour.

use super::helpers::*;
use keystead::domain::{CountedUses, Hour, KeyId, Organization, Origin, Permissions, Secret, UseCounts, UseOutcome};
use keystead::metrics::Via;
use keystead::service::{Service, ServiceOptions};
use keystead::store::Store;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

const CLOCK: (&str, &str) = ("KEYSTEAD_DEV_CLOCK", "true");
const HOUR_MS: i64 = 3_600_000;
/// 2026-11-23T19:00:00Z.
const EVENING: i64 = 1_795_460_400_000;
const SOON: Duration = Duration::from_secs(10);

/// A row of the table: hour, key, outcome, count.
type Row = (i64, i64, i64, i64);

/// The rows of all organizations.
fn rows(store: &Path) -> Vec<Row> {
    let connection = Connection::open(store).expect("the file");
    let sql = "SELECT hour, key_id, outcome, count FROM usage ORDER BY hour, organization_id, key_id, outcome";
    let mut statement = connection.prepare(sql).expect("a statement");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}

/// A service on a new store with an organization, its key, and the folder.
fn service(options: impl FnOnce(ServiceOptions) -> ServiceOptions) -> (Service, Secret, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open_store(&folder.path().join("keystead.db"));
    let (_, _, secret) = insert_organization(&store, "Acme");
    store.close();
    let service = Service::open(&options(service_options(folder.path())), metrics()).expect("a service");
    (service, secret, folder)
}

/// Authenticates with this value at this time.
async fn use_value(service: &Service, value: &str, ms: i64) -> bool {
    let needed = Permissions::default();
    let used = service.authenticate(value.as_bytes(), &needed, Origin::default(), Via::Authentication, moment(ms));
    used.await.is_ok()
}

#[test]
fn each_use_is_counted_once_in_its_own_hour() {
    let (service, secret, folder) = service(|options| options);
    let first = EVENING / HOUR_MS;
    wait(async {
        let value = secret.expose();
        // Three hours, back and forth over their borders, with flushes at any time.
        for ms in [0, 1, HOUR_MS - 1, HOUR_MS, HOUR_MS - 1, HOUR_MS, 2 * HOUR_MS - 1] {
            assert!(use_value(&service, value, EVENING + ms).await);
        }
        service.flush_uses().await.expect("a commit");
        service.flush_uses().await.expect("nothing to write");
        assert_eq!(rows(&folder.path().join("keystead.db")).len(), 4);
        for ms in [2 * HOUR_MS - 1, 2 * HOUR_MS, 0] {
            assert!(use_value(&service, value, EVENING + ms).await);
        }
        // Unknown values have no key.
        assert!(!use_value(&service, "nonsense", EVENING).await);
        assert!(!use_value(&service, new_secret().expose(), EVENING).await);
        service.close().await;
    });
    let expected: Vec<Row> = [(0, 5), (1, 4), (2, 1)]
        .into_iter()
        .flat_map(|(hour, count)| [0, 1].map(|key| (first + hour, key, 0, count)))
        .collect();
    assert_eq!(rows(&folder.path().join("keystead.db")), expected);
}

#[test]
fn without_a_retention_nothing_is_counted() {
    let (service, secret, folder) = service(|options| ServiceOptions { counts_usage: false, ..options });
    wait(async {
        assert!(use_value(&service, secret.expose(), EVENING).await);
        service.close().await;
    });
    assert_eq!(rows(&folder.path().join("keystead.db")), []);
}

#[test]
fn uses_from_many_threads_and_of_more_keys_than_the_cache_holds_are_counted_exactly() {
    const KEYS: usize = 30;
    const ROUNDS: usize = 40;
    let (service, _, folder) = service(|options| options);
    let store = open_store(&folder.path().join("keystead.db"));
    let secrets: Vec<Secret> = (0..KEYS).map(|_| new_secret()).collect();
    insert_keys(&store, organization(&store).id, &secrets).expect("keys");
    store.close();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                wait(async {
                    for round in 0..ROUNDS {
                        for secret in &secrets {
                            let hour = i64::try_from(round % 2).expect("a number");
                            assert!(use_value(&service, secret.expose(), EVENING + hour * HOUR_MS).await);
                        }
                        service.flush_uses().await.expect("a commit");
                    }
                })
            });
        }
    });
    wait(service.close());
    let rows = rows(&folder.path().join("keystead.db"));
    assert_eq!(rows.len(), 2 * (KEYS + 1));
    for (_, key, outcome, count) in rows {
        let each = 3 * ROUNDS / 2;
        let expected = if key == 0 { KEYS * each } else { each };
        assert_eq!((outcome, count), (0, i64::try_from(expected).expect("a number")), "key {key}");
    }
}

fn organization(store: &Store) -> Organization {
    wait(store.read(|reads| reads.organizations(None, 1))).expect("a read").remove(0)
}

fn advance(admin: &Client, hours: u64) {
    admin.post("/dev/clock", json!({"advanceInMs": hours * 3_600_000})).data();
}

/// The time of the server's clock.
fn now(admin: &Client) -> i64 {
    let now = admin.get("/dev/clock").data();
    let now = keystead::domain::Timestamp::parse(now["now"].as_str().expect("a time"));
    now.expect("a time").unix_ms()
}

/// Moves the server's clock to this many minutes after the beginning of an hour, so that a test stays in one hour.
fn begin_hour(admin: &Client) {
    admin.post("/dev/clock", json!({"advanceInMs": HOUR_MS - now(admin) % HOUR_MS + 60_000})).data();
}

/// A new key of the organization with these fields beside its name.
fn create(client: &Client, mut fields: Value) -> (i64, String) {
    fields["name"] = json!("a");
    let key = client.post("/v2/organization/api-keys", fields).data();
    (key["id"].as_i64().expect("an id"), key["value"].as_str().expect("a value").to_owned())
}

fn usage_path(id: i64) -> String {
    format!("/v2/organization/api-keys/{id}/usage")
}

/// The valid and refused uses of a key at this path, added up by hour, without times.
fn counts(client: &Client, path: &str) -> Value {
    let usage = client.get(path).data()["usage"].take();
    let steps = usage.as_array().expect("a list").iter();
    steps.map(|step| json!([step["valid"], step["refused"]])).collect()
}

/// Waits until the usage of this key is this.
#[track_caller]
fn expect_counts(client: &Client, path: &str, expected: &Value) {
    let begun = Instant::now();
    while counts(client, path) != *expected && begun.elapsed() < SOON {
        std::thread::yield_now();
    }
    assert_eq!(counts(client, path), *expected, "{path}");
}

#[test]
fn verifications_batches_forward_auth_and_calls_of_the_api_are_counted_alike() {
    let server = Server::start_with(&[CLOCK]);
    let admin = server.client();
    begin_hour(&admin);
    let (id, value) = create(&admin, json!({"role": "verifier"}));
    let client = server.client_with(&value);
    // 1: its own call. 2: verified by others, by value and by digest. 3: in batches. 2: at gates.
    client.post("/v2/verify", json!({"value": "nonsense"})).data();
    admin.post("/v1/verify", json!({ "value": value })).data();
    let digest = blake3::hash(value.as_bytes()).to_hex().to_string();
    admin.post("/v2/verify", json!({ "digest": digest })).data();
    admin.post("/v2/verify/batch", json!({"keys": [{"value": value}, {"value": "nonsense"}, {"value": value}]})).data();
    admin.post("/v1/verify/batch", json!({"keys": [{ "value": value }]})).data();
    assert_eq!(client.get("/auth/nginx").status, 200);
    assert_eq!(client.get("/auth/forward").status, 200);
    let path = usage_path(id);
    expect_counts(&admin, &path, &json!([[8, {}]]));
    advance(&admin, 24);
    assert_eq!(client.get("/auth/envoy/x").status, 200);
    expect_counts(&admin, &path, &json!([[8, {}], [1, {}]]));
    // An answer of 403 to a valid key of too low a role is a use of the key.
    assert_eq!(client.get("/v2/projects").status, 403);
    expect_counts(&admin, &format!("{path}?step=hour"), &json!([[8, {}], [2, {}]]));
    // Another organization's question is about no key.
    run(server.folder(), &["organizations", "create", "Other", "--key-file", "other-key"]);
    let other = std::fs::read_to_string(server.folder().join("other-key")).expect("a key");
    let other = server.client_with(other.trim());
    assert_eq!(other.post("/v2/verify", json!({ "value": value })).data()["code"], json!("UNKNOWN"));
    // The other's own use is counted for the other: one for the question, one for each question about usage.
    eventually(SOON, || !counts(&other, "/v2/organization/usage").as_array().expect("a list").is_empty());
    assert_eq!(counts(&admin, &path), json!([[8, {}], [2, {}]]));
}

#[test]
fn refusals_of_a_known_key_are_counted_by_their_codes() {
    let server = Server::start_with(&[CLOCK]);
    let admin = server.client();
    begin_hour(&admin);
    let verify = |value: &str, more: Value| {
        let mut question = json!({ "value": value });
        question.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        admin.post("/v2/verify", question).data()["code"].as_str().expect("a code").to_owned()
    };
    let (id, value) = create(
        &admin,
        json!({"permissions": ["a:b"], "expiresInDays": 1, "allowedAddresses": ["10.0.0.1"],
                                            "rateLimit": {"limit": 1, "windowInSeconds": 3600}}),
    );
    let here = json!({"address": "10.0.0.1"});
    assert_eq!(verify(&value, json!({})), "ADDRESS_REFUSED");
    assert_eq!(verify(&value, json!({"address": "10.0.0.1", "permissions": ["c"]})), "INSUFFICIENT_PERMISSIONS");
    assert_eq!(verify(&value, here.clone()), "VALID");
    assert_eq!(verify(&value, here.clone()), "RATE_LIMITED");
    assert_eq!(verify(&value, here.clone()), "RATE_LIMITED");
    admin.set_valid(id, false).data();
    assert_eq!(verify(&value, here.clone()), "DEACTIVATED");
    // The same of its own call and at a gate.
    let client = server.client_with(&value);
    assert_eq!((client.get(ORGANIZATION).status, client.get("/auth/nginx").status), (401, 401));
    admin.set_valid(id, true).data();
    admin.post(&format!("/v2/organization/api-keys/{id}/rotate"), json!({})).data();
    assert_eq!(verify(&value, here), "ROTATED_OUT");
    let refused = json!({"ADDRESS_REFUSED": 1, "INSUFFICIENT_PERMISSIONS": 1, "RATE_LIMITED": 2, "DEACTIVATED": 3,
                         "ROTATED_OUT": 1});
    expect_counts(&admin, &usage_path(id), &json!([[1, refused]]));
    let (short, value) = create(&admin, json!({"expiresInSeconds": 60}));
    admin.post("/dev/clock", json!({"advanceInMs": 60_000})).data();
    assert_eq!(verify(&value, json!({})), "EXPIRED");
    expect_counts(&admin, &usage_path(short), &json!([[0, {"EXPIRED": 1}]]));
}

#[test]
fn the_most_used_keys_come_first_and_revoked_ones_have_no_name_and_stay_in_the_totals() {
    let server = Server::start_with(&[CLOCK]);
    let admin = server.client();
    begin_hour(&admin);
    let project = admin.post("/v2/projects", json!({"name": "Shop"})).data();
    let project = project["project"]["id"].as_str().expect("an id").to_owned();
    let keys = format!("/v2/projects/{project}/api-keys");
    let in_project = admin.post(&keys, json!({"name": "Till"})).data();
    let (in_project, till) = (in_project["id"].as_i64().expect("an id"), in_project["value"].clone());
    let (gone, value) = create(&admin, json!({}));
    let ask = |value: &Value, times: usize| {
        let questions = vec![json!({ "value": value }); times];
        admin.post("/v2/verify/batch", json!({ "keys": questions })).data();
    };
    ask(&json!(value), 600);
    ask(&till, 700);
    admin.revoke(gone).data();
    ask(&json!(value), 1);
    // Each poll is a use of the admin's key, which may become the most used one.
    let ranking = || -> Value {
        let keys = admin.get("/v2/organization/usage/keys").data()["keys"].take();
        keys.as_array().expect("a list").iter().filter(|key| key["id"] != json!(1)).cloned().collect()
    };
    eventually(SOON, || ranking()[0]["valid"] == json!(700) && ranking()[1]["valid"] == json!(600));
    let expected = json!([{"id": in_project, "name": "Till", "valid": 700, "refused": {}, "projectId": project},
                          {"id": gone, "name": null, "valid": 600, "refused": {}, "projectId": null}]);
    assert_eq!(ranking(), expected);
    let ids = |query: &str| -> Vec<i64> {
        let keys = admin.get(&format!("/v2/organization/usage/keys{query}")).data()["keys"].take();
        keys.as_array().expect("a list").iter().filter_map(|key| key["id"].as_i64()).collect()
    };
    let all = ids("");
    assert!(all.len() == 3 && all.contains(&1), "the admin's key, too: {all:?}");
    assert_eq!(ids("?limit=1").len(), 1);
    // The totals have the revoked key; it can no longer be asked about.
    let total = || counts(&admin, "/v2/organization/usage")[0][0].as_i64().expect("a count");
    assert!(total() >= 1300, "{}", total());
    assert_eq!(admin.get(&usage_path(gone)).status, 404);
    // A project's key is found under its project alone.
    assert_eq!(counts(&admin, &format!("{keys}/{in_project}/usage")), json!([[700, {}]]));
    assert_eq!(admin.get(&usage_path(in_project)).status, 404);
    assert_eq!(admin.get(&usage_path(99)).status, 404);
}

#[test]
fn a_long_answer_is_complete() {
    let (server, _folder, admin) = server_with_history();
    // More than one piece, with gaps: a use in each third hour of 2,400.
    let usage = admin.get("/v2/organization/api-keys/1/usage?step=hour&from=2020-01-01&to=2020-04-10").data();
    let usage = usage["usage"].as_array().expect("a list");
    assert_eq!(usage.len(), 800);
    for (number, step) in usage.iter().enumerate() {
        let from = at(1_577_836_800_000 + 3 * HOUR_MS * i64::try_from(number).expect("a number")).to_string();
        assert_eq!(*step, json!({"from": from, "valid": number % 7 + 1, "refused": {"RATE_LIMITED": 2}}));
    }
    let days = admin.get("/v2/organization/api-keys/1/usage?from=2019-02-01&to=2025-07-01").data();
    let days = days["usage"].as_array().expect("a list");
    assert_eq!(days.len(), 100);
    assert_eq!(days[0], json!({"from": "2020-01-01T00:00:00.000Z", "valid": 29, "refused": {"RATE_LIMITED": 16}}));
    let sum = |steps: &[Value]| steps.iter().map(|step| step["valid"].as_i64().expect("a count")).sum::<i64>();
    assert_eq!(sum(days), sum(usage));
    let keys = admin.get("/v2/organization/usage/keys?from=2019-01-01&to=2019-01-02&limit=1000").data();
    let keys = keys["keys"].as_array().expect("a list");
    let ids: Vec<i64> = keys.iter().map(|key| key["id"].as_i64().expect("an id")).collect();
    assert_eq!(ids, (5_001..=6_000).rev().collect::<Vec<_>>(), "each was used as often as its number says");
    drop(server);
}

/// A server with counts from 2020, and of 6,000 keys in one hour of 2019.
fn server_with_history() -> (Server, tempfile::TempDir, Client) {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(Server::start_in(folder.path(), &[]).stop().success());
    let store = open_store(&folder.path().join("keystead.db"));
    let organization = organization(&store).id;
    let hour = |ms| Hour::of(at(ms));
    let counted = |hour, key, outcome, count| {
        let key = KeyId::new(key).expect("a number");
        CountedUses { hour, organization, key, outcome, count }
    };
    let mut uses = Vec::new();
    for number in 0..800 {
        let hour = hour(1_577_836_800_000) + 3 * number;
        uses.push(counted(hour, 1, UseOutcome::Valid, u64::from(number % 7 + 1)));
        uses.push(counted(hour, 1, UseOutcome::RateLimited, 2));
    }
    let of_2019 = hour(1_546_300_800_000);
    for key in 1..=6_000 {
        uses.push(counted(of_2019, key, UseOutcome::Valid, key.unsigned_abs()));
    }
    wait(store.write(move |writes| writes.add_usage(&uses))).expect("a commit");
    let total = wait(store.read(move |reads| reads.usage(organization, None, of_2019..of_2019 + 1))).expect("a read");
    assert_eq!(total, [(of_2019, UseCounts::of(UseOutcome::Valid, 6_000 * 6_001 / 2))]);
    store.close();
    // Pruning would remove them.
    let server = Server::start_in(folder.path(), &[("KEYSTEAD_USAGE_RETENTION_DAYS", "3650")]);
    let admin = server.client();
    (server, folder, admin)
}

#[test]
fn a_wrong_question_gets_a_sentence() {
    let server = Server::start();
    let admin = server.client();
    let key = "/v2/organization/api-keys/1/usage";
    let of_all = "/v2/organization/usage";
    let keys = "/v2/organization/usage/keys";
    for (path, query, sentence) in [
        (key, "from=yesterday", "The parameter \"from\" must be a time as in RFC 3339, or a date."),
        (of_all, "to=", "The parameter \"to\" must be a time as in RFC 3339, or a date."),
        (key, "step=week", "The parameter \"step\" must be hour or day."),
        (of_all, "from=2026-01-02&to=2026-01-02", "The parameter \"from\" must be a time before \"to\""),
        (key, "from=2999-01-01", "The parameter \"from\" must be a time before \"to\""),
        (of_all, "from=2020-01-01&to=2020-04-10T00:00:01Z&step=hour", "This time has more than 2,400 steps"),
        (key, "from=1970-01-01", "This time has more than 2,400 steps"),
        (keys, "from=2026-01-01&to=2026-02-01T00:00:01Z", "for at most 31 days"),
        (keys, "limit=0", "The parameter \"limit\" must be a whole number from 1 to 1000."),
        (keys, "limit=1001", "The parameter \"limit\" must be a whole number from 1 to 1000."),
        (keys, "step=day", "The parameter \"step\" is unknown"),
        (of_all, "limit=10", "The parameter \"limit\" is unknown"),
        (key, "from=2026-01-01&from=2026-01-02", "The parameter \"from\" comes more than once."),
    ] {
        let answer = admin.get(&format!("{path}?{query}")).refused_with(400);
        assert!(answer.contains(sentence), "{path}?{query}: {answer}");
    }
    for (path, query) in [(of_all, "from=2020-01-01&to=2020-04-10&step=hour"), (keys, "from=2026-01-01&to=2026-02-01")]
    {
        admin.get(&format!("{path}?{query}")).data();
    }
    assert_eq!(admin.get("/v2/organization/api-keys/x/usage").status, 400);
}

#[test]
fn a_killed_server_loses_at_most_the_last_second() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    let client = server.client();
    let uses = || client.get(ORGANIZATION).data();
    (0..50).for_each(|_| _ = uses());
    let store = server.store_path();
    let total =
        |store: &Path| rows(store).iter().filter(|(_, key, ..)| *key == 0).map(|(.., count)| count).sum::<i64>();
    eventually(Duration::from_secs(5), || total(&store) == 50);
    (0..7).for_each(|_| _ = uses());
    server.kill();
    let server = Server::start_in(folder.path(), &[]);
    assert!((50..=57).contains(&total(&store)), "{}", total(&store));
    let kept = total(&store);
    // A stop loses none.
    let client = server.client();
    (0..5).for_each(|_| _ = client.get(ORGANIZATION).data());
    assert!(server.stop().success());
    assert_eq!(total(&store), kept + 5);
}

#[test]
fn two_servers_on_one_store_add_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = Server::start_in(folder.path(), &[]);
    let two = Server::start_in(folder.path(), &[]);
    for _ in 0..10 {
        one.client().get(ORGANIZATION).data();
        two.client().get(ORGANIZATION).data();
    }
    let store = one.store_path();
    assert!(one.stop().success() && two.stop().success());
    for wanted in [0, 1] {
        let of_key = rows(&store).into_iter().filter(|(_, key, ..)| *key == wanted);
        assert_eq!(of_key.map(|(.., count)| count).sum::<i64>(), 20);
    }
}

#[test]
fn counts_that_could_not_be_written_are_written_later() {
    let (service, secret, folder) = service(|mut options| {
        options.store.busy_timeout = Duration::from_millis(50);
        options
    });
    let path = folder.path().join("keystead.db");
    wait(async {
        assert!(use_value(&service, secret.expose(), EVENING).await);
        let other = Connection::open(&path).expect("the file");
        other.execute_batch("BEGIN IMMEDIATE").expect("a lock");
        assert!(service.flush_uses().await.is_err());
        assert!(use_value(&service, secret.expose(), EVENING).await);
        assert!(service.flush_uses().await.is_err());
        other.execute_batch("ROLLBACK").expect("an end");
        service.flush_uses().await.expect("a commit");
        service.close().await;
    });
    let hour = EVENING / HOUR_MS;
    assert_eq!(rows(&path), [(hour, 0, 0, 2), (hour, 1, 0, 2)]);
}

#[test]
fn old_counts_are_pruned_in_bounded_transactions_oldest_first() {
    let (service, _, folder) = service(|options| options);
    let path = folder.path().join("keystead.db");
    let store = open_store(&path);
    let organization = organization(&store).id;
    let uses = |hour: u32, keys: i64| -> Vec<CountedUses> {
        let counted = |key| {
            let key = KeyId::new(key).expect("a number");
            CountedUses { hour: Hour::new(hour), organization, key, outcome: UseOutcome::Expired, count: 3 }
        };
        (1..=keys).map(counted).collect()
    };
    for (hour, keys) in [(100, 12_000), (101, 2), (102, 1)] {
        let uses = uses(hour, keys);
        wait(store.write(move |writes| writes.add_usage(&uses))).expect("a commit");
    }
    // One transaction removes the oldest.
    let removed = wait(store.write(|writes| writes.prune_usage(Hour::new(102), 5))).expect("a commit");
    assert_eq!((removed, rows(&path)[0]), (5, (100, 5, 2, 3)), "the total and four keys");
    store.close();
    assert_eq!(wait(service.prune_usage(Hour::new(102))).expect("a commit"), 12_001 - 5 + 3);
    assert_eq!(rows(&path), [(102, 0, 2, 3), (102, 1, 2, 3)]);
    wait(service.close());
}

#[test]
fn the_server_prunes_by_its_retention() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(Server::start_in(folder.path(), &[]).stop().success());
    let store = folder.path().join("keystead.db");
    let now =
        i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a time").as_secs() / 3600).expect("hours");
    let insert = |hours_ago: i64| {
        let sql = "INSERT INTO usage SELECT ?1, id, 0, 0, 1 FROM organizations";
        Connection::open(&store).expect("the file").execute(sql, [now - hours_ago]).expect("a row");
    };
    [24 * 90 + 1, 24 * 90 - 2].into_iter().for_each(insert);
    let server = Server::start_in(folder.path(), &[]);
    eventually(SOON, || rows(&store).len() == 1);
    eventually(SOON, || server.log().contains("1 counts of usage were older than 90 days"));
    assert!(server.stop().success());
    let server = Server::start_in(folder.path(), &[("KEYSTEAD_USAGE_RETENTION_DAYS", "0")]);
    let client = server.client();
    client.get(ORGANIZATION).data();
    eventually(SOON, || rows(&store).is_empty());
    assert_eq!(client.get("/v2/organization/usage").data(), json!({"usage": []}));
    assert!(server.stop().success());
    assert_eq!(rows(&store), [], "nothing was counted");
}

#[test]
fn a_key_and_hour_take_few_bytes_on_disk() {
    const KEYS: i64 = 10_000;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let store = open_store(&path);
    let organization = insert_organization(&store, "Acme").0.id;
    let pages = || {
        let file = Connection::open(&path).expect("the file");
        file.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0)).expect("a number")
    };
    let write = |hour: u32, keys: Vec<i64>| {
        for chunk in keys.chunks(1_000) {
            let counted = |key: &i64| {
                let key = KeyId::new(*key).expect("a number");
                CountedUses { hour: Hour::new(hour), organization, key, outcome: UseOutcome::Valid, count: 1_000 }
            };
            let uses: Vec<CountedUses> = chunk.iter().map(counted).collect();
            wait(store.write(move |writes| writes.add_usage(&uses))).expect("a commit");
        }
    };
    for (order, name) in [(1, "in order"), (7_919, "in random order")] {
        let before = pages();
        let began = Instant::now();
        // As flushes write it: keys come in chunks, and each chunk is sorted.
        let keys = |n: i64| (n * order) % KEYS + 1_000_000;
        for hour in 0..24 {
            let mut keys: Vec<i64> = (0..KEYS).map(keys).collect();
            keys.chunks_mut(1_000).for_each(<[i64]>::sort_unstable);
            write(490_000 + hour + if order == 1 { 0 } else { 24 }, keys);
        }
        let bytes = (pages() - before) * 4_096;
        println!(
            "{name}: {:.1} bytes per key and hour, {:.1} ms per hour",
            bytes as f64 / (24 * KEYS) as f64,
            began.elapsed().as_secs_f64() * 1_000.0 / 24.0
        );
        assert!(bytes < 24 * KEYS * 60, "{name}: {bytes}");
    }
    store.close();
}

/// A store with uses of key 1 today and some days ago, and the number of today's first hour.
fn store_with_uses() -> (tempfile::TempDir, i64) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let store = open_store(&path);
    insert_organization(&store, "Acme");
    store.close();
    let hours = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a time").as_secs() / 3600;
    let today = i64::try_from(hours - hours % 24).expect("a number");
    let file = Connection::open(&path).expect("the file");
    for (hour, key, outcome, count) in [(0, 1, 0, 40), (0, 1, 4, 2), (-48, 1, 0, 7), (-47, 1, 0, 3), (-48, 0, 0, 99)] {
        let sql = "INSERT INTO usage SELECT ?1, id, ?2, ?3, ?4 FROM organizations";
        file.execute(sql, [today + hour, key, outcome, count]).expect("a row");
    }
    (folder, today)
}

fn day(today: i64, days_ago: i64) -> String {
    at((today - 24 * days_ago) * HOUR_MS).to_string()[..10].to_owned()
}

#[test]
fn a_command_prints_a_line_for_each_day_and_json_for_days_with_uses() {
    let (folder, today) = store_with_uses();
    let before = std::fs::read(folder.path().join("keystead.db")).expect("the file");
    let text = done(folder.path(), &["keys", "usage", "1", "--days", "4"]);
    let expected = [
        "DAY         VALID  REFUSED".to_owned(),
        format!("{}  0      0", day(today, 3)),
        format!("{}  10     0", day(today, 2)),
        format!("{}  0      0", day(today, 1)),
        format!("{}  40     2", day(today, 0)),
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    assert_eq!(done(folder.path(), &["keys", "usage", "1"]).lines().count(), 31);
    let lines = done(folder.path(), &["keys", "usage", "1", "--json"]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let from = |days_ago| format!("{}T00:00:00.000Z", day(today, days_ago));
    assert_eq!(
        lines,
        [
            json!({"from": from(2), "valid": 10, "refused": {}}),
            json!({"from": from(0), "valid": 40, "refused": {"RATE_LIMITED": 2}})
        ]
    );
    let all = done_json(folder.path(), &["organizations", "usage", "Acme", "--json", "--days", "3"]);
    assert_eq!(all, json!({"from": from(2), "valid": 99, "refused": {}}));
    assert_eq!(before, std::fs::read(folder.path().join("keystead.db")).expect("the file"), "nothing was written");
    assert_failed_with(&run(folder.path(), &["keys", "usage", "9"]), 1, "There is no API key 9");
    assert_failed_with(&run(folder.path(), &["keys", "usage", "1", "--days", "0"]), 2, "from 1 to 3650");
}

#[test]
fn at_a_terminal_the_days_are_bars() {
    if !is_there("script") {
        return;
    }
    let (folder, today) = store_with_uses();
    let (is_done, text) = at_a_terminal(folder.path(), "keys usage 1 --days 3", "");
    assert!(is_done, "{text}");
    let line = |days_ago| text.lines().find(|line| line.starts_with(&day(today, days_ago))).expect("a line").to_owned();
    assert!(text.contains("50 valid and 2 refused uses"), "{text}");
    assert!(line(0).contains("2 refused") && line(2).contains("10") && !line(1).contains('█'), "{text}");
    assert!(line(0).matches('█').count() > 3 * line(2).matches('█').count(), "{text}");
}

#[test]
fn refused_uses_are_written_first_however_many_keys_were_used() {
    const KEYS: usize = 2_500;
    let (service, path, secrets, _folder) = service_with_keys(KEYS);
    wait(async {
        for secret in &secrets {
            assert!(use_value(&service, secret.expose(), EVENING).await);
        }
        let needed = Permissions::parse(["invoices:read"]).expect("a permission");
        let value = secrets[0].expose().as_bytes();
        let refused =
            service.authenticate(value, &needed, Origin::default(), Via::Authentication, moment(EVENING)).await;
        assert!(refused.is_err());
        // Only the first of several parts is queued.
        drop(super::store_contract::queue(service.flush_uses()));
    });
    let outcome = i64::from(UseOutcome::InsufficientPermissions.number());
    eventually(SOON, || rows(&path).iter().any(|(_, key, kind, count)| *key > 0 && (*kind, *count) == (outcome, 1)));
    assert!(rows(&path).len() < KEYS, "the rest still waits");
}

/// A service on a new store with so many keys, the store's file, and the keys' values.
fn service_with_keys(keys: usize) -> (Service, std::path::PathBuf, Vec<Secret>, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keystead.db");
    let store = open_store(&path);
    let organization = insert_organization(&store, "Acme").0.id;
    let secrets: Vec<Secret> = (0..keys).map(|_| new_secret()).collect();
    insert_keys(&store, organization, &secrets).expect("keys");
    store.close();
    let options = ServiceOptions { cache_capacity: 2 * keys, ..service_options(folder.path()) };
    (Service::open(&options, metrics()).expect("a service"), path, secrets, folder)
}

#[test]
fn a_stop_in_the_middle_of_a_flush_counts_each_use_once() {
    const KEYS: usize = 2_500;
    let (service, path, secrets, _folder) = service_with_keys(KEYS);
    wait(async {
        for secret in &secrets {
            assert!(use_value(&service, secret.expose(), EVENING).await);
        }
        // Stopped after the first of several parts was queued.
        drop(super::store_contract::queue(service.flush_uses()));
        service.close().await;
    });
    let rows = rows(&path);
    assert_eq!((rows.len(), rows[0].3), (KEYS + 1, i64::try_from(KEYS).expect("a number")));
    assert!(rows[1..].iter().all(|(.., count)| *count == 1));
}
