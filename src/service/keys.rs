//! The keys of an organization or a project.

use super::Service;
use super::authority::Authority;
use super::change_limit::ChangeKind;
use super::idempotency::{Idempotency, IssuedKey, Once};
use crate::domain::{
    Action, ApiKey, Digest, Error, Expiry, Fingerprint, Grace, KeyChange, KeyId, Lifetime, Name, Parent, ProjectId,
    Result, Secret, Timestamp,
};
use crate::store::{NewApiKey, Reads, Writes};

/// How many keys a page of a list has.
pub const API_KEYS_PAGE: u32 = 1000;

/// Where a key's new value comes from.
#[derive(Debug)]
pub enum NewValue {
    /// Sixteen random bytes: the secret is made here, and is in the answer and nowhere else.
    Random([u8; 16]),
    /// The caller made the secret and keeps it.
    Provided {
        /// What is stored of it.
        value: Fingerprint,
        /// What an import may have brought of it, where the full key is known.
        sha256: Option<Digest>,
        /// Whether it may be a value that was revoked or rotated out: the operator says so.
        allows_ended: bool,
    },
}

/// What a key is to be that is minted.
#[derive(Debug)]
pub struct NewKey {
    /// Its label.
    pub name: Name,
    /// The value.
    pub value: NewValue,
    /// How long it lasts; `None` for ever.
    pub lifetime: Option<Lifetime>,
    /// What else is to be other than usual.
    pub change: KeyChange,
}

/// What a rotation is to be.
#[derive(Debug)]
pub struct Rotation {
    /// The new value.
    pub value: NewValue,
    /// How long the outgoing value goes on.
    pub grace: Grace,
    /// What becomes of the expiry.
    pub expiry: Expiry,
    /// What else is to become of the key.
    pub change: KeyChange,
}

/// The keys of one parent, as somebody deals with them at one time.
pub struct KeyManager<'a> {
    service: &'a Service,
    authority: Authority,
    parent: Parent,
    now: Timestamp,
}

impl Service {
    /// The keys of the organization that the authority is for, or of one of its projects.
    pub fn keys(&self, authority: Authority, project: Option<ProjectId>) -> KeyManager<'_> {
        let parent = Parent { organization: authority.organization(), project };
        KeyManager { service: self, parent, now: authority.now(), authority }
    }
}

