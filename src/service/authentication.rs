//! Authentication: finds the key that a credential belongs to and checks whether it is valid.
//!
//! Keys are found by digest, in the cache or by one indexed read. A cache entry counts only while its
//! revision, taken *before* the read, is current. So a read that races a revocation can never revive the
//! revoked key. Expiry and grace periods are evaluated on every request, so neither ends late. Invalid keys
//! are not cached.

use super::Service;
use super::last_used::LastUsed;
use super::rate_limit::Window;
use super::use_counter::UseCounter;
use crate::domain::{
    Algorithm, ApiKey, Digest, Error, KeyId, Moment, Organization, OrganizationId, Origin, Permissions, Presented,
    Project, ProjectId, Quota, Refusal, Result, Timestamp,
};
use crate::metrics::{LookupResult, Via};
use crate::store::{FoundKey, Reads, Revision};
use quick_cache::sync::Cache;
use std::convert::Infallible;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

/// Maximum number of organizations, and of projects, that cached keys share.
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
    /// The presented key, without its last-used times.
    pub fn key(&self) -> &ApiKey {
        &self.identity.key
    }

    /// The key's organization at the time when the key was read.
    pub fn organization(&self) -> &Organization {
        &self.identity.organization
    }

    /// When the presented value stops working, if it is the outgoing value of a rotation.
    pub fn sunset(&self) -> Option<Timestamp> {
        self.identity.sunset()
    }

    /// The remaining quota, if the key has a rate limit.
    pub fn quota(&self) -> Option<Quota> {
        self.quota
    }

    /// The source of the request.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// When the caller authenticated, by the wall clock.
    pub fn now(&self) -> Timestamp {
        self.moment.time
    }

    /// When the caller authenticated, by both clocks.
    pub(super) fn moment(&self) -> Moment {
        self.moment
    }

    /// Checks the caller again, in the transaction of its change: the request may have taken seconds to arrive after it
    /// authenticated, or the change may have waited. Expiry and grace periods are judged by the time of the
    /// authentication.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if the key is no longer valid, [`Error::Forbidden`] if its role was changed,
    /// [`Error::Conflict`] if its digest was replaced, [`Error::Unavailable`].
    pub(super) fn confirm<R: Reads + ?Sized>(&self, reads: &R) -> Result<()> {
        let Identity { key: known, last_used, .. } = &*self.identity;
        let key = reads.api_key_anywhere(known.id)?.ok_or(Error::Unauthenticated(Refusal::Unknown))?;
        let Some(presented) = key.presented(&last_used.digest) else {
            return Err(match last_used.digest.algorithm() {
                Algorithm::Blake3 => Error::Unauthenticated(Refusal::RotatedOut),
                // Perhaps another request has replaced the digest of the imported key.
                Algorithm::Sha256 => {
                    Error::Conflict("The API key was changed meanwhile; send the request again.".into())
                }
            });
        };
        key.admit(presented, self.origin.address, &Permissions::default(), self.now())
            .map_err(Error::Unauthenticated)?;
        if key.role != known.role {
            let sentence = "The role of this API key was changed while the request was in progress.";
            return Err(Error::Forbidden(sentence.to_owned()));
        }
        Ok(())
    }
}

/// A key and the presented value. Cached if valid.
#[derive(Debug)]
pub(super) struct Identity {
    revision: Revision,
    key: ApiKey,
    presented: Presented,
    organization: Arc<Organization>,
    project: Option<Arc<Project>>,
    window: Option<Arc<Window>>,
    pub(super) last_used: LastUsed,
    /// Valid uses that are not on disk yet.
    pub(super) uses: UseCounter,
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

    /// When the presented value stops working, if it is the outgoing value of a rotation.
    pub(super) fn sunset(&self) -> Option<Timestamp> {
        self.key.sunset(self.presented)
    }

    /// The current state of the key.
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

    /// Checks the key for one use from this address with these permissions, and takes it from the rate limit.
    ///
    /// # Errors
    /// The reason for the refusal.
    fn admit(
        &self,
        address: Option<IpAddr>,
        needed: &Permissions,
        now: Moment,
    ) -> std::result::Result<Option<Quota>, Refusal> {
        self.key.admit(self.presented, address, needed, now.time)?;
        match (self.key.rate_limit, &self.window) {
            (Some(rate_limit), Some(window)) => window.take(self.key.id, rate_limit, now.uptime).map(Some),
            _ => Ok(None),
        }
    }
}

