//! Use cases of keys: create, rotate, change, revoke, list.

use super::Service;
use super::authority::{Authority, ManageKeys};
use super::change_limit::ChangeKind;
use super::idempotency::{Idempotency, IssuedKey, Once};
use crate::domain::{
    Action, ApiKey, Digest, Error, Expiry, Fingerprint, Grace, KeyChange, KeyFilter, KeyId, Lifetime, Name, Parent,
    ProjectId, Result, Role, Secret, Timestamp,
};
use crate::store::{NewApiKey, Reads, Writes};

/// Maximum number of keys per page of a list.
pub const API_KEYS_PAGE: u32 = 1000;
/// Maximum number of keys that do not match a filter and are read for one page of a list.
pub const KEYS_PASSED_OVER: u32 = 1000;

/// The source of a key's new value.
#[derive(Debug)]
pub enum NewValue {
    /// Sixteen random bytes: the secret is generated here and is only in the answer.
    Random([u8; 16]),
    /// The caller generated the secret and keeps it.
    Provided {
        /// The fingerprint to store.
        value: Fingerprint,
        /// The value's SHA-256 digest, if the full key is known: an import may have stored it.
        sha256: Option<Digest>,
        /// Whether the value may be a revoked or rotated-out one, by the operator's decision.
        allows_ended: bool,
    },
}

/// A key to create.
#[derive(Debug)]
pub struct NewKey {
    /// Its display name.
    pub name: Name,
    /// Its value.
    pub value: NewValue,
    /// Its lifetime; `None` for no expiry.
    pub lifetime: Option<Lifetime>,
    /// Its restrictions.
    pub change: KeyChange,
}

/// A rotation to start.
#[derive(Debug)]
pub struct RotationRequest {
    /// The new value.
    pub value: NewValue,
    /// The grace period of the outgoing value.
    pub grace: Grace,
    /// The change of the expiry.
    pub expiry: Expiry,
    /// Other changes of the key.
    pub change: KeyChange,
}

/// What a search of a list of keys found.
#[derive(Debug)]
pub struct FoundKeys {
    /// Keys that match, newest first.
    pub keys: Vec<ApiKey>,
    /// The last key that was read, where the search continues; `None` at the end of the list.
    pub next: Option<KeyId>,
    /// How many keys were read that do not match.
    pub passed_over: u32,
}

/// Reads and manages the keys of one organization or project, with one authority.
pub struct KeyManager<'a, P> {
    service: &'a Service,
    authority: Authority<P>,
    parent: Parent,
    now: Timestamp,
}

impl Service {
    /// The keys of the authority's organization, or of one of its projects.
    pub fn keys<P>(&self, authority: Authority<P>, project: Option<ProjectId>) -> KeyManager<'_, P> {
        let parent = Parent { organization: authority.organization(), project };
        KeyManager { service: self, parent, now: authority.now(), authority }
    }
}

