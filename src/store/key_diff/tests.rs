#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::{
    AddressList, Algorithm, KeyId, Metadata, Name, OrganizationId, Owner, Parent, Permissions, Presented, RateLimit,
    Role, Shadow, Tail, Timestamp,
};
use core::net::IpAddr;
use proptest::prelude::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms).unwrap()
}

fn digest(seed: u8) -> Digest {
    Digest::from_bytes([seed; 32])
}

fn value(seed: u8) -> Fingerprint {
    Fingerprint { digest: digest(seed), tail: Tail::external(&format!("{seed:06}")).unwrap() }
}

fn rotation(seed: u8, ends: i64) -> Option<Shadow> {
    Some(Shadow { fingerprint: value(seed), rotates_at: at(ends), last_used: None })
}

fn key() -> ApiKey {
    let parent = Parent { organization: OrganizationId::new(1).unwrap(), project: None };
    ApiKey::minted(KeyId::new(1).unwrap(), parent, Name::parse("a").unwrap(), value(1), at(0), None)
}

/// Expected consequences by value number: gained, retired, dropped, ended, stale; whether uses are joined; whether the
/// ledger gets a record.
type Meaning<'a> = ([&'a [u8]; 5], bool, bool);

#[track_caller]
fn expect(before: Option<&ApiKey>, after: Option<&ApiKey>, (values, joins_uses, is_in_ledger): Meaning<'_>) {
    let diff = KeyDiff::between(before, after);
    let [gained, retired, dropped, ended, stale] = values.map(|all| all.iter().copied().map(digest).collect());
    let record = match after {
        _ if !is_in_ledger => None,
        Some(after) => Some(KeyRecord::of(after)),
        None => before.map(KeyRecord::revoked),
    };
    let stale: Vec<Digest> = stale;
    let stale = stale.into_iter().map(Stale::Key).collect();
    assert_eq!(diff, KeyDiff { gained, retired, dropped, ended, joins_uses, stale, record });
}

#[test]
fn a_new_key_gains_its_value_and_a_revoked_key_ends_all_its_values() {
    let rotating = ApiKey { shadow: rotation(2, 10), ..key() };
    expect(None, Some(&key()), ([&[1], &[], &[], &[], &[]], false, false));
    expect(Some(&key()), None, ([&[], &[], &[1], &[1], &[1]], false, true));
    expect(Some(&rotating), None, ([&[], &[], &[1, 2], &[1, 2], &[1, 2]], false, true));
    expect(None, None, ([&[], &[], &[], &[], &[]], false, false));
}

#[test]
fn a_rotation_retires_the_values_that_it_replaces() {
    let rotating = ApiKey { shadow: rotation(2, 10), ..key() };
    let sooner = ApiKey { shadow: rotation(2, 5), ..key() };
    let third = ApiKey { value: value(3), ..key() };
    let second = ApiKey { value: value(2), ..key() };
    let used = ApiKey { shadow: rotation(2, 10).map(|it| Shadow { last_used: Some(at(3)), ..it }), ..key() };
    for (before, after, meaning) in [
        (&key(), &second, ([&[2][..], &[1], &[], &[1], &[1]], false, true)), // without a grace
        (&key(), &rotating, ([&[2], &[], &[], &[], &[1]], false, true)),     // with one
        (&rotating, &second, ([&[], &[1], &[], &[1], &[1, 2]], true, true)), // it is completed
        (&rotating, &key(), ([&[], &[2], &[], &[2], &[1, 2]], true, true)),  // it is cancelled
        (&rotating, &third, ([&[3], &[1, 2], &[], &[1, 2], &[1, 2]], true, true)), // another one without a grace
        (&rotating, &sooner, ([&[], &[], &[], &[], &[1, 2]], false, true)),  // the grace is cut short
        (&rotating, &used, ([&[], &[], &[], &[], &[1, 2]], false, false)),   // a use is no change
    ] {
        expect(Some(before), Some(after), meaning);
    }
}