/// The cached keys, and the objects that they share.
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

    fn identity(&self, found: FoundKey, revision: Revision, digest: Digest) -> Identity {
        let FoundKey { key, presented, organization, project } = found;
        let last_used = match presented {
            Presented::Shadow => key.shadow.as_ref().and_then(|shadow| shadow.last_used),
            Presented::Value | Presented::Former => key.value_last_used,
        };
        Identity {
            revision,
            presented,
            organization: share(&self.organizations, organization.id, organization),
            project: project.map(|project| share(&self.projects, project.id, project)),
            window: key.rate_limit.map(|_| self.window(key.id)),
            last_used: LastUsed::new(key.id, digest, last_used),
            uses: UseCounter::default(),
            key,
        }
    }

    /// One window for all values of a key; it survives reloads of the key.
    fn window(&self, key: KeyId) -> Arc<Window> {
        let Ok(window) = self.windows.get_or_insert_with(&key, || Ok::<_, Infallible>(Arc::default()));
        window
    }
}

/// Returns the cached object if it is equal, so that keys share it.
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

    /// Authenticates a credential, which may be any bytes. Its key needs these permissions.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`]; [`Error::TooManyInvalidKeys`] instead if too many invalid keys came from this
    /// address; [`Error::Unavailable`] if the store cannot be read.
    pub async fn authenticate(
        &self,
        credential: &[u8],
        needed: &Permissions,
        origin: Origin,
        via: Via,
        now: Moment,
    ) -> Result<Caller> {
        let identity = self.identify_presented(credential, now.time).await?;
        let admitted = self.admit(identity.as_ref(), origin.address, needed, via, now);
        match (identity, admitted) {
            (Some(identity), Ok(quota)) => Ok(Caller { identity, quota, origin, moment: now }),
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

    /// Admits the use of a key, if there is one, and counts it: the only place where uses are counted and noted.
    ///
    /// # Errors
    /// The reason for the refusal.
    pub(super) fn admit(
        &self,
        identity: Option<&Arc<Identity>>,
        address: Option<IpAddr>,
        needed: &Permissions,
        via: Via,
        now: Moment,
    ) -> std::result::Result<Option<Quota>, Refusal> {
        let admitted = identity.map_or(Err(Refusal::Unknown), |identity| identity.admit(address, needed, now));
        self.metrics.verified(via, admitted.err());
        if let Some(identity) = identity {
            self.usage_buffer.count(identity, admitted.err(), now.time);
            if admitted.is_ok() {
                self.last_used_buffer.record(identity, now.time);
            }
        }
        admitted
    }

    /// Finds the key with this value, valid or not. If the store holds imported keys with other digests,
    /// these are looked up last; a valid one is then stored under its BLAKE3 digest.
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

    /// Finds an imported key by its digest `old` and, if it is valid, replaces the digest by `new` before the
    /// answer.
    ///
    /// Results under the old digest are not cached: the cache is keyed by BLAKE3 digests, and revisions
    /// belong to stored digests. The first read counts only if the write fails. A key that was revoked or
    /// changed meanwhile is not written, and is read again.
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
                log::warn!("API key {} keeps its SHA-256 digest: {error} {detail}", id.get());
                Ok(Some(found))
            }
        }
    }

    /// Finds the key under either digest in one transaction, since another process may be replacing one by
    /// the other.
    async fn read_imported(&self, old: Digest, new: Digest, now: Timestamp) -> Result<Option<(Arc<Identity>, Digest)>> {
        let found = self.store.lookup_imported(old, new, now).await?;
        Ok(found.map(|(found, revision, digest)| (Arc::new(self.key_cache.identity(found, revision, digest)), digest)))
    }

    /// Finds the key with this digest, valid or not.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(super) async fn identify(&self, digest: Digest, now: Timestamp) -> Result<Option<Arc<Identity>>> {
        let is_believed = |it: &Arc<Identity>| self.store.is_current(&digest, it.revision) && it.is_good(now);
        let known = self.key_cache.keys.get(&digest).filter(is_believed);
        if known.is_some() {
            self.metrics.looked_up(LookupResult::Hit);
            return Ok(known);
        }
        Ok(self.store.lookup(digest, now).await?.map(|(found, revision)| {
            let identity = Arc::new(self.key_cache.identity(found, revision, digest));
            if identity.is_good(now) {
                self.key_cache.keys.insert(digest, Arc::clone(&identity));
            }
            identity
        }))
    }
}
