//! Use cases of organizations.

use super::Service;
use super::authority::{Administer, Authority};
use super::change_limit::ChangeKind;
use crate::domain::{Action, Error, Name, Organization, Result};

impl Service {
    /// Renames the organization and returns its new state.
    ///
    /// # Errors
    /// [`Error::TooManyChanges`], [`Error::NotFound`].
    pub async fn rename_organization(&self, authority: Authority<Administer>, name: Name) -> Result<Organization> {
        self.count_change(&authority, ChangeKind::Other)?;
        let id = authority.organization();
        self.write_by(authority, move |writes, authority| {
            let before = writes.organization(id)?.ok_or(Error::NotFound("organization"))?;
            let after = Organization { name, ..before.clone() };
            if before != after {
                writes.rename_organization(id, &after.name)?;
                let action = Action::OrganizationRenamed;
                writes.append_event(&authority.on_organization(action, Some(&before), &after)?)?;
            }
            Ok(after)
        })
        .await
    }
}
