//! What every backend promises.
//!
//! - A [`Reads`] sees one state of the store, the newest that was committed when it began.
//! - A [`Writes`] runs alone: nobody else writes until its transaction is over. It sees its own changes.
//! - Committed means on disk: a power failure after the answer changes nothing.
//! - A key's number is never given out twice.
//! - Whatever takes validity away from a key (or changes what is remembered with it) changes the stamps of the key's
//!   values after the commit and before the answer. The backend sees to it; a caller cannot forget.
//! - Whatever changes the validity of a key that is there is in the ledger of revocations before it is committed: no
//!   older copy of the store brings it back.
//! - Every method fails with [`Error::Unavailable`](crate::domain::Error::Unavailable) where the medium does.

use crate::domain::{
    ApiKey, ChainCheck, Digest, Event, EventFilter, Fingerprint, KeyCounts, KeyForms, KeyId, Link, Name, NewEvent,
    Organization, OrganizationId, OrganizationSize, Parent, Presented, Project, ProjectId, Result, Timestamp,
};

/// How many of a key's former values are known as such; older ones are nobody's.
pub const FORMER_VALUES: u32 = 16;

/// A key that is not yet stored.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Whom it will belong to.
    pub parent: Parent,
    /// What to recognise it by.
    pub value: Fingerprint,
    /// Its label.
    pub name: Name,
    /// When it was minted.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A request that is not done twice.
#[derive(Clone, Debug)]
pub struct IdempotentRequest {
    /// The key that the caller authenticated with.
    pub caller: KeyId,
    /// The caller's name for the request: a hash of its `Idempotency-Key`.
    pub name: String,
    /// What was asked, hashed.
    pub digest: [u8; 32],
    /// The key that it made or rotated.
    pub api_key: KeyId,
    /// When it was done.
    pub created_at: Timestamp,
}

/// The key that a digest belongs to.
#[derive(Clone, Debug)]
pub struct FoundKey {
    /// The key.
    pub key: ApiKey,
    /// Which of its values the digest is of.
    pub presented: Presented,
    /// Whose it is.
    pub organization: Organization,
    /// Its project, where it belongs to one.
    pub project: Option<Project>,
}

/// What a look at some of the audit log gave.
#[derive(Clone, Debug)]
pub struct EventsSlice<T> {
    /// What was found.
    pub found: T,
    /// Below which number to look on; `None` where there is nothing more.
    pub next: Option<i64>,
}

/// A key's use: which key, the digest of which of its values, when.
pub type LastUse = (KeyId, Digest, Timestamp);

/// What is counted by organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// API keys.
    Keys,
    /// Events of the audit log.
    Events,
}

/// What organizations take of a part of what there is.
#[derive(Clone, Debug)]
pub struct SizesSlice {
    /// Each organization's share.
    pub sizes: Vec<(OrganizationId, OrganizationSize)>,
    /// The number of the first event that there is, also outside the part; `None` where the part is empty, or of keys.
    pub first: Option<i64>,
    /// The greatest number of the part.
    pub through: i64,
    /// How many rows the part has.
    pub rows: u64,
}

/// What can be asked.
pub trait Reads {
    /// Whether there is any organization at all: whether the store has been set up.
    fn is_initialized(&self) -> Result<bool>;

    /// The organization; `None` where there is none.
    fn organization(&self, id: OrganizationId) -> Result<Option<Organization>>;

    /// Up to `limit` organizations by name and number, starting after `after` where given.
    fn organizations(&self, after: Option<&Organization>, limit: u32) -> Result<Vec<Organization>>;

    /// How many organizations there are.
    fn count_organizations(&self) -> Result<u32>;

    /// The project, if it belongs to the organization.
    fn project(&self, organization: OrganizationId, id: ProjectId) -> Result<Option<Project>>;

    /// The project of this name in the organization.
    fn project_by_name(&self, organization: OrganizationId, name: &Name) -> Result<Option<Project>>;

    /// Up to `limit` of the organization's projects by name, starting after `after` where given.
    fn projects(&self, organization: OrganizationId, after: Option<&Name>, limit: u32) -> Result<Vec<Project>>;

    /// The key, if it belongs to exactly this parent.
    fn api_key(&self, parent: Parent, id: KeyId) -> Result<Option<ApiKey>>;

    /// The key, whomever it belongs to: for whoever may see all of them.
    fn api_key_anywhere(&self, id: KeyId) -> Result<Option<ApiKey>>;

