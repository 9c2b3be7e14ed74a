//! What every backend promises.
//!
//! - A [`Reads`] sees one state of the store, the newest that was committed when it began.
//! - A [`Writes`] runs alone: nobody else writes until its transaction is over. It sees its own changes.
//! - Committed means on disk: a power failure after the answer changes nothing.
//! - A key's number is never given out twice.
//! - Whatever takes validity away from a key (or changes what is remembered with it) changes the key's stamp after the
//!   commit and before the answer. The backend sees to it; a caller cannot forget.
//! - Every method fails with [`Error::Unavailable`](crate::domain::Error::Unavailable) where the medium does.

use crate::domain::{
    ApiKey, Digest, KeyId, KeyName, Organization, OrganizationId, OrganizationName, Result, Tail, Timestamp,
};

/// A key that is not yet stored.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Whom it will belong to.
    pub organization: OrganizationId,
    /// What to recognise it by.
    pub digest: Digest,
    /// What people recognise it by.
    pub tail: Tail,
    /// Its label.
    pub name: KeyName,
    /// When it was minted.
    pub created_at: Timestamp,
}

/// What can be asked.
pub trait Reads {
    /// Whether there is any organization at all: whether the store has been set up.
    fn is_initialized(&self) -> Result<bool>;

    /// The organization; `None` where there is none.
    fn organization(&self, id: OrganizationId) -> Result<Option<Organization>>;

    /// The key, if it belongs to the organization.
    fn api_key(&self, organization: OrganizationId, id: KeyId) -> Result<Option<ApiKey>>;

    /// Up to `limit` of the organization's keys, newest first, starting below `before` where given.
    fn api_keys(&self, organization: OrganizationId, before: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>>;

    /// The key with this digest, and its organization. To be asked before anything else in a transaction: a key that was
    /// minted while the transaction was under way may be missed.
    fn api_key_by_digest(&self, digest: &Digest) -> Result<Option<(ApiKey, Organization)>>;
}

/// What can be changed.
pub trait Writes: Reads {
    /// Adds an organization.
    fn insert_organization(&mut self, organization: &Organization) -> Result<()>;

    /// Renames an organization; `false` where there is none.
    fn rename_organization(&mut self, id: OrganizationId, name: &OrganizationName) -> Result<bool>;

    /// Adds a key, switched on, and gives it its number.
    fn insert_api_key(&mut self, key: NewApiKey) -> Result<ApiKey>;

    /// Switches a key on or off; `false` where the organization has no such key.
    fn set_api_key_valid(&mut self, organization: OrganizationId, id: KeyId, valid: bool) -> Result<bool>;

    /// Removes a key for good; `false` where the organization has no such key.
    fn delete_api_key(&mut self, organization: OrganizationId, id: KeyId) -> Result<bool>;

    /// Notes when keys last authenticated; keys that are gone are passed over.
    fn record_uses(&mut self, uses: &[(KeyId, Timestamp)]) -> Result<()>;
}
