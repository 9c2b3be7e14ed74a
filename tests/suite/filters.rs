//! Filters of lists of keys, against a simple model and page by page.

use super::helpers::*;
use keystead::domain::{
    ApiKey, Expiry, Grace, KeyChange, Name, OrganizationId, Owner, Parent, Permissions, ProjectId, Role, Timestamp,
};
use keystead::store::{NewApiKey, Store};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use std::path::Path;
use std::time::SystemTime;

const V2_KEYS: &str = "/v2/organization/api-keys";
const HALF_DAY_MS: i64 = 43_200_000;
const OWNERS: [&str; 3] = ["Team A", "team a", "Kunde 17/ä&b"];
const NAMES: [&str; 5] = ["CI", "nightly ci", "Straße", "web & shop 100%", "A key"];
const NAME_PARTS: [&str; 6] = ["ci", "CI", "STRAßE", "&", " ", "nobody"];
/// What keys of the model have, and what a filter asks for.
const GRANTS: [&str; 5] = ["", "invoices:read", "invoices:* web", "*", "orders:items:*"];
const NEEDED: [&str; 5] = ["invoices:read", "invoices:*", "web", "orders:items:x:y", "nothing"];
const ROLES: [&str; 3] = ["none", "verifier", "manager"];
const STATES: [&str; 5] = ["active", "deactivated", "expired", "expiring", "rotating"];
/// Keys of the model test, and how many filters it tries.
const KEYS_OF_MODEL: usize = 300;
const FILTERS: u32 = 200;
/// Every so many filters are also tried on the command line.
const ALSO_BY_COMMAND: usize = 8;

/// A key of the model. Times are half days from now and odd, so that no limit in whole days is near.
#[derive(Clone, Debug)]
struct ModelKey {
    /// 0 is the organization; further numbers are projects.
    parent: usize,
    name: &'static str,
    owner: Option<&'static str>,
    role: &'static str,
    permissions: &'static str,
    valid: bool,
    created: i64,
    expires: Option<i64>,
    rotation: Rotation,
    used: Option<i64>,
    new_value_used: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Rotation {
    None,
    /// Its grace period began two days ago and lasted one.
    Over,
    /// Its grace period begins now and lasts one day.
    InProgress,
}

impl ModelKey {
    fn is_expired(&self) -> bool {
        self.expires.is_some_and(|end| end < 0)
    }

    /// An expired key cannot be rotated with a grace period.
    fn rotation(&self) -> Rotation {
        let begun = if self.rotation == Rotation::Over { -4 } else { 0 };
        if self.expires.is_some_and(|end| end < begun) { Rotation::None } else { self.rotation }
    }

    fn last_used(&self) -> Option<i64> {
        self.used.max(self.new_value_used.filter(|_| self.rotation() != Rotation::None))
    }
}

#[derive(Clone, Debug, Default)]
struct ModelFilter {
    state: Option<&'static str>,
    owner: Option<&'static str>,
    role: Option<&'static str>,
    permission: Option<&'static str>,
    name: Option<&'static str>,
    unused_for_days: Option<i64>,
    expires_within_days: Option<i64>,
}

impl ModelFilter {
    fn matches(&self, key: &ModelKey) -> bool {
        let is_active = key.valid && !key.is_expired();
        let is_expiring = |days: i64| is_active && key.expires.is_some_and(|end| end < days * 2);
        let is_in_state = match self.state {
            None => true,
            Some("active") => is_active,
            Some("deactivated") => !key.valid,
            Some("expired") => key.valid && key.is_expired(),
            Some("expiring") => is_expiring(self.expires_within_days.unwrap_or(30)),
            Some("rotating") => key.rotation() == Rotation::InProgress && !key.is_expired(),
            Some(other) => panic!("{other}"),
        };
        is_in_state
            && self.owner.is_none_or(|owner| key.owner == Some(owner))
            && self.role.is_none_or(|role| key.role == role)
            && self.permission.is_none_or(|needed| is_granted(key.permissions, needed))
            && self.name.is_none_or(|part| key.name.to_lowercase().contains(&part.to_lowercase()))
            && self.unused_for_days.is_none_or(|days| key.last_used().unwrap_or(key.created) < -2 * days)
            && self.expires_within_days.is_none_or(is_expiring)
    }

