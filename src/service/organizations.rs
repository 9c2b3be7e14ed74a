//! The caller's own organization.

use super::audit::Author;
use super::{Caller, Service};
use crate::domain::{Action, Error, Name, Organization, Result, Timestamp};

impl Service {
    /// Renames the caller's organization and returns it as stored.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn rename_organization(&self, caller: &Caller, name: Name, now: Timestamp) -> Result<Organization> {
        let (id, author) = (caller.organization().id, Author::of(caller, now));
        self.store
            .write(move |writes| {
                let before = writes.organization(id)?.ok_or(Error::NotFound("organization"))?;
                let after = Organization { name, ..before.clone() };
                if before != after {
                    writes.rename_organization(id, &after.name)?;
                    let action = Action::OrganizationRenamed;
                    writes.append_event(&author.on_organization(action, Some(&before), &after)?)?;
                }
                Ok(after)
            })
            .await
    }
}