#[test]
fn restrictions_and_grants_of_a_key_are_in_the_ledger_and_its_description_is_not() {
    let addresses = AddressList::parse(["10.0.0.0/8"]).unwrap();
    for after in [
        ApiKey { valid: false, ..key() },
        ApiKey { expires_at: Some(at(9)), ..key() },
        ApiKey { rate_limit: RateLimit::new(1, 1), ..key() },
        ApiKey { allowed_addresses: Some(addresses), ..key() },
        ApiKey { role: Role::Verifier, ..key() },
        ApiKey { permissions: Permissions::parse(["invoices:read"]).unwrap(), ..key() },
    ] {
        expect(Some(&key()), Some(&after), ([&[], &[], &[], &[], &[1]], false, true));
        expect(Some(&after), Some(&key()), ([&[], &[], &[], &[], &[1]], false, true));
    }
    for described in [
        ApiKey { name: Name::parse("b").unwrap(), ..key() },
        ApiKey { owner: Some(Owner::parse("shop").unwrap()), ..key() },
        ApiKey { metadata: Metadata::parse(r#"{"a":1}"#).unwrap(), ..key() },
    ] {
        expect(Some(&key()), Some(&described), ([&[], &[], &[], &[], &[1]], false, false));
    }
    expect(Some(&key()), Some(&key()), ([&[], &[], &[], &[], &[1]], false, false));
}

#[test]
fn rehashing_ends_the_former_digest_and_makes_no_former_value() {
    let before = ApiKey { value: Fingerprint { digest: Digest::of(Algorithm::Sha256, [1; 32]), ..value(1) }, ..key() };
    let from = before.value.digest;
    let diff = KeyDiff::rehashed(&before, &key());
    assert_eq!((diff.gained, diff.retired), (vec![digest(1)], vec![]));
    assert_eq!((diff.dropped, diff.ended), (vec![from], vec![from]));
    assert_eq!(diff.stale, [from, digest(1)].map(Stale::Key));
    assert_eq!(diff.record, Some(KeyRecord::of(&key())));
}

/// Any state of the key.
fn any_key() -> impl Strategy<Value = ApiKey> {
    let lists = [None, Some(["10.0.0.0/8"].as_slice()), Some(["10.1.0.0/16", "::1"].as_slice())];
    let addresses = prop::sample::select(lists.to_vec());
    let limits = prop::sample::select(vec![None, RateLimit::new(1, 1), RateLimit::new(2, 1)]);
    let end = prop::option::of(1..9_i64);
    let shadow = prop::option::of((1..5_u8, 1..9_i64, prop::option::of(1..9_i64)));
    let grants = (prop::sample::select(Role::ALL.to_vec()), prop::sample::select(vec!["", "a:b", "a:*", "*"]));
    (1..5_u8, shadow, any::<bool>(), end, prop::option::of(1..9_i64), limits, addresses, grants).prop_map(
        |(seed, shadow, valid, end, used, rate_limit, addresses, (role, permissions))| ApiKey {
            role,
            permissions: Permissions::parse_list(permissions).unwrap(),
            value: value(seed),
            shadow: shadow.filter(|(new, ..)| *new != seed).map(|(new, ends, used)| Shadow {
                fingerprint: value(new),
                rotates_at: at(ends),
                last_used: used.map(at),
            }),
            valid,
            expires_at: end.map(at),
            value_last_used: used.map(at),
            rate_limit,
            allowed_addresses: addresses.map(|list| AddressList::parse(list.iter().copied()).unwrap()),
            ..key()
        },
    )
}

/// How often the value may be used at this time and from this address where these permissions are needed; a greater
/// number means more.
fn admits(key: Option<&ApiKey>, seed: u8, now: i64, address: IpAddr, needed: &str) -> f64 {
    let good = |key: &ApiKey| {
        let presented: Presented = key.presented(&digest(seed))?;
        key.admit(presented, Some(address), &Permissions::parse_list(needed).unwrap(), at(now)).ok()?;
        Some(key.rate_limit.map_or(f64::INFINITY, |it| f64::from(it.limit()) / f64::from(it.window_s())))
    };
    key.and_then(good).unwrap_or_default()
}

proptest! {
    #[test]
    fn every_restriction_invalidates_the_cache_and_is_in_the_ledger(
        before in any_key(),
        after in prop::option::weighted(0.9, any_key()),
    ) {
        let diff = KeyDiff::between(Some(&before), after.as_ref());
        if after.as_ref().is_some_and(|after| after.role < before.role) {
            prop_assert!(diff.record.is_some() && diff.stale.contains(&Stale::Key(before.value.digest)));
        }
        for seed in 1..5 {
            for now in 0..10 {
                for (address, needed) in [("10.1.2.3", ""), ("10.9.9.9", "a:b"), ("::1", "a:b:c"), ("9.9.9.9", "b")] {
                    let address = address.parse().unwrap();
                    let had = admits(Some(&before), seed, now, address, needed);
                    let has = admits(after.as_ref(), seed, now, address, needed);
                    if has < had {
                        prop_assert!(diff.stale.contains(&Stale::Key(digest(seed))), "{} of {}", has, had);
                    }
                    if has != had {
                        prop_assert!(diff.record.is_some(), "{} of {}", has, had);
                    }
                }
            }
        }
    }

    #[test]
    fn each_value_is_gained_kept_or_ended(
        before in prop::option::weighted(0.9, any_key()),
        after in prop::option::weighted(0.9, any_key()),
    ) {
        let diff = KeyDiff::between(before.as_ref(), after.as_ref());
        let (old, new) = (values(before.as_ref()), values(after.as_ref()));
        for digest in (1..5).map(digest) {
            let (was, is) = (old.contains(&digest), new.contains(&digest));
            prop_assert_eq!(diff.gained.contains(&digest), is && !was);
            prop_assert_eq!(diff.ended.contains(&digest), was && !is);
            prop_assert_eq!(diff.retired.contains(&digest), was && !is && after.is_some());
            prop_assert_eq!(diff.dropped.contains(&digest), was && !is && after.is_none());
        }
    }

    #[test]
    fn the_ledger_gets_a_record_exactly_when_the_restrictions_change(before in any_key(), after in any_key()) {
        let diff = KeyDiff::between(Some(&before), Some(&after));
        let is_same = KeyRecord::of(&before) == KeyRecord::of(&after);
        prop_assert_eq!(diff.record, Some(KeyRecord::of(&after)).filter(|_| !is_same));
        prop_assert_eq!(KeyDiff::between(Some(&after), Some(&after)).record, None);
    }
}
