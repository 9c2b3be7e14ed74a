//! The contract of every kind of store.

use super::helpers::*;
use super::store_in_file::assert_measured;
use keystead::domain::{
    Action, Actor, ApiKey, Digest, Error, EventFilter, KeyCounts, KeyId, Name, NewEvent, OrganizationId, Origin,
    Parent, Presented, Project, ProjectId, Secret,
};
use keystead::metrics::Metrics;
use keystead::store::file::{StoreFile, StoreOptions};
use keystead::store::{FORMER_VALUES, NewApiKey, Revision, Store, Writes};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// A kind of store.
pub trait Backend {
    /// A path for a store that does not exist yet.
    fn new() -> Self;

    /// The store there, opened as a process does that uses this clock.
    fn open(&self, metrics: Arc<Metrics>, uptime: fn() -> Duration) -> Store;

    /// Checks the invisible state of a store that every process has closed.
    fn check(&self) {}
}

/// A store in a file.
pub struct InFile(tempfile::TempDir);

impl InFile {
    pub fn path(&self) -> PathBuf {
        self.0.path().join("keystead.db")
    }
}

impl Backend for InFile {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn open(&self, metrics: Arc<Metrics>, uptime: fn() -> Duration) -> Store {
        let options = StoreOptions { uptime, ..store_options(&self.path()) };
        StoreFile::open(&options, metrics).expect("the store opens").store()
    }

    fn check(&self) {
        super::store_in_file::assert_index_is_exact(&self.path());
    }
}

/// Runs each of these tests for each kind of store.
macro_rules! for_each_store {
    ($($test:ident),+ $(,)?) => {
        mod in_a_file {
            $(
                #[test]
                fn $test() {
                    super::$test::<super::InFile>();
                }
            )+
        }
    };
}

for_each_store!(
    a_write_that_fails_is_undone_and_those_that_share_its_commit_stand,
    keys_are_counted_by_what_they_are_at_a_time,
    slices_have_each_key_of_the_organization_and_its_projects_once,
    a_write_whose_caller_has_gone_away_is_done_and_harms_nobody,
    a_write_too_many_is_refused_at_once,
    a_read_sees_one_state_of_the_store_throughout,
    a_stamp_changes_with_whatever_takes_validity_away_and_with_nothing_else,
    two_processes_that_mint_in_turn_find_each_others_keys_at_once,
    two_processes_that_write_at_the_same_time_lose_nothing,
    events_are_found_by_the_whole_number_or_the_whole_name_of_their_actor,
    a_store_that_was_closed_refuses_work_with_a_sentence,
    a_key_is_looked_up_with_its_organization_and_its_project,
    what_was_looked_up_before_a_commit_that_ends_it_is_not_believed,
    what_another_process_committed_is_noticed,
);

pub struct Fixture<B> {
    pub store: Store,
    pub metrics: Arc<Metrics>,
    pub organization: OrganizationId,
    pub place: B,
}

impl<B: Backend> Fixture<B> {
    /// The same store, opened a second time as by another process.
    pub fn again(&self) -> Store {
        self.place.open(super::helpers::metrics(), uptime)
    }
}

pub fn fixture<B: Backend>() -> Fixture<B> {
    let (place, metrics) = (B::new(), metrics());
    // No time passes: a cached read is valid until a commit invalidates it.
    let store = place.open(Arc::clone(&metrics), || Duration::ZERO);
    let organization = insert_organization(&store, "Acme").0.id;
    Fixture { store, metrics, organization, place }
}

pub fn rename(writes: &mut dyn Writes, id: OrganizationId, name: &str) -> Result<bool, Error> {
    writes.rename_organization(id, &Name::parse(name)?)
}

pub fn name(store: &Store, id: OrganizationId) -> String {
    let found = wait(store.read(move |reads| reads.organization(id))).expect("a read");
    found.expect("an organization").name.as_str().to_owned()
}

pub fn is_found(store: &Store, secret: &Secret) -> bool {
    let digest = secret.fingerprint().digest;
    let found = wait(store.lookup(digest, at(0))).expect("a read");
    found.is_some_and(|(found, _)| found.key.value == secret.fingerprint())
}

