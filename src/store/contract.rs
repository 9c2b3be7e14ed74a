//! The contract of every backend.
//!
//! - A [`Reads`] sees one state of the store: the newest that was committed when the read began.
//! - A [`Writes`] runs alone: nothing else writes until its transaction is over. It sees its own changes.
//! - Committed means on disk: a power failure after the answer loses nothing.
//! - A key's number is never reused.
//! - Every change that ends a key's validity, or changes what is cached with the key, changes the revisions of the
//!   key's values after the commit and before the answer. The backend does this; a caller cannot forget it.
//! - Every change of an existing key's validity is in the ledger of revocations before it is committed, so no older
//!   copy of the store can undo it.
//! - Every method fails with [`Error::Unavailable`](crate::domain::Error::Unavailable) where the disk fails.

use crate::domain::{
    ApiKey, ChainCheck, CountedUses, Digest, Event, EventFilter, Fingerprint, Hour, KeyChange, KeyCounts, KeyForms,
    KeyId, Link, Name, NewEvent, Organization, OrganizationId, OrganizationSize, Owner, Parent, Presented, Project,
    ProjectId, Result, Timestamp, UseCounts,
};
use std::ops::Range;

/// How many former values of a key are kept. Older ones are forgotten.
pub const FORMER_VALUES: u32 = 16;

/// A key to be stored.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Its organization or project.
    pub parent: Parent,
    /// The digest and the last characters of its value.
    pub value: Fingerprint,
    /// Its name.
    pub name: Name,
    /// Creation time.
    pub created_at: Timestamp,
    /// Expiry; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// How it differs from a key with default values. Its name is not in here.
    pub change: KeyChange,
}

/// A request that must not be executed twice.
#[derive(Clone, Debug)]
pub struct IdempotentRequest {
    /// The key that the caller authenticated with.
    pub caller: KeyId,
    /// The hash of the caller's `Idempotency-Key`.
    pub name: String,
    /// The hash of the request.
    pub digest: [u8; 32],
    /// The key that it created or rotated.
    pub api_key: KeyId,
    /// When it was executed.
    pub created_at: Timestamp,
}

/// The key to which a digest belongs.
#[derive(Clone, Debug)]
pub struct FoundKey {
    /// The key.
    pub key: ApiKey,
    /// Which of its values has the digest.
    pub presented: Presented,
    /// Its organization.
    pub organization: Organization,
    /// Its project, if it has one.
    pub project: Option<Project>,
}

/// One slice of a search of the audit log.
#[derive(Clone, Debug)]
pub struct EventsSlice<T> {
    /// The result.
    pub found: T,
    /// The number to continue below; `None` at the end of the log.
    pub next: Option<i64>,
}

/// One use of a key: the key, the digest of the value that was used, the time.
pub type LastUse = (KeyId, Digest, Timestamp);

/// What is counted for each organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// API keys.
    Keys,
    /// Events of the audit log.
    Events,
}

/// The sizes of organizations, counted over one slice of a table.
#[derive(Clone, Debug)]
pub struct SizesSlice {
    /// Each organization's part of the slice.
    pub sizes: Vec<(OrganizationId, OrganizationSize)>,
    /// The number of the first event in the whole log; `None` where the slice is empty, and for keys.
    pub first: Option<i64>,
    /// The greatest number in the slice.
    pub through: i64,
    /// How many rows the slice has.
    pub rows: u64,
}

/// A place in the list of all keys of an organization: the project, or `None` for the organization's own keys, and the
/// key to continue below in it, or `None` for its newest key.
pub type KeysPlace = (Option<ProjectId>, Option<KeyId>);

/// One slice of all keys of an organization.
#[derive(Clone, Debug)]
pub struct KeysSlice {
    /// The keys.
    pub keys: Vec<ApiKey>,
    /// Where to continue; `None` at the end.
    pub next: Option<KeysPlace>,
}

