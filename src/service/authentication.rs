//! Who asks?
//!
//! A key is found by its digest: in memory where it was found before, else by one indexed read. What is remembered is
//! believed only while its stamp, taken *before* the read it came from, is still the store's stamp. So a read that
//! races a revocation can never bring the dead key back.

use super::Service;
use super::uses::Usage;
use crate::domain::{ApiKey, Digest, Error, KeyId, Organization, OrganizationId, Refusal, Result, Timestamp};
use quick_cache::sync::Cache;
use std::sync::Arc;

/// How many organizations' names are shared between the keys that are remembered.
const ORGANIZATIONS: usize = 1024;

/// An authenticated caller.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Identity>);

impl Caller {
    /// The key that the caller presented.
    pub fn key(&self) -> KeyId {
        self.0.usage.key()
    }

    /// The organization that the key belongs to, as it was when the key was last read.
    pub fn organization(&self) -> &Organization {
        &self.0.organization
    }
}

/// What is remembered about a good key.
#[derive(Debug)]
pub(super) struct Identity {
    stamp: u64,
    organization: Arc<Organization>,
    pub(super) usage: Usage,
}

/// The keys that are remembered, and the organizations that they share.
pub(super) struct Identities {
    keys: Cache<Digest, Arc<Identity>>,
    organizations: Cache<OrganizationId, Arc<Organization>>,
}

impl Identities {
    pub(super) fn new(capacity: usize) -> Self {
        Self { keys: Cache::new(capacity), organizations: Cache::new(ORGANIZATIONS) }
    }

    fn remember(&self, digest: Digest, stamp: u64, key: &ApiKey, organization: Organization) -> Arc<Identity> {
        let organization = match self.organizations.get(&organization.id) {
            Some(known) if *known == organization => known,
            _ => {
                let organization = Arc::new(organization);
                self.organizations.insert(organization.id, Arc::clone(&organization));
                organization
            }
        };
        let identity = Arc::new(Identity { stamp, organization, usage: Usage::new(key.id, key.last_used) });
        self.keys.insert(digest, Arc::clone(&identity));
        identity
    }
}

impl Service {
    /// The caller who presents this credential, which is not of any assumed form.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], or [`Error::Unavailable`] where the store cannot be read.
    pub async fn authenticate(&self, credential: &[u8], now: Timestamp) -> Result<Caller> {
        let digest = Digest::of_presented(credential).ok_or(Error::Unauthenticated(Refusal::Unknown))?;
        let identity = match self.identities.keys.get(&digest) {
            Some(identity) if identity.stamp == self.store.stamp(&digest) => identity,
            _ => self.look_up(digest).await?,
        };
        self.uses.record(&identity, now);
        Ok(Caller(identity))
    }

    async fn look_up(&self, digest: Digest) -> Result<Arc<Identity>> {
        let stamp = self.store.stamp(&digest);
        let found = self.store.read(move |reads| reads.api_key_by_digest(&digest)).await?;
        let (key, organization) = found.ok_or(Error::Unauthenticated(Refusal::Unknown))?;
        key.check().map_err(Error::Unauthenticated)?;
        Ok(self.identities.remember(digest, stamp, &key, organization))
    }
}