/// The revision under which the key with this digest is valid, if there is one.
pub fn revision(store: &Store, digest: Digest) -> Option<Revision> {
    wait(store.lookup(digest, at(0))).expect("a read").map(|(_, revision)| revision)
}

/// Blocks the writer in a job until the returned sender is dropped, so that the jobs queued meanwhile share a commit.
pub fn hold_writer(store: &Store) -> (mpsc::Sender<()>, impl Future<Output = Result<(), Error>>) {
    let (release, held) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    let job = store.write(move |_| {
        begun.send(()).expect("the test waits");
        _ = held.recv();
        Ok(())
    });
    let mut job = Box::pin(job);
    // Polled once, the job is queued.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(job.as_mut().poll(&mut context).is_pending());
    has_begun.recv().expect("the job begins");
    (release, job)
}

/// Queues a job without waiting for it.
pub fn queue<T>(job: impl Future<Output = Result<T, Error>>) -> impl Future<Output = Result<T, Error>> {
    let mut job = Box::pin(job);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(job.as_mut().poll(&mut context).is_pending());
    job
}

/// Gives the key another value; returns the former one.
pub fn rotate(store: &Store, (key, secret): &mut (ApiKey, Secret)) -> Secret {
    let new = new_secret();
    let (before, after) = (key.clone(), ApiKey { value: new.fingerprint(), ..key.clone() });
    *key = after.clone();
    wait(store.write(move |writes| writes.update_api_key(&before, &after))).expect("a commit");
    std::mem::replace(secret, new)
}

fn a_write_that_fails_is_undone_and_those_that_share_its_commit_stand<B: Backend>() {
    let f = fixture::<B>();
    let (release, held) = hold_writer(&f.store);
    let id = f.organization;
    let first = queue(f.store.write(move |writes| rename(writes, id, "First")));
    let fails = queue(f.store.write(move |writes| {
        rename(writes, id, "Never")?;
        Err::<(), _>(Error::Conflict("no".to_owned()))
    }));
    let panics = queue(f.store.write(move |writes| {
        rename(writes, id, "Never")?;
        panic!("in a job, on purpose");
        #[allow(unreachable_code, reason = "gives the closure its type")]
        Ok(())
    }));
    let new = new_key(id, &new_secret());
    let last = queue(f.store.write(move |writes| writes.insert_api_key(new)));
    drop(release);
    wait(held).expect("a commit");
    assert!(wait(first).expect("a commit"));
    assert!(matches!(wait(fails), Err(Error::Conflict(_))));
    assert!(matches!(wait(panics), Err(Error::Internal(_))));
    assert_eq!(wait(last).expect("a commit").id.get(), 2);
    assert_eq!(name(&f.store, id), "First");
}

fn keys_are_counted_by_what_they_are_at_a_time<B: Backend>() {
    let f = fixture::<B>();
    let ends = [None, Some(at(2_000)), Some(at(2_000)), Some(at(3_000))];
    let news = ends.map(|expires_at| NewApiKey { expires_at, ..new_key(f.organization, &new_secret()) });
    let switch_one_off = move |writes: &mut dyn Writes| {
        for new in news {
            let key = writes.insert_api_key(new)?;
            if key.id.get() == 3 {
                writes.update_api_key(&key, &ApiKey { valid: false, ..key.clone() })?;
            }
        }
        Ok(())
    };
    wait(f.store.write(switch_one_off)).expect("a commit");
    for (ms, active, expired) in [(1_999, 4, 0), (2_000, 3, 1), (3_000, 2, 2)] {
        let counts = wait(f.store.read(move |reads| reads.count_api_keys(None, u32::MAX, at(ms)))).expect("a count").0;
        assert_eq!(counts, KeyCounts { active, deactivated: 1, expired }, "{ms}");
    }
}

