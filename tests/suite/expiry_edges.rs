//! The expiry of keys and grace periods to the millisecond, on the service itself, whose time is an argument.

use super::helpers::*;
use keystead::domain::{Expiry, Grace, KeyPrefix, Lifetime, Name, Origin, Permissions, Target, Timestamp};
use keystead::metrics::Via;
use keystead::service::{
    BruteForceLimit, ChangeLimit, FirstKey, IssuedKey, KeyChange, ManageKeys, NewKey, NewValue, Permitted,
    RotationRequest, Service, ServiceOptions,
};

const NOW: i64 = 1_709_164_800_000; // 2024-02-29T00:00:00Z
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

struct Fixture {
    service: Service,
    admin: Permitted<ManageKeys>,
    _folder: tempfile::TempDir,
}

fn name() -> Name {
    Name::parse("a").expect("a name")
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServiceOptions {
        store: store_options(&folder.path().join("keystead.db")),
        organization_key_prefix: prefix(),
        project_key_prefix: KeyPrefix::parse("confident_proj_").expect("a prefix"),
        cache_capacity: 100,
        brute_force: BruteForceLimit { burst: 20, per_minute: 20, addresses: 100, counts_loopback: false },
        change_limit: ChangeLimit { burst: 0, per_minute: 0 },
        counts_usage: true,
    };
    let service = Service::open(&options, metrics()).expect("a service");
    let secret = new_secret();
    let credential = secret.expose().to_owned();
    let first = FirstKey { organization: name(), organization_random: [1; 8], name: name(), secret };
    wait(service.initialize(&first, at(NOW))).expect("an organization");
    let admin = wait(service.authenticate(
        credential.as_bytes(),
        &Permissions::default(),
        Origin::default(),
        Via::Authentication,
        moment(NOW),
    ))
    .expect("its first key");
    let admin = admin.require(Target::default()).expect("an admin");
    Fixture { service, admin, _folder: folder }
}

impl Fixture {
    fn create(&self, seed: u8, days: Option<i64>) -> IssuedKey {
        let lifetime = days.and_then(Lifetime::from_days);
        let keys = self.service.keys(self.admin.authority(), None);
        let new = NewKey { name: name(), value: NewValue::Random([seed; 16]), lifetime, change: KeyChange::default() };
        wait(keys.create(new, None)).expect("a key")
    }

    /// The new value of the key.
    fn rotate(&self, key: &IssuedKey, seed: u8, hours: i64) -> String {
        let grace = Grace::from_hours(hours).expect("a grace");
        let (value, change) = (NewValue::Random([seed; 16]), KeyChange::default());
        let rotation = RotationRequest { value, grace, expiry: Expiry::Keep, change };
        let keys = self.service.keys(self.admin.authority(), None);
        full(&wait(keys.rotate(key.key.id, rotation, None)).expect("a rotation"))
    }

    /// The outcome of using the value at that time: its expiry, or the reason for the refusal.
    fn use_at(&self, value: &str, ms: i64) -> Result<Option<Timestamp>, String> {
        let used = wait(self.service.authenticate(
            value.as_bytes(),
            &Permissions::default(),
            Origin::default(),
            Via::Authentication,
            moment(ms),
        ));
        used.map(|caller| caller.sunset()).map_err(|error| error.to_string())
    }
}

fn full(issued: &IssuedKey) -> String {
    issued.secret.as_ref().expect("a value").expose().to_owned()
}

#[test]
fn a_key_is_refused_from_the_millisecond_of_its_expiry_on_cached_or_not() {
    let f = fixture();
    let end = NOW + DAY_MS;
    let expired = Err("The API key has expired.".to_owned());
    let (remembered, read) = (full(&f.create(2, Some(1))), full(&f.create(3, Some(1))));
    assert_eq!(f.use_at(&remembered, NOW), Ok(None), "and is remembered from now on");
    assert_eq!(f.use_at(&remembered, end - 1), Ok(None));
    for value in [&remembered, &read] {
        assert_eq!(f.use_at(value, end), expired);
        assert_eq!(f.use_at(value, end + 1), expired);
    }
    assert_eq!(f.use_at(&read, end - 1), Ok(None));
}

#[test]
fn an_outgoing_value_is_refused_from_the_millisecond_it_is_replaced_and_the_new_one_never() {
    let f = fixture();
    let end = NOW + HOUR_MS;
    let key = f.create(2, None);
    let (outgoing, new) = (full(&key), f.rotate(&key, 3, 1));
    for now in [NOW, end - 1] {
        assert_eq!(f.use_at(&outgoing, now), Ok(Some(at(end))));
        assert_eq!(f.use_at(&new, now), Ok(None));
    }
    for now in [end, end + 1] {
        assert_eq!(f.use_at(&outgoing, now), Err("The API key is not valid.".to_owned()));
        assert_eq!(f.use_at(&new, now), Ok(None));
    }
}

#[test]
fn a_grace_period_ends_with_the_key_at_the_latest() {
    let f = fixture();
    let end = NOW + DAY_MS;
    let key = f.create(2, Some(1));
    let (outgoing, new) = (full(&key), f.rotate(&key, 3, 100));
    assert_eq!(f.use_at(&outgoing, end - 1), Ok(Some(at(end))));
    assert_eq!(f.use_at(&new, end - 1), Ok(None));
    assert_eq!(f.use_at(&outgoing, end), Err("The API key is not valid.".to_owned()));
    assert_eq!(f.use_at(&new, end), Err("The API key has expired.".to_owned()));
}