/// One slice of the uses of an organization's keys.
#[derive(Clone, Debug)]
pub struct UsesSlice {
    /// Keys, each with its uses in one hour.
    pub uses: Vec<(KeyId, u64)>,
    /// The hour to continue in, and the key to continue after; `None` at the end.
    pub next: Option<(Hour, Option<KeyId>)>,
}

/// Queries.
pub trait Reads {
    /// Whether the store is initialized: whether it has an organization.
    fn is_initialized(&self) -> Result<bool>;

    /// The organization with this id.
    fn organization(&self, id: OrganizationId) -> Result<Option<Organization>>;

    /// Up to `limit` organizations in the order of name and id, after `after`.
    fn organizations(&self, after: Option<&Organization>, limit: u32) -> Result<Vec<Organization>>;

    /// The number of organizations.
    fn count_organizations(&self) -> Result<u32>;

    /// The project with this id, if it belongs to the organization.
    fn project(&self, organization: OrganizationId, id: ProjectId) -> Result<Option<Project>>;

    /// The organization's project with this name.
    fn project_by_name(&self, organization: OrganizationId, name: &Name) -> Result<Option<Project>>;

    /// Up to `limit` of the organization's projects by name, after `after`.
    fn projects(&self, organization: OrganizationId, after: Option<&Name>, limit: u32) -> Result<Vec<Project>>;

    /// The key, if it belongs to exactly this parent.
    fn api_key(&self, parent: Parent, id: KeyId) -> Result<Option<ApiKey>>;

    /// The key, whatever organization or project it belongs to. Only for callers that may see all keys.
    fn api_key_anywhere(&self, id: KeyId) -> Result<Option<ApiKey>>;

    /// Up to `limit` of the parent's keys, newest first, starting below `before` where given; with an owner, only the
    /// keys of this owner. It takes as long as it takes to read the keys that it returns, however many others there are.
    fn api_keys(&self, parent: Parent, owner: Option<&Owner>, before: Option<KeyId>, limit: u32)
    -> Result<Vec<ApiKey>>;

    /// Up to `limit` of all keys of the organization: first its own ones, then those of one project after the other, each
    /// newest first. It takes as long as it takes to read the keys that it returns, however many others there are.
    fn keys_of_organization(&self, organization: OrganizationId, from: KeysPlace, limit: u32) -> Result<KeysSlice>;

    /// Whether this is the digest of an ended value: its key was revoked, or a rotation replaced the value. An ended
    /// value never becomes valid again.
    fn has_ended(&self, digest: &Digest) -> Result<bool>;

    /// The forms of keys and digests that imports have ever added.
    fn forms(&self) -> Result<KeyForms>;

    /// Counts the next `limit` keys of all organizations after `after` by their state at `now`. Also returns the last
    /// key that was counted, if there may be more.
    fn count_api_keys(&self, after: Option<KeyId>, limit: u32, now: Timestamp) -> Result<(KeyCounts, Option<KeyId>)>;

    /// The sizes of organizations over up to `limit` keys or events after the number `after`.
    fn sizes(&self, what: Counted, after: i64, limit: u32) -> Result<SizesSlice>;

    /// The latest time among the newest thousand events and all last uses. The clock had passed it when it was written.
    fn latest_time(&self) -> Result<Option<Timestamp>>;

    /// The number and hash of the newest event.
    fn audit_head(&self) -> Result<Option<Link>>;

    /// Up to `limit` events that match the filter, newest first, below the number `before`.
    fn events(&self, filter: &EventFilter, before: Option<i64>, limit: u32) -> Result<Vec<Event>>;

    /// The same, but reads only the newest `within` events below `before`.
    fn events_within(
        &self,
        filter: &EventFilter,
        before: Option<i64>,
        limit: u32,
        within: u32,
    ) -> Result<EventsSlice<Vec<Event>>>;

    /// How many of the newest `within` events below `before` match the filter.
    fn count_events_within(&self, filter: &EventFilter, before: i64, within: u32) -> Result<EventsSlice<u64>>;

