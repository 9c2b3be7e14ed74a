//! An organization's keys.

use super::{Caller, Service};
use crate::domain::{ApiKey, Error, KeyId, KeyName, OrganizationId, Result, Secret, Timestamp};
use crate::store::{NewApiKey, Reads};

/// How many keys a page of a list has.
pub const API_KEYS_PAGE: u32 = 1000;

impl Service {
    /// Mints a key from 16 random bytes. The secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it could not be stored; then there is no such key.
    pub async fn create_api_key(
        &self,
        caller: &Caller,
        name: KeyName,
        now: Timestamp,
        random: [u8; 16],
    ) -> Result<(ApiKey, Secret)> {
        let secret = Secret::new(&self.organization_key_prefix, random);
        let new = NewApiKey {
            organization: caller.organization().id,
            digest: secret.digest(),
            tail: secret.tail(),
            name,
            created_at: now,
        };
        let key = self.store.write(move |writes| writes.insert_api_key(new)).await?;
        Ok((key, secret))
    }

    /// Up to [`API_KEYS_PAGE`] of the caller's organization's keys, newest first, starting below `before`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn api_keys(&self, caller: &Caller, before: Option<KeyId>) -> Result<Vec<ApiKey>> {
        let organization = caller.organization().id;
        let mut keys = self.store.read(move |reads| reads.api_keys(organization, before, API_KEYS_PAGE)).await?;
        self.uses.overlay(&mut keys);
        Ok(keys)
    }

    /// One key of the caller's organization.
    ///
    /// # Errors
    /// [`Error::NotFound`], also where the key is another organization's.
    pub async fn api_key(&self, caller: &Caller, id: KeyId) -> Result<ApiKey> {
        let organization = caller.organization().id;
        let key = self.store.read(move |reads| find(reads, organization, id)).await?;
        Ok(self.with_last_use(key))
    }

    /// Switches a key on or off. A key that is switched off is refused from the answer on.
    ///
    /// # Errors
    /// [`Error::NotFound`], also where the key is another organization's.
    pub async fn set_api_key_valid(&self, caller: &Caller, id: KeyId, valid: bool) -> Result<ApiKey> {
        let organization = caller.organization().id;
        let key = self
            .store
            .write(move |writes| {
                writes.set_api_key_valid(organization, id, valid)?;
                find(writes, organization, id)
            })
            .await?;
        Ok(self.with_last_use(key))
    }

    /// Revokes a key for good. It is refused from the answer on.
    ///
    /// # Errors
    /// [`Error::NotFound`], also where the key is another organization's.
    pub async fn revoke_api_key(&self, caller: &Caller, id: KeyId) -> Result<()> {
        let organization = caller.organization().id;
        let existed = self.store.write(move |writes| writes.delete_api_key(organization, id)).await?;
        if existed { Ok(()) } else { Err(Error::NotFound("API key")) }
    }

    fn with_last_use(&self, mut key: ApiKey) -> ApiKey {
        self.uses.overlay(std::slice::from_mut(&mut key));
        key
    }
}

fn find<R: Reads + ?Sized>(reads: &R, organization: OrganizationId, id: KeyId) -> Result<ApiKey> {
    reads.api_key(organization, id)?.ok_or(Error::NotFound("API key"))
}