fn slices_have_each_key_of_the_organization_and_its_projects_once<B: Backend>() {
    let f = fixture::<B>();
    let (organization, other) = (f.organization, insert_organization(&f.store, "Other").0.id);
    let project = |id: i64, organization: OrganizationId| Project {
        id: ProjectId::new(id).expect("a number"),
        organization,
        name: Name::parse(&format!("Project {id}")).expect("a name"),
        description: None,
        created_at: at(5),
    };
    // Project 2 has no keys. Project 0 has the least of all ids.
    let projects = [project(0, organization), project(2, organization), project(3, organization), project(1, other)];
    let parents = [
        (organization, None),
        (organization, Some(3)),
        (other, Some(1)),
        (organization, Some(0)),
        (organization, None),
        (organization, Some(0)),
        (other, None),
        (organization, Some(3)),
        (organization, Some(0)),
    ];
    let parents =
        parents.map(|(organization, project)| Parent { organization, project: project.and_then(ProjectId::new) });
    let added = wait(f.store.write(move |writes| {
        projects.iter().try_for_each(|project| writes.insert_project(project))?;
        let new = |parent: Parent| NewApiKey { parent, ..new_key(parent.organization, &new_secret()) };
        parents.into_iter().map(|parent| writes.insert_api_key(new(parent))).collect::<Result<Vec<_>, _>>()
    }));
    let mut expected = added.expect("keys");
    expected.retain(|key| key.parent.organization == organization);
    // The organization's own first key.
    expected.extend(wait(f.store.read(|reads| reads.api_key_anywhere(KeyId::new(1).expect("an id")))).expect("a read"));
    expected.sort_by_key(|key| (key.parent.project.map(ProjectId::get), std::cmp::Reverse(key.id)));
    assert_eq!(expected.len(), 8);
    for limit in 1..=12 {
        let (mut found, mut next) = (Vec::new(), Some((None, None)));
        while let Some(from) = next {
            let slice = wait(f.store.read_slice(move |reads| reads.keys_of_organization(organization, from, limit)));
            let slice = slice.expect("a slice");
            assert!(slice.keys.len() <= limit as usize);
            found.extend(slice.keys);
            next = slice.next;
        }
        assert_eq!(found, expected, "by {limit}");
    }
}

fn a_write_whose_caller_has_gone_away_is_done_and_harms_nobody<B: Backend>() {
    let f = fixture::<B>();
    let (release, held) = hold_writer(&f.store);
    let id = f.organization;
    drop(queue(f.store.write(move |writes| rename(writes, id, "Orphan"))));
    drop(release);
    wait(held).expect("a commit");
    wait(f.store.write(|_| Ok(()))).expect("the writer lives");
    assert_eq!(name(&f.store, id), "Orphan");
}

fn a_write_too_many_is_refused_at_once<B: Backend>() {
    let f = fixture::<B>();
    let (release, held) = hold_writer(&f.store);
    let waiting: Vec<_> = (0..64).map(|_| queue(f.store.write(|_| Ok(())))).collect();
    let refused = wait(f.store.write(|_| Ok(())));
    assert!(matches!(refused, Err(Error::Unavailable { sentence, .. }) if sentence.contains("try again")));
    assert_measured(&f.metrics, "keystead_store_queue_depth 64");
    drop(release);
    wait(held).expect("a commit");
    for job in waiting {
        wait(job).expect("a commit");
    }
}

fn a_read_sees_one_state_of_the_store_throughout<B: Backend>() {
    let f = fixture::<B>();
    let id = f.organization;
    let (store, organization) = (&f.store, f.organization);
    std::thread::scope(|scope| {
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let names = scope.spawn(move || {
            wait(store.read(move |reads| {
                let first = reads.organization(organization)?;
                begun.send(()).expect("the test waits");
                _ = may_go_on.recv();
                Ok((first, reads.organization(organization)?))
            }))
        });
        has_begun.recv().expect("the read begins");
        wait(store.write(move |writes| rename(writes, id, "Changed"))).expect("a commit");
        drop(go_on);
        let (first, second) = names.join().expect("the reader").expect("a read");
        assert_eq!(first, second);
    });
    assert_eq!(name(&f.store, f.organization), "Changed");
}

