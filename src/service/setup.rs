//! Creation of organizations with their first keys.

use super::Service;
use super::audit::on_whole_store;
use super::authority::{Administer, Authority};
use super::keys::expect_free;
use crate::domain::{
    Action, Actor, ApiKey, Error, KeyChange, Name, Organization, OrganizationId, Parent, Result, Secret, Timestamp,
};
use crate::store::{NewApiKey, Writes};

/// A new organization with its first key.
#[derive(Debug)]
pub struct FirstKey {
    /// The organization's name.
    pub organization: Name,
    /// Eight random bytes for its id.
    pub organization_random: [u8; 8],
    /// The key's display name.
    pub name: Name,
    /// The key's value, new or provided. Only its fingerprint is stored.
    pub secret: Secret,
}

impl Service {
    /// Whether the store has an organization.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn is_initialized(&self) -> Result<bool> {
        self.store.read(|reads| reads.is_initialized()).await
    }

    /// Creates the first organization with its first key in one transaction.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the store already has an organization; nothing is then changed.
    pub async fn initialize(&self, first: &FirstKey, now: Timestamp) -> Result<(Organization, ApiKey)> {
        let (organization, new) = begin(first, now);
        self.store
            .write(move |writes| {
                if writes.is_initialized()? {
                    return Err(Error::Conflict("The store is already initialized; nothing was changed.".to_owned()));
                }
                let authority = Authority::operator(organization.id, now);
                writes.append_event(&on_whole_store(Actor::Operator, Action::StoreInitialized, [None, None], now)?)?;
                insert(writes, authority, organization, new)
            })
            .await
    }

    /// Creates another organization with its first key in one transaction.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the store has no organization yet or the key already exists,
    /// [`Error::ValueEnded`]; nothing is then changed.
    pub async fn create_organization(&self, first: &FirstKey, now: Timestamp) -> Result<(Organization, ApiKey)> {
        let (organization, new) = begin(first, now);
        let digests = [new.value.digest, first.secret.sha256()].map(Some);
        self.store
            .write(move |writes| {
                expect_free(writes, digests, false)?;
                if !writes.is_initialized()? {
                    return Err(Error::Conflict("The store is not set up yet; nothing was changed.".to_owned()));
                }
                insert(writes, Authority::operator(organization.id, now), organization, new)
            })
            .await
    }
}

fn begin(first: &FirstKey, now: Timestamp) -> (Organization, NewApiKey) {
    let organization = Organization {
        id: OrganizationId::from_random(first.organization_random),
        name: first.organization.clone(),
        created_at: now,
    };
    let key = NewApiKey {
        parent: Parent { organization: organization.id, project: None },
        value: first.secret.fingerprint(),
        name: first.name.clone(),
        created_at: now,
        expires_at: None,
        change: KeyChange::default(),
    };
    (organization, key)
}

fn insert(
    writes: &mut dyn Writes,
    authority: Authority<Administer>,
    organization: Organization,
    key: NewApiKey,
) -> Result<(Organization, ApiKey)> {
    writes.insert_organization(&organization)?;
    let created = authority.clone().on_organization(Action::OrganizationCreated, None, &organization)?;
    writes.append_event(&created)?;
    let key = writes.insert_api_key(key)?;
    writes.append_event(&authority.on_key(Action::KeyCreated, &key, [None, Some(&key)])?)?;
    Ok((organization, key))
}