    /// Up to `limit` of the parent's keys, newest first, starting below `before` where given.
    fn api_keys(&self, parent: Parent, before: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>>;

    /// Whether this is the digest of a value that was good once and never will be again: its key was revoked, or a rotation took
    /// it away.
    fn has_ended(&self, digest: &Digest) -> Result<bool>;

    /// What imports have ever brought in.
    fn forms(&self) -> Result<KeyForms>;

    /// How many of the next `limit` keys of all organizations behind this one there are, by what they are at that time, and the
    /// last of them where there may be more.
    fn count_api_keys(&self, after: Option<KeyId>, limit: u32, now: Timestamp) -> Result<(KeyCounts, Option<KeyId>)>;

    /// What organizations take, of up to `limit` keys or events after the number `after`.
    fn sizes(&self, what: Counted, after: i64, limit: u32) -> Result<SizesSlice>;

    /// The latest time among the newest thousand events and all uses of keys: it was past when it was written.
    fn latest_time(&self) -> Result<Option<Timestamp>>;

    /// The number and hash of the newest event; `None` where there is none.
    fn audit_head(&self) -> Result<Option<Link>>;

    /// Up to `limit` events that pass the filter, newest first, starting below the number `before` where given.
    fn events(&self, filter: &EventFilter, before: Option<i64>, limit: u32) -> Result<Vec<Event>>;

    /// The same among the newest `within` events below `before`: looks at no more of them.
    fn events_within(
        &self,
        filter: &EventFilter,
        before: Option<i64>,
        limit: u32,
        within: u32,
    ) -> Result<EventsSlice<Vec<Event>>>;

    /// How many of the newest `within` events below `before` pass the filter.
    fn count_events_within(&self, filter: &EventFilter, before: i64, within: u32) -> Result<EventsSlice<u64>>;

    /// What the first event that is left follows: [`Link::START`], or where older ones are gone, what was kept of them when
    /// they were pruned.
    fn audit_start(&self) -> Result<Link>;

    /// Whether up to `limit` events after this one are as they were written; `None` stands for the beginning, before which
    /// there must be nothing.
    fn check_chain(&self, after: Option<Link>, limit: u32) -> Result<ChainCheck>;

    /// The request that the caller gave this name.
    fn idempotent_request(&self, caller: KeyId, name: &str) -> Result<Option<IdempotentRequest>>;
}

/// What can be changed.
pub trait Writes: Reads {
    /// Adds an organization.
    fn insert_organization(&mut self, organization: &Organization) -> Result<()>;

    /// Renames an organization; `false` where there is none.
    fn rename_organization(&mut self, id: OrganizationId, name: &Name) -> Result<bool>;

    /// Adds a project.
    fn insert_project(&mut self, project: &Project) -> Result<()>;

    /// Stores a project's name and description.
    fn update_project(&mut self, project: &Project) -> Result<()>;

    /// Removes a project and its keys for good; says how many there were.
    fn delete_project(&mut self, project: &Project) -> Result<usize>;

    /// Whether a key has this digest, also one of an import that is under way: then a value that somebody brings cannot become
    /// another key's.
    fn is_taken(&self, digest: &Digest) -> Result<bool>;

    /// Adds a key, switched on, and gives it its number.
    fn insert_api_key(&mut self, key: NewApiKey) -> Result<ApiKey>;

    /// Gives a key another digest of the value that it has; `false` where it is gone or has another value by now.
    fn rehash_api_key(&mut self, id: KeyId, from: &Digest, to: &Digest) -> Result<bool>;

    /// Stores what can change of a key; `before` is the key as it was read in this transaction. A value that it loses is
    /// a former one from now on.
    fn update_api_key(&mut self, before: &ApiKey, after: &ApiKey) -> Result<()>;

    /// Removes a key for good.
    fn delete_api_key(&mut self, key: &ApiKey) -> Result<()>;

    /// Notes when keys last authenticated; keys that are gone are passed over. The use of a value that is gone counts as
    /// one of the value that is there.
    fn record_last_used(&mut self, uses: &[LastUse]) -> Result<()>;

    /// Remembers a request, over an older one of the same name.
    fn insert_idempotent_request(&mut self, request: &IdempotentRequest) -> Result<()>;

    /// Appends what was done to the audit log.
    fn append_event(&mut self, event: &NewEvent) -> Result<()>;

    /// Removes up to `limit` of the oldest events, those that lie before `until`; gives the last that was removed, and how
    /// many they were. The newest event stays in any case.
    fn prune_events(&mut self, until: Timestamp, limit: u32) -> Result<Option<(Link, usize)>>;

    /// Writes what changes nothing, so that its commit shows whether the medium can be written.
    fn touch(&mut self) -> Result<()>;

    /// Forgets up to `limit` of the requests that were done before, oldest first.
    fn forget_idempotent_requests(&mut self, before: Timestamp, limit: u32) -> Result<()>;
}