/// Every method fails with [`Error::NotFound`] where the project is another organization's.
impl KeyManager<'_> {
    /// Mints a key. It is never there without its restrictions.
    ///
    /// # Errors
    /// [`Error::TooManyChanges`], [`Error::Conflict`] where the value is a key already, [`Error::ValueEnded`], [`Error::IdempotencyKeyReused`].
    pub async fn create(&self, new: NewKey, idempotency: Option<Idempotency>) -> Result<IssuedKey> {
        self.service.count_change(&self.authority, ChangeKind::Other)?;
        let NewKey { name, value, lifetime, change } = new;
        let expires_at = lifetime.map(|lifetime| lifetime.end(self.now)).transpose()?;
        let parent = self.parent;
        let (created_at, authority) = (self.now, self.authority.clone());
        self.issue(value, idempotency, move |writes, value| {
            let minted = writes.insert_api_key(NewApiKey { parent, value, name, created_at, expires_at })?;
            let mut key = minted.clone();
            change.apply(&mut key);
            if key != minted {
                writes.update_api_key(&minted, &key)?;
            }
            writes.append_event(&authority.on_key(Action::KeyCreated, &key, [None, Some(&key)])?)?;
            Ok(key)
        })
        .await
    }

    /// Gives a key a new value.
    ///
    /// # Errors
    /// [`Error::NotFound`], those of [`ApiKey::rotate`], and those of [`KeyManager::create`].
    pub async fn rotate(&self, id: KeyId, rotation: Rotation, idempotency: Option<Idempotency>) -> Result<IssuedKey> {
        self.service.count_change(&self.authority, ChangeKind::Rotation)?;
        let Rotation { value, grace, expiry, change } = rotation;
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

    /// Ends the grace of a rotation now. The outgoing value is refused from the answer on. No limit on changes refuses it:
    /// there are no more of these than rotations.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] where the key is not being rotated.
    pub async fn complete_rotation(&self, id: KeyId) -> Result<ApiKey> {
        let now = self.now;
        self.change(id, Action::KeyRotationCompleted, move |key| key.complete_rotation(now)).await
    }

    /// Drops the new value of a rotation. It is refused from the answer on. No limit on changes refuses it, either.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] where the key is not being rotated.
    pub async fn cancel_rotation(&self, id: KeyId) -> Result<ApiKey> {
        let now = self.now;
        self.change(id, Action::KeyRotationCancelled, move |key| key.cancel_rotation(now)).await
    }

    /// Renames a key, switches it on or off, or changes when it ends and where and how often it is used; from the answer on.
    ///
    /// # Errors
    /// [`Error::NotFound`], those of [`ApiKey::set_expiry`], and [`Error::TooManyChanges`] unless the key is switched off and
    /// nothing else.
    pub async fn update(&self, id: KeyId, expiry: Expiry, change: KeyChange) -> Result<ApiKey> {
        if expiry != Expiry::Keep || !change.only_deactivates() {
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

    /// Revokes a key for good, with all its values. It is refused from the answer on. No limit on changes refuses it: there
    /// are no more of these than keys.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke(&self, id: KeyId) -> Result<()> {
        let (parent, authority) = (self.parent, self.authority.clone());
        self.write(move |writes| {
            let key = find(writes, parent, id)?;
            writes.delete_api_key(&key)?;
            writes.append_event(&authority.on_key(Action::KeyRevoked, &key, [Some(&key), None])?)
        })
        .await
    }

    /// Up to `limit` keys, newest first, starting below `before`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn page(&self, before: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>> {
        let parent = self.parent;
        let mut keys = self.read(move |reads| reads.api_keys(parent, before, limit)).await?;
        self.bring_up_to_date(&mut keys);
        Ok(keys)
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

    async fn issue<F>(&self, value: NewValue, idempotency: Option<Idempotency>, work: F) -> Result<IssuedKey>
    where
        F: FnOnce(&mut dyn Writes, Fingerprint) -> Result<ApiKey> + Send + 'static,
    {
        let parent = self.parent;
        // A value that is brought could be a key already; one that is made here cannot: it is 128 random bits.
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

    fn changes(&self, id: KeyId, action: Action) -> Change {
        Change { parent: self.parent, id, action, authority: self.authority.clone(), now: self.now }
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

    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Writes) -> Result<T> + Send + 'static,
    {
        let parent = self.parent;
        let work = move |writes: &mut dyn Writes| expect_project(writes, parent).and_then(|()| work(writes));
        self.service.store.write(work).await
    }

    /// Puts uses over the keys that are not on disk yet, and finishes rotations whose grace is over.
    fn bring_up_to_date(&self, keys: &mut [ApiKey]) {
        self.service.last_used_buffer.overlay(keys);
        keys.iter_mut().for_each(|key| key.complete_due_rotation(self.now));
    }
}

/// Makes sure that the value with these digests can become a key.
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

/// Makes sure that the parent's project, if any, is there.
fn expect_project<R: Reads + ?Sized>(reads: &R, parent: Parent) -> Result<()> {
    let Some(project) = parent.project else { return Ok(()) };
    reads.project(parent.organization, project)?.map(|_| ()).ok_or(Error::NotFound("project"))
}

fn find<R: Reads + ?Sized>(reads: &R, parent: Parent, id: KeyId) -> Result<ApiKey> {
    reads.api_key(parent, id)?.ok_or(Error::NotFound("API key"))
}

/// A change of one key, to be done in a transaction.
struct Change {
    parent: Parent,
    id: KeyId,
    action: Action,
    authority: Authority,
    now: Timestamp,
}

impl Change {
    /// Does the work on the key as it is by now. What changes nothing leaves no trace.
    fn run(self, writes: &mut dyn Writes, work: impl FnOnce(&mut ApiKey) -> Result<()>) -> Result<ApiKey> {
        let stored = find(writes, self.parent, self.id)?;
        let mut before = stored.clone();
        before.complete_due_rotation(self.now);
        let mut after = before.clone();
        work(&mut after)?;
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