    /// The parameters and their values.
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let text = |value: Option<&'static str>| value.map(str::to_owned);
        let days = |value: Option<i64>| value.map(|days| days.to_string());
        let all = [
            ("state", text(self.state)),
            ("owner", text(self.owner)),
            ("role", text(self.role)),
            ("permission", text(self.permission)),
            ("name", text(self.name)),
            ("unusedForDays", days(self.unused_for_days)),
            ("expiresWithinDays", days(self.expires_within_days)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn query(&self) -> String {
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        self.parameters().iter().map(|(name, value)| format!("&{name}={}", encode(value))).collect()
    }

    fn flags(&self) -> Vec<String> {
        let flag = |name: &str| match name {
            "unusedForDays" => "--unused-for-days".to_owned(),
            "expiresWithinDays" => "--expires-within-days".to_owned(),
            name => format!("--{name}"),
        };
        self.parameters().into_iter().flat_map(|(name, value)| [flag(name), value]).collect()
    }
}

/// What the permissions of the model grant.
fn is_granted(permissions: &str, needed: &str) -> bool {
    match permissions {
        "*" => true,
        "invoices:read" => needed == "invoices:read",
        "invoices:* web" => ["invoices:read", "invoices:*", "web"].contains(&needed),
        "orders:items:*" => needed == "orders:items:x:y",
        _ => false,
    }
}

/// An odd number of half days.
fn half_days(from: i64, to: i64) -> impl Strategy<Value = i64> {
    (from..to).prop_map(|days| days * 2 + 1)
}

fn model_key() -> impl Strategy<Value = ModelKey> {
    let rotation = select(&[Rotation::None, Rotation::None, Rotation::Over, Rotation::InProgress][..]);
    let names = (0..3_usize, select(&NAMES[..]), proptest::option::of(select(&OWNERS[..])));
    let grants = (select(&ROLES[..]), select(&GRANTS[..]), any::<bool>());
    let times = (half_days(-100, 0), proptest::option::of(half_days(-60, 60)));
    let uses = (proptest::option::of(half_days(-100, 0)), proptest::option::of(half_days(-100, 0)));
    (names, times, uses, rotation, grants).prop_map(
        |((parent, name, owner), (created, expires), (used, new_value_used), rotation, (role, permissions, valid))| {
            ModelKey { parent, name, owner, role, permissions, valid, created, expires, rotation, used, new_value_used }
        },
    )
}

fn model_filter() -> impl Strategy<Value = ModelFilter> {
    let days = || proptest::option::weighted(0.3, 1..60_i64);
    (
        proptest::option::of(select(&STATES[..])),
        proptest::option::weighted(0.3, select(&OWNERS[..])),
        proptest::option::weighted(0.2, select(&ROLES[..])),
        proptest::option::weighted(0.2, select(&NEEDED[..])),
        proptest::option::weighted(0.3, select(&NAME_PARTS[..])),
        days(),
        days(),
    )
        .prop_map(|(state, owner, role, permission, name, unused_for_days, expires_within_days)| ModelFilter {
            state,
            owner,
            role,
            permission,
            name,
            unused_for_days,
            expires_within_days,
        })
}

/// This many half days from now.
fn from_now(half_days: i64) -> Timestamp {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970").as_millis();
    at(i64::try_from(now).expect("a time") + half_days * HALF_DAY_MS)
}

/// Stores the key as the model has it; returns its number.
fn insert(store: &Store, parent: Parent, model: &ModelKey) -> i64 {
    let (secret, new_value) = (new_secret(), new_secret().fingerprint());
    let owner = model.owner.map(|owner| Some(Owner::parse(owner).expect("an owner")));
    let new = NewApiKey {
        parent,
        name: Name::parse(model.name).expect("a name"),
        created_at: from_now(model.created),
        expires_at: model.expires.map(from_now),
        change: KeyChange {
            owner,
            valid: Some(model.valid),
            role: Role::parse(model.role),
            permissions: Some(Permissions::parse_list(model.permissions).expect("permissions")),
            ..KeyChange::default()
        },
        ..new_key(parent.organization, &secret)
    };
    let (rotation, used) = (model.rotation(), [model.used, model.new_value_used]);
    wait(store.write(move |writes| {
        let key = writes.insert_api_key(new)?;
        if rotation != Rotation::None {
            let begun = from_now(if rotation == Rotation::Over { -4 } else { 0 });
            let mut after: ApiKey = key.clone();
            after.rotate(new_value, Grace::from_hours(24).expect("hours"), Expiry::Keep, begun)?;
            writes.update_api_key(&key, &after)?;
        }
        let digests = [Some(secret.fingerprint().digest), (rotation != Rotation::None).then_some(new_value.digest)];
        for (used, digest) in used.into_iter().zip(digests) {
            if let (Some(used), Some(digest)) = (used, digest) {
                writes.record_last_used(&[(key.id, digest, from_now(used))])?;
            }
        }
        Ok(key.id.get())
    }))
    .expect("a key")
}

/// The numbers of the keys of a list.
fn ids(data: &Value) -> Vec<i64> {
    data["apiKeys"].as_array().expect("a list").iter().map(|key| key["id"].as_i64().expect("a number")).collect()
}

/// The pages of a list: each page's numbers and its `nextCursor`.
fn pages(client: &Client, path: &str, query: &str, limit: usize) -> Vec<(Vec<i64>, Option<i64>)> {
    let mut pages: Vec<(Vec<i64>, Option<i64>)> = Vec::new();
    loop {
        let cursor = pages.last().and_then(|(_, next)| *next).map(|next| format!("&cursor={next}"));
        let data = client.get(&format!("{path}?limit={limit}{query}{}", cursor.unwrap_or_default())).data();
        let next = data["nextCursor"].as_str().map(|next| next.parse().expect("a number"));
        let page = ids(&data);
        assert!(page.len() <= limit, "{query}: {page:?}");
        pages.push((page, next));
        if next.is_none() {
            return pages;
        }
    }
}

fn walk(client: &Client, path: &str, query: &str, limit: usize) -> Vec<i64> {
    pages(client, path, query, limit).into_iter().flat_map(|(page, _)| page).collect()
}

fn listed_by_command(folder: &Path, flags: &[String]) -> Vec<i64> {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let text = done(folder, &[&["keys", "list", "--json"], &flags[..]].concat());
    let id = |line| serde_json::from_str::<Value>(line).expect("an object")["id"].as_i64().expect("a number");
    text.lines().map(id).collect()
}

/// The paths of the lists of an organization with two projects, and their parents.
fn parents(client: &Client) -> Vec<(String, Parent)> {
    let id = client.get(ORGANIZATION).data()["organization"]["id"].as_str().map(OrganizationId::parse);
    let organization = id.flatten().expect("an organization");
    let mut parents = vec![(V2_KEYS.to_owned(), Parent { organization, project: None })];
    for name in ["Web", "Shop"] {
        let project = client.post("/v2/projects", json!({"name": name})).data()["project"]["id"].take();
        let project = project.as_str().expect("an id");
        let parent = Parent { organization, project: ProjectId::parse(project) };
        parents.push((format!("/v2/projects/{project}/api-keys"), parent));
    }
    parents
}

#[test]
fn every_filter_and_combination_lists_the_keys_that_a_simple_model_lists() {
    let server = Server::start();
    let client = server.client();
    let parents = parents(&client);
    let mut runner = TestRunner::new(Config { cases: FILTERS, failure_persistence: None, ..Config::default() });
    let keys = proptest::collection::vec(model_key(), KEYS_OF_MODEL).new_tree(&mut runner).expect("keys").current();
    let store = open_store(&server.store_path());
    // The first keys of the organization and its projects: without an owner, never expiring, used or made just now.
    let first = |parent, name| ModelKey {
        parent,
        name,
        owner: None,
        role: if parent == 0 { "admin" } else { "verifier" },
        permissions: "",
        valid: true,
        created: 0,
        expires: None,
        rotation: Rotation::None,
        used: None,
        new_value_used: None,
    };
    let mut model: Vec<(i64, ModelKey)> = Vec::new();
    for (parent, (path, _)) in parents.iter().enumerate() {
        let mut keys = client.get(path).data()["apiKeys"].take();
        let [key] = keys.as_array_mut().expect("a list").as_mut_slice() else { panic!("one key: {keys}") };
        let name = key["name"].as_str().expect("a name").to_owned();
        model.push((key["id"].as_i64().expect("a number"), first(parent, name.leak())));
    }
    model.extend(keys.into_iter().map(|key| (insert(&store, parents[key.parent].1, &key), key)));
    model.sort_by_key(|(id, _)| -id);

    let (tried, found) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let outcome = runner.run(&(model_filter(), 0..3_usize, 1..40_usize), |(filter, parent, limit)| {
        let of = |parent: Option<usize>| -> Vec<i64> {
            let of = model.iter().filter(|(_, key)| parent.is_none_or(|parent| key.parent == parent));
            of.filter(|(_, key)| filter.matches(key)).map(|(id, _)| *id).collect()
        };
        let (path, query, expected) = (&parents[parent].0, filter.query(), of(Some(parent)));
        prop_assert_eq!(walk(&client, path, &query, limit), expected.clone());
        prop_assert_eq!(
            ids(&client.get(&format!("{path}?{}", query.trim_start_matches('&'))).data()),
            expected.clone()
        );
        if tried.get() % ALSO_BY_COMMAND == 0 {
            prop_assert_eq!(listed_by_command(server.folder(), &filter.flags()), of(None));
        }
        tried.set(tried.get() + 1);
        found.set(found.get() + expected.len());
        Ok::<(), TestCaseError>(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(found.get() > 500, "the filters match something: {}", found.get());
}

#[test]
fn a_page_passes_over_at_most_1000_keys_and_an_owner_is_found_at_once() {
    let server = Server::start();
    let client = server.client();
    let (_, parent) = parents(&client).remove(0);
    let store = open_store(&server.store_path());
    let needle = client.post(V2_KEYS, json!({"name": "Needle", "owner": "Needle's"})).data()["id"].as_i64();
    let needle = needle.expect("a number");
    let keys: Vec<NewApiKey> = (0..2_500).map(|_| new_key(parent.organization, &new_secret())).collect();
    let last = wait(store.write(move |writes| {
        keys.into_iter().try_fold(0, |_, key| writes.insert_api_key(key).map(|key| key.id.get()))
    }));
    let last = last.expect("keys");
    for limit in [1, 100, 1_000] {
        let expected = [(vec![], Some(last - 999)), (vec![], Some(last - 1_999)), (vec![needle], None)];
        assert_eq!(pages(&client, V2_KEYS, "&name=needle", limit), expected, "by {limit}");
        assert_eq!(pages(&client, V2_KEYS, "&owner=Needle%27s", limit), [(vec![needle], None)]);
        assert_eq!(pages(&client, V2_KEYS, "&owner=nobody", limit), [(vec![], None)]);
        // Keys that match are not passed over: a page of them is full.
        assert_eq!(pages(&client, V2_KEYS, "&name=a%20key", limit)[0].0.len(), limit);
    }
    assert_eq!(ids(&client.get(&format!("{V2_KEYS}?name=needle")).data()), [needle]);
    assert_eq!(ids(&client.get(&format!("{V2_KEYS}?name=nobody")).data()), [0; 0]);
    let all = ids(&client.get(&format!("{V2_KEYS}?name=KEY")).data());
    assert_eq!(all.len(), 2_501, "the first key, too");
    assert!(all.is_sorted_by(|a, b| a > b));
}

#[test]
fn every_key_that_stays_is_on_one_page_while_others_are_created_and_revoked() {
    let server = Server::start();
    let client = server.client();
    let path = parents(&client).remove(1).0;
    let create = |name: &str| {
        let key = client.post(&path, json!({"name": name, "owner": "Team A"})).data();
        key["id"].as_i64().expect("a number")
    };
    let made: Vec<i64> = (0..30).map(|number| create(if number % 3 == 0 { "odd" } else { "Even" })).collect();
    let (mut query, mut found, mut revoked) = ("?name=EVEN&owner=Team+A&limit=3".to_owned(), Vec::new(), Vec::new());
    let begun = query.clone();
    loop {
        let data = client.get(&format!("{path}{query}")).data();
        found.extend(ids(&data));
        let Some(next) = data["nextCursor"].as_str() else { break };
        query = format!("{begun}&cursor={next}");
        create("even newer");
        // The key of the cursor, and one that has not been listed yet.
        let last: i64 = next.parse().expect("a number");
        for id in [last, last - 4].into_iter().filter(|id| made.contains(id)) {
            if client.delete(&format!("{path}/{id}")).status == 200 {
                revoked.push(id);
            }
        }
    }
    assert!(found.is_sorted_by(|a, b| a > b), "none twice, newest first: {found:?}");
    let is_even = |id: &i64| (made.iter().position(|it| it == id).expect("a key") % 3) != 0;
    let stayed: Vec<i64> = made.iter().rev().copied().filter(|id| is_even(id) && !revoked.contains(id)).collect();
    assert!(stayed.len() > 5 && stayed.iter().all(|id| found.contains(id)), "{stayed:?} in {found:?}");
    assert!(found.iter().all(|id| made.contains(id) && is_even(id)), "only keys from before: {found:?}");
}

#[test]
fn a_use_counts_before_it_is_written() {
    let server = Server::start_with(&[("KEYSTEAD_DEV_CLOCK", "true")]);
    let client = server.client();
    let (id, value) = client.mint("seldom");
    client.post("/dev/clock", json!({"advanceInMs": 3 * 86_400_000})).data();
    let unused = |days: u32| ids(&client.get(&format!("{V2_KEYS}?unusedForDays={days}")).data());
    assert_eq!((unused(3), unused(4)), (vec![id], vec![]));
    assert!(server.client_with(&value).is_good());
    assert_eq!(unused(1), [0; 0]);
}

#[test]
fn a_wrong_filter_is_answered_with_400_on_v2_and_ignored_on_v1() {
    let server = Server::start();
    let client = server.client();
    let paths: Vec<String> = parents(&client).into_iter().map(|(path, _)| path).take(2).collect();
    let long = "a".repeat(256);
    let wrong = [
        ("state", vec!["", "Active", "valid", "active,expired"]),
        ("owner", vec!["", "%20", "a%0ab", &long]),
        ("role", vec!["", "Admin", "owner", "admin,none"]),
        ("permission", vec!["", "A", "a%20b", "a,b", "a:*:b", &long]),
        ("name", vec!["", &long]),
        ("unusedForDays", vec!["", "0", "-1", "36526", "1.5", "01", "%2B1", "x"]),
        ("expiresWithinDays", vec!["", "0", "-1", "36526", "30d", "99999999999999999999"]),
    ];
    for path in &paths {
        for (name, values) in &wrong {
            for value in values {
                let sentence = client.get(&format!("{path}?{name}={value}")).refused_with(400);
                assert!(sentence.contains(name), "{name}={value}: {sentence}");
                let v1 = path.replace("/v2/", "/v1/");
                assert_eq!(client.get(&format!("{v1}?{name}={value}")).status, 200);
            }
            let sentence = client.get(&format!("{path}?{name}=1&{name}=1")).refused_with(400);
            assert!(sentence.contains(name) && sentence.contains("more than once"), "{sentence}");
        }
        let sentence = client.get(&format!("{path}?status=active")).refused_with(400);
        assert!(sentence.contains("did you mean \"state\"?"), "{sentence}");
    }
    assert_eq!(
        client.get(&format!("{V2_KEYS}?state=valid")).refused_with(400),
        "The parameter \"state\" must be one of \"active\", \"deactivated\", \"expired\", \"expiring\", \"rotating\"."
    );
    assert_eq!(
        client.get(&format!("{V2_KEYS}?unusedForDays=0")).refused_with(400),
        "The parameter \"unusedForDays\" must be a whole number from 1 to 36525."
    );
    assert_eq!(
        client.get(&format!("{V2_KEYS}?role=owner")).refused_with(400),
        "The parameter \"role\" must be one of \"none\", \"verifier\", \"auditor\", \"manager\", \"admin\"."
    );
    let other = format!("/v2/projects/proj_{}/api-keys?state=active", "0".repeat(16));
    client.get(&other).refused_with(404);
    // A field of a key that is also a filter belongs to no list of projects.
    client.get("/v2/projects?state=active").refused_with(400);
}

#[test]
fn a_command_says_on_standard_error_that_nothing_matches() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    done(folder, &["init", "--organization", "Acme"]);
    for flags in [&["--state", "expired"][..], &["--owner", "nobody"], &["--search", "zzzz"], &["--name", "zzzz"]] {
        let output = run(folder, &[&["keys", "list", "--json"], flags].concat());
        assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("", "No API key matches.\n"), "{flags:?}");
        let output = run(folder, &[&["keys", "list"], flags].concat());
        assert!(output.status.success() && stdout(&output).lines().count() == 1, "{flags:?}: the headings");
    }
    let output = run(folder, &["keys", "list", "--state", "active", "--limit", "1"]);
    assert_eq!((stdout(&output).lines().count(), stderr(&output).as_str()), (2, ""));
    let key = new_secret();
    for wrong in [
        ["--state", "valid"],
        ["--owner", ""],
        ["--role", "owner"],
        ["--permission", "a b"],
        ["--owner", key.expose()],
        ["--permission", key.expose()],
        ["--name", key.expose()],
        ["--unused-for-days", "0"],
        ["--expires-within-days", "x"],
    ] {
        let output = run(folder, &[&["keys", "list"], &wrong[..]].concat());
        assert_failed_with(&output, 2, "invalid value");
        assert!(!stderr(&output).contains(key.expose()), "{}", stderr(&output));
    }
}