fn a_stamp_changes_with_whatever_takes_validity_away_and_with_nothing_else<B: Backend>() {
    let f = fixture::<B>();
    let (organization, secret) = (f.organization, new_secret());
    let key = insert_keys(&f.store, organization, std::slice::from_ref(&secret)).expect("a key").remove(0);
    // The watch notices the fixture's commits first.
    let digest = secret.fingerprint().digest;
    let mut before = revision(&f.store, digest);
    let mut changes = |what: &str, expected: bool| {
        assert_ne!(before.is_some_and(|before| f.store.is_current(&digest, before)), expected, "{what}");
        before = revision(&f.store, digest);
    };
    let id = key.id;
    insert_keys(&f.store, organization, &[new_secret()]).expect("a key");
    changes("minting", false);
    wait(f.store.write(move |writes| writes.record_last_used(&[(id, digest, at(5))]))).expect("a commit");
    changes("a use", false);
    let before = key.clone();
    let after = ApiKey { valid: false, ..key.clone() };
    wait(f.store.write(move |writes| writes.update_api_key(&before, &after))).expect("a commit");
    changes("deactivating", true);
    wait(f.store.write(move |writes| rename(writes, organization, "New"))).expect("a commit");
    changes("renaming", true);
    let revoked = key.clone();
    let undone = wait(f.store.write(move |writes| {
        writes.delete_api_key(&revoked)?;
        Err::<(), _>(Error::Conflict("no".to_owned()))
    }));
    assert!(undone.is_err());
    changes("a revocation that was undone", false);
    wait(f.store.write(move |writes| writes.delete_api_key(&key))).expect("a commit");
    changes("revoking", true);
}

fn two_processes_that_mint_in_turn_find_each_others_keys_at_once<B: Backend>() {
    let f = fixture::<B>();
    let other = f.again();
    let mut secrets = Vec::new();
    for round in 0..200 {
        let secret = new_secret();
        let minter = if round % 3 == 0 { &other } else { &f.store };
        insert_keys(minter, f.organization, std::slice::from_ref(&secret)).expect("a key");
        assert!(is_found(&f.store, &secret) && is_found(&other, &secret), "round {round}");
        secrets.push(secret);
    }
    // One process has it in memory; the other one changes it.
    for (minter, changer) in [(&f.store, &other), (&other, &f.store)] {
        let secret = new_secret();
        let key = insert_keys(minter, f.organization, std::slice::from_ref(&secret)).expect("a key").remove(0);
        let mut key = (key, secret);
        let replaced = rotate(changer, &mut key);
        assert!([minter, changer].iter().all(|store| !is_found(store, &replaced) && is_found(store, &key.1)));
        secrets.push(key.1);
    }
    f.store.close();
    other.close();
    f.place.check();
    assert!(secrets.iter().all(|secret| is_found(&f.again(), secret)));
}

fn two_processes_that_write_at_the_same_time_lose_nothing<B: Backend>() {
    let f = fixture::<B>();
    let other = f.again();
    let secrets: Vec<Secret> = std::thread::scope(|scope| {
        let writers = [&f.store, &other].map(|store| {
            scope.spawn(move || {
                let secrets: Vec<Secret> = (0..150).map(|_| new_secret()).collect();
                for secret in &secrets {
                    insert_keys(store, f.organization, std::slice::from_ref(secret)).expect("a key");
                }
                secrets
            })
        });
        writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect()
    });
    assert!(secrets.iter().all(|secret| is_found(&f.store, secret) && is_found(&other, secret)));
    f.store.close();
    other.close();
    f.place.check();
}

