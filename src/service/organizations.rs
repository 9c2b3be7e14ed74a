//! The caller's own organization.

use super::{Caller, Service};
use crate::domain::{Error, Name, Organization, Result};

impl Service {
    /// Renames the caller's organization and returns it as stored.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn rename_organization(&self, caller: &Caller, name: Name) -> Result<Organization> {
        let id = caller.organization().id;
        self.store
            .write(move |writes| {
                writes.rename_organization(id, &name)?;
                writes.organization(id)?.ok_or(Error::NotFound("organization"))
            })
            .await
    }
}
