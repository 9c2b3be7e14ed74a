//! Whose key is this, and is it good?
//!
//! A key is found by its digest: in memory where it was found before, else by one indexed read. What is remembered is
//! believed only while its stamp, taken *before* the read it came from, is still current. So a read that races a
//! revocation can never bring the dead key back. Whether its time is over is worked out at every request, so no
//! end of a key or of a grace is ever late; a key that is not good is read anew.

use super::Service;
use super::last_used::LastUsed;
use super::rate_limit::Window;
use crate::domain::{
    ApiKey, Digest, Error, KeyId, Moment, Organization, OrganizationId, Origin, Presented, Project, ProjectId, Quota,
    Refusal, Result, Timestamp,
};
use crate::metrics::{Lookup, Via};
use crate::store::{Found, Stamp};
use quick_cache::sync::Cache;
use std::convert::Infallible;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

/// How many organizations and how many projects are shared between the keys that are remembered.
const SHARED: usize = 1024;

/// An authenticated caller.
#[derive(Clone, Debug)]
pub struct Caller {
    identity: Arc<Identity>,
    quota: Option<Quota>,
    origin: Origin,
    moment: Moment,
}

impl Caller {
    /// The key that the caller presented, all but when it was last used.
    pub fn key(&self) -> &ApiKey {
        &self.identity.key
    }

    /// The organization that the key belongs to, as it was when the key was last read.
    pub fn organization(&self) -> &Organization {
        &self.identity.organization
    }

    /// When the presented value is replaced, where it is the outgoing one of a rotation.
    pub fn sunset(&self) -> Option<Timestamp> {
        self.identity.key.sunset(self.identity.presented)
    }

    /// What is left of the key's limit, where it has one.
    pub fn quota(&self) -> Option<Quota> {
        self.quota
    }

    /// Where the request came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// When it authenticated.
    pub fn now(&self) -> Timestamp {
        self.moment.time
    }

    /// The same, also by the clock that limits go by.
    pub(super) fn moment(&self) -> Moment {
        self.moment
    }
}

/// A key, and which of its values was presented. Remembered where that is good.
#[derive(Debug)]
pub(super) struct Identity {
    stamp: Stamp,
    key: ApiKey,
    presented: Presented,
    organization: Arc<Organization>,
    project: Option<Arc<Project>>,
    window: Option<Arc<Window>>,
    pub(super) last_used: LastUsed,
}

impl Identity {
    pub(super) fn organization(&self) -> &Arc<Organization> {
        &self.organization
    }

    pub(super) fn id(&self) -> KeyId {
        self.key.id
    }

    pub(super) fn project(&self) -> Option<&Arc<Project>> {
        self.project.as_ref()
    }

    /// The key as it is now.
    pub(super) fn key(&self, now: Timestamp) -> ApiKey {
        let mut key = self.key.clone();
        match (&mut key.shadow, self.presented) {
            (Some(shadow), Presented::Shadow) => shadow.last_used = shadow.last_used.max(self.last_used.get()),
            _ => key.value_last_used = key.value_last_used.max(self.last_used.get()),
        }
        key.complete_due_rotation(now);
        key
    }

    fn is_good(&self, now: Timestamp) -> bool {
        self.key.check(self.presented, now).is_ok()
    }

    /// Takes one use of the key by somebody at this address.
    ///
    /// # Errors
    /// The reason why the value is refused.
    pub(super) fn admit(&self, address: Option<IpAddr>, now: Moment) -> std::result::Result<Option<Quota>, Refusal> {
        self.key.admit(self.presented, address, now.time)?;
        match (self.key.rate_limit, &self.window) {
            (Some(rate_limit), Some(window)) => window.take(self.key.id, rate_limit, now.uptime).map(Some),
            _ => Ok(None),
        }
    }
}

/// The keys that are remembered, and what they share.
pub(super) struct KeyCache {
    keys: Cache<Digest, Arc<Identity>>,
    organizations: Cache<OrganizationId, Arc<Organization>>,
    projects: Cache<ProjectId, Arc<Project>>,
    windows: Cache<KeyId, Arc<Window>>,
}

impl KeyCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            keys: Cache::new(capacity),
            organizations: Cache::new(SHARED),
            projects: Cache::new(SHARED),
            windows: Cache::new(capacity),
        }
    }

    fn identity(&self, found: Found, stamp: Stamp, digest: Digest) -> Identity {
        let Found { key, presented, organization, project } = found;
        let last_used = match presented {
            Presented::Shadow => key.shadow.as_ref().and_then(|shadow| shadow.last_used),
            Presented::Value | Presented::Former => key.value_last_used,
        };
        Identity {
            stamp,
            presented,
            organization: share(&self.organizations, organization.id, organization),
            project: project.map(|project| share(&self.projects, project.id, project)),
            window: key.rate_limit.map(|_| self.window(key.id)),
            last_used: LastUsed::new(key.id, digest, last_used),
            key,
        }
    }

    /// The same for all values of a key, however often it is read anew.
    fn window(&self, key: KeyId) -> Arc<Window> {
        let Ok(window) = self.windows.get_or_insert_with(&key, || Ok::<_, Infallible>(Arc::default()));
        window
    }
}