fn events_are_found_by_the_whole_number_or_the_whole_name_of_their_actor<B: Backend>() {
    let f = fixture::<B>();
    for (id, name) in [(7, "CI"), (8, "7"), (9, "7 eleven"), (10, "07")] {
        let event = NewEvent {
            at: at(0),
            organization: None,
            project: None,
            actor: Actor::Key(KeyId::new(id).expect("an id"), Name::parse(name).expect("a name")),
            action: Action::KeyCreated,
            resource: String::new(),
            change: String::new(),
            origin: Origin::default(),
        };
        wait(f.store.write(move |writes| writes.append_event(&event))).expect("a commit");
    }
    for (actor, expected) in
        [("7", vec![8, 7]), ("7 eleven", vec![9]), ("07", vec![10]), ("10", vec![10]), ("7.0", vec![])]
    {
        let filter = EventFilter { actor: Some(actor.to_owned()), ..EventFilter::default() };
        let found = wait(f.store.read(move |reads| reads.events(&filter, None, 10))).expect("a read");
        let found: Vec<_> = found.iter().filter_map(|event| event.what.actor.key()).map(KeyId::get).collect();
        assert_eq!(found, expected, "{actor}");
    }
}

fn a_store_that_was_closed_refuses_work_with_a_sentence<B: Backend>() {
    let f = fixture::<B>();
    f.store.close();
    assert!(matches!(wait(f.store.write(|_| Ok(()))), Err(Error::Unavailable { .. })));
}

fn a_key_is_looked_up_with_its_organization_and_its_project<B: Backend>() {
    let f = fixture::<B>();
    let (organization, secret) = (f.organization, new_secret());
    let project = Project {
        id: ProjectId::new(7).expect("a number"),
        organization,
        name: Name::parse("Web shop").expect("a name"),
        description: None,
        created_at: at(5),
    };
    let parent = Parent { organization, project: Some(project.id) };
    let (added, new) = (project.clone(), NewApiKey { parent, ..new_key(organization, &secret) });
    let add = move |writes: &mut dyn Writes| {
        writes.insert_project(&added)?;
        writes.insert_api_key(new)
    };
    let mut key = (wait(f.store.write(add)).expect("a commit"), secret);
    let look = |digest: Digest| wait(f.store.lookup(digest, at(0))).expect("a read").map(|(found, _)| found);
    let found = look(key.0.value.digest).expect("a key");
    assert_eq!((&found.key, found.presented), (&key.0, Presented::Value));
    assert_eq!((found.organization.id, found.organization.name.as_str()), (organization, "Acme"));
    assert_eq!(found.project, Some(project));
    // Its former values are recognized; the oldest one beyond the limit belongs to no key.
    let former: Vec<Digest> = (0..=FORMER_VALUES).map(|_| rotate(&f.store, &mut key).fingerprint().digest).collect();
    let found = look(former[1]).expect("a former value");
    assert_eq!((found.key.id, found.presented), (key.0.id, Presented::Former));
    assert!(look(former[0]).is_none());
    assert!(look(new_secret().fingerprint().digest).is_none());
    assert_eq!(look(key.0.value.digest).expect("a key").presented, Presented::Value);
}

fn what_was_looked_up_before_a_commit_that_ends_it_is_not_believed<B: Backend>() {
    let f = fixture::<B>();
    let secret = new_secret();
    let key = insert_keys(&f.store, f.organization, std::slice::from_ref(&secret)).expect("a key").remove(0);
    let digest = key.value.digest;
    // The lookup ends before the commit, and its result is cached after it.
    let before = revision(&f.store, digest).expect("a key");
    wait(f.store.write(move |writes| writes.delete_api_key(&key))).expect("a commit");
    assert!(!f.store.is_current(&digest, before));
    assert!(revision(&f.store, digest).is_none());
}

fn what_another_process_committed_is_noticed<B: Backend>() {
    let f = fixture::<B>();
    let other = f.again();
    let secret = new_secret();
    let key = insert_keys(&f.store, f.organization, std::slice::from_ref(&secret)).expect("a key").remove(0);
    let digest = key.value.digest;
    let before = revision(&f.store, digest).expect("a key");
    wait(other.write(move |writes| writes.delete_api_key(&key))).expect("a commit");
    eventually(Duration::from_secs(2), || !f.store.is_current(&digest, before));
    assert!(revision(&f.store, digest).is_none());
}