/// Changes. Every method fails with [`Error::NotFound`] if the project belongs to another organization, and with
/// [`Error::Forbidden`] if the key has, or would get, a role that the caller may not manage.
impl KeyManager<'_, ManageKeys> {
    /// Creates a key; its restrictions apply from the start.
    ///
    /// # Errors
    /// [`Error::Invalid`] if keys of a project cannot have the role, [`Error::TooManyChanges`], [`Error::Conflict`] if
    /// the value already is a key, [`Error::ValueEnded`], [`Error::IdempotencyKeyReused`].
    pub async fn create(&self, new: NewKey, idempotency: Option<Idempotency>) -> Result<IssuedKey> {
        let NewKey { name, value, lifetime, change } = new;
        self.expect_may_give(change.role)?;
        self.service.count_change(&self.authority, ChangeKind::Other)?;
        let expires_at = lifetime.map(|lifetime| lifetime.end(self.now)).transpose()?;
        let parent = self.parent;
        let (created_at, authority) = (self.now, self.authority.clone());
        self.issue(value, idempotency, move |writes, value| {
            let key = writes.insert_api_key(NewApiKey { parent, value, name, created_at, expires_at, change })?;
            writes.append_event(&authority.on_key(Action::KeyCreated, &key, [None, Some(&key)])?)?;
            Ok(key)
        })
        .await
    }

    /// Gives a key a new value.
    ///
    /// # Errors
    /// [`Error::NotFound`], those of [`ApiKey::rotate`] and of [`KeyManager::create`].
    pub async fn rotate(
        &self,
        id: KeyId,
        rotation: RotationRequest,
        idempotency: Option<Idempotency>,
    ) -> Result<IssuedKey> {
        self.service.count_change(&self.authority, ChangeKind::Rotation)?;
        let RotationRequest { value, grace, expiry, change } = rotation;
        let (rotated, now) = (self.changes(id, Action::KeyRotated), self.now);
        self.issue(value, idempotency, move |writes, value| {
            rotated.run(writes, |key| {
                key.rotate(value, grace, expiry, now)?;
                change.apply(key);
                Ok(())
            })
        })
        .await
    }

    /// Completes a rotation now. The outgoing value is refused from the answer on. The change limit does not
    /// apply: completions are bounded by rotations.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] if no rotation is in progress.
    pub async fn complete_rotation(&self, id: KeyId) -> Result<ApiKey> {
        let now = self.now;
        self.change(id, Action::KeyRotationCompleted, move |key| key.complete_rotation(now)).await
    }

    /// Drops the new value of a rotation, which is refused from the answer on. The change limit does not
    /// apply.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] if no rotation is in progress.
    pub async fn cancel_rotation(&self, id: KeyId) -> Result<ApiKey> {
        let now = self.now;
        self.change(id, Action::KeyRotationCancelled, move |key| key.cancel_rotation(now)).await
    }

    /// Changes a key's name, switch, expiry and restrictions, in force from the answer on.
    ///
    /// # Errors
    /// [`Error::NotFound`], those of [`ApiKey::set_expiry`], and [`Error::TooManyChanges`] unless the key is
    /// only loses something, whatever it is.
    pub async fn update(&self, id: KeyId, expiry: Expiry, change: KeyChange) -> Result<ApiKey> {
        if expiry != Expiry::Keep || !change.only_takes_away() {
            self.service.count_change(&self.authority, ChangeKind::Other)?;
        }
        let now = self.now;
        self.change(id, Action::KeyUpdated, move |key| {
            key.set_expiry(expiry, now)?;
            change.apply(key);
            Ok(())
        })
        .await
    }

    /// Revokes a key and all its values permanently. It is refused from the answer on. The change limit does not
    /// apply: revocations are bounded by keys.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke(&self, id: KeyId) -> Result<()> {
        let (parent, authority) = (self.parent, self.authority.clone());
        self.write(move |writes| {
            let key = find(writes, parent, id)?;
            authority.require_over(key.role)?;
            writes.delete_api_key(&key)?;
            writes.append_event(&authority.on_key(Action::KeyRevoked, &key, [Some(&key), None])?)
        })
        .await
    }

    /// Checks the role of a new key; `None` is the default.
    fn expect_may_give(&self, chosen: Option<Role>) -> Result<()> {
        let role = chosen.unwrap_or(Role::default_for(self.parent));
        role.expect_possible_for(self.parent)?;
        self.authority.require_over(role).map_err(|error| match (chosen, error) {
            (None, Error::Forbidden(_)) => Error::Forbidden(format!(
                "Send the field \"role\", such as \"verifier\", to /v2: without it, a new key of the organization has the role \
                 {role}, and only a key with the role admin creates those."
            )),
            (_, error) => error,
        })
    }

    async fn issue<F>(&self, value: NewValue, idempotency: Option<Idempotency>, work: F) -> Result<IssuedKey>
    where
        F: FnOnce(&mut dyn Writes, Fingerprint) -> Result<ApiKey> + Send + 'static,
    {
        let parent = self.parent;
        // A provided value may already be a key; 128 new random bits cannot.
        let (value, secret, brought) = match value {
            NewValue::Provided { value, sha256, allows_ended } => (value, None, Some((sha256, allows_ended))),
            NewValue::Random(random) => {
                let secret = Secret::new(self.service.key_prefix(parent), random);
                (secret.fingerprint(), Some(secret), None)
            }
        };
        let once = Once::new(self.authority.key(), idempotency, self.now);
        let mut issued = self
            .write(move |writes| {
                once.run(writes, parent, secret, |writes| {
                    if let Some((sha256, allows_ended)) = brought {
                        expect_free(writes, [Some(value.digest), sha256], allows_ended)?;
                    }
                    work(writes, value)
                })
            })
            .await?;
        self.bring_up_to_date(std::slice::from_mut(&mut issued.key));
        Ok(issued)
    }

    async fn change<F>(&self, id: KeyId, action: Action, work: F) -> Result<ApiKey>
    where
        F: FnOnce(&mut ApiKey) -> Result<()> + Send + 'static,
    {
        let change = self.changes(id, action);
        let mut key = self.write(move |writes| change.run(writes, work)).await?;
        self.bring_up_to_date(std::slice::from_mut(&mut key));
        Ok(key)
    }

    fn changes(&self, id: KeyId, action: Action) -> KeyChangeContext {
        KeyChangeContext { parent: self.parent, id, action, authority: self.authority.clone(), now: self.now }
    }

    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Writes) -> Result<T> + Send + 'static,
    {
        let (parent, authority) = (self.parent, self.authority.clone());
        let work = move |writes: &mut dyn Writes, _| expect_project(writes, parent).and_then(|()| work(writes));
        self.service.write_by(authority, work).await
    }
}

