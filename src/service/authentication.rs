//! Who asks?
//!
//! A key is found by its digest: in memory where it was found before, else by one indexed read. What is remembered is
//! believed only while its stamp, taken *before* the read it came from, is still the store's stamp. So a read that
//! races a revocation can never bring the dead key back.

use super::Service;
use super::uses::Usage;
use crate::domain::{
    ApiKey, Digest, Error, KeyId, Organization, OrganizationId, Presented, Refusal, Result, Scope, Timestamp,
};
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

    /// When the presented value is replaced, where it is the outgoing one of a rotation.
    pub fn sunset(&self) -> Option<Timestamp> {
        self.0.sunset
    }

    /// Whether the caller may manage its organization.
    ///
    /// # Errors
    /// [`Error::Forbidden`] where the key belongs to a project.
    pub fn check_manages(&self) -> Result<()> {
        if self.0.scope.project.is_none() {
            return Ok(());
        }
        Err(Error::Forbidden("This needs an organization's API key; the one that was sent belongs to a project."))
    }
}

/// What is remembered about a good key.
#[derive(Debug)]
pub(super) struct Identity {
    stamp: u64,
    scope: Scope,
    organization: Arc<Organization>,
    /// From when on the value is refused whatever its stamp says.
    good_until: Option<Timestamp>,
    sunset: Option<Timestamp>,
    pub(super) usage: Usage,
}

/// The keys that are remembered, and the organizations that they share.
pub(super) struct Identities {
    keys: Cache<Digest, Arc<Identity>>,
    organizations: Cache<OrganizationId, Arc<Organization>>,
}

impl Identity {
    fn is_good(&self, stamp: u64, now: Timestamp) -> bool {
        self.stamp == stamp && self.good_until.is_none_or(|end| now < end)
    }
}

impl Identities {
    pub(super) fn new(capacity: usize) -> Self {
        Self { keys: Cache::new(capacity), organizations: Cache::new(ORGANIZATIONS) }
    }

    fn remember(&self, digest: Digest, identity: Identity) -> Arc<Identity> {
        let identity = Arc::new(identity);
        self.keys.insert(digest, Arc::clone(&identity));
        identity
    }

    /// The same organization in one place for all keys.
    fn share(&self, organization: Organization) -> Arc<Organization> {
        match self.organizations.get(&organization.id) {
            Some(known) if *known == organization => known,
            _ => {
                let organization = Arc::new(organization);
                self.organizations.insert(organization.id, Arc::clone(&organization));
                organization
            }
        }
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
            Some(identity) if identity.is_good(self.store.stamp(&digest), now) => identity,
            _ => self.look_up(digest, now).await?,
        };
        self.uses.record(&identity, now);
        Ok(Caller(identity))
    }

    async fn look_up(&self, digest: Digest, now: Timestamp) -> Result<Arc<Identity>> {
        let stamp = self.store.stamp(&digest);
        let found = self.store.read(move |reads| reads.api_key_by_digest(&digest)).await?;
        let (key, organization) = found.ok_or(Error::Unauthenticated(Refusal::Unknown))?;
        let presented = key.presented(&digest).ok_or(Error::Unauthenticated(Refusal::Unknown))?;
        key.check(presented, now).map_err(Error::Unauthenticated)?;
        let identity = Identity {
            stamp,
            scope: key.scope,
            organization: self.identities.share(organization),
            good_until: key.good_until(presented),
            sunset: key.sunset(presented),
            usage: usage(&key, presented, digest),
        };
        Ok(self.identities.remember(digest, identity))
    }
}

fn usage(key: &ApiKey, presented: Presented, digest: Digest) -> Usage {
    let last_used = match presented {
        Presented::Value => key.value_last_used,
        Presented::Shadow => key.shadow.as_ref().and_then(|shadow| shadow.last_used),
    };
    Usage::new(key.id, digest, last_used)
}