/// The same object in one place for all keys.
fn share<Id: Copy + Eq + Hash, T: PartialEq>(known: &Cache<Id, Arc<T>>, id: Id, object: T) -> Arc<T> {
    match known.get(&id) {
        Some(known) if *known == object => known,
        _ => {
            let object = Arc::new(object);
            known.insert(id, Arc::clone(&object));
            object
        }
    }
}

impl Service {
    /// Whether a credential has the form of a key that the store may hold.
    pub fn may_be_key(&self, credential: &[u8]) -> bool {
        self.store.forms().admit(credential)
    }

    /// The caller who presents this credential, which is not of any assumed form, from there.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], [`Error::TooManyWrongKeys`] instead of it where too many wrong keys came from there, or
    /// [`Error::Unavailable`] where the store cannot be read.
    pub async fn authenticate(&self, credential: &[u8], origin: Origin, via: Via, now: Moment) -> Result<Caller> {
        let address = origin.address;
        let identity = self.identify_presented(credential, now.time).await?;
        let admitted = match &identity {
            Some(identity) => identity.admit(address, now),
            None => Err(Refusal::Unknown),
        };
        self.metrics.verified(via, admitted.err());
        match (identity, admitted) {
            (Some(identity), Ok(quota)) => {
                self.last_used_buffer.record(&identity, now.time);
                Ok(Caller { identity, quota, origin, moment: now })
            }
            (identity, admitted) => {
                let refusal = admitted.err().unwrap_or(Refusal::Unknown);
                if refusal.is_of_credential() {
                    self.failed_authentications.note(identity.as_deref(), refusal, &origin, now.time);
                    self.brute_force.count(&origin, now.uptime)?;
                }
                Err(Error::Unauthenticated(refusal))
            }
        }
    }

    /// The key that this is a value of, good or not. Where an import brought keys that are known by other digests, it is
    /// looked for by those at last; a good one is known by its BLAKE3 digest from then on.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(super) async fn identify_presented(&self, credential: &[u8], now: Timestamp) -> Result<Option<Arc<Identity>>> {
        let forms = self.store.forms();
        let Some(digest) = Digest::of_presented(credential, forms) else {
            return Ok(None);
        };
        let identity = self.identify(digest, now).await?;
        match Digest::sha256_of_presented(credential, forms) {
            Some(sha256) if identity.is_none() => self.identify_imported(sha256, digest, now).await,
            _ => Ok(identity),
        }
    }

    /// The key that came with the digest `old`. If it is good, `new` takes the place of that, before the answer.
    ///
    /// Nothing that is found by the old digest is remembered: stamps are by the digests that are stored, and memory is by
    /// BLAKE3 digests. What was read before the write is believed only where the write could not be done; a key that was
    /// revoked or changed meanwhile is not written, and read anew.
    async fn identify_imported(&self, old: Digest, new: Digest, now: Timestamp) -> Result<Option<Arc<Identity>>> {
        let found = match self.read_imported(old, new, now).await? {
            Some((found, digest)) if digest == old && found.key.check(found.presented, now).is_ok() => found,
            other => return Ok(other.map(|(found, _)| found)),
        };
        let id = found.id();
        match self.store.write(move |writes| writes.rehash_api_key(id, &old, &new)).await {
            Ok(_) => match self.identify(new, now).await? {
                Some(identity) => Ok(Some(identity)),
                None => Ok(self.read_imported(old, new, now).await?.map(|(found, _)| found)),
            },
            Err(error) => {
                let detail = error.detail().unwrap_or_default();
                log::warn!("API key {} goes on being known by its SHA-256 digest: {error} {detail}", id.get());
                Ok(Some(found))
            }
        }
    }

    /// The key that is known by either digest of a value, and by which. In one transaction: a key that goes from one to
    /// the other is in it once.
    async fn read_imported(&self, old: Digest, new: Digest, now: Timestamp) -> Result<Option<(Arc<Identity>, Digest)>> {
        let found = self.store.lookup_imported(old, new, now).await?;
        Ok(found.map(|(found, stamp, digest)| (Arc::new(self.key_cache.identity(found, stamp, digest)), digest)))
    }

    /// The key that the digest belongs to, good or not.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(super) async fn identify(&self, digest: Digest, now: Timestamp) -> Result<Option<Arc<Identity>>> {
        let is_believed = |it: &Arc<Identity>| self.store.is_current(&digest, it.stamp) && it.is_good(now);
        let known = self.key_cache.keys.get(&digest).filter(is_believed);
        if known.is_some() {
            self.metrics.looked_up(Lookup::Hit);
            return Ok(known);
        }
        Ok(self.store.lookup(digest, now).await?.map(|(found, stamp)| {
            let identity = Arc::new(self.key_cache.identity(found, stamp, digest));
            if identity.is_good(now) {
                self.key_cache.keys.insert(digest, Arc::clone(&identity));
            }
            identity
        }))
    }
}