/// Queries. Every method fails with [`Error::NotFound`] if the project belongs to another organization.
impl<P> KeyManager<'_, P> {
    /// The next keys that match the filter, newest first, starting below `before`. The search ends when it has found a
    /// quarter of `limit`, so it may find fewer than there are; more would often not fit in a piece of the list. The
    /// first read has `limit` keys. Each further one has twice as many as the one before. All together pass over at most
    /// `most_passed_over` keys.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn page(
        &self,
        filter: &KeyFilter,
        before: Option<KeyId>,
        limit: u32,
        most_passed_over: u32,
    ) -> Result<FoundKeys> {
        let mut found = FoundKeys { keys: Vec::new(), next: before, passed_over: 0 };
        let (mut size, enough) = (limit, limit.div_ceil(4) as usize);
        while found.keys.len() < enough && found.passed_over < most_passed_over {
            size = size.min(most_passed_over - found.passed_over);
            let mut keys = self.read_list(filter, found.next, size).await?;
            let is_end = keys.len() < size as usize;
            found.next = keys.last().map(|key| key.id).filter(|_| !is_end);
            self.bring_up_to_date(&mut keys);
            let (matching, others): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| filter.matches(key, self.now));
            found.keys.extend(matching);
            found.passed_over += u32::try_from(others.len()).unwrap_or(size);
            if is_end {
                break;
            }
            size *= 2;
        }
        Ok(found)
    }

    /// Up to `limit` keys for the filter, which is not yet applied, except for its owner.
    async fn read_list(&self, filter: &KeyFilter, before: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>> {
        let (parent, owner) = (self.parent, filter.owner.clone());
        let work = move |reads: &dyn Reads| {
            expect_project(reads, parent)?;
            reads.api_keys(parent, owner.as_ref(), before, limit)
        };
        let store = &self.service.store;
        if filter.matches_all() { store.read(work).await } else { store.read_slice(work).await }
    }

    pub(super) fn service(&self) -> &Service {
        self.service
    }

    /// One key.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(&self, id: KeyId) -> Result<ApiKey> {
        let parent = self.parent;
        let mut key = self.read(move |reads| find(reads, parent, id)).await?;
        self.bring_up_to_date(std::slice::from_mut(&mut key));
        Ok(key)
    }

    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reads) -> Result<T> + Send + 'static,
    {
        let parent = self.parent;
        let work = move |reads: &dyn Reads| expect_project(reads, parent).and_then(|()| work(reads));
        self.service.store.read(work).await
    }

    /// Adds last-used times that are not on disk yet, and completes rotations whose grace period is over.
    fn bring_up_to_date(&self, keys: &mut [ApiKey]) {
        self.service.last_used_buffer.overlay(keys);
        keys.iter_mut().for_each(|key| key.complete_due_rotation(self.now));
    }
}

/// Checks that the value with these digests can become a key.
pub(super) fn expect_free<W: Writes + ?Sized>(
    writes: &W,
    digests: [Option<Digest>; 2],
    allows_ended: bool,
) -> Result<()> {
    for digest in digests.iter().flatten() {
        if writes.is_taken(digest)? {
            return Err(Error::Conflict("The digest is that of a key that exists; make a new key.".to_owned()));
        }
        if !allows_ended && writes.has_ended(digest)? {
            return Err(Error::ValueEnded);
        }
    }
    Ok(())
}

/// Checks that the parent's project exists, if it is a project.
fn expect_project<R: Reads + ?Sized>(reads: &R, parent: Parent) -> Result<()> {
    let Some(project) = parent.project else { return Ok(()) };
    reads.project(parent.organization, project)?.map(|_| ()).ok_or(Error::NotFound("project"))
}

fn find<R: Reads + ?Sized>(reads: &R, parent: Parent, id: KeyId) -> Result<ApiKey> {
    reads.api_key(parent, id)?.ok_or(Error::NotFound("API key"))
}

/// A change of one key, for a transaction.
struct KeyChangeContext {
    parent: Parent,
    id: KeyId,
    action: Action,
    authority: Authority<ManageKeys>,
    now: Timestamp,
}

impl KeyChangeContext {
    /// Applies the work to the key's current state. Without a difference, nothing is written or recorded.
    fn run(self, writes: &mut dyn Writes, work: impl FnOnce(&mut ApiKey) -> Result<()>) -> Result<ApiKey> {
        let stored = find(writes, self.parent, self.id)?;
        self.authority.require_over(stored.role)?;
        let mut before = stored.clone();
        before.complete_due_rotation(self.now);
        let mut after = before.clone();
        work(&mut after)?;
        if after.role != before.role {
            after.role.expect_possible_for(self.parent)?;
            self.authority.require_over(after.role)?;
        }
        if stored != after {
            writes.update_api_key(&stored, &after)?;
        }
        if before != after {
            let change = [Some(&before), Some(&after)];
            writes.append_event(&self.authority.on_key(self.action, &after, change)?)?;
        }
        Ok(after)
    }
}