    /// What the first remaining event follows: [`Link::START`], or the link that pruning recorded for the removed
    /// events.
    fn audit_start(&self) -> Result<Link>;

    /// Checks up to `limit` events after this one against their hashes. `None` starts at the beginning of the log,
    /// where no event may be missing.
    fn check_chain(&self, after: Option<Link>, limit: u32) -> Result<ChainCheck>;

    /// The caller's request with this name.
    fn idempotent_request(&self, caller: KeyId, name: &str) -> Result<Option<IdempotentRequest>>;

    /// The uses of the organization's key, which may be revoked, or of all its keys, by hour. Hours without uses are left
    /// out.
    fn usage(
        &self,
        organization: OrganizationId,
        key: Option<KeyId>,
        hours: Range<Hour>,
    ) -> Result<Vec<(Hour, UseCounts)>>;

    /// The uses of each of the organization's keys by hour, up to `limit` of them. Begins with the first hour, in it
    /// after the key `after`. A key may be revoked.
    fn usage_by_key(
        &self,
        organization: OrganizationId,
        hours: Range<Hour>,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<UsesSlice>;
}

/// Changes.
pub trait Writes: Reads {
    /// Adds an organization.
    fn insert_organization(&mut self, organization: &Organization) -> Result<()>;

    /// Renames an organization; `false` where it does not exist.
    fn rename_organization(&mut self, id: OrganizationId, name: &Name) -> Result<bool>;

    /// Adds a project.
    fn insert_project(&mut self, project: &Project) -> Result<()>;

    /// Updates a project's name and description.
    fn update_project(&mut self, project: &Project) -> Result<()>;

    /// Deletes a project and its keys; returns how many keys it had.
    fn delete_project(&mut self, project: &Project) -> Result<usize>;

    /// Whether a key has this digest, including keys of an unfinished import: an imported value must not become the
    /// value of two keys.
    fn is_taken(&self, digest: &Digest) -> Result<bool>;

    /// Adds a key and gives it its number.
    fn insert_api_key(&mut self, key: NewApiKey) -> Result<ApiKey>;

    /// Replaces the digest of a key's value by another digest of the same value; `false` where the key is gone or has
    /// another value by now.
    fn rehash_api_key(&mut self, id: KeyId, from: &Digest, to: &Digest) -> Result<bool>;

    /// Updates a key. `before` is the key as this transaction read it. A value that the key loses becomes a former
    /// value.
    fn update_api_key(&mut self, before: &ApiKey, after: &ApiKey) -> Result<()>;

    /// Deletes a key.
    fn delete_api_key(&mut self, key: &ApiKey) -> Result<()>;

    /// Records last uses. Uses of deleted keys are ignored. The use of a replaced value counts as a use of the current
    /// value.
    fn record_last_used(&mut self, uses: &[LastUse]) -> Result<()>;

    /// Adds uses to the counts of their keys and of their organizations. Revoked keys are counted, too.
    fn add_usage(&mut self, uses: &[CountedUses]) -> Result<()>;

    /// Deletes up to `limit` counts from before this hour, oldest first; returns how many.
    fn prune_usage(&mut self, before: Hour, limit: u32) -> Result<usize>;

    /// Stores a request; it replaces an older one of the same name.
    fn insert_idempotent_request(&mut self, request: &IdempotentRequest) -> Result<()>;

    /// Appends an event to the audit log.
    fn append_event(&mut self, event: &NewEvent) -> Result<()>;

    /// Deletes up to `limit` of the oldest events from before `until`. Returns the last deleted event and the count.
    /// The newest event always stays.
    fn prune_events(&mut self, until: Timestamp, limit: u32) -> Result<Option<(Link, usize)>>;

    /// Writes without a change: its commit shows whether the disk can be written.
    fn touch(&mut self) -> Result<()>;

    /// Deletes up to `limit` requests that are older than `before`, oldest first.
    fn forget_idempotent_requests(&mut self, before: Timestamp, limit: u32) -> Result<()>;
}
